package ec2upstreams

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// view is what requests read: one atomic load. It is never changed after it was made.
type view struct {
	use  *picker // what gets requests; empty if nothing is usable
	last *picker // the unhealthy ones, for failing open; only made when use is empty

	counts  counts
	made    time.Time
	ramping bool // a backend is in its slow start: the view must be made again soon
}

// counts says where a pool's instances stand. found = usable + all the others.
type counts struct {
	found     int // instances in the fleet
	usable    int // get requests
	unhealthy int // failed their checks
	unproven  int // not checked yet
	draining  int // marked, or of weight 0
	otherZone int // work, but the own zone is enough
	unfit     int // without the wanted address or port
}

func (c counts) String() string {
	if c.found == 0 {
		return "no instance found"
	}
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{c.usable, "usable"}, {c.unhealthy, "unhealthy"}, {c.unproven, "not checked yet"}, {c.draining, "draining"},
		{c.otherZone, "in other zones"}, {c.unfit, "without a usable address or port"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return fmt.Sprintf("%d found: %s", c.found, strings.Join(parts, ", "))
}

// buildView decides for each backend whether it gets requests, and notes why not in the backend. backends are in the
// order of the fleet.
func buildView(s *poolSettings, backends []*backend, ownZone string, now time.Time) *view {
	v := &view{counts: counts{found: len(backends)}, made: now}
	ownOnly, zoneNote := preferOwn(s, backends, ownZone)

	var use, last []choice
	owner := make(map[string]*backend, len(backends)) // of an address that several instances have: one that is up, if any
	for _, b := range backends {
		if o := owner[b.dial]; o == nil || !o.serves() && b.serves() {
			owner[b.dial] = b
		}
	}
	for _, b := range backends {
		b.note, b.in = "", false
		switch {
		case b.dial == "":
			v.counts.unfit++
			b.note = b.reason
		case b.draining:
			v.counts.draining++
			b.note = "draining by tag " + s.DrainTag
		case b.weight == 0:
			v.counts.draining++
			b.note = "weight is 0"
		case owner[b.dial] != b:
			v.counts.unfit++
			b.note = "another instance has the same address"
		case !b.health.status.up():
			if b.health.status == unproven {
				v.counts.unproven++
			} else {
				v.counts.unhealthy++
			}
			b.note = b.health.status.String()
			last = append(last, choice{b.dial, b.weight})
		case ownOnly && !inZone(b, ownZone):
			v.counts.otherZone++
			b.note = zoneNote
		default:
			v.counts.usable++
			b.in = true
			b.note = b.health.status.String()
			w, ramp := rampedWeight(b, s.SlowStart, now)
			if ramp < 1 {
				v.ramping = true
				b.note = fmt.Sprintf("slow start, at %d%% of its weight", int(ramp*100))
			}
			use = append(use, choice{b.dial, w})
		}
		if b.dial != "" && b.reason != "" {
			b.note += "; " + b.reason
		}
	}

	if len(use) > 0 {
		v.use = newPicker(use, s.Mode)
	} else if len(last) > 0 {
		v.last = newPicker(last, s.Mode)
	}
	return v
}

// slowStartFloor is the share of its weight that a backend begins with.
const slowStartFloor = 0.1

// rampedWeight is the weight in force, and how much of the full one that is: it grows linearly from a tenth
// to all of it during the slow start. Only a backend that became healthy while the pool ran starts slowly.
func rampedWeight(b *backend, slowStart time.Duration, now time.Time) (weight int, share float64) {
	if slowStart == 0 {
		return b.weight, 1
	}
	share = 1
	if b.health.status == healthy && !b.rampFrom.IsZero() {
		if t := now.Sub(b.rampFrom); t < slowStart {
			share = slowStartFloor + (1-slowStartFloor)*float64(t)/float64(slowStart)
		}
	}
	return max(1, int(math.Round(float64(b.weight)*share))), share
}

// preferOwn says whether the own zone is enough: its share of healthy backends is what was asked for, or more.
func preferOwn(s *poolSettings, backends []*backend, ownZone string) (only bool, note string) {
	if !s.PreferZone || ownZone == "" {
		return false, ""
	}
	total, up := 0, 0
	for _, b := range backends {
		if b.dial == "" || b.draining || b.weight == 0 || !inZone(b, ownZone) {
			continue
		}
		total++
		if b.health.status.up() {
			up++
		}
	}
	if up == 0 || float64(up) < s.ZoneShare*float64(total) {
		return false, ""
	}
	return true, fmt.Sprintf("another zone: %d of %d backends in the own zone %s are healthy", up, total, ownZone)
}

// serves reports whether nothing but the zone stands between a backend and requests.
func (b *backend) serves() bool { return !b.draining && b.weight > 0 && b.health.status.up() }

// inZone compares by name and by id: a configuration or an account may use either.
func inZone(b *backend, zone string) bool {
	return b.inst.Zone == zone || b.inst.ZoneID == zone
}
