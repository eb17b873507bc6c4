package sim

import (
	"cmp"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

type (
	act   = func(*robot, engine.Event) []engine.Action
	cases = map[string]struct {
		want   string
		change func(*Schedule)
		act    act
		look   time.Duration // between two readings; default a second
		void   bool          // the provider that compares nothing keeps nothing
	}
)

// onRead lets a robot act on every reading of the home.
func onRead(do act) act {
	return func(r *robot, ev engine.Event) []engine.Action {
		if e, ok := ev.(engine.ReadDone); ok && e.Outcome == engine.Done && e.Target == r.cfg.Targets[0].ID {
			return do(r, ev)
		}
		return nil
	}
}

// only lets a node act, and no other.
func only(node int, do act) act {
	return func(r *robot, ev engine.Event) []engine.Action {
		if r.is(node) {
			return do(r, ev)
		}
		return nil
	}
}

func claims(c engine.Cause) act {
	return func(r *robot, _ engine.Event) []engine.Action { return r.claim(c) }
}

// silent claims the home when the other has been silent, and its holder has had
// it for long enough.
func silent(settle time.Duration) act {
	return onRead(func(r *robot, _ engine.Event) []engine.Action {
		if h := r.home().Lease.Holder; h == r.cfg.Node {
			r.since = 0
			return nil
		}
		if r.since == 0 {
			r.since = r.now
		}
		if r.misses[r.cfg.Peers[0]] >= 2*r.cfg.Fall && r.now-r.since > settle {
			return r.claim(engine.DeadSilent)
		}
		return nil
	})
}

// TestEveryCheckCanFail: bad behaviour is seen, and called by its name.
func TestEveryCheckCanFail(t *testing.T) {
	cut := func(s *Schedule) {
		s.Faults = []Fault{{At: 5 * time.Second, For: 5 * time.Minute, Kind: CutLink, Node: 0, Peer: 1}}
	}
	deny := func(k FaultKind) func(*Schedule) {
		return func(s *Schedule) { s.Start, s.Faults = Fresh, []Fault{{Kind: k, Node: 1}} }
	}
	fresh := func(s *Schedule) { s.Start = Fresh }
	for name, c := range (cases{
		"a swap that compares nothing": {want: "I1", change: func(s *Schedule) { s.Start, s.Shape = Fresh, CoreRecord }, act: onRead(func(r *robot, _ engine.Event) []engine.Action {
			if r.done++; r.done == 1 {
				return r.swap(engine.Absent)
			}
			return nil
		})},
		"a taken address is claimed": {want: "I2", change: func(s *Schedule) { s.Shape = OneAddress }, act: only(1, onRead(claims(engine.DeadGone)))},
		"a name is lost":             {want: "I3", change: func(s *Schedule) { s.Start, s.Shape = Fresh, CoreRecord }, act: only(0, onRead(claims(engine.Absent))), void: true},
		"a write without a reason": {want: "I4", change: func(s *Schedule) { s.Watch = time.Minute }, act: only(0, onRead(func(r *robot, _ engine.Event) []engine.Action {
			if r.done++; r.done == 30 {
				return r.swap(engine.Own)
			}
			return nil
		}))},
		"readings without end": {want: "I4", change: func(s *Schedule) { s.Watch = time.Minute }, act: only(0, func(*robot, engine.Event) []engine.Action { return nil })},
		"nobody claims":        {want: "I5", change: fresh, act: func(*robot, engine.Event) []engine.Action { return nil }},
		"a late second move": {want: "I5", change: func(s *Schedule) {
			s.Watch, s.Faults = 10*time.Minute, []Fault{{At: 20 * time.Second, For: time.Second, Kind: Freeze}}
		}, look: 90 * time.Second, act: only(0, onRead(func(r *robot, _ engine.Event) []engine.Action {
			if r.done++; r.done == 6 {
				return r.swap(engine.Own)
			}
			return nil
		}))},
		"silence moves it to and fro": {want: "I6", change: cut, act: silent(engine.Settle)},
		"an ill node claims": {want: "I7", change: func(s *Schedule) { s.Start, s.Faults = Fresh, []Fault{{Kind: Sick, Node: 0}} }, act: only(0, onRead(func(r *robot, _ engine.Event) []engine.Action {
			if r.known && r.bodies[r.cfg.Peers[0]].Healthy {
				return r.claim(engine.Absent)
			}
			return nil
		}))},
		"an old reading is written from": {want: "R1", change: fresh, act: onRead(func(r *robot, _ engine.Event) []engine.Action {
			if r.done++; r.done == 4 {
				r.readings[r.cfg.Targets[0].ID] = engine.Reading{Token: absentToken, TTL: 1}
				return r.swap(engine.Absent)
			}
			return nil
		})},
		"a lease that names it, before it has heard anybody": {want: "R2", act: only(0, onRead(func(r *robot, _ engine.Event) []engine.Action {
			if len(r.bodies)+r.misses[r.cfg.Peers[0]] == 0 {
				return r.swap(engine.Own)
			}
			return nil
		}))},
		"an epoch again": {want: "R2", act: only(1, onRead(func(r *robot, _ engine.Event) []engine.Action {
			a := r.swap(engine.DeadSilent)[0].(engine.Swap)
			a.To.Lease.Epoch = a.From.Lease.Epoch
			return []engine.Action{a}
		}))},
		"for somebody else": {want: "R3", change: fresh, act: only(1, onRead(func(r *robot, _ engine.Event) []engine.Action {
			a := r.swap(engine.Absent)[0].(engine.Swap)
			a.To.Addrs = nodeAddrs[0]
			return []engine.Action{a}
		}))},
		"no offer":             {want: "R3", act: only(1, onRead(claims(engine.ByOffer)))},
		"no order":             {want: "R3", act: only(1, onRead(claims(engine.Forced)))},
		"not silent":           {want: "R4", change: func(s *Schedule) { s.Faults = []Fault{{Kind: Sick, Node: 0}} }, act: only(1, onRead(unhealthy(claims(engine.DeadSilent))))},
		"not gone":             {want: "R4", change: func(s *Schedule) { s.Faults = []Fault{{Kind: Sick, Node: 0}} }, act: only(1, onRead(unhealthy(claims(engine.DeadGone))))},
		"does not defer":       {want: "R4", change: func(s *Schedule) { s.Faults = []Fault{{Kind: Sick, Node: 0}} }, act: only(1, onRead(unhealthy(claims(engine.Deferred))))},
		"no fitting cause":     {want: "R4", change: func(s *Schedule) { s.Faults = []Fault{{Kind: Sick, Node: 0}} }, act: only(1, onRead(unhealthy(claims(engine.Absent))))},
		"a stranger who works": {want: "R4", change: func(s *Schedule) { s.Faults = []Fault{{At: 5 * time.Second, Kind: EditWorks, Group: 0}} }, act: only(1, onRead(takesStranger))},
		"another hears it": {want: "R4", change: func(s *Schedule) { s.Nodes = 3; cut(s) }, act: only(1, onRead(func(r *robot, _ engine.Event) []engine.Action {
			if r.misses[r.cfg.Peers[0]] > 40 {
				return r.claim(engine.DeadSilent)
			}
			return nil
		}))},
		"a healthy holder": {want: "R5", act: only(1, onRead(func(r *robot, _ engine.Event) []engine.Action {
			if b := r.bodies[r.cfg.Peers[0]]; b.Active && b.Healthy {
				return r.claim(engine.DeadSilent)
			}
			return nil
		}))},
		"two run for it": {want: "R6", change: func(s *Schedule) {
			s.Nodes, s.Regime, s.Faults = 3, CleanKill, []Fault{{At: 16 * time.Second, Kind: Kill, Node: Holder}}
		}, act: onRead(func(r *robot, _ engine.Event) []engine.Action {
			if r.refused[peerIDs[0]] >= engine.Refusals && r.home().Lease.Holder == nodeNames[0] {
				return r.claim(engine.DeadGone)
			}
			return nil
		})},
		"a stopping node claims": {want: "R6", change: func(s *Schedule) {
			s.Start, s.Faults = Fresh, []Fault{{At: 5 * time.Second, For: 10 * time.Second, Kind: Exit, Node: 1}}
		}, act: only(1, func(r *robot, ev engine.Event) []engine.Action {
			if _, ok := ev.(engine.Command); ok {
				return r.claim(engine.Absent)
			}
			return nil
		})},
		"handed to the preferred one again and again": {want: "R8", act: pingPong},
		"silence right after a claim":                 {want: "R9", change: cut, act: silent(0)},
		"again after a denial": {want: "R10", change: deny(DenyWrite), act: only(1, func(r *robot, ev engine.Event) []engine.Action {
			switch ev := ev.(type) {
			case engine.SwapDone:
				return r.claim(engine.Absent)
			case engine.ReadDone:
				if ev.Outcome == engine.Done && len(r.bodies) > 0 {
					return r.claim(engine.Absent)
				}
			}
			return nil
		})},
		"an alias is overwritten": {want: "R10", change: func(s *Schedule) { s.Faults = []Fault{{At: 5 * time.Second, Kind: EditAlias}} }, act: only(1, onRead(func(r *robot, _ engine.Event) []engine.Action {
			if r.home().Refuse != "" {
				return r.claim(engine.Stranger)
			}
			return nil
		}))},
		"a paused node claims": {want: "pause", change: func(s *Schedule) {
			s.Start, s.Faults = Fresh, []Fault{{At: 5 * time.Second, Kind: OrderPause, Node: 1}}
		}, act: only(1, func(r *robot, ev engine.Event) []engine.Action {
			if _, ok := ev.(engine.Command); ok {
				return r.claim(engine.Absent)
			}
			return nil
		})},
		"it leaves of its own accord": {want: "action", act: func(*robot, engine.Event) []engine.Action { return []engine.Action{engine.Left{}} }},
	}) {
		t.Run(name, func(t *testing.T) {
			s := Schedule{Seed: 1, Regime: Everything, Nodes: 2, Start: Held, Interval: 500 * time.Millisecond, HoldDown: time.Minute, Fall: 2, Rise: 2, Foreign: true}
			if c.change != nil {
				c.change(&s)
			}
			r := Run(s, Options{Step: scripted(cmp.Or(c.look, time.Second), c.act), Trace: true, Backend: func(string, func() time.Duration) Backend { return &blind{void: c.void} }})
			if r.Violation == nil || r.Violation.Name != c.want {
				t.Errorf("got %v, want %s", r.Violation, c.want)
				for _, line := range r.Trace[max(0, len(r.Trace)-30):] {
					t.Log(line)
				}
			}
		})
	}
}

// unhealthy lets a robot act once its peer answers and says that it is not.
func unhealthy(do act) act {
	return func(r *robot, ev engine.Event) []engine.Action {
		if b, ok := r.bodies[r.cfg.Peers[0]]; ok && b.Active && !b.Healthy {
			return do(r, ev)
		}
		return nil
	}
}

// takesStranger takes what is none of ours without asking.
func takesStranger(r *robot, _ engine.Event) []engine.Action {
	if r.home().Addrs == foreignAddrs {
		return r.claim(engine.Stranger)
	}
	return nil
}

// pingPong offers what it has to the other, who takes it.
func pingPong(r *robot, ev engine.Event) []engine.Action {
	switch ev.(type) {
	case engine.Offered:
		return r.claim(engine.ByOffer)
	case engine.ReadDone:
		if h := r.home(); h.Lease.Holder == r.cfg.Node && len(r.bodies) > 0 {
			return []engine.Action{engine.SendOffer{Peer: r.cfg.Peers[0], Offer: engine.Offer{From: r.cfg.Node, Epoch: h.Lease.Epoch, Why: engine.Why{Code: engine.Preferred}}}}
		}
	}
	return nil
}

// TestSpinningIsSeen: a node that asks for a tick at once, for ever, is no hang
// of the simulator.
func TestSpinningIsSeen(t *testing.T) {
	spin := func(now time.Duration, _ *engine.Settings, st engine.State, _ engine.Event) (engine.State, []engine.Action) {
		st.Wake = now
		return st, nil
	}
	r := Run(Schedule{Seed: 1, Nodes: 2, Interval: time.Second, Fall: 2, Rise: 2}, Options{Step: spin})
	if r.Violation == nil || r.Violation.Name != "spin" {
		t.Errorf("got %v, want spin", r.Violation)
	}
}
