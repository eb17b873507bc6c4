package sim

import (
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// api is how many faults a node sees at one of the two APIs.
type api struct{ throttle, outage, lose, late, stale, slow int8 }

// denial is how many faults take a node's permissions on a target away.
type denial struct{ read, write int8 }

// op is what is asked of an API.
type op uint8

const (
	opRead op = iota
	opSwap
	opFree
)

var opNames = [...]string{"read", "swap", "free"}

// call is a call of an API.
type call struct {
	id       uint64 // the engine's number
	n        *node
	boot     int32
	op       op
	t        *target
	from     engine.Reading
	to       engine.Value
	cause    engine.Cause
	why      offered // the offer that it is based on
	judged   judged  // what it does, in mode all
	deadline time.Duration
	decided  time.Duration // by the node's clock
}

// callTime is when a node gives a call up that nobody answers.
const callTime = 2 * time.Second

// do carries out an action of the engine.
func (n *node) do(a engine.Action) {
	w := n.w
	switch a := a.(type) {
	case engine.Read:
		if t := w.find(a.Target); t != nil {
			n.reads[t.index].note(w, n, t)
			n.call(call{id: a.Call, op: opRead, t: t})
		}
	case engine.Swap:
		if t := w.find(a.Target); t != nil {
			w.judge(n, t, a.From, a.Cause, opSwap, &a.To)
			n.call(call{id: a.Call, op: opSwap, t: t, from: a.From, to: a.To, cause: a.Cause, deadline: a.Deadline})
		}
	case engine.Free:
		if t := w.find(a.Target); t != nil {
			w.judge(n, t, a.From, a.Cause, opFree, nil)
			n.call(call{id: a.Call, op: opFree, t: t, from: a.From, cause: a.Cause, deadline: a.Deadline})
		}
	case engine.AskWitness:
		n.askWitness(a)
	case engine.AskControl:
		n.askControl()
	case engine.AskForeign:
		n.askForeign(a)
	case engine.SendOffer:
		n.sendOffer(a)
	case engine.Left:
		if !n.leaving {
			w.fail("action", "%s says that it may leave, and nobody asked it to", nodeNames[n.id])
			return
		}
		n.inProcess(10*time.Millisecond, func() { n.die("has left") })
	case engine.Tell:
		w.noteTell(n, &a)
	}
}

// call prepares a call in the process and sends it.
func (n *node) call(c call) {
	w := n.w
	c.n, c.boot, c.why, c.decided, c.judged = n, n.boot, n.offer, n.clock(), n.judged
	if c.op != opRead {
		w.tracef(n.id, "decides to %s %s, which %s has: %s", opNames[c.op], c.t.id, w.holderName(c.t, c.from), causeName(c.cause))
	}
	wait := w.between(time.Millisecond, 20*time.Millisecond)
	if w.apis[c.t.kind][n.id].slow > 0 {
		wait += w.between(0, 6*time.Second)
	}
	n.inProcess(wait, func() {
		if c.op != opRead && n.clock() > c.deadline {
			w.cover.TooLate++
			n.answer(&c, 0, engine.Busy, engine.Reading{})
			return
		}
		if c.op != opRead && n.freezeNext > 0 {
			d := n.freezeNext
			n.freezeNext = 0
			w.tracef(n.id, "freezes before it sends")
			w.cover.Faults[FreezeWrite]++
			n.freeze(false)
			w.after(d, func() {
				w.tracef(n.id, "runs again")
				n.thaw(false)
			})
		}
		n.inProcess(time.Millisecond, func() { n.send(c) })
	})
}

// send brings a call to the API, with whatever goes wrong on the way.
func (n *node) send(c call) {
	w := n.w
	s := &w.apis[c.t.kind][n.id]
	d := &w.denied[c.t.index][n.id]
	there, back := w.between(10*time.Millisecond, 60*time.Millisecond), w.between(10*time.Millisecond, 60*time.Millisecond)
	switch {
	case w.noEgress[n.id] > 0:
		n.answer(&c, callTime, engine.Unknown, engine.Reading{})
	case s.outage > 0:
		n.answer(&c, w.between(there, callTime), engine.Unknown, engine.Reading{})
	case n.clockOff > 0:
		n.answer(&c, there+back, engine.Busy, engine.Reading{})
	case c.op == opRead && d.read > 0 || c.op != opRead && d.write > 0:
		n.answer(&c, there+back, engine.Denied, engine.Reading{})
	case s.throttle > 0 && w.chance(75):
		n.answer(&c, there+back, engine.Busy, engine.Reading{})
	case c.op != opRead && s.late > 0 && w.chance(75):
		w.after(w.between(callTime/2, 15*time.Second), func() { w.land(&c, true) })
		n.answer(&c, callTime, engine.Unknown, engine.Reading{})
	case s.lose > 0 && w.chance(75):
		w.after(there, func() { w.land(&c, true) })
		n.answer(&c, callTime, engine.Unknown, engine.Reading{})
	default:
		w.after(there, func() {
			outcome, r := w.land(&c, false)
			if !w.dies(&c, outcome) {
				n.answer(&c, back, outcome, r)
			}
		})
	}
}

// land is a call that arrives at the API. If lost, nobody hears of it.
func (w *world) land(c *call, lost bool) (engine.Outcome, engine.Reading) {
	if c.op == opRead {
		s := &w.apis[c.t.kind][c.n.id]
		switch {
		case s.stale > 0 && c.t.kind == engine.Address: // a listing of Route 53 is always the newest
			return engine.Done, c.t.read(5 * time.Second)
		case c.t.kind == engine.Address && w.plan.Regime > CleanKill && w.chance(10):
			return engine.Done, c.t.read(700 * time.Millisecond) // EC2 is eventually consistent on its best days
		}
		if c.t.backend != nil {
			r, outcome := c.t.backend.Read()
			return outcome, r
		}
		return engine.Done, c.t.read(0)
	}
	before := *c.t.last()
	var outcome engine.Outcome
	var r engine.Reading
	if c.op == opSwap {
		outcome, r = c.t.swap(c.from, c.to, c.n.id)
	} else {
		outcome, r = c.t.release(c.from, c.n.id)
	}
	w.landed(c, &before, outcome, lost)
	return outcome, r
}

// answer tells the process how its call ended.
func (n *node) answer(c *call, wait time.Duration, outcome engine.Outcome, r engine.Reading) {
	w := n.w
	w.queue.push(event{at: w.now + wait, kind: evNode, node: int8(n.id), boot: c.boot, fn: func() {
		w.cover.Outcomes[c.op][outcome]++
		w.mix(uint64(c.op)<<4 | uint64(outcome))
		if outcome == engine.Done {
			if c.op != opRead || n.clock()-c.decided < engine.CallTime { // else it was given up, and another was begun
				n.given[c.t.index].note(n, c.t, r)
				n.given[c.t.index].asked = c.decided
			}
			if n.lostToken != "" && r.Token == n.lostToken {
				w.cover.Recognised++
				n.lostToken = ""
			}
		}
		switch {
		case outcome == engine.Denied:
			n.deniedWrite = c.op != opRead || n.deniedAt >= 0 && n.deniedWrite
			n.deniedAt = w.now
			n.release = released{} // an operator can't help that
		case outcome == engine.Done && c.op == opRead && !n.deniedWrite:
			n.deniedAt = never // reading was all that was denied, as far as it knows
		}
		if outcome != engine.Done || c.op != opRead {
			w.tracef(n.id, "%s of %s: %s", opNames[c.op], c.t.id, outcome)
		}
		switch c.op {
		case opRead:
			if outcome == engine.Conflict {
				outcome = engine.Unknown
			}
			n.deliver(engine.ReadDone{Target: c.t.id, Call: c.id, Outcome: outcome, Reading: r})
		case opSwap:
			n.deliver(engine.SwapDone{Target: c.t.id, Call: c.id, Outcome: outcome, Reading: r})
		case opFree:
			n.deliver(engine.FreeDone{Target: c.t.id, Call: c.id, Outcome: outcome, Reading: r})
		}
	}})
}
