package ec2upstreams

import (
	"math"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

// PoolStatus is one pool in the answer of the admin endpoint /ec2upstreams/pools: what was found, what is used, and why.
type PoolStatus struct {
	ID         string          `json:"id"`          // stands for the pool in logs, events and metrics
	Query      string          `json:"query"`       // what EC2 is asked for
	Region     string          `json:"region"`      // as configured; empty: AWS_REGION, else the instance's own
	OwnZone    string          `json:"own_zone"`    // empty if it is not asked for or not known
	Summary    string          `json:"summary"`     // the counts, in words
	Usable     int             `json:"usable"`      // backends that get requests
	Found      int             `json:"found"`       // instances in the fleet
	Origin     fleet.Origin    `json:"origin"`      // "api", "snapshot" or, before anything is known, ""
	AgeSeconds float64         `json:"age_seconds"` // since EC2 gave the answer in use; -1 before any
	Poll       PollStatus      `json:"poll"`
	Backends   []BackendStatus `json:"backends"` // every instance, in the order of the fleet
}

// PollStatus is how polling goes. Times are zero (year 1) before the first poll.
type PollStatus struct {
	Last           time.Time `json:"last"`
	Next           time.Time `json:"next"`
	Error          string    `json:"error,omitempty"` // of the last poll, with what to do about it
	FailuresInARow int       `json:"failures_in_a_row"`
	FailingSince   time.Time `json:"failing_since,omitzero"`
	CallsPerMinute int       `json:"calls_per_minute"` // API requests within the last minute
	CallsTotal     uint64    `json:"calls_total"`
}

// BackendStatus is one instance: in or out, and why.
type BackendStatus struct {
	Instance string `json:"instance"`
	Name     string `json:"name,omitempty"` // its Name tag
	Address  string `json:"address,omitempty"`
	Zone     string `json:"zone,omitempty"`
	In       bool   `json:"in"` // it gets new requests
	Why      string `json:"why"`
	Weight   int    `json:"weight"`

	Checks       uint64    `json:"checks"`
	StatusSince  time.Time `json:"status_since"`
	LastCheck    time.Time `json:"last_check,omitzero"`
	LastCheckMS  float64   `json:"last_check_ms,omitempty"`
	LastError    string    `json:"last_error,omitempty"`
	PassesInARow int       `json:"passes_in_a_row,omitempty"`
	FailsInARow  int       `json:"fails_in_a_row,omitempty"`
}

// explain tells the pool's state. It takes the pool's lock, which no request needs.
func (p *pool) explain(now time.Time) PoolStatus {
	s := p.handle.State()
	total, perMinute := p.handle.Counts()
	out := PoolStatus{
		ID: p.id, Query: p.settings.Query.String(), Region: p.settings.Query.Source.Region,
		Origin: s.Origin, AgeSeconds: -1, Backends: []BackendStatus{},
		Poll: PollStatus{Last: s.Polled, Next: s.Next, FailuresInARow: s.Failures, FailingSince: s.Since,
			CallsPerMinute: perMinute, CallsTotal: total.APICalls},
	}
	if s.Err != nil {
		out.Poll.Error = s.Err.Error()
	}
	if !s.AsOf.IsZero() {
		out.AgeSeconds = math.Round(max(0, now.Sub(s.AsOf).Seconds())*1000) / 1000
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	v := p.view.Load()
	out.OwnZone, out.Summary, out.Usable, out.Found = p.zone, v.counts.String(), v.counts.usable, v.counts.found
	unconfirmed := make(map[string]bool, len(s.Unconfirmed))
	for _, id := range s.Unconfirmed {
		unconfirmed[id] = true
	}
	for _, b := range p.backends {
		row := BackendStatus{
			Instance: b.inst.ID, Name: b.inst.Tags["Name"], Address: b.dial, Zone: b.inst.Zone,
			In: b.in, Why: b.note, Weight: b.weight, Checks: b.checks, StatusSince: b.health.since,
			LastCheck: b.checkedAt, LastCheckMS: float64(b.took.Microseconds()) / 1000,
			PassesInARow: max(0, b.health.streak), FailsInARow: max(0, -b.health.streak),
		}
		if b.lastErr != nil {
			row.LastError = b.lastErr.Error()
			if !b.in {
				row.Why += ": " + row.LastError
			}
		}
		if unconfirmed[b.inst.ID] {
			row.Why += "; missing from the newest answer, kept until a second one confirms it"
		}
		out.Backends = append(out.Backends, row)
	}
	return out
}

// addDown adds the addresses that are not up.
func (p *pool) addDown(down map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.backends {
		if b.dial != "" && !b.health.status.up() {
			down[b.dial] = true
		}
	}
}

// started reports whether a running configuration uses the pool.
func (p *pool) started() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cancel != nil
}

// checkCounts are the checks so far, by result.
func (p *pool) checkCounts() (passed, failed uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed, p.failed
}
