package sim

import (
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// TestFault01: the host of the holder is gone.
func TestFault01(t *testing.T) {
	dies := Fault{At: faultAt, Kind: HostDown}
	faultTest(t,
		faultScene{
			name: "two nodes", plan: faultPlan(OneRecord, 2, dies), until: 2 * time.Minute,
			want: func(p *faultPlay) {
				p.moves(0, "lb2", 6*time.Second)
				p.writes("lb2", 1)
				p.writesInAll(1)
				p.epoch(8)
				p.agree("lb2")
			},
			without: map[string]faultChange{"death by silence (R4)": withoutSilence},
		},
		faultScene{
			// Whoever notices first may have it; the other one's call is refused, if it makes one.
			name: "three nodes", plan: faultPlan(OneRecord, 3, dies), until: 2 * time.Minute,
			want: func(p *faultPlay) {
				p.moves(0, p.holderAt(0, p.now), 6*time.Second)
				p.changes(0, 1)
				p.writesAtMost(2)
				p.epoch(8)
				p.agree(p.holderAt(0, p.now))
			},
			without: map[string]faultChange{"death by silence (R4)": withoutSilence},
		})
}

// TestFault02: the process of the holder is killed, and started again later.
func TestFault02(t *testing.T) {
	faultTest(t, faultScene{
		name: "killed", plan: faultPlan(OneRecord, 2, Fault{At: faultAt, For: 10 * time.Second, Kind: Kill}), until: 2 * time.Minute,
		want: func(p *faultPlay) {
			p.moves(0, "lb2", time.Second)
			p.writes("lb2", 1)
			p.writesInAll(1)
			p.agree("lb2")
		},
		without: map[string]faultChange{"death by refusal (R4)": withoutRefusals, "standby by default (R8)": withoutStandby},
	})
}

// TestFault10: many see the death of the holder at once.
func TestFault10(t *testing.T) {
	s := faultScene{
		plan: faultPlan(CoreRecord, 5, Fault{At: faultAt, Kind: Kill}), until: 2 * time.Minute,
	}
	turns, race := s, s
	turns.name, race.name = "turns", "race"
	turns.want = func(p *faultPlay) {
		p.moves(0, "lb2", time.Second)
		p.writes("lb2", 1)
		p.writesInAll(1)
		p.epoch(8)
		p.agree("lb2")
	}
	turns.without = map[string]faultChange{"turns (R6)": withoutTurns}
	race.with = withoutTurns // and then one swap of many lands
	race.want = func(p *faultPlay) {
		p.holds(0, p.holderAt(0, p.now), faultAt+time.Second)
		p.changes(0, 1)
		p.epoch(8)
		p.agree(p.holderAt(0, p.now))
		if len(p.tried) < 2 {
			p.badf("nobody runs for it")
		}
	}
	race.without = map[string]faultChange{"compare-and-swap (I1)": withoutCompare}
	faultTest(t, turns, race)
}

// TestFault31: a node dies again and again, or is ill again and again.
func TestFault31(t *testing.T) {
	var dies, ill []Fault
	for i := range 6 {
		at := faultAt + time.Duration(i)*20*time.Second
		dies = append(dies, Fault{At: at, For: 3 * time.Second, Kind: Kill})
		ill = append(ill, Fault{At: at, For: 8 * time.Second, Kind: Sick})
	}
	last := Fault{At: faultAt + 130*time.Second, Kind: Kill, Node: 1}
	want := func(within time.Duration) func(p *faultPlay) {
		return func(p *faultPlay) {
			p.holdsUntil(0, "lb2", faultAt+within, last.At)
			p.holds(0, "lb1", last.At+time.Second)
			p.writes("lb2", 1)
			p.writesInAll(2)
			p.agree("lb1")
		}
	}
	preferred := faultPlan(OneRecord, 2, append(ill, last)...)
	preferred.Prefer, preferred.Failback = []int{0}, 2*time.Second
	faultTest(t,
		faultScene{
			name: "dies", plan: faultPlan(OneRecord, 2, append(dies, last)...), until: 4 * time.Minute, want: want(time.Second),
			without: map[string]faultChange{"standby by default (R8)": withoutStandby, "a dead holder is replaced (R4)": withoutRefusals},
		},
		faultScene{
			name: "is ill", plan: preferred, until: 4 * time.Minute, want: want(6 * time.Second),
			without: map[string]faultChange{"the rate of voluntary moves (R8)": withoutHoldDown},
		},
		faultTurns())
}

// faultTurns is two nodes that are ill in turn, for 10 s each: there is always a
// healthy one, and the service goes to it ever more rarely. Then who has it dies.
func faultTurns() faultScene {
	const last = faultAt + 10*time.Minute
	var ill []Fault
	for i := range 58 {
		ill = append(ill, Fault{At: faultAt + time.Duration(i)*10*time.Second, For: 10 * time.Second, Kind: Sick, Node: i % 2})
	}
	return faultScene{
		name: "both are ill in turn", plan: faultPlan(OneRecord, 2, append(ill, Fault{At: last, Kind: Kill, Node: Holder})...), until: last + 2*time.Minute,
		want: func(p *faultPlay) {
			gave := map[string][]time.Duration{} // when each has handed over
			holder := nodeNames[0]
			for _, v := range p.targets[0].versions {
				if next := p.holderName(p.targets[0], v.reading); next != holder && v.at < last {
					gave[holder] = append(gave[holder], v.at)
					holder = next
				}
			}
			for _, name := range nodeNames[:2] {
				all := gave[name]
				if len(all) < 5 || len(all) > 10 {
					p.badf("%s hands over %d times", name, len(all))
				}
				for i := 3; i < len(all); i++ {
					if least := min(engine.BackoffMin<<i, p.plan.HoldDown); all[i]-all[i-1] < least {
						p.badf("%s hands over at %s, %s after the last time, and not %s", name, stamp(all[i]), all[i]-all[i-1], least)
					}
				}
			}
			to := map[string]string{"lb1": "lb2", "lb2": "lb1"}[holder]
			p.holds(0, to, last+time.Second)
			p.writesInAll(len(gave["lb1"]) + len(gave["lb2"]) + 1)
			p.agree(to)
		},
		without: map[string]faultChange{"who flaps waits longer each time (R8)": withoutHoldDown, "a dead holder is replaced (R4)": withoutRefusals},
	}
}

// TestFault32: the old holder comes back.
func TestFault32(t *testing.T) {
	back := faultPlan(OneRecord, 2, Fault{At: faultAt, For: 30 * time.Second, Kind: HostDown})
	preferred := back
	preferred.Prefer, preferred.Failback, preferred.HoldDown = []int{0}, 20*time.Second, 30*time.Second
	faultTest(t,
		faultScene{
			name: "by default", plan: back, until: 10 * time.Minute,
			want: func(p *faultPlay) {
				p.moves(0, "lb2", 6*time.Second)
				p.writesInAll(1)
				p.agree("lb2")
			},
			without: map[string]faultChange{"standby by default (R8)": withoutStandby},
		},
		faultScene{
			name: "preferred", plan: preferred, until: 4 * time.Minute,
			want: func(p *faultPlay) {
				p.holdsUntil(0, "lb2", faultAt+6*time.Second, faultAt+50*time.Second)
				p.holds(0, "lb1", faultAt+60*time.Second)
				p.writes("lb2", 1)
				p.writesInAll(2)
				p.cause("lb1", engine.ByOffer)
				p.agree("lb1")
			},
			without: map[string]faultChange{
				"failback (R8)":                      faultSettings(func(c *engine.Settings) { c.Failback = 0 }),
				"the time it has to be healthy (R8)": faultSettings(func(c *engine.Settings) { c.Failback = time.Millisecond }),
			},
		})
}

// TestFault33: all nodes start at once, and there is no lease.
func TestFault33(t *testing.T) {
	plan := faultPlan(CoreRecord, 3)
	plan.Start = Fresh
	abstract := plan
	abstract.Shape = OneRecord // which throttles nobody
	faultTest(t, faultScene{
		name: "first start", plan: abstract, until: 2 * time.Minute,
		want: func(p *faultPlay) {
			p.holds(0, p.holderAt(0, p.now), 6*time.Second)
			p.changes(0, 1)
			p.writesAtMost(3)
			p.heardFirst()
			p.epoch(1)
			p.agree(p.holderAt(0, p.now))
		},
		without: map[string]faultChange{"every peer is heard first (R2)": withoutDiscovery},
	}, faultScene{
		name: "first start with a race", plan: plan, until: 2 * time.Minute, with: withoutDiscovery,
		want: func(p *faultPlay) {
			p.changes(0, 1)
			p.epoch(1)
			p.agree(p.holderAt(0, p.now))
		},
		without: map[string]faultChange{"compare-and-swap (I1)": withoutCompare},
	})
}

// TestFault34: who is left alone starts again.
func TestFault34(t *testing.T) {
	faultTest(t,
		faultScene{
			name: "its own lease", until: 2 * time.Minute,
			plan: faultPlan(OneRecord, 2, Fault{At: faultAt, Kind: HostDown, Node: 1}, Fault{At: faultAt + 10*time.Second, For: 5 * time.Second, Kind: Kill}),
			at: map[time.Duration]func(p *faultPlay){
				faultAt + 17*time.Second: func(p *faultPlay) {
					if r := p.node("lb1").st.Role; r != engine.Starting {
						p.badf("it is %s before the other has timed out", r)
					}
				},
				faultAt + 20*time.Second: func(p *faultPlay) { p.active("lb1") },
			},
			want: func(p *faultPlay) {
				p.stays(0)
				p.writesInAll(0)
				p.agree("lb1")
			},
			without: map[string]faultChange{"every peer is heard first (R2)": withoutDiscovery},
		},
		faultScene{
			name: "the lease of the other", until: 2 * time.Minute,
			plan: faultPlan(OneRecord, 2, Fault{At: faultAt, Kind: HostDown}, Fault{At: faultAt + 500*time.Millisecond, For: 5 * time.Second, Kind: Kill, Node: 1}),
			want: func(p *faultPlay) {
				p.holdsUntil(0, "lb1", 0, faultAt+20*time.Second)
				p.holds(0, "lb2", faultAt+24*time.Second)
				p.writes("lb2", 1)
				p.writesInAll(1)
				p.agree("lb2")
			},
			without: map[string]faultChange{
				"the longer wait (R4, R9)": faultOf(faultHooks{cfg: func(n *faultNode) {
					for i := range n.st.Peers {
						if p := &n.st.Peers[i]; p.Misses > 0 {
							p.Gone = true
						}
					}
				}}),
				"death by silence (R4)": withoutSilence,
			},
		})
}

// TestFault39: the holder of an address is stopped, and keeps it.
func TestFault39(t *testing.T) {
	faultTest(t, faultScene{
		name: "stopped", plan: faultPlan(OneAddress, 2, Fault{At: faultAt, Kind: HostDown}), until: 2 * time.Minute,
		want: func(p *faultPlay) {
			p.moves(0, "lb2", 8*time.Second)
			p.writes("lb2", 2)
			p.changes(0, 2)
			p.writesInAll(2)
			p.agree("lb2")
		},
		without: map[string]faultChange{
			"it is freed first (I2)": faultOf(faultHooks{does: func(n *faultNode, a engine.Action) engine.Action {
				if f, ok := a.(engine.Free); ok {
					return engine.Swap{Target: f.Target, Call: f.Call, From: f.From, To: engine.Value{Lease: engine.Lease{Holder: n.cfg.Node}}, Cause: f.Cause, Deadline: f.Deadline}
				}
				return a
			}}),
			"death by silence (R4)": withoutSilence,
		},
	})
}

// TestFault43: who moves an address dies between the two calls.
func TestFault43(t *testing.T) {
	var crash func(w *world)
	crash = func(w *world) {
		if !w.targets[0].now().Exists {
			w.nodes[1].die("is killed between the two calls")
			return
		}
		w.after(2*time.Millisecond, func() { crash(w) })
	}
	faultTest(t, faultScene{
		name: "between two calls", plan: faultPlan(OneAddress, 3, Fault{At: faultAt, Kind: Kill}), until: 2 * time.Minute,
		hands: func(w *world) { w.after(faultAt, func() { crash(w) }) },
		want: func(p *faultPlay) {
			p.moves(0, "lb3", 4*time.Second)
			p.changes(0, 2)
			p.writes("lb2", 1)
			p.writesAtMost(3) // that of lb3 to free it, as it was read, may be refused
			p.agree("lb3")
		},
		without: map[string]faultChange{"what nobody has is claimed (R4)": faultReading(func(_ *faultNode, r *engine.Reading) bool { return r.Exists })},
	})
}
