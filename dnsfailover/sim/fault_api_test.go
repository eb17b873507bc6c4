package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// faultAgain is the same calls again and again, without a pause, as long as the
// API is busy.
func faultAgain() faultHooks {
	reads, swaps := map[uint64]engine.Read{}, map[uint64]engine.Swap{}
	return faultHooks{
		told: func(n *faultNode, ev engine.Event) engine.Event {
			switch e := ev.(type) {
			case engine.ReadDone:
				if e.Outcome == engine.Busy {
					n.extra = append(n.extra, reads[e.Call])
					return nil
				}
			case engine.SwapDone:
				if e.Outcome == engine.Busy {
					n.extra = append(n.extra, swaps[e.Call])
					return nil
				}
			}
			return ev
		},
		does: func(n *faultNode, a engine.Action) engine.Action {
			switch a := a.(type) {
			case engine.Read:
				reads[a.Call] = a
			case engine.Swap:
				a.Deadline = engine.Never
				swaps[a.Call] = a
				return a
			}
			return a
		},
	}
}

// TestFault14: the move of an address cuts the connection that it is asked over.
func TestFault14(t *testing.T) {
	faultTest(t, faultScene{
		name: "no answer", until: 3 * time.Minute,
		plan: faultPlan(OneAddress, 2, Fault{At: faultAt, Kind: Kill}, Fault{At: faultAt, For: 8 * time.Second, Kind: LoseReply, Node: 1}),
		want: func(p *faultPlay) {
			p.moves(0, "lb2", 16*time.Second)
			p.changes(0, 2)
			p.writes("lb2", 2)
			p.writesInAll(2)
			p.agree("lb2")
		},
		without: map[string]faultChange{"what has no answer is read first (R1)": faultOutcome(engine.Unknown, engine.Busy)},
	})
}

// TestFault15: Route 53 throttles every call when the holder dies, and for a
// minute.
func TestFault15(t *testing.T) {
	const end = faultAt + time.Minute
	throttled := func(n *faultNode) bool { return n.w.now >= faultAt && n.w.now < end }
	faultTest(t, faultScene{
		name: "throttled", until: 4 * time.Minute, plan: faultPlan(SharedAddress, 2, Fault{At: faultAt, Kind: Kill}),
		with: func() faultHooks {
			calls := 0
			return faultHooks{does: func(n *faultNode, a engine.Action) engine.Action {
				var ev engine.Event
				switch a := a.(type) {
				case engine.Read:
					ev = engine.ReadDone{Target: a.Target, Call: a.Call, Outcome: engine.Busy}
				case engine.Swap:
					ev = engine.SwapDone{Target: a.Target, Call: a.Call, Outcome: engine.Busy}
				}
				if ev == nil || faultTarget(a) != n.w.targets[0].id || !throttled(n) {
					return a
				}
				if calls++; calls > 60 {
					n.w.fail("fault", "%d calls to the throttled API", calls)
				}
				to := n.w.nodes[indexOf(nodeNames[:], n.cfg.Node)]
				to.inProcess(60*time.Millisecond, func() { to.deliver(ev) })
				return nil
			}}
		},
		want: func(p *faultPlay) {
			p.moves(1, "lb2", 5*time.Second)
			p.holds(0, "lb2", end+35*time.Second)
			p.writes("lb1", 0)
			p.changes(0, 1)
			p.changes(1, 2)
			p.agree("lb2")
		},
		without: map[string]faultChange{
			"the pauses after failed calls (R8)": faultAgain,
			"throttled is not denied (R10)":      faultOutcome(engine.Busy, engine.Denied),
			"targets on their own (R10)":         withoutTarget(1, throttled),
		},
	})
}

