package sim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// The tests named TestFaultNN are the table of faults in DESIGN.md. Each plays
// its fault with the engine, at several seeds, and says who has to hold the
// service, how many calls that write there may be, by whom, and when. Then it
// plays the same again without the rule that the fault is about, and wants to
// see just that go wrong.

// faultAt is when most faults begin: all nodes run, and the first holder has
// settled.
const faultAt = 20 * time.Second

// faultSeeds is how many seeds a scene is played with; the delays of messages,
// calls and starts are drawn from them.
const faultSeeds = 5

// faultScene is a fault, and what has to become of it.
type faultScene struct {
	name  string
	plan  Schedule
	until time.Duration // when it ends

	// with is part of the fault where a Fault of the schedule does not do.
	with faultChange

	// hands does to the world, at its beginning, what is no Fault of a schedule.
	hands func(w *world)

	// at looks at the nodes at some time.
	at map[time.Duration]func(p *faultPlay)

	// want looks at the whole, at the end.
	want func(p *faultPlay)

	// without are the rules that it takes: by their names, what takes them out.
	without map[string]faultChange
}

// faultChange changes what the nodes are told or do. Its zero value changes
// nothing. Each play has its own, so that it may remember something.
type faultChange func() faultHooks

type faultHooks struct {
	plan func(s *Schedule)
	cfg  func(n *faultNode)

	// told is the event that a node is told in place of another; nil for none.
	told func(n *faultNode, ev engine.Event) engine.Event

	// does is what is done in place of an action; nil for nothing.
	does func(n *faultNode, a engine.Action) engine.Action

	backend Backend
}

// faultNode is a node that takes a step. What it points at may be changed.
type faultNode struct {
	w     *world
	now   time.Duration // by its own clock
	cfg   *engine.Settings
	st    *engine.State
	extra []engine.Action // that it does besides
}

// faultWrite is a call that writes.
type faultWrite struct {
	at     time.Duration
	node   string
	target string
	cause  engine.Cause

	unheard bool // not every peer has been heard, or timed out, since the start
}

// faultRole is what a node takes itself for from some time on.
type faultRole struct {
	at   time.Duration
	node string
	role engine.Role
}

// faultPlay is one run of a scene.
type faultPlay struct {
	*world
	tried []faultWrite
	roles []faultRole
	bad   []string
}

func (p *faultPlay) badf(format string, args ...any) {
	p.bad = append(p.bad, fmt.Sprintf(format, args...))
}

func (p *faultPlay) unheard(node string) bool {
	n := p.node(node)
	for id := range p.nodes {
		if id != n.id && !n.told[id].met {
			return true
		}
	}
	return false
}

// faultPlan is a schedule with everything at its defaults, in which lb1 holds
// the service at epoch 7.
func faultPlan(shape Shape, nodes int, faults ...Fault) Schedule {
	return Schedule{
		Regime: Calm, Nodes: nodes, Shape: shape, Start: Held, Interval: time.Second, HoldDown: 5 * time.Minute, Fall: 3, Rise: 2,
		Witness: true, Control: true, Foreign: true, Faults: faults,
	}
}

// faultTest plays scenes with the rules, and without each of those they take.
func faultTest(t *testing.T, scenes ...faultScene) {
	for _, s := range scenes {
		t.Run(strings.ReplaceAll(s.name, " ", "_"), func(t *testing.T) {
			for seed := range uint64(faultSeeds) {
				if p := s.play(seed, nil, false); len(p.bad) > 0 {
					p = s.play(seed, nil, true)
					t.Fatalf("seed %d: %s\n%s", seed, strings.Join(p.bad, "\n"), strings.Join(p.trace, "\n"))
				}
			}
			if len(s.without) == 0 {
				t.Error("it takes no rule")
			}
			for rule, change := range s.without {
				wrong := 0
				var first []string
				for seed := range uint64(faultSeeds) {
					if p := s.play(seed, change, false); len(p.bad) > 0 {
						wrong++
						first = p.bad
					}
				}
				if t.Logf("without %s, %d of %d are wrong: %s", rule, wrong, faultSeeds, strings.Join(first, "; ")); wrong <= faultSeeds/2 {
					t.Errorf("without %s, only %d of %d are wrong", rule, wrong, faultSeeds)
				}
			}
		})
	}
}

// play runs a scene, without a rule if one is given.
func (s *faultScene) play(seed uint64, without faultChange, trace bool) *faultPlay {
	p := &faultPlay{world: newWorld()}
	plan := s.plan
	plan.Seed, plan.Faults = seed, slices.Clone(plan.Faults)
	var all []faultHooks
	for _, change := range []faultChange{without, s.with} {
		if change != nil {
			all = append(all, change())
		}
	}
	o := asShipped
	o.Trace = trace
	for i := range all {
		if all[i].plan != nil {
			all[i].plan(&plan)
		}
		if b := all[i].backend; b != nil {
			o.Backend = func(string, func() time.Duration) Backend { return b }
		}
	}
	o.Step = p.step(all)
	p.reset(plan, o)
	for _, n := range p.nodes {
		n.start() // all at once: one that starts late is a fault of its own
	}
	for at, look := range s.at {
		p.after(at, func() { look(p) })
	}
	if s.hands != nil {
		s.hands(p.world)
	}
	for p.steps < 1_000_000 {
		e, ok := p.queue.pop()
		if !ok || e.at > s.until {
			break
		}
		p.now = e.at
		p.handle(&e)
		if v := p.violation; v != nil { // a scene without a rule goes on: what it leads to is asked for
			if without == nil || v.Name == "fault" {
				p.badf("the simulator sees a breach of %v", v)
			}
			p.violation = nil
		}
	}
	p.now = s.until
	s.want(p)
	return p
}

// step is the engine's, with changes before and after it, and notes what is
// done.
func (p *faultPlay) step(all []faultHooks) StepFunc {
	return func(now time.Duration, cfg *engine.Settings, st engine.State, ev engine.Event) (engine.State, []engine.Action) {
		c := *cfg
		n := &faultNode{w: p.world, now: now, cfg: &c, st: &st}
		if len(all) > 0 {
			st.Peers, st.Targets = slices.Clone(st.Peers), slices.Clone(st.Targets)
		}
		for i := range all {
			if all[i].cfg != nil {
				all[i].cfg(n)
			}
		}
		for _, h := range slices.Backward(all) { // from the world to the engine, and the other way round below
			if h.told != nil && ev != nil {
				ev = h.told(n, ev)
			}
		}
		var actions []engine.Action
		was := st.Role
		if ev != nil {
			st, actions = engine.Step(now, &c, st, ev)
		}
		if was != st.Role {
			p.roles = append(p.roles, faultRole{p.now, c.Node, st.Role})
		}
		n.st = &st
		actions = append(actions, n.extra...)
		for i := range all {
			if all[i].does == nil {
				continue
			}
			var kept []engine.Action
			for _, a := range actions {
				if a = all[i].does(n, a); a != nil {
					kept = append(kept, a)
				}
			}
			actions = kept
		}
		for _, a := range actions {
			switch a := a.(type) {
			case engine.Swap:
				p.tried = append(p.tried, faultWrite{p.now, c.Node, a.Target, a.Cause, p.unheard(c.Node)})
			case engine.Free:
				p.tried = append(p.tried, faultWrite{p.now, c.Node, a.Target, a.Cause, p.unheard(c.Node)})
			}
		}
		return st, actions
	}
}
