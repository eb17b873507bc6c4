package sim

import (
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

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
				if o == engine.Release {
					n.release = released{ordered: ordered{on: true, at: w.now}}
				} else if o != engine.Pause {
					n.release = released{}
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
		if w.plan.All && f.Group&1 == 0 {
			return func() { command(engine.Resume) } // it stays out until then
		}
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
	before := r
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
			if w.plan.All && f.Group&2 == 0 && before.Addrs != "" && before.Refuse == "" {
				r.Addrs = join(append(split(before.Addrs), foreignAddrs)) // beside ours
			}
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
	t.put(r, nobody)
	token := t.now().Token
	if f.Kind != EditAddrs && f.Kind != EditWorks && f.Kind != EditAlias || f.Group&1 == 0 {
		return nil
	}
	return func() {
		if t.now().Token == token {
			t.put(t.empty(), nobody)
		}
	}
}