// TestFault17: Route 53 answers nobody for half an hour, and the holder dies; or
// it does not run for a while, and comes back to a lease that names it.
func TestFault17(t *testing.T) {
	const dies, end = faultAt + 10*time.Second, faultAt + 30*time.Minute
	down := Fault{At: faultAt, For: end - faultAt, Kind: Outage, Node: Everyone}
	short := down
	short.For = 4 * time.Minute
	faultTest(t,
		faultScene{
			name: "control plane down", until: end + 2*time.Minute, plan: faultPlan(SharedAddress, 2, down, Fault{At: dies, Kind: HostDown}),
			want: func(p *faultPlay) {
				p.holds(1, "lb2", dies+12*time.Second)
				p.changes(1, 2)
				p.holdsUntil(0, "lb1", 0, end)
				p.holds(0, "lb2", end+35*time.Second)
				p.changes(0, 1)
				if n := p.triedOf(0, dies, end); n > 1 {
					p.badf("%d writes to an API that answers nobody", n)
				}
				if n := p.triedOf(0, end, p.now); n != 1 {
					p.badf("%d writes when it answers again: what was wanted before is not sent, but decided anew", n)
				}
				p.agree("lb2")
			},
			without: map[string]faultChange{
				"a provisional epoch (R2)":              withoutTarget(1, func(n *faultNode) bool { return n.down(engine.Record) }),
				"what has no answer is read first (R1)": faultOutcome(engine.Unknown, engine.Busy),
			},
		},
		faultScene{
			name: "the old holder comes back", until: 3 * time.Minute, plan: faultPlan(SharedAddress, 2, short, Fault{At: dies, For: 30 * time.Second, Kind: Freeze}),
			want: func(p *faultPlay) {
				p.holds(1, "lb2", dies+12*time.Second)
				p.changes(1, 2)
				p.passive("lb1", dies+32*time.Second)
				p.writes("lb1", 0)
			},
			without: map[string]faultChange{"the higher epoch (R2)": faultBody(func(n *faultNode, b *engine.Body) {
				if n.cfg.Node == nodeNames[0] {
					b.Epoch, b.Active = 0, false
				}
			})},
		},
		faultScene{
			// And the lease, which it can read and lb2 can't, says that it still is the holder.
			name: "the old holder alone has an answer", until: 7 * time.Minute,
			plan: faultPlan(SharedAddress, 2, Fault{At: faultAt, For: 4 * time.Minute, Kind: Outage, Node: 1}, Fault{At: dies, For: 30 * time.Second, Kind: Freeze}),
			at: map[time.Duration]func(p *faultPlay){faultAt + 3*time.Minute: func(p *faultPlay) {
				if l := p.node("lb1").st.Targets[0]; l.Failing || l.Reading.Lease.Holder != "lb1" {
					p.badf("lb1 does not read that it has the record: %+v", l)
				}
				p.active("lb2")
			}},
			want: func(p *faultPlay) {
				p.holds(1, "lb2", dies+12*time.Second)
				p.changes(1, 2)
				p.passive("lb1", dies+32*time.Second)
				p.writes("lb1", 0)
				p.holdsUntil(0, "lb1", 0, faultAt+4*time.Minute)
				p.holds(0, "lb2", faultAt+4*time.Minute+35*time.Second)
				p.changes(0, 1)
				p.epoch(8)
				p.agree("lb2")
			},
			without: map[string]faultChange{"the higher epoch (R2)": faultBody(func(n *faultNode, b *engine.Body) {
				if n.cfg.Node == nodeNames[0] && b.Active {
					b.Epoch = 7
				}
			})},
		})
}

// TestFault18: the EC2 API answers nobody when the holder dies.
func TestFault18(t *testing.T) {
	const end = faultAt + time.Minute
	faultTest(t, faultScene{
		name: "EC2 down", until: 4 * time.Minute,
		plan: faultPlan(RecordAddress, 2, Fault{At: faultAt, For: time.Minute, Kind: Outage, Node: Everyone, Target: 1}, Fault{At: faultAt, Kind: Kill}),
		at: map[time.Duration]func(p *faultPlay){end - time.Second: func(p *faultPlay) {
			p.active("lb2")
			if s := p.node("lb2").st.Targets[1]; !s.Failing || s.Reading.Instance != instances[0] {
				p.badf("lb2 does not say where the address is: %+v", s)
			}
		}},
		want: func(p *faultPlay) {
			p.moves(0, "lb2", time.Second)
			p.changes(0, 1)
			p.holds(1, "lb2", end+35*time.Second)
			p.changes(1, 2)
			if n := p.triedOf(1, faultAt, p.now); n > 3 { // the first one has no answer
				p.badf("%d writes of the address", n)
			}
			p.agree("lb2")
		},
		without: map[string]faultChange{
			"targets on their own (R10)":  withoutTarget(0, func(n *faultNode) bool { return n.down(engine.Address) }),
			"followers are claimed later": withoutTarget(1, func(n *faultNode) bool { return n.w.now > end }),
		},
	})
}

