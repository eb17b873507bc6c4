package sim

import (
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// TestFault04: the backends of the holder fail, or those of all nodes.
func TestFault04(t *testing.T) {
	faultTest(t,
		faultScene{
			name: "of the holder", plan: faultPlan(OneRecord, 2, Fault{At: faultAt, For: time.Minute, Kind: Sick}), until: 4 * time.Minute,
			want: func(p *faultPlay) {
				p.moves(0, "lb2", 6*time.Second)
				p.writes("lb2", 1)
				p.writesInAll(1)
				p.cause("lb2", engine.ByOffer)
				p.agree("lb2")
			},
			without: map[string]faultChange{"the own checks (R3)": faultOf(faultHooks{told: func(_ *faultNode, ev engine.Event) engine.Event {
				if e, ok := ev.(engine.Health); ok && !e.OK {
					return nil
				}
				return ev
			}})},
		},
		faultScene{
			name: "of all", plan: faultPlan(OneRecord, 2, Fault{At: faultAt, Kind: SickAll}), until: 4 * time.Minute,
			with: faultHealthLate, // lb2 sees it a while after lb1
			want: func(p *faultPlay) {
				p.stays(0)
				p.writesInAll(0)
				p.agree("lb1")
			},
			without: map[string]faultChange{"who is offered it has passed since (R3)": func() faultHooks {
				h := faultBody(func(_ *faultNode, b *engine.Body) { b.Checked = 0 })()
				h.does = func(_ *faultNode, a engine.Action) engine.Action {
					if o, ok := a.(engine.SendOffer); ok {
						o.Offer.Why.Code = engine.Stopping // which the simulator lets pass
						return o
					}
					return a
				}
				return h
			}},
		})
}

// faultHealthLate lets lb2 notice two seconds later that its checks fail.
func faultHealthLate() faultHooks {
	since := map[string]time.Duration{}
	return faultHooks{told: func(n *faultNode, ev engine.Event) engine.Event {
		e, ok := ev.(engine.Health)
		switch {
		case !ok || n.cfg.Node != "lb2":
		case e.OK:
			delete(since, n.cfg.Node)
		case since[n.cfg.Node] == 0:
			since[n.cfg.Node] = n.now
			return nil
		case n.now-since[n.cfg.Node] < 2*time.Second:
			return nil
		}
		return ev
	}}
}

// TestFault21: somebody changes the record, or deletes it.
func TestFault21(t *testing.T) {
	edit := func(k FaultKind) Schedule { return faultPlan(OneRecord, 2, Fault{At: faultAt, Kind: k, Group: 1}) }
	answers := func(ok bool) faultChange {
		return faultOf(faultHooks{told: func(_ *faultNode, ev engine.Event) engine.Event {
			if e, is := ev.(engine.ForeignDone); is {
				e.OK = ok
				return e
			}
			return ev
		}})
	}
	blind := func(absent bool) faultChange {
		return faultReading(func(n *faultNode, r *engine.Reading) bool { return n.w.now < faultAt || r.Exists == absent })
	}
	faultTest(t,
		faultScene{
			name: "to what works", plan: edit(EditWorks), until: 4 * time.Minute,
			at: map[time.Duration]func(p *faultPlay){3 * time.Minute: func(p *faultPlay) { p.waits("lb1", engine.StrangerWorks) }},
			want: func(p *faultPlay) {
				p.holds(0, "somebody else", faultAt)
				p.writesInAll(0)
				p.passive("lb1", faultAt+40*time.Second)
			},
			without: map[string]faultChange{"hands off what works": answers(false)},
		},
		faultScene{
			name: "to what fails", plan: edit(EditAddrs), until: 4 * time.Minute,
			want: func(p *faultPlay) {
				p.holdsUntil(0, "somebody else", faultAt, faultAt+18*time.Second) // three times as long as a death takes
				p.changes(0, 2)
				p.writesInAll(1)
				p.holds(0, p.holderAt(0, p.now), faultAt+95*time.Second)
				p.agree(p.holderAt(0, p.now))
			},
			without: map[string]faultChange{"what fails is displaced": answers(true), "who has it reads it": blind(false)},
		},
		faultScene{
			name: "deletes it", plan: edit(EditDelete), until: 4 * time.Minute,
			want: func(p *faultPlay) {
				p.moves(0, "lb1", 40*time.Second)
				p.changes(0, 2)
				p.writes("lb1", 1)
				p.writesInAll(1)
				p.agree("lb1")
			},
			without: map[string]faultChange{"who has it puts it back": blind(true)},
		})
}

// TestFault22: the record is made one of another kind, or given another TTL, and
// then the holder dies.
func TestFault22(t *testing.T) {
	const dies = faultAt + time.Minute
	edit := func(k FaultKind) Schedule {
		return faultPlan(CoreRecord, 2, Fault{At: faultAt, Kind: k, Group: 0}, Fault{At: dies, Kind: Kill, Node: 0})
	}
	remembered := func() faultHooks { // what it read first is what it compares with
		first := map[string]engine.Reading{}
		return faultReading(func(n *faultNode, r *engine.Reading) bool {
			if old, ok := first[n.cfg.Node]; ok && old.Lease == r.Lease && old.Addrs == r.Addrs {
				*r = old
				return true
			}
			first[n.cfg.Node] = *r
			return true
		})()
	}
	faultTest(t,
		faultScene{
			name: "weighted", plan: edit(EditAlias), until: 4 * time.Minute,
			at: map[time.Duration]func(p *faultPlay){3 * time.Minute: func(p *faultPlay) { p.waits("lb2", engine.CannotWrite) }},
			want: func(p *faultPlay) {
				p.holds(0, "somebody else", faultAt)
				p.writesInAll(0)
			},
			without: map[string]faultChange{"a kind that can't be restored is refused": faultReading(func(_ *faultNode, r *engine.Reading) bool {
				r.Refuse = ""
				return true
			})},
		},
		faultScene{
			name: "another TTL", plan: edit(EditTTL), until: 4 * time.Minute,
			want: func(p *faultPlay) {
				p.holds(0, "lb2", dies+2*time.Second)
				p.changes(0, 2)
				p.epoch(8)
				p.agree("lb2")
			},
			without: map[string]faultChange{"the swap names what was seen (R1)": remembered},
		})
}

// TestFault29: every node is told to stop and is started again, one after
// another; and then all of them are stopped.
func TestFault29(t *testing.T) {
	upgrade := faultPlan(OneRecord, 3,
		Fault{At: faultAt, For: 9 * time.Second, Kind: Exit, Node: 0}, Fault{At: faultAt + 30*time.Second, For: 9 * time.Second, Kind: Exit, Node: 1},
		Fault{At: faultAt + time.Minute, For: 9 * time.Second, Kind: Exit, Node: 2})
	want := func(p *faultPlay) {
		p.stays(0)
		p.writesInAll(0)
	}
	faultTest(t,
		faultScene{
			name: "upgrade", plan: upgrade, until: 4 * time.Minute,
			want: func(p *faultPlay) {
				p.holdsUntil(0, "lb2", faultAt+time.Second, faultAt+30*time.Second)
				p.holds(0, "lb1", faultAt+31*time.Second)
				p.writesInAll(2)
				p.cause("lb2", engine.ByOffer)
				p.cause("lb1", engine.ByOffer)
				p.epoch(9)
				p.agree("lb1")
			},
			without: map[string]faultChange{"who stops offers (R3)": withoutStop},
		},
		faultScene{
			name: "all stop", until: 2 * time.Minute,
			plan: faultPlan(OneRecord, 2, Fault{At: faultAt, Kind: Exit, Node: 1}, Fault{At: faultAt + 5*time.Second, Kind: Exit, Node: 0}),
			at: map[time.Duration]func(p *faultPlay){
				faultAt + time.Second:   func(p *faultPlay) { p.ended("lb2") },
				faultAt + 6*time.Second: func(p *faultPlay) { p.ended("lb1") },
			},
			want: want,
			without: map[string]faultChange{
				"who is gone is no candidate (R3)": faultOf(faultHooks{told: func(n *faultNode, ev engine.Event) engine.Event {
					if h, ok := ev.(engine.Heartbeat); ok && h.Reply != engine.Answered && n.w.now > faultAt {
						return nil
					}
					return ev
				}}),
				"who stops takes nothing away (I3)": faultOf(faultHooks{does: func(n *faultNode, a engine.Action) engine.Action {
					if _, ok := a.(engine.Left); !ok || n.st.Role != engine.Active {
						return a
					}
					to := n.w.nodes[indexOf(nodeNames[:], n.cfg.Node)]
					to.inProcess(time.Second/2, func() { to.die("has left") })
					return engine.Swap{Target: n.cfg.Targets[0].ID, From: n.st.Targets[0].Reading, Deadline: engine.Never} // to nothing
				}}),
			},
		},
		faultScene{
			name: "all stop at once", until: 2 * time.Minute,
			plan: faultPlan(OneRecord, 2, Fault{At: faultAt, Kind: Exit, Node: 0}, Fault{At: faultAt, Kind: Exit, Node: 1}),
			at: map[time.Duration]func(p *faultPlay){faultAt + time.Second: func(p *faultPlay) {
				p.ended("lb1")
				p.ended("lb2")
			}},
			want: want,
			without: map[string]faultChange{"who stops claims nothing (R6)": faultOf(faultHooks{told: func(n *faultNode, ev engine.Event) engine.Event {
				if c, ok := ev.(engine.Command); ok && c.What == engine.Stop && n.cfg.Node != "lb1" {
					return nil
				}
				return ev
			}})},
		})
}

// TestFault30: a node is told to go, as by a service that heeds the notice of its
// cloud: it hands over at once if there is somebody healthy, and holds the
// service to its end if not.
func TestFault30(t *testing.T) {
	stop := Fault{At: faultAt, Kind: Exit, Node: 0}
	faultTest(t,
		faultScene{
			name: "somebody healthy", plan: faultPlan(SharedAddress, 2, stop), until: 2 * time.Minute,
			want: func(p *faultPlay) {
				p.moves(0, "lb2", 500*time.Millisecond)
				p.moves(1, "lb2", time.Second)
				p.writes("lb2", 3) // the record, and the address is freed and taken
				p.writesInAll(3)
				p.agree("lb2")
			},
			without: map[string]faultChange{"who stops offers (R3)": withoutStop},
		},
		faultScene{
			name: "nobody healthy", until: 2 * time.Minute,
			plan: faultPlan(OneRecord, 2, Fault{At: faultAt - 10*time.Second, Kind: SickCheck, Node: 1}, stop),
			want: func(p *faultPlay) {
				p.holdsUntil(0, "lb1", 0, faultAt+10*time.Second)
				p.holds(0, "lb2", faultAt+12*time.Second)
				p.writes("lb2", 1)
				p.writesInAll(1)
			},
			without: map[string]faultChange{"who is ill waits (R6, I7)": faultOf(faultHooks{told: func(_ *faultNode, ev engine.Event) engine.Event {
				if e, ok := ev.(engine.Health); ok {
					e.OK = true
					return e
				}
				return ev
			}})},
		})
}

// TestFault37: lb2 was told another definition of the service than the others.
func TestFault37(t *testing.T) {
	skew := func(w *world) {
		w.after(faultAt-5*time.Second, func() {
			w.nodes[1].hash++
			w.nodes[1].reload()
		})
	}
	same := map[string]faultChange{"who was told something else is no candidate (R6)": faultBody(func(n *faultNode, b *engine.Body) { b.Hash = n.cfg.Hash })}
	faultTest(t,
		faultScene{
			name: "the holder is ill", plan: faultPlan(OneRecord, 3, Fault{At: faultAt, Kind: Sick}), until: 3 * time.Minute, hands: skew,
			at: map[time.Duration]func(p *faultPlay){faultAt - time.Second: func(p *faultPlay) {
				if a, b := p.nodes[0].told[1].body.Hash, p.nodes[0].cfg.Hash; a == b {
					p.badf("lb1 is not told that lb2 has another definition")
				}
			}},
			want: func(p *faultPlay) {
				p.moves(0, "lb3", 6*time.Second)
				p.writes("lb3", 1)
				p.writesInAll(1)
				p.agree("lb3")
			},
			without: same,
		},
		faultScene{
			name: "the holder dies", plan: faultPlan(CoreRecord, 2, Fault{At: faultAt, Kind: Kill}), until: 3 * time.Minute, hands: skew,
			want: func(p *faultPlay) {
				p.moves(0, "lb2", time.Second)
				p.changes(0, 1)
				p.writesInAll(1)
				p.epoch(8)
				p.agree("lb2")
			},
			without: map[string]faultChange{"a death counts for all (R4)": withoutRefusals},
		})
}
