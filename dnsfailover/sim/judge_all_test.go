package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// members is who has a lease beside the home, as the robot has read it.
func (r *robot) members() []engine.Member {
	l := r.home().Lease
	return entries(&l)
}

// self is the robot's own lease for its next write.
func (r *robot) self() engine.Member {
	r.nonces++
	m := engine.Member{Node: r.cfg.Node, Instance: r.cfg.Instance, Epoch: r.home().Lease.Epoch + 1, Hash: r.cfg.Hash, Addrs: r.cfg.Targets[0].Addrs}
	if old := entry(r.members(), r.cfg.Node); old != nil {
		m.Epoch = old.Epoch
	}
	m.Nonce = r.cfg.Boot + string(rune('a'+r.nonces))
	return m
}

// others are all leases but the robot's own and that of one more.
func (r *robot) others(but string) []engine.Member {
	return slices.DeleteFunc(r.members(), func(m engine.Member) bool { return m.Node == r.cfg.Node || m.Node == but })
}

// write puts some nodes into the home, and whatever else.
func (r *robot) write(cause engine.Cause, members []engine.Member, more ...string) []engine.Action {
	if r.home().Token == "" {
		return nil
	}
	t, l := r.cfg.Targets[0], engine.LeaseOf(members)
	to := engine.Value{Addrs: join(append(split(l.Addrs), more...)), TTL: t.TTL, Lease: l}
	return []engine.Action{engine.Swap{Target: t.ID, From: r.home(), To: to, Cause: cause, Deadline: r.now + engine.WriteTime}}
}

// in reports whether a node has a lease beside the home.
func (r *robot) in(node int) bool { return entry(r.members(), nodeNames[node]) != nil }

// met reports whether the first peer has been heard, or timed out on.
func (r *robot) met() bool {
	return r.bodies[r.cfg.Peers[0]].Name != "" || r.misses[r.cfg.Peers[0]] >= r.cfg.Fall
}

// joins lets a robot join, once it has met the others.
func joins(r *robot, _ engine.Event) []engine.Action {
	if !r.met() || r.home().Token == "" || entry(r.members(), r.cfg.Node) != nil {
		return nil
	}
	return r.write(engine.Join, append(r.others(""), r.self()))
}

// removes lets a robot take out its first peer once that has missed so many
// heartbeats, and has been there for so long.
func removes(misses int, since time.Duration) act {
	return func(r *robot, _ engine.Event) []engine.Action {
		p := indexOf(peerIDs[:], r.cfg.Peers[0])
		if !r.in(p) {
			r.since = 0
			return nil
		}
		if r.since == 0 {
			r.since = r.now
		}
		if r.misses[r.cfg.Peers[0]] < misses || r.now-r.since < since {
			return nil
		}
		return r.write(engine.DeadSilent, append(r.others(nodeNames[p]), r.self()))
	}
}

// once lets a robot act at the n-th reading, and not again.
func once(n int, do func(*robot) []engine.Action) act {
	return onRead(func(r *robot, _ engine.Event) []engine.Action {
		if r.done++; r.done == n {
			return do(r)
		}
		return nil
	})
}