// TestFault19: the record has moved, and the address can't be moved yet.
func TestFault19(t *testing.T) {
	const end = faultAt + 30*time.Second
	back := func() faultHooks { // whoever can't have both gives back what it has
		return faultHooks{told: func(n *faultNode, ev engine.Event) engine.Event {
			if e, ok := ev.(engine.FreeDone); ok && e.Outcome != engine.Done {
				from := n.st.Targets[0].Reading
				lease := engine.Lease{Epoch: from.Lease.Epoch + 1, Holder: nodeNames[0], Nonce: "back", Addrs: nodeAddrs[0], Hash: "h0", Mode: "one"}
				n.extra = append(n.extra, engine.Swap{Target: n.cfg.Targets[0].ID, From: from, To: engine.Value{Addrs: nodeAddrs[0], TTL: 60, Lease: lease}, Deadline: engine.Never})
			}
			return ev
		}}
	}
	faultTest(t, faultScene{
		name: "half moved", until: 4 * time.Minute,
		plan: faultPlan(RecordAddress, 2, Fault{At: faultAt, For: end - faultAt, Kind: Outage, Node: 1, Target: 1}, Fault{At: faultAt, For: 5 * time.Second, Kind: Kill}),
		want: func(p *faultPlay) {
			p.moves(0, "lb2", time.Second)
			p.changes(0, 1)
			p.holdsUntil(1, "lb1", 0, end)
			p.holds(1, "lb2", end+35*time.Second)
			p.writes("lb1", 0)
			p.changes(1, 2)
			p.agree("lb2")
		},
		without: map[string]faultChange{
			"the good half stays": back,
			"each target where the service is, however late (R2)": withoutTarget(1, func(n *faultNode) bool { return n.w.now > end }),
		},
	})
}

// TestFault20: EC2 shows for a moment what was before the move.
func TestFault20(t *testing.T) {
	const stale = faultAt + 3*time.Second
	faultTest(t, faultScene{
		name: "one stale answer", plan: faultPlan(OneAddress, 2, Fault{At: faultAt, Kind: Kill}), until: 3 * time.Minute,
		hands: func(w *world) {
			w.after(stale, func() {
				w.apis[engine.Address][1].stale++
				w.nodes[1].reload() // who reads at once
			})
			w.after(stale+300*time.Millisecond, func() { w.apis[engine.Address][1].stale-- })
		},
		want: func(p *faultPlay) {
			p.moves(0, "lb2", time.Second)
			p.writes("lb2", 2)
			p.writesInAll(2)
			p.changes(0, 2)
			for _, r := range p.roles {
				if r.node == "lb2" && r.at > stale {
					p.badf("lb2 is %s at %s", r.role, stamp(r.at))
				}
			}
			p.agree("lb2")
		},
		without: map[string]faultChange{"addresses are read twice": faultOf(faultHooks{told: func(n *faultNode, ev engine.Event) engine.Event {
			if e, ok := ev.(engine.ReadDone); ok && e.Outcome == engine.Done {
				n.st.Targets = slices.Clone(n.st.Targets)
				n.st.Targets[0].Reading.Token = e.Reading.Token
			}
			return ev
		}})},
	})
}

// TestFault23: the best standby may not write.
func TestFault23(t *testing.T) {
	faultTest(t, faultScene{
		name: "denied", until: 4 * time.Minute,
		plan: faultPlan(OneRecord, 3, Fault{Kind: DenyWrite, Node: 1}, Fault{At: faultAt, Kind: Kill}),
		at: map[time.Duration]func(p *faultPlay){faultAt + 10*time.Second: func(p *faultPlay) {
			if n := p.node("lb2"); n.st.Body(n.clock(), &n.cfg).Able {
				p.badf("lb2 does not say that it can't take over")
			}
		}},
		want: func(p *faultPlay) {
			p.moves(0, "lb3", 3*time.Second)
			p.writes("lb2", 1)
			p.writes("lb3", 1)
			p.writesInAll(2)
			p.agree("lb3")
		},
		without: map[string]faultChange{"denied is not busy (R10)": faultOutcome(engine.Denied, engine.Busy)},
	})
}

