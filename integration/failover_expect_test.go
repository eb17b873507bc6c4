//go:build linux

package integration

import (
	"net/http"
	"slices"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

type status = dnsfailover.Status

const (
	// within bounds every wait.
	within = 20 * time.Second

	// slack is what a busy machine adds to a time that is measured.
	slack = 2 * time.Second
)

// eventually waits until cond holds, for a time that only a failure takes.
func (l *lab) eventually(what string, cond func() bool) {
	l.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		for _, n := range l.nodes {
			if n.exited != nil && !n.runs() && !n.asked {
				l.Fatalf("%s has ended by itself: %s", n.name, n.cmd.ProcessState)
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			for _, n := range l.nodes {
				if n.runs() && !n.frozen {
					text, err := n.admin(http.MethodGet, "/dnsfailover/status", "")
					l.Logf("status of %s: %s %v", n.name, text, err)
				}
			}
			l.Fatalf("waited in vain for: %s", what)
		}
	}
}

// throughout checks all the time, for a while, that cond holds.
func (l *lab) throughout(d time.Duration, what string, cond func() bool) {
	l.Helper()
	end := time.After(d)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if !cond() {
			l.Fatalf("it did not stay so: %s", what)
		}
		select {
		case <-tick.C:
		case <-end:
			return
		}
	}
}

// lease is that of the record, in the zone.
func (l *lab) lease() engine.Lease {
	set, ok := l.cloud.Record(l.zone, record.LeaseName(recordName), "TXT")
	if !ok || len(set.Values) != 1 {
		return engine.Lease{}
	}
	lease, err := record.Decode(set.Values[0])
	l.must(err)
	return lease
}

// points are the addresses of the record, in the zone.
func (l *lab) points() []string {
	set, _ := l.cloud.Record(l.zone, recordName, "A")
	return set.Values
}

// agree reports whether the record, its lease, and every process that runs say that a node has the service, and that all is well.
func (l *lab) agree(holder *node) bool {
	lease := l.lease()
	if lease.Holder != holder.name || lease.Instance != holder.id || !slices.Equal(l.points(), []string{holder.addr}) {
		return false
	}
	return l.say(holder, lease.Epoch)
}

// say reports whether every process that runs says that a node has the service since an epoch, or 0 for any, and that all is well.
func (l *lab) say(holder *node, epoch uint64) bool {
	for _, n := range l.nodes {
		if !n.runs() || n.frozen {
			continue
		}
		s := n.status()
		role := "standby"
		if n == holder {
			role = "active"
		}
		if len(s.Services) != 1 || !s.AsConfigured {
			return false
		}
		if c := s.Services[0]; c.Role != role || c.Holder != holder.name || epoch != 0 && c.Epoch != epoch || !c.Healthy {
			return false
		}
	}
	return true
}

// holds waits until all agree that a node has the service.
func (l *lab) holds(n *node) {
	l.Helper()
	l.eventually("all to agree that "+n.name+" has the service", func() bool { return l.agree(n) })
}

// fit waits until all processes that run hear that each other one is healthy and able: then the one that has the service hands it over
// when it stops.
func (l *lab) fit() {
	l.Helper()
	l.hear()
	l.eventually("all to hear that the others are fit", func() bool {
		for _, n := range l.nodes {
			for _, s := range n.status().Services {
				for i := range s.Peers {
					if p := &s.Peers[i]; !p.Healthy || !p.Able || p.Doubtful {
						return false
					}
				}
			}
		}
		return true
	})
}

// hear waits until all processes that run hear each other.
func (l *lab) hear() {
	l.Helper()
	l.eventually("all to hear each other", func() bool {
		for _, n := range l.nodes {
			s := n.status()
			for i := range s.Peers {
				if !s.Peers[i].Up {
					return false
				}
			}
			if n.runs() && len(s.Peers) != len(l.nodes)-1 {
				return false
			}
		}
		return true
	})
}

// witnessed waits until a standby has reached the service at its holder.
func (l *lab) witnessed(n *node) {
	l.Helper()
	l.eventually("the witness of "+n.name+" to pass", func() bool {
		s := n.status()
		return len(s.Services) == 1 && s.Services[0].Witness.Armed
	})
}