// TestEveryCheckOfModeAllCanFail: bad behaviour in mode all is seen, and called
// by its name.
func TestEveryCheckOfModeAllCanFail(t *testing.T) {
	fault := func(k FaultKind, node int) func(*Schedule) {
		return func(s *Schedule) {
			s.Faults = []Fault{{At: 5 * time.Second, For: 5 * time.Minute, Kind: k, Node: node, Peer: 1}}
		}
	}
	cut := fault(CutLink, 0)
	fresh := func(s *Schedule) { s.Start = Fresh }
	all := func(do ...act) act {
		return func(r *robot, ev engine.Event) (actions []engine.Action) {
			for _, d := range do {
				actions = append(actions, d(r, ev)...)
			}
			return actions
		}
	}
	for name, c := range (cases{
		"before it has heard anybody": {want: "A1", change: fresh, act: only(1, onRead(func(r *robot, _ engine.Event) []engine.Action {
			if r.met() {
				return nil
			}
			return r.write(engine.Join, append(r.others(""), r.self()))
		}))},
		"it adds another": {want: "A2", change: fresh, act: only(1, once(3, func(r *robot) []engine.Action {
			return r.write(engine.Join, []engine.Member{r.self(), {Node: "lb1", Instance: "i-1", Epoch: 9, Nonce: "x", Hash: "h0", Addrs: nodeAddrs[0]}})
		}))},
		"it changes the lease of another": {want: "A2", act: only(1, once(3, func(r *robot) []engine.Action {
			theirs := r.others("")
			theirs[0].Nonce = "x"
			return r.write(engine.Own, append(theirs, r.self()))
		}))},
		"it drops the lease of another": {want: "A2", act: only(1, once(3, func(r *robot) []engine.Action {
			return r.write(engine.Own, []engine.Member{r.self()}, nodeAddrs[0])
		}))},
		"for an address that is not its own": {want: "A2", change: fresh, act: only(1, once(3, func(r *robot) []engine.Action {
			return r.write(engine.Join, []engine.Member{r.self()}, nodeAddrs[0])
		}))},
		"its control probe fails": {want: "A2", change: func(s *Schedule) { s.Control = true; fault(NoPublic, 1)(s); s.Start = Held }, act: only(1, onRead(func(r *robot, ev engine.Event) []engine.Action {
			if r.done++; r.done < 12 {
				return []engine.Action{engine.AskControl{}}
			}
			return joins(r, ev)
		}))},
		"it leaves without a reason": {want: "A3", act: only(1, once(3, func(r *robot) []engine.Action { return r.write(engine.Quit, r.others("")) }))},
		"it leaves its lease":        {want: "A3", act: only(1, once(3, func(r *robot) []engine.Action { return r.swapAddrs(r.members(), nodeAddrs[0]) }))},
		"nobody is left": {want: "A6", change: fault(SickAll, 0), act: only(1, onRead(func(r *robot, _ engine.Event) []engine.Action {
			if r.healthy || !r.known {
				return nil
			}
			return r.write(engine.Quit, r.others(""))
		}))},
		"it empties the record":  {want: "A6", act: only(1, once(3, func(r *robot) []engine.Action { return r.write(engine.Quit, nil) }))},
		"a stranger that works":  {want: "A7", change: func(s *Schedule) { fault(EditWorks, 0)(s); s.Faults[0].Group = 0 }, act: only(1, onRead(dropsStranger))},
		"nothing but a stranger": {want: "A7", change: func(s *Schedule) { fault(EditWorks, 0)(s); s.Faults[0].Group = 2 }, act: only(1, onRead(besideStranger))},
		"another definition lives": {want: "A8", change: fault(ReloadHash, 0), act: onRead(func(r *robot, _ engine.Event) []engine.Action {
			if b := r.bodies[r.cfg.Peers[0]]; b.Hash == r.cfg.Hash || b.Hash == "" {
				return nil
			}
			return r.write(engine.Own, append(r.others(""), r.self()))
		})},
		"a write for nothing": {want: "A9", act: only(1, once(3, func(r *robot) []engine.Action { return r.write(engine.Own, append(r.others(""), r.self())) }))},
		"no order": {want: "A11", change: fresh, act: only(1, once(3, func(r *robot) []engine.Action {
			return r.write(engine.Forced, []engine.Member{r.self()})
		}))},
		"back after a release": {want: "A11", change: fault(OrderRelease, 1), act: only(1, func(r *robot, ev engine.Event) []engine.Action {
			switch ev.(type) {
			case engine.Command:
				return r.write(engine.Quit, r.others(""))
			case engine.SwapDone:
				return joins(r, ev)
			}
			return nil
		})},
		"nobody joins":     {want: "I5", change: fresh, act: func(*robot, engine.Event) []engine.Action { return nil }},
		"the dead stay":    {want: "I5", change: func(s *Schedule) { s.Faults = []Fault{{At: 5 * time.Second, Kind: Kill, Node: 0}} }, act: func(*robot, engine.Event) []engine.Action { return nil }},
		"an ill one stays": {want: "I5", change: func(s *Schedule) { s.Faults = []Fault{{At: 5 * time.Second, Kind: Sick, Node: 0}} }, act: func(*robot, engine.Event) []engine.Action { return nil }},
		"a write when all is well": {want: "I4", change: func(s *Schedule) { s.Watch = time.Minute }, act: only(0, once(30, func(r *robot) []engine.Action {
			return r.write(engine.Own, append(r.others(""), r.self()))
		}))},
		"it has not been heard since it joined": {want: "I6", change: func(s *Schedule) { cut(s); s.Faults[0].At, s.Start = 0, Fresh }, act: all(only(0, onRead(joins)), only(1, onRead(removes(4, 2*engine.Settle))))},
		"it strikes back": {want: "I6", change: cut, act: all(only(1, onRead(removes(4, engine.Settle))), only(0, onRead(func(r *robot, _ engine.Event) []engine.Action {
			if r.home().Token == "" || r.in(0) || r.misses[r.cfg.Peers[0]] < 4 {
				return nil
			}
			return r.write(engine.Join, []engine.Member{r.self()})
		})))},
		"an ill node joins": {want: "I7", change: func(s *Schedule) { s.Start, s.Faults = Held, []Fault{{Kind: Sick, Node: 1}} }, act: only(1, onRead(func(r *robot, ev engine.Event) []engine.Action {
			if !r.known || !r.bodies[r.cfg.Peers[0]].Healthy {
				return nil
			}
			return joins(r, ev)
		}))},
		"a nonce again": {want: "R1", change: fresh, act: only(1, onRead(func(r *robot, _ engine.Event) []engine.Action {
			if r.done++; r.done < 6 || r.done > 8 {
				return nil
			}
			m := r.self()
			m.Nonce = "again"
			m.Epoch = r.home().Lease.Epoch + 1
			return r.write(engine.Join, []engine.Member{m})
		}))},
		"an epoch again": {want: "R2", change: func(s *Schedule) { s.Start = Held }, act: only(1, once(3, func(r *robot) []engine.Action {
			m := r.self()
			m.Epoch = r.home().Lease.Epoch
			return r.write(engine.Join, append(r.others(""), m))
		}))},
		"after one miss": {want: "R4", change: cut, act: only(1, onRead(removes(1, 0)))},
		"the witness passes": {want: "R4", change: func(s *Schedule) { cut(s); s.Witness = true }, act: only(1, onRead(func(r *robot, ev engine.Event) []engine.Action {
			home := r.home()
			home.Addrs = nodeAddrs[0]
			return append(removes(6, 0)(r, ev), engine.AskWitness{Reading: home, Member: "lb1"})
		}))},
		"another hears it": {want: "R4", change: func(s *Schedule) { s.Nodes = 3; cut(s) }, act: only(1, onRead(removes(30, 0)))},
		"it answers":       {want: "R5", change: func(s *Schedule) { s.Faults = []Fault{{Kind: Sick, Node: 0}} }, act: only(1, once(3, func(r *robot) []engine.Action { return r.write(engine.DeadGone, []engine.Member{r.self()}) }))},
		"two run for it": {want: "R6", change: func(s *Schedule) {
			s.Nodes, s.Regime, s.Faults = 3, CleanKill, []Fault{{At: 16 * time.Second, Kind: Kill, Node: 0}}
		}, act: onRead(func(r *robot, _ engine.Event) []engine.Action {
			if r.refused[peerIDs[0]] >= engine.Refusals && r.in(0) {
				return r.write(engine.DeadGone, append(r.others("lb1"), r.self()))
			}
			return nil
		})},
		"a stopping node joins": {want: "R6", change: func(s *Schedule) { fault(Exit, 1)(s); s.Start = Held }, act: only(1, func(r *robot, ev engine.Event) []engine.Action {
			if _, ok := ev.(engine.Command); ok {
				return joins(r, ev)
			}
			return nil
		})},
		"a paused node joins": {want: "pause", change: func(s *Schedule) { fault(OrderPause, 1)(s); s.Start = Held }, act: only(1, func(r *robot, ev engine.Event) []engine.Action {
			if _, ok := ev.(engine.Command); ok {
				return joins(r, ev)
			}
			return nil
		})},
		"right after it joined": {want: "R9", change: func(s *Schedule) { cut(s); s.Faults[0].At, s.Start = 0, Fresh }, act: all(only(0, onRead(joins)), only(1, onRead(removes(4, 0))))},
		"again after a denial": {want: "R10", change: func(s *Schedule) { s.Start, s.Faults = Held, []Fault{{Kind: DenyWrite, Node: 1}} }, act: only(1, func(r *robot, ev engine.Event) []engine.Action {
			switch ev.(type) {
			case engine.SwapDone, engine.ReadDone:
				return joins(r, ev)
			}
			return nil
		})},
		"it offers what everybody has": {want: "action", act: only(1, once(3, func(r *robot) []engine.Action {
			return []engine.Action{engine.SendOffer{Peer: r.cfg.Peers[0], Offer: engine.Offer{From: r.cfg.Node}}}
		}))},
	}) {
		t.Run(name, func(t *testing.T) {
			s := Schedule{Seed: 1, Regime: Everything, Nodes: 2, Start: Joined, All: true, Interval: 500 * time.Millisecond, HoldDown: time.Minute, Fall: 2, Rise: 2, Foreign: true}
			if c.change != nil {
				c.change(&s)
			}
			look := c.look
			if look == 0 {
				look = time.Second
			}
			r := Run(s, Options{Step: scripted(look, c.act), Trace: true})
			if r.Violation == nil || r.Violation.Name != c.want {
				t.Errorf("got %v, want %s", r.Violation, c.want)
				for _, line := range r.Trace[max(0, len(r.Trace)-30):] {
					t.Log(line)
				}
			}
		})
	}
}

// swapAddrs writes leases that do not go with the addresses.
func (r *robot) swapAddrs(members []engine.Member, addrs string) []engine.Action {
	a := r.write(engine.Quit, members)
	s := a[0].(engine.Swap)
	s.To.Addrs = addrs
	return []engine.Action{s}
}

// dropsStranger takes out what is none of ours, without asking.
func dropsStranger(r *robot, _ engine.Event) []engine.Action {
	if !slices.Contains(split(r.home().Addrs), foreignAddrs) {
		return nil
	}
	return r.write(engine.Stranger, append(r.others(""), r.self()))
}

// besideStranger joins a record that holds nothing of ours.
func besideStranger(r *robot, _ engine.Event) []engine.Action {
	if r.home().Addrs != foreignAddrs {
		return nil
	}
	return r.write(engine.Join, []engine.Member{r.self()}, foreignAddrs)
}
