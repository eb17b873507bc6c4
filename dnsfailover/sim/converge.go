package sim

import (
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

const (
	checkTime = 250 * time.Millisecond
	calmTime  = 3 * time.Second // that all has to be well before it counts
)

// Bound is within what time after the last fault every target that can be read
// and written is at one living, able node (I5).
func (s *Schedule) Bound() time.Duration {
	detect := time.Duration(2*s.Fall+1)*s.Interval + s.Interval // without a witness, and one heartbeat to come
	return engine.LookStandby +                                 // until a change by others is seen
		engine.Settle + detect + // silence counts only then
		2*s.HoldDown + // a displacer that is not heard is left in peace (R7), a denied node is beyond doubt again (R10)
		s.HoldDown + // a voluntary move waits for the one before (R8)
		engine.ProbeEvery + 3*detect + // what is none of ours is asked, and has failed for long enough
		engine.LastResort + // nobody is healthy
		engine.BackoffMax + engine.CallTime + // after failed calls
		engine.YieldTime + engine.OfferTime +
		time.Duration(s.Nodes)*engine.Stagger +
		2*engine.WriteTime + 5*time.Second // calls, and a few rounds of checks
}

// check looks whether all is well, and when enough has been seen.
func (w *world) check() {
	ok, why := w.allWell()
	bound := w.faultEnd + w.plan.Bound()
	switch {
	case w.quiet && !ok:
		w.fail(w.quietName(), "all was well, and is not any more: %s", why)
	case w.quiet:
		w.done = w.now >= w.watchTill
	case !ok && w.now >= bound:
		w.fail("I5", "%s after the last fault: %s", stamp(w.now-w.faultEnd), why)
	case !ok:
		w.settled = never
	case w.settled < 0:
		w.settled = w.now
		w.tracef(-1, "all is well")
	case w.now-w.settled < calmTime:
	case w.plan.Watch == 0, w.now >= bound && w.plan.Failback > 0 && !w.allAble():
		w.done = true // what is preferred, and denied for good, is tried again, ever more seldom
		w.finish()
	case len(w.plan.Faults) == 0 && w.now-w.settled >= 10*time.Second || w.now >= bound:
		w.finish()
		w.quiet, w.quietFrom, w.watchTill = true, w.now, w.now+w.plan.Watch
		w.tracef(-1, "from now on nobody has a reason to write")
	}
	w.queue.push(event{at: w.now + checkTime, kind: evCheck})
}

// finish looks at a clean kill as a whole (R6): the best ranked node takes each
// target in one go, and no other node calls anything.
func (w *world) finish() {
	if w.ranked >= 0 && (w.mutations != w.expected || w.writers != 1<<w.ranked) {
		w.fail("R6", "%d writes by nodes %b after a clean kill, and %s should have made %d", w.mutations, w.writers, nodeNames[w.ranked], w.expected)
	}
}

// able reports whether nothing is denied to a node, for good.
func (w *world) able(id int) bool {
	for i := range w.denied {
		if w.denied[i][id].write > 0 || w.denied[i][id].read > 0 {
			return false
		}
	}
	return true
}

// allAble reports whether nothing is denied to any node, for good.
func (w *world) allAble() bool {
	for id := range w.plan.Nodes {
		if !w.able(id) {
			return false
		}
	}
	return true
}

func (n *node) well() bool { return n.sick == 0 && n.sickCheck == 0 }

// allWell reports whether every target that can be is where it belongs; why says
// what is wrong. It holds what the world is like, not what nodes think.
func (w *world) allWell() (ok bool, why string) {
	if w.plan.All {
		return w.allIn()
	}
	var candidates, healthy, alive int
	for id, n := range w.nodes {
		if !n.up || n.frozen > 0 || n.leaving {
			continue
		}
		alive++
		if !w.able(id) || n.opPaused {
			continue
		}
		candidates++
		if n.well() {
			healthy++
		}
	}
	if candidates == 0 {
		return true, ""
	}
	home := nobody
	for i, t := range w.targets {
		h := t.last().holder
		if w.handsOff(t) {
			if i == 0 {
				return true, "" // hands off the home, and so off the service
			}
			continue
		}
		if i > 0 && healthy == 0 && !w.able(home) {
			continue // nobody can write it who should
		}
		if h == stranger {
			return false, t.id + " is with somebody else who does not work"
		}
		if h == nobody {
			return false, "nobody has " + t.id
		}
		if i == 0 {
			home = h
		}
		n := w.nodes[h]
		if i == 0 && n.opPaused && n.up && n.frozen == 0 {
			return true, "" // it stays where it is, and the rest too
		}
		if i == 0 && healthy == 0 && w.carried() {
			return true, "" // who serves may not write the home, and who may is ill
		}
		switch {
		case h != home:
			return false, t.id + " is with " + nodeNames[h] + ", and the home with " + nodeNames[home]
		case !n.up || n.frozen > 0 || n.leaving:
			return false, t.id + " is with " + nodeNames[h] + ", which does not run"
		case healthy > 0 && !w.able(h) && n.deniedAt >= 0: // before it writes it can't know
			return false, t.id + " is with " + nodeNames[h] + ", which was denied something"
		case healthy > 0 && !n.well():
			return false, t.id + " is with " + nodeNames[h] + ", which is not healthy"
		}
		if r := t.now(); t.kind == engine.Record && w.able(h) && (r.Lease.Holder != nodeNames[h] || r.Lease.Addrs != r.Addrs) {
			return false, t.id + " has a lease of " + r.Lease.Holder + " and points at " + nodeNames[h]
		}
	}
	return true, ""
}

// carried reports whether a node that works has all targets but the home.
func (w *world) carried() bool {
	if len(w.targets) < 2 {
		return false
	}
	h := w.targets[1].last().holder
	for _, t := range w.targets[1:] {
		if t.last().holder != h {
			return false
		}
	}
	return h >= 0 && w.nodes[h].up && w.nodes[h].frozen == 0 && w.nodes[h].well()
}

// handsOff reports whether a target is to be left alone: it is of a kind that is
// never overwritten, or none of ours as far as the living nodes can know, and
// works or may work.
func (w *world) handsOff(t *target) bool {
	r, h := t.now(), t.last().holder
	ours := h >= 0
	switch {
	case r.Refuse != "":
		return true
	case h == nobody:
		return false
	case h >= 0 && !t.plain(r) && r.Lease.Holder != "":
		ours = false // edited to the addresses of a node that did not write it
	case h >= 0 && r.Lease.Holder == "" && !w.nodes[h].up:
		ours = w.heardOf(h, t)
	}
	return !ours && (!w.plan.Foreign || w.worksAt(h))
}

// heardOf reports whether an able and healthy process that could, and may, take a target has ever been
// answered by a node, and so knows its instance and addresses. A follower is for
// the holder of the home alone.
func (w *world) heardOf(id int, t *target) bool {
	for i, n := range w.nodes {
		if n.up && w.able(i) && n.well() && !n.opPaused && n.told[id].heard && (t.index == 0 || w.targets[0].last().holder == i) {
			return true
		}
	}
	return false
}

// worksAt reports whether clients are served by what a target points at.
func (w *world) worksAt(holder int) bool {
	if holder < 0 {
		return w.works
	}
	ok, _ := w.served(holder)
	return ok
}
