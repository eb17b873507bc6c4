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
	}
	peer := f.Peer
	if peer == id {
		peer = (id + 1) % w.plan.Nodes
	}
	w.mutations, w.writers = 0, 0
	w.change()
	undo := w.apply(f, id, peer)
	if f.Kind != FreezeWrite {
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

// operate is what people tell the nodes.
func (w *world) operate(f *Fault, n *node) func() {
	command := func(o engine.Order) {
		if n.up {
			n.inProcess(0, func() {
				w.change()
				n.opPaused = o == engine.Pause || n.opPaused && o != engine.Resume
				if o == engine.Takeover {
					n.order = ordered{on: true, at: w.now}
					n.deniedAt = never // who orders it may have mended it
				}
				n.deliver(engine.Command{What: o, Reason: "a test"})
			})
		}
	}
	switch f.Kind {
	case OrderTakeover:
		command(engine.Takeover)
	case OrderRelease:
		command(engine.Release)
	case OrderPause:
		command(engine.Pause)
		return func() { command(engine.Resume) }
	case ReloadSame:
		for i := range 3 * w.plan.Nodes {
			w.after(w.between(0, f.For), w.nodes[i%w.plan.Nodes].reload)
		}
	case ReloadTTL, ReloadHash:
		for _, n := range w.nodes {
			w.after(w.between(0, f.For), func() {
				if f.Kind == ReloadTTL {
					n.ttl = 60 + int(f.At/time.Second)
				} else {
					n.hash++
				}
				w.change()
				n.reload()
			})
		}
	}
	return nil
}

// edit is what people do to a target by hand.
func (w *world) edit(f *Fault, peer int) func() {
	t := w.targets[f.Target]
	r := t.now()
	r.Token, r.Raw = t.token(), nil
	address := t.kind == engine.Address
	switch f.Kind {
	case EditAddrs, EditWorks:
		w.works = f.Kind == EditWorks
		r.Exists, r.Refuse = true, ""
		if address {
			r.Instance = foreignInstance
		} else {
			r.Addrs, r.TTL = foreignAddrs, 60
		}
	case EditNode:
		r.Exists, r.Refuse = true, ""
		if address {
			r.Instance = instances[peer]
		} else {
			r.Addrs, r.TTL = t.addrsOf(peer), 60
		}
	case EditDelete:
		lease := r.Lease
		r = t.empty()
		if f.Group&1 == 0 && lease.Holder != "" { // the lease is forgotten
			r.Token, r.Lease = t.token(), lease
		}
	case EditTTL:
		r.TTL = 3600
	case EditAlias:
		r.Exists, r.Refuse, r.Addrs = true, "alias", ""
	case EditLease:
		r.Lease = engine.Lease{}
	}
	if address && f.Kind >= EditTTL && f.Kind <= EditLease || !r.Exists && f.Kind != EditDelete {
		return nil
	}
	w.edited = w.now
	t.put(r, false)
	token := t.now().Token
	if f.Kind != EditAddrs && f.Kind != EditWorks && f.Kind != EditAlias || f.Group&1 == 0 {
		return nil
	}
	return func() {
		if t.now().Token == token {
			t.put(t.empty(), false)
		}
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

// expect notes what the clean kill of a holder should lead to.
func (w *world) expect(killed int) {
	if w.plan.Regime != CleanKill {
		return
	}
	w.ranked, w.expected = w.bestRanked(), 0
	for _, t := range w.targets {
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
