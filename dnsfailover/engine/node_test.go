package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// node is one node under test, lb1, in a world that a test scripts: peers that
// reply as they are told, targets that hold what they are given, probes that
// pass or not. Calls end at once.
type node struct {
	t    *testing.T
	now  time.Duration
	cfg  Settings
	st   State
	peer map[string]*scripted

	holds    map[string]Reading // what the targets hold
	reads    Outcome            // how a reading ends, unless Done
	writes   func(target string) Outcome
	witness  bool
	blind    map[string]bool // members that the witness does not reach
	control  bool
	foreign  bool
	probeAll bool // answer probes; else they have no answer

	did      []did // all actions so far
	offered  []SendOffer
	told     []Tell
	nextBeat time.Duration
	steps    int
}

type did struct {
	at     time.Duration
	action Action
}

// scripted is a peer.
type scripted struct {
	reply Reply
	body  Body
}

const (
	home  = "lb.example.com"
	eip   = "eipalloc-1"
	addr1 = "192.0.2.1"
	addr2 = "192.0.2.2"
	addr3 = "192.0.2.3"
)

// newNode is lb1 of three, healthy, with one record that lb2 holds at epoch 7.
func newNode(t *testing.T) *node {
	n := &node{
		t: t,
		cfg: Settings{
			Node: "lb1", Instance: "i-1", Boot: "boot1", Peers: []string{"lb2", "lb3"},
			HoldDown: 5 * time.Minute, Interval: time.Second, Fall: 3, Rise: 2,
			Targets: []Target{{ID: home, Addrs: addr1, TTL: 60}}, Hash: "h", Mode: "one",
		},
		peer:     map[string]*scripted{"lb2": {body: bodyOf("lb2", addr2)}, "lb3": {body: bodyOf("lb3", addr3)}},
		holds:    map[string]Reading{},
		writes:   func(string) Outcome { return Done },
		probeAll: true,
	}
	n.peer["lb2"].body.Active, n.peer["lb2"].body.Epoch = true, 7
	n.holds[home] = leased("lb2", 7, addr2)
	return n
}

func bodyOf(name, addrs string) Body {
	return Body{Name: name, Instance: "i-" + name[2:], Healthy: true, Able: true, Hash: "h", Addrs: addrs}
}

// leased is a record as a node leaves it.
func leased(name string, epoch uint64, addrs string) Reading {
	return sealed(Reading{Exists: true, Addrs: addrs, TTL: 60, Lease: Lease{Epoch: epoch, Holder: name, Nonce: fmt.Sprint(name, epoch), Addrs: addrs, Hash: "h", Mode: "one"}})
}

// sealed gives a reading its token.
func sealed(r Reading) Reading {
	r.Token = fmt.Sprint(r.Exists, r.Addrs, r.TTL, r.Instance, r.Lease, r.Refuse)
	return r
}

// run lets time pass.
func (n *node) run(d time.Duration) {
	n.t.Helper()
	end := n.now + d
	if !n.st.Begun {
		n.step(Health{OK: true, Started: n.now})
	}
	for {
		next := min(n.st.Wake, n.nextBeat)
		if next > end {
			break
		}
		n.now = max(n.now, next)
		if next == n.nextBeat {
			n.nextBeat += n.cfg.Interval
			n.beat()
		} else {
			n.step(Tick{})
		}
	}
	n.now = end
}

// beat asks every peer for its heartbeat, as the loop does.
func (n *node) beat() {
	for _, id := range n.cfg.Peers {
		p := n.peer[id]
		tries := 1
		if p.reply == Refused {
			tries = Refusals
		}
		for range tries {
			n.step(Heartbeat{Peer: id, Reply: p.reply, Sent: n.now, Body: p.body})
			if p.reply == Refused {
				n.now += 60 * time.Millisecond
			}
		}
	}
	if n.st.Health.OK {
		n.step(Health{OK: true, Started: n.now})
	}
}

// step gives an event to the node and carries out what it does.
func (n *node) step(e Event) {
	n.t.Helper()
	events := []Event{e}
	for rounds := 0; len(events) > 0; rounds++ {
		if rounds > 1000 {
			n.t.Fatalf("at %v: the node does not come to rest: %+v", n.now, events[0])
		}
		e, events = events[0], events[1:]
		st, before := n.st, ""
		look := n.steps%8 == 0 // it takes longer than all the rest
		if n.steps++; look {
			before = fmt.Sprintf("%+v", st)
		}
		next, actions := Step(n.now, &n.cfg, n.st, e)
		if look && fmt.Sprintf("%+v", st) != before {
			n.t.Fatalf("at %v: Step has changed the state it was given", n.now)
		}
		n.st = next
		for _, a := range actions {
			n.did = append(n.did, did{n.now, a})
			if e := n.carryOut(a); e != nil {
				events = append(events, e)
			}
		}
	}
}

