package sim

import (
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// TestFault05: the two nodes lose each other, and both reach API and clients.
func TestFault05(t *testing.T) {
	cut := faultPlan(OneRecord, 2, Fault{At: faultAt, For: 2 * time.Minute, Kind: CutLink, Node: 0, Peer: 1})
	blind := cut
	blind.Witness = false
	faultTest(t,
		faultScene{
			name: "with a witness", plan: cut, until: 4 * time.Minute,
			at: map[time.Duration]func(p *faultPlay){
				faultAt + 30*time.Second: func(p *faultPlay) { p.waits("lb2", engine.WitnessPasses) },
			},
			want: func(p *faultPlay) {
				p.stays(0)
				p.writesInAll(0)
				p.agree("lb1")
			},
			without: map[string]faultChange{"the witness (R4)": withoutWitness},
		},
		faultScene{
			name: "without a witness", plan: blind, until: 4 * time.Minute,
			want: func(p *faultPlay) {
				p.moves(0, "lb2", 9*time.Second)
				p.passive("lb1", faultAt+50*time.Second) // it reads every half minute
				p.writes("lb2", 1)
				p.writesInAll(1)
				p.agree("lb2")
			},
			without: map[string]faultChange{"silence moves it once (R7)": withoutHoldDown},
		})
}

// TestFault06: the standby reaches nothing at all.
func TestFault06(t *testing.T) {
	faultTest(t, faultScene{
		name: "island", plan: faultPlan(OneRecord, 2, Fault{At: faultAt, For: time.Minute, Kind: Island, Node: 1}), until: 4 * time.Minute,
		at: map[time.Duration]func(p *faultPlay){
			faultAt + 30*time.Second: func(p *faultPlay) { p.waits("lb2", engine.ControlFails) },
		},
		want: func(p *faultPlay) {
			p.stays(0)
			p.writesInAll(0)
			p.agree("lb1")
		},
		without: map[string]faultChange{"the control probe (R4)": withoutControl},
	})
}

// TestFault07: the holder alone does not reach the API.
func TestFault07(t *testing.T) {
	faultTest(t, faultScene{
		name: "no API", plan: faultPlan(OneRecord, 2, Fault{At: faultAt, For: 2 * time.Minute, Kind: Outage, Node: 0}), until: 4 * time.Minute,
		at: map[time.Duration]func(p *faultPlay){
			faultAt + time.Minute: func(p *faultPlay) {
				if p.active("lb1"); !p.node("lb1").st.Targets[0].Failing {
					p.badf("lb1 does not say that it can't read")
				}
			},
		},
		want: func(p *faultPlay) {
			p.stays(0)
			p.writesInAll(0)
			p.agree("lb1")
		},
		without: map[string]faultChange{"unreachable is not denied (R10)": faultOutcome(engine.Unknown, engine.Denied)},
	})
}

// TestFault08: the holder reaches the API, and neither clients nor peers.
func TestFault08(t *testing.T) {
	const back = 9 * time.Second
	known := func() faultHooks {
		first := map[string]engine.Reading{}
		return faultReading(func(n *faultNode, r *engine.Reading) bool {
			if _, ok := first[n.cfg.Node]; !ok {
				first[n.cfg.Node] = *r
			}
			*r = first[n.cfg.Node]
			return true
		})()
	}
	faultTest(t, faultScene{
		name: "cut off", until: 4 * time.Minute,
		plan: faultPlan(OneRecord, 2, Fault{At: faultAt, For: 2 * time.Minute, Kind: Isolate}, Fault{At: faultAt, For: 2 * time.Minute, Kind: NoPublic}),
		want: func(p *faultPlay) {
			p.moves(0, "lb2", 6*time.Second)
			p.passive("lb1", faultAt+50*time.Second)
			p.writes("lb2", 1)
			p.writesInAll(1)
			p.epoch(8)
			p.agree("lb2")
		},
		without: map[string]faultChange{"the holder reads what it has (R2)": known, "death by silence (R4)": withoutSilence},
	}, faultScene{
		// It is back before its next reading, which the API does not answer by then.
		name: "comes back and can't read", until: 4 * time.Minute,
		plan: faultPlan(OneRecord, 2, Fault{At: faultAt, For: back, Kind: Isolate}, Fault{At: faultAt, For: back, Kind: NoPublic},
			Fault{At: faultAt + back - time.Second, For: time.Minute, Kind: Outage, Node: 0}),
		at: map[time.Duration]func(p *faultPlay){faultAt + back + 50*time.Second: func(p *faultPlay) {
			if l := p.node("lb1").st.Targets[0]; !l.Failing || l.Reading.Lease.Holder != "lb1" {
				p.badf("lb1 has read who has the record: %+v", l.Reading)
			}
		}},
		want: func(p *faultPlay) {
			p.moves(0, "lb2", 6*time.Second)
			p.passive("lb1", faultAt+back+2*time.Second)
			p.writes("lb2", 1)
			p.writesInAll(1)
			p.epoch(8)
			p.agree("lb2")
		},
		without: map[string]faultChange{"the higher epoch (R2)": faultBody(func(n *faultNode, b *engine.Body) {
			if n.cfg.Node == nodeNames[0] {
				b.Epoch = min(b.Epoch, 7)
			}
		})},
	})
}

// TestFault09: messages are lost in one direction only.
func TestFault09(t *testing.T) {
	one := faultPlan(OneRecord, 3, Fault{At: faultAt, For: time.Minute, Kind: OneWay, Node: 1, Peer: 0})
	blind := one
	blind.Witness = false // so that it is the third node that knows better
	want := func(p *faultPlay) {
		p.stays(0)
		p.writesInAll(0)
		p.agree("lb1")
	}
	faultTest(t,
		faultScene{name: "a third node", plan: blind, until: 3 * time.Minute, want: want,
			without: map[string]faultChange{"third peers (R4)": faultBody(func(_ *faultNode, b *engine.Body) { b.Hears = nil })}},
		faultScene{name: "the witness", plan: func() Schedule { s := one; s.Nodes = 2; return s }(), until: 3 * time.Minute, want: want,
			without: map[string]faultChange{"the witness (R4)": withoutWitness}})
}

// TestFault11: the holder does not run for half a minute, and then finds a
// configuration with another TTL to write. Meanwhile another node took over.
func TestFault11(t *testing.T) {
	faultTest(t, faultScene{
		name: "paused", until: 3 * time.Minute,
		plan: faultPlan(OneRecord, 2, Fault{At: faultAt, For: 30 * time.Second, Kind: Freeze}, Fault{At: faultAt, For: time.Millisecond, Kind: ReloadTTL}),
		want: func(p *faultPlay) {
			p.moves(0, "lb2", 6*time.Second)
			p.passive("lb1", faultAt+31*time.Second)
			p.writes("lb1", 0)
			p.writes("lb2", 1)
			p.epoch(8)
			p.agree("lb2")
		},
		without: map[string]faultChange{"a sleep is noticed": faultOf(faultHooks{cfg: func(n *faultNode) {
			n.st.Last, n.st.Wake = n.now, max(n.st.Wake, n.now)
		}})},
	})
}

// TestFault12: the old holder is stopped between its decision to write and the
// request, which arrives when another node has long been the holder.
func TestFault12(t *testing.T) {
	faultTest(t, faultScene{
		name: "late request", plan: faultPlan(CoreRecord, 2), until: 3 * time.Minute,
		hands: func(w *world) {
			w.after(faultAt, func() {
				n := w.nodes[0]
				n.ttl, n.freezeNext = 30, 30*time.Second
				n.reload()
				w.after(30*time.Second, func() { n.thaw(false) })
				w.after(100*time.Millisecond, func() {
					if n.frozen == 0 {
						w.fail("fault", "it was to write, and does not")
					}
				})
			})
		},
		want: func(p *faultPlay) {
			p.moves(0, "lb2", 6*time.Second)
			p.changes(0, 1)
			p.writes("lb1", 1)
			p.writes("lb2", 1)
			p.epoch(8)
			p.agree("lb2")
		},
		without: map[string]faultChange{"compare-and-swap (I1)": withoutCompare},
	})
}

// TestFault13: the swap is done, and its answer is lost.
func TestFault13(t *testing.T) {
	faultTest(t, faultScene{
		name: "lost reply", until: 3 * time.Minute, plan: faultPlan(OneRecord, 2, Fault{At: faultAt, Kind: Kill}),
		with: faultOf(faultHooks{told: func(n *faultNode, ev engine.Event) engine.Event {
			if e, ok := ev.(engine.SwapDone); ok && n.w.now < faultAt+4*time.Second {
				return engine.SwapDone{Target: e.Target, Call: e.Call, Outcome: engine.Unknown}
			}
			return ev
		}}),
		want: func(p *faultPlay) {
			p.moves(0, "lb2", 2*time.Second)
			p.changes(0, 1)
			p.writes("lb2", 1)
			p.writesInAll(1)
			p.epoch(8)
			p.agree("lb2")
		},
		without: map[string]faultChange{"what has no answer is read first (R1)": faultOutcome(engine.Unknown, engine.Busy)},
	})
}