// writes are the calls that change, or try to change, records. The fake has Route 53's limit of five requests a second; those that
// come to nothing because of it are not among them.
func (l *lab) writes() (calls []awstest.Call) {
	for _, c := range l.cloud.Calls() {
		if c.Service == "route53" && c.Action == "ChangeResourceRecordSets" && c.Code != "Throttling" {
			calls = append(calls, c)
		}
	}
	return calls
}

// wrote checks how many writes there were since the start, refused ones included.
func (l *lab) wrote(n int) {
	l.Helper()
	if got := len(l.writes()); got != n {
		l.Errorf("there were %d writes, want %d", got, n)
	}
}

// calm checks that nothing is written, and the holder stays, for the time in which clients ask sixty times more.
func (l *lab) calm(holder *node) {
	l.Helper()
	writes := len(l.writes())
	more := l.clients().now().sent + 60
	l.eventually("clients to ask sixty times more", func() bool {
		if got := len(l.writes()); got != writes {
			l.Fatalf("%d writes for nothing", got-writes)
		}
		return l.crowd.now().sent >= more
	})
	l.holds(holder)
}

// ask starts the clients, and waits until they have asked some times, all of it well.
func (l *lab) ask() {
	l.Helper()
	more := l.clients().now().sent + 20
	l.eventually("clients to ask", func() bool { return l.crowd.now().sent >= more })
	l.unfailed()
}

// unfailed checks that no request has failed.
func (l *lab) unfailed() {
	l.Helper()
	if t := l.crowd.now(); len(t.failed) > 0 {
		l.Errorf("%d of %d requests have failed, the first one to %s at %s: %v",
			len(t.failed), t.sent, t.failed[0].to, t.failed[0].at.Format("15:04:05.000"), t.failed[0].err)
	}
}

// served waits until the clients get answers from a node, and says how many requests failed and for how long after the fault. They
// must not for longer than most.
func (l *lab) served(by *node, fault time.Time, most time.Duration) {
	l.Helper()
	before := l.crowd.now().by[by.name]
	l.eventually("clients to be answered by "+by.name, func() bool { return l.crowd.now().by[by.name] > before+40 })
	t := l.crowd.now()
	var last time.Time
	n := 0
	for _, f := range t.failed {
		if f.at.After(fault) {
			n++
			last = f.at
		}
	}
	if n == 0 {
		l.Logf("no request failed")
		return
	}
	l.Logf("%d requests failed, the last one %s after the fault: %v", n, last.Sub(fault).Round(time.Millisecond), t.failed[len(t.failed)-1].err)
	if last.Sub(fault) > most {
		l.Errorf("requests failed for %s, want at most %s", last.Sub(fault), most)
	}
}

// moved waits until a node has the service, and returns how long that took since a fault: until the write that did it arrived. It
// must not be more than most.
func (l *lab) moved(to *node, fault time.Time, most time.Duration) time.Duration {
	l.Helper()
	l.eventually(to.name+" to take the service", func() bool { return l.lease().Holder == to.name })
	return l.since(fault, to, l.writes(), "service", most)
}

// since returns how long after a fault the first of some calls came by which a node took something. It must not be more than most.
func (l *lab) since(fault time.Time, to *node, calls []awstest.Call, what string, most time.Duration) time.Duration {
	l.Helper()
	for _, c := range calls {
		if c.Code != "" || c.Caller.Instance != to.id || c.Time.Before(fault) {
			continue
		}
		took := c.Time.Sub(fault)
		l.Logf("%s has the %s %s after the fault", to.name, what, took.Round(time.Millisecond))
		if took > most {
			l.Errorf("that took %s, want at most %s", took, most)
		}
		return took
	}
	l.Fatalf("%s has the %s, but has not taken it since the fault", to.name, what)
	return 0
}

// unmoved checks that nothing is written for a while, although something is wrong.
func (l *lab) unmoved(d time.Duration, why string) {
	l.Helper()
	writes := len(l.writes())
	l.throughout(d, why, func() bool { return len(l.writes()) == writes })
}