func (n *node) carryOut(a Action) Event {
	switch a := a.(type) {
	case Read:
		return ReadDone{Target: a.Target, Call: a.Call, Outcome: n.reads, Reading: n.holds[a.Target]}
	case Swap:
		o := n.writes(a.Target)
		if o == Done && n.holds[a.Target].Token != a.From.Token {
			o = Conflict
		}
		if o != Done {
			return SwapDone{Target: a.Target, Call: a.Call, Outcome: o}
		}
		r := Reading{Exists: true, Addrs: a.To.Addrs, TTL: a.To.TTL, Lease: a.To.Lease}
		if n.cfg.Targets[n.st.target(a.Target)].Kind == Address {
			r = Reading{Exists: true, Instance: n.cfg.Instance, Token: "assoc-" + a.To.Lease.Nonce}
		} else {
			r = sealed(r)
		}
		n.holds[a.Target] = r
		return SwapDone{Target: a.Target, Call: a.Call, Reading: r}
	case Free:
		o := n.writes(a.Target)
		if o == Done && n.holds[a.Target].Token != a.From.Token {
			o = Conflict
		}
		if o != Done {
			return FreeDone{Target: a.Target, Call: a.Call, Outcome: o}
		}
		n.holds[a.Target] = Reading{Token: "free"}
		return FreeDone{Target: a.Target, Call: a.Call, Reading: n.holds[a.Target]}
	case AskWitness:
		if n.probeAll {
			return WitnessDone{OK: n.witness && !n.blind[a.Member], Started: n.now, Member: a.Member}
		}
	case AskControl:
		if n.probeAll {
			return ControlDone{OK: n.control, Started: n.now}
		}
	case AskForeign:
		return ForeignDone{Target: a.Target, Token: a.Reading.Token, OK: n.foreign}
	case SendOffer:
		n.offered = append(n.offered, a)
	case Tell:
		n.told = append(n.told, a)
	case Left:
	}
	return nil
}

func (st *State) target(id string) int {
	return slices.IndexFunc(st.Targets, func(t TargetState) bool { return t.ID == id })
}

// mutations are the writes that were emitted.
func (n *node) mutations() (out []did) {
	for _, d := range n.did {
		switch d.action.(type) {
		case Swap, Free:
			out = append(out, d)
		}
	}
	return out
}

// forget starts the list of actions anew.
func (n *node) forget() { n.did, n.told, n.offered = nil, nil, nil }

// wantNoWrite fails if anything was written.
func (n *node) wantNoWrite() {
	n.t.Helper()
	if m := n.mutations(); len(m) > 0 {
		n.t.Fatalf("at %v it writes, because of %v: %+v", m[0].at, causeOf(m[0].action), m[0].action)
	}
}

// wantWrite fails unless there was exactly one write, for that cause.
func (n *node) wantWrite(c Cause) did {
	n.t.Helper()
	m := n.mutations()
	if len(m) != 1 || causeOf(m[0].action) != c {
		n.t.Fatalf("%d writes %+v, want one of cause %d; it waits: %v; role %v", len(m), m, c, n.st.Waiting, n.st.Role)
	}
	return m[0]
}

func causeOf(a Action) Cause {
	switch a := a.(type) {
	case Swap:
		return a.Cause
	case Free:
		return a.Cause
	}
	return NoCause
}

// wantRole fails unless the node is that.
func (n *node) wantRole(r Role) {
	n.t.Helper()
	if n.st.Role != r {
		n.t.Fatalf("at %v it is %v, want %v; it waits: %v", n.now, n.st.Role, r, n.st.Waiting)
	}
}

// said reports whether a decision of that kind was told.
func (n *node) said(w What) bool {
	return slices.ContainsFunc(n.told, func(t Tell) bool { return t.What == w })
}

// count is the number of actions of a kind.
func count[T Action](n *node) (c int) {
	for _, d := range n.did {
		if _, ok := d.action.(T); ok {
			c++
		}
	}
	return c
}

// active makes the node the holder at epoch 8.
func (n *node) active() {
	n.peer["lb2"].body.Active = false
	n.holds[home] = leased("lb1", 8, addr1)
	n.run(3 * time.Second)
	n.wantRole(Active)
	n.forget()
}

// standby lets the node find lb2 at work.
func (n *node) standby() {
	n.run(20 * time.Second)
	n.wantRole(Standby)
	n.wantNoWrite()
	n.forget()
}

func TestWhyTexts(t *testing.T) {
	for code := NoReason; code <= Preferred; code++ {
		text := Why{Code: code, Node: "lb9"}.String()
		if text == "" || strings.Contains(text, "%") {
			t.Errorf("reason %d reads %q", code, text)
		}
	}
}
