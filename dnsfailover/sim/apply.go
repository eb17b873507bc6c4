package sim

import (
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// exitTime is how long a process that was told to stop is given.
const exitTime = 8 * time.Second

// change notes that something other than the nodes has changed.
func (w *world) change() { w.changed = w.now }

// begin lets a fault begin, and end in its time.
func (w *world) begin(f *Fault) {
	id := f.Node
	if id == Holder {
		id = max(w.targets[0].last().holder, 0)
		if w.plan.All {
			id = w.someMember()
		}
	}
	peer := f.Peer
	if peer == id {
		peer = (id + 1) % w.plan.Nodes
	}
	w.mutations, w.writers = 0, 0
	w.change()
	undo := w.apply(f, id, peer)
	if f.Kind != FreezeWrite && f.Kind != CrashWrite {
		w.cover.Faults[f.Kind]++
	}
	who := ""
	if id >= 0 {
		who = " " + nodeNames[id]
	}
	w.tracef(-1, "fault: %s%s", f.Kind, who)
	if undo == nil || f.For == 0 {
		return
	}
	w.after(f.For, func() {
		w.change()
		w.tracef(-1, "end of: %s%s", f.Kind, who)
		undo()
	})
}

// apply does what the fault is, and returns how to end it.
func (w *world) apply(f *Fault, id, peer int) func() {
	switch {
	case f.Kind >= EditAddrs:
		return w.edit(f, peer)
	case f.Kind >= OrderTakeover:
		return w.operate(f, w.nodes[id])
	case f.Kind >= Throttle && f.Kind <= SlowSend:
		return w.breakAPI(f, id)
	case f.Kind >= CutLink && f.Kind <= NoEgress:
		return w.breakNetwork(f, id, peer)
	case f.Kind == FreezeWrite:
		return w.freezeWriters(f.For)
	case f.Kind == CrashWrite:
		return w.crashWriter()
	}
	n := w.nodes[id]
	d := &w.denied[f.Target][id]
	switch f.Kind {
	case Kill:
		n.die("is killed")
		w.expect(id)
		return n.start
	case HostDown:
		n.hostUp = false
		n.die("goes down with its host")
		return func() {
			n.hostUp = true
			w.after(w.between(500*time.Millisecond, 2*time.Second), n.start)
		}
	case Freeze, FreezeVM:
		vm := f.Kind == FreezeVM
		n.freeze(vm)
		return func() { n.thaw(vm) }
	case Exit:
		return n.exit()
	case Sick:
		return count(&n.sick)
	case SickCheck:
		return count(&n.sickCheck)
	case SickAll:
		for _, n := range w.nodes {
			n.sick++
		}
		return func() {
			for _, n := range w.nodes {
				n.sick--
			}
		}
	case DenyWrite:
		return count(&d.write)
	case DenyRead:
		return count(&d.read)
	case ClockStep:
		return count(&n.clockOff)
	case WrongSecret:
		return count(&n.secret)
	}
	panic("unknown fault " + f.Kind.String())
}

// count adds a fault to its counter, and returns what takes it away.
func count(counters ...*int8) func() {
	for _, c := range counters {
		*c++
	}
	return func() {
		for _, c := range counters {
			*c--
		}
	}
}

func (w *world) breakAPI(f *Fault, id int) func() {
	var counters []*int8
	for i := range w.plan.Nodes {
		if id != Everyone && id != i {
			continue
		}
		a := &w.apis[w.targets[f.Target].kind][i]
		counters = append(counters, map[FaultKind]*int8{
			Throttle: &a.throttle, Outage: &a.outage, LoseReply: &a.lose, LateCall: &a.late, StaleRead: &a.stale, SlowSend: &a.slow,
		}[f.Kind])
	}
	return count(counters...)
}

func (w *world) breakNetwork(f *Fault, id, peer int) func() {
	var counters []*int8
	isolate := func(apart func(a, b int) bool) {
		for a := range w.plan.Nodes {
			for b := range w.plan.Nodes {
				if a != b && apart(a, b) {
					counters = append(counters, &w.cut[a][b])
				}
			}
		}
	}
	switch f.Kind {
	case CutLink:
		counters = []*int8{&w.cut[id][peer], &w.cut[peer][id]}
	case OneWay:
		counters = []*int8{&w.cut[id][peer]}
	case Isolate, Island:
		isolate(func(a, b int) bool { return a == id || b == id })
		if f.Kind == Island {
			counters = append(counters, &w.noPublic[id], &w.noEgress[id])
		}
	case Split:
		isolate(func(a, b int) bool { return (f.Group>>a^f.Group>>b)&1 == 1 })
	case Loss:
		counters = []*int8{&w.lossy}
	case Slow:
		counters = []*int8{&w.slow[id]}
	case NoPublic:
		counters = []*int8{&w.noPublic[id]}
	case NoEgress:
		counters = []*int8{&w.noEgress[id]}
	}
	return count(counters...)
}

// exit tells a process to stop; it is killed when its time is over.
func (n *node) exit() func() {
	boot := n.boot
	end := func() {
		if n.boot == boot {
			n.die("is stopped, its time is over")
		}
	}
	if n.up {
		n.inProcess(0, func() {
			n.leaving = true
			n.deliver(engine.Command{What: engine.Stop})
		})
		n.w.after(exitTime, end)
	}
	return func() {
		end()
		n.start()
	}
}

// freezeWriters freezes each node for a while just before it sends a write, once.
func (w *world) freezeWriters(d time.Duration) func() {
	for _, n := range w.nodes {
		n.freezeNext = d
	}
	return func() {
		for _, n := range w.nodes {
			n.freezeNext = 0
		}
	}
}

// crashWriter lets the next node whose write is carried out die, and starts it
// again at the end.
func (w *world) crashWriter() func() {
	w.crash = true
	return func() {
		w.crash = false
		for _, n := range w.crashed {
			n.start()
		}
		w.crashed = w.crashed[:0]
	}
}

// dies reports whether a node dies of a write that was carried out.
func (w *world) dies(c *call, outcome engine.Outcome) bool {
	if !w.crash || c.op == opRead || outcome != engine.Done || !c.n.up || c.n.boot != c.boot {
		return false
	}
	w.crash = false
	w.crashed = append(w.crashed, c.n)
	w.cover.Faults[CrashWrite]++
	if c.op == opFree {
		w.cover.HalfDone++
	}
	c.n.die("dies of its write")
	return true
}

// expect notes what the clean kill of a holder should lead to.
func (w *world) expect(killed int) {
	if w.plan.Regime != CleanKill {
		return
	}
	w.ranked, w.expected = w.bestRanked(), 0
	for _, t := range w.targets {
		if w.plan.All {
			w.expectAll(t, killed)
			continue
		}
		if t.last().holder == killed {
			w.expected++
			if t.kind == engine.Address {
				w.expected++ // it is freed first
			}
		}
	}
}

// bestRanked is the node that comes first among those that live.
func (w *world) bestRanked() int {
	for _, id := range w.plan.Prefer {
		if w.nodes[id].up {
			return id
		}
	}
	for id, n := range w.nodes {
		if n.up {
			return id
		}
	}
	return nobody
}