// TestFault24: the best standby can't call the API at all: it may not, and is
// known for it before it matters; or it has no way out, and nobody waits for it.
func TestFault24(t *testing.T) {
	faultTest(t,
		faultScene{
			name: "no permission", until: 3 * time.Minute,
			plan: faultPlan(OneRecord, 3, Fault{Kind: DenyRead, Node: 1}, Fault{Kind: DenyWrite, Node: 1}, Fault{At: faultAt, Kind: Kill}),
			at: map[time.Duration]func(p *faultPlay){faultAt - time.Second: func(p *faultPlay) {
				if n := p.nodes[2]; n.told[1].body.Able {
					p.badf("lb3 is not told that lb2 can't take over")
				}
			}},
			want: func(p *faultPlay) {
				p.moves(0, "lb3", time.Second)
				p.writes("lb3", 1)
				p.writesInAll(1)
			},
			without: map[string]faultChange{"denied is not unreachable (R10)": faultOutcome(engine.Denied, engine.Unknown)},
		},
		faultScene{
			name: "no way out", until: 3 * time.Minute,
			plan: faultPlan(OneRecord, 3, Fault{At: faultAt - 10*time.Second, For: 2 * time.Minute, Kind: NoEgress, Node: 1}, Fault{At: faultAt, Kind: Kill}),
			want: func(p *faultPlay) {
				p.moves(0, "lb3", 2*time.Second)
				p.writes("lb3", 1)
				p.writesAtMost(2)
				p.changes(0, 1)
				p.agree("lb3")
			},
			without: map[string]faultChange{"turns are by time (R6)": withoutTarget(0, func(n *faultNode) bool { return n.cfg.Node == nodeNames[2] && n.w.nodes[1].up })},
		})
}

// TestFault27: a wall clock is wrong, and the API refuses what is signed by it.
func TestFault27(t *testing.T) {
	unable := map[string]faultChange{"a wrong clock is no denial (R10)": faultOutcome(engine.Busy, engine.Denied)}
	faultTest(t,
		faultScene{
			name: "of the holder", plan: faultPlan(OneRecord, 2, Fault{At: faultAt, For: 2 * time.Minute, Kind: ClockStep}), until: 4 * time.Minute,
			at: map[time.Duration]func(p *faultPlay){faultAt + time.Minute: func(p *faultPlay) { p.active("lb1") }},
			want: func(p *faultPlay) {
				p.stays(0)
				p.writesInAll(0)
				p.agree("lb1")
			},
			without: unable,
		},
		faultScene{
			name: "of the standby", until: 4 * time.Minute,
			plan: faultPlan(OneRecord, 2, Fault{At: faultAt, For: 20 * time.Second, Kind: ClockStep, Node: 1}, Fault{At: faultAt, Kind: Kill}),
			want: func(p *faultPlay) {
				p.holdsUntil(0, "lb1", 0, faultAt+20*time.Second)
				p.moves(0, "lb2", 25*time.Second)
				p.changes(0, 1)
				p.writesAtMost(20)
				p.agree("lb2")
			},
			without: unable,
		})
}

// TestFault42: the listing fails for everybody.
func TestFault42(t *testing.T) {
	faultTest(t, faultScene{
		name: "no listing", plan: faultPlan(OneRecord, 2, Fault{At: faultAt, For: 2 * time.Minute, Kind: Outage, Node: Everyone}), until: 4 * time.Minute,
		want: func(p *faultPlay) {
			p.stays(0)
			p.writesInAll(0)
			p.agree("lb1")
		},
		without: map[string]faultChange{"an error is not absence (R10)": faultOf(faultHooks{told: func(_ *faultNode, ev engine.Event) engine.Event {
			if e, ok := ev.(engine.ReadDone); ok && e.Outcome == engine.Unknown {
				e.Outcome, e.Reading = engine.Done, engine.Reading{Token: absentToken}
				return e
			}
			return ev
		}})},
	})
}
