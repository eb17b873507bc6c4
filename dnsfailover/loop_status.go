package dnsfailover

import (
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// LoopStatus is what a [Loop] knows at a moment. Lists in it are shared with others of its kind, and not to be changed.
type LoopStatus struct {
	// Now is the moment, as the durations in the states count it: the time since the loop began.
	Now time.Duration

	// Services are those that run, by name.
	Services map[string]ServiceStatus

	// Peers are those that are asked for heartbeats, by address.
	Peers map[string]PeerStatus

	// Dropped counts decisions and log lines that were not said because the log, or a subscriber, was too slow, or panicked.
	Dropped uint64

	// Stopping: [Loop.Stop] was called.
	Stopping bool
}

// ServiceStatus is what is known of a service. State has its role, its epoch, why this node does not claim it now, its health,
// the probes, and in State.Peers what each peer says of it.
type ServiceStatus struct {
	Settings engine.Settings
	State    engine.State

	// Holder is the name of the node that has the first target; empty for nobody, or somebody that is none of ours.
	Holder string

	// Targets are in the order of Settings.Targets.
	Targets []TargetStatus
}

// TargetStatus is what is known of a target.
type TargetStatus struct {
	// Target is as it was configured.
	engine.Target

	// Known: it has been read, with this Reading, which was asked for so long ago.
	Known   bool
	Reading engine.Reading
	Age     time.Duration

	// Failing: it could not be read when that was last tried. Denied: this node may not do what is needed.
	Failing, Denied bool

	// Called: a call on it has ended, with this Outcome, so long ago. Err is nil if it was done.
	Called  bool
	Outcome engine.Outcome
	Err     error
	Ended   time.Duration
}

// PeerStatus is how the latest heartbeat of a peer ended.
type PeerStatus struct {
	Asked bool         // one has ended
	Reply engine.Reply // if so
	Err   error        // nil if it was answered

	// Node and Instance are the names under which it last answered; empty before. Heard is how long ago that was asked for.
	Node, Instance string
	Heard          time.Duration
}

// Bodies is what this node says of its services now, for the answer to a peer's heartbeat. It is nil if the loop is closed:
// the peer gets no answer then.
func (l *Loop) Bodies() map[string]engine.Body {
	var bodies map[string]engine.Body
	l.do(func() {
		now := l.now()
		bodies = make(map[string]engine.Body, len(l.services))
		for name, s := range l.services {
			bodies[name] = s.state.Body(now, s.cfg)
		}
	})
	return bodies
}

// Status is what the loop knows now. It knows no services if it is closed.
func (l *Loop) Status() LoopStatus {
	st := LoopStatus{Now: l.now(), Dropped: l.dropped.Load()}
	l.do(func() {
		st.Now, st.Stopping = l.now(), l.stopping
		st.Peers = make(map[string]PeerStatus, len(l.beats))
		for peer, b := range l.beats {
			one := PeerStatus{Asked: b.asked, Reply: b.reply, Err: b.err, Node: b.node, Instance: b.instance}
			if b.node != "" {
				one.Heard = st.Now - b.heard
			}
			st.Peers[peer] = one
		}
		st.Services = make(map[string]ServiceStatus, len(l.services))
		for name, s := range l.services {
			st.Services[name] = s.status(st.Now)
		}
	})
	return st
}

// status shares the lists of the state, because a step replaces what they hold, and never changes it.
func (s *service) status(now time.Duration) ServiceStatus {
	st := ServiceStatus{Settings: *s.cfg, State: s.state, Holder: s.state.Holder(s.cfg)}
	for i, c := range s.cfg.Targets {
		t := &s.state.Targets[i]
		one := TargetStatus{Target: c, Known: t.Known, Reading: t.Reading, Failing: t.Failing, Denied: t.Denied}
		if t.Known {
			one.Age = now - t.ReadAt
		}
		if call, ok := s.calls[c.ID]; ok {
			one.Called, one.Outcome, one.Err, one.Ended = true, call.outcome, call.err, now-call.at
		}
		st.Targets = append(st.Targets, one)
	}
	return st
}
