package sim

import (
	"slices"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// faultOf is a change that needs no memory.
func faultOf(h faultHooks) faultChange { return func() faultHooks { return h } }

func faultSettings(change func(c *engine.Settings)) faultChange {
	return faultOf(faultHooks{cfg: func(n *faultNode) { change(n.cfg) }})
}

func faultPlanned(change func(s *Schedule)) faultChange { return faultOf(faultHooks{plan: change}) }

// faultReply lets one kind of heartbeat's end pass for another.
func faultReply(from, to engine.Reply) faultChange {
	return faultOf(faultHooks{told: func(_ *faultNode, ev engine.Event) engine.Event {
		if h, ok := ev.(engine.Heartbeat); ok && h.Reply == from {
			h.Reply = to
			return h
		}
		return ev
	}})
}

// faultBody changes what peers say of themselves.
func faultBody(change func(n *faultNode, b *engine.Body)) faultChange {
	return faultOf(faultHooks{told: func(n *faultNode, ev engine.Event) engine.Event {
		if h, ok := ev.(engine.Heartbeat); ok && h.Reply == engine.Answered {
			change(n, &h.Body)
			return h
		}
		return ev
	}})
}

// faultOutcome lets one outcome of calls pass for another.
func faultOutcome(from, to engine.Outcome) faultChange {
	return faultOf(faultHooks{told: func(n *faultNode, ev engine.Event) engine.Event {
		switch e := ev.(type) {
		case engine.ReadDone:
			if e.Outcome == from {
				e.Outcome = to
			}
			return e
		case engine.SwapDone:
			if e.Outcome == from {
				e.Outcome = to
			}
			return e
		case engine.FreeDone:
			if e.Outcome == from {
				e.Outcome = to
			}
			return e
		}
		return ev
	}})
}

// faultReading changes what a node reads, or with false has the call never end.
func faultReading(change func(n *faultNode, r *engine.Reading) bool) faultChange {
	return faultOf(faultHooks{told: func(n *faultNode, ev engine.Event) engine.Event {
		if e, ok := ev.(engine.ReadDone); ok && e.Outcome == engine.Done {
			if !change(n, &e.Reading) {
				return nil
			}
			return e
		}
		return ev
	}})
}

// The rules that more than one fault takes.
var (
	withoutSilence = faultOf(faultHooks{told: func(_ *faultNode, ev engine.Event) engine.Event {
		if h, ok := ev.(engine.Heartbeat); ok && h.Reply == engine.Silent {
			return nil
		}
		return ev
	}})

	withoutRefusals = faultReply(engine.Refused, engine.Silent)

	// Every node takes itself for the first candidate.
	withoutTurns = faultBody(func(n *faultNode, b *engine.Body) { b.Able = n.w.now < faultAt-5*time.Second })

	// Probes as they are when none is configured.
	withoutWitness = faultOf(faultHooks{told: func(_ *faultNode, ev engine.Event) engine.Event {
		if e, ok := ev.(engine.WitnessDone); ok {
			e.OK = false
			return e
		}
		return ev
	}})
	withoutControl = faultOf(faultHooks{told: func(_ *faultNode, ev engine.Event) engine.Event {
		if e, ok := ev.(engine.ControlDone); ok {
			e.OK = false
			return e
		}
		return ev
	}})

	// Silence moves the service as often as it is heard.
	withoutHoldDown = faultSettings(func(c *engine.Settings) { c.HoldDown = time.Millisecond })

	// Whoever comes back, and was first, is first again.
	withoutStandby = faultPlanned(func(s *Schedule) { s.Prefer, s.Failback, s.HoldDown = []int{0}, time.Second, time.Second })

	// All peers count as heard at once.
	withoutDiscovery = faultOf(faultHooks{cfg: func(n *faultNode) {
		n.st.Peers = slices.Clone(n.st.Peers)
		for i := range n.st.Peers {
			n.st.Peers[i].Known = true
		}
	}})

	// A process that is told to stop is just ended.
	withoutStop = faultOf(faultHooks{told: func(_ *faultNode, ev engine.Event) engine.Event {
		if c, ok := ev.(engine.Command); ok && c.What == engine.Stop {
			return nil
		}
		return ev
	}})

	// The provider carries out whatever it is asked.
	withoutCompare faultChange = func() faultHooks { return faultHooks{backend: &blind{}} }
)

// withoutTarget has nodes leave a target alone while something is so.
func withoutTarget(target int, while func(n *faultNode) bool) faultChange {
	return faultOf(faultHooks{does: func(n *faultNode, a engine.Action) engine.Action {
		if _, reads := a.(engine.Read); !reads && faultTarget(a) == n.w.targets[target].id && while(n) {
			return nil
		}
		return a
	}})
}

// faultTarget is what an action calls, if it calls something.
func faultTarget(a engine.Action) string {
	switch a := a.(type) {
	case engine.Read:
		return a.Target
	case engine.Swap:
		return a.Target
	case engine.Free:
		return a.Target
	}
	return ""
}

// down reports whether the API of a kind of target answers nobody.
func (n *faultNode) down(kind engine.Kind) bool {
	a := &n.w.apis[kind][0]
	return a.outage > 0
}
