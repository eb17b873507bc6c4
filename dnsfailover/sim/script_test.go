package sim

import (
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// robot is a process that follows a script in place of the engine's rules. It
// reads every target from time to time, and keeps what it is told.
type robot struct {
	cfg      *engine.Settings
	now      time.Duration
	readings map[string]engine.Reading
	bodies   map[string]engine.Body // by peer, while the peer answers
	misses   map[string]int
	refused  map[string]int
	healthy  bool
	known    bool // its own health
	nonces   int
	done     int // for the script
	since    time.Duration
}

// scripted is a step that lets robots act. They tell their peers that they are
// active if the home's lease names them.
func scripted(look time.Duration, act func(r *robot, ev engine.Event) []engine.Action) StepFunc {
	robots := map[string]*robot{}
	return func(now time.Duration, cfg *engine.Settings, st engine.State, ev engine.Event) (engine.State, []engine.Action) {
		r := robots[cfg.Boot]
		if r == nil {
			r = &robot{readings: map[string]engine.Reading{}, bodies: map[string]engine.Body{}, misses: map[string]int{}, refused: map[string]int{}}
			robots[cfg.Boot] = r
		}
		r.cfg, r.now = cfg, now
		var actions []engine.Action
		switch ev := ev.(type) {
		case engine.Tick:
			st.Wake = now + look
			for _, t := range cfg.Targets {
				actions = append(actions, engine.Read{Target: t.ID})
			}
		case engine.ReadDone:
			r.note(ev.Target, ev.Outcome, ev.Reading)
		case engine.SwapDone:
			r.note(ev.Target, ev.Outcome, ev.Reading)
		case engine.FreeDone:
			r.note(ev.Target, ev.Outcome, ev.Reading)
		case engine.Health:
			r.healthy, r.known = ev.OK, true
		case engine.Heartbeat:
			switch ev.Reply {
			case engine.Answered:
				r.bodies[ev.Peer] = ev.Body
				r.misses[ev.Peer], r.refused[ev.Peer] = 0, 0
			case engine.Refused:
				r.refused[ev.Peer]++
				fallthrough
			case engine.Silent:
				delete(r.bodies, ev.Peer)
				r.misses[ev.Peer]++
			}
		}
		st.Peers = nil
		for _, p := range cfg.Peers {
			b, ok := r.bodies[p]
			st.Peers = append(st.Peers, engine.PeerState{ID: p, Body: b, Up: ok, Known: ok})
		}
		st.Health.OK = r.healthy
		st.Role = engine.Standby
		if h := r.home(); h.Lease.Holder == cfg.Node || h.Instance == cfg.Instance {
			st.Role = engine.Active
		}
		return st, append(actions, act(r, ev)...)
	}
}

func (r *robot) note(target string, o engine.Outcome, reading engine.Reading) {
	if o == engine.Done {
		r.readings[target] = reading
	}
}

func (r *robot) home() engine.Reading { return r.readings[r.cfg.Targets[0].ID] }

// is reports whether the robot is a node.
func (r *robot) is(node int) bool { return r.cfg.Node == nodeNames[node] }

// swap takes the home from what the robot has read.
func (r *robot) swap(cause engine.Cause) []engine.Action {
	t, from := r.cfg.Targets[0], r.home()
	r.nonces++
	lease := engine.Lease{Epoch: from.Lease.Epoch + 1, Holder: r.cfg.Node, Nonce: r.cfg.Boot + string(rune('a'+r.nonces)), Addrs: t.Addrs, Hash: r.cfg.Hash, Mode: r.cfg.Mode}
	return []engine.Action{engine.Swap{Target: t.ID, From: from, To: engine.Value{Addrs: t.Addrs, TTL: t.TTL, Lease: lease}, Cause: cause, Deadline: r.now + engine.WriteTime}}
}

// claim is swap, if another node or nobody has the home.
func (r *robot) claim(cause engine.Cause) []engine.Action {
	if r.home().Token == "" || r.home().Lease.Holder == r.cfg.Node {
		return nil
	}
	return r.swap(cause)
}

// blind is a provider that carries out every swap, whatever it holds.
type blind struct {
	held engine.Reading
	n    int
	void bool // and keeps nothing
}

func (b *blind) Read() (engine.Reading, engine.Outcome) { return b.held, engine.Done }
func (b *blind) Now() engine.Reading                    { return b.held }
func (b *blind) Edit(r engine.Reading)                  { b.held = r }
func (b *blind) Swap(_ engine.Reading, to engine.Value) (engine.Reading, engine.Outcome) {
	b.n++
	b.held = engine.Reading{Token: "b" + string(rune('a'+b.n)), Exists: true, Addrs: to.Addrs, TTL: to.TTL, Lease: to.Lease}
	if b.void {
		b.held = engine.Reading{Token: absentToken}
	}
	return b.held, engine.Done
}
