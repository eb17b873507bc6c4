package engine

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// shared is a record of [ModeAll] with nodes that joined in this order, from epoch 5.
func shared(names ...string) Reading {
	var members []Member
	for i, name := range names {
		members = append(members, Member{name, "i-" + name[2:], uint64(5 + i), name + "-1", "h", "192.0.2." + name[2:]})
	}
	l := LeaseOf(members)
	return sealed(Reading{Exists: l.Addrs != "", Addrs: l.Addrs, TTL: 60, Lease: l})
}

// newAll is lb1 of three, healthy, in a service of all.
func newAll(t *testing.T, in ...string) *node {
	n := newNode(t)
	n.cfg.Mode = ModeAll
	n.holds[home] = shared(in...)
	n.witness, n.control = true, true
	n.blind = map[string]bool{}
	for name, p := range n.peer {
		p.body.Active, p.body.Epoch = slices.Contains(in, name), n.holds[home].Lease.Epoch
	}
	return n
}

// in are the nodes in the record.
func (n *node) in() string {
	l := n.holds[home].Lease
	var names []string
	for _, m := range l.List() {
		names = append(names, m.Node)
	}
	return strings.Join(names, " ")
}

// silence cuts a peer off, for the clients too if they are to notice.
func (n *node) silence(name string, r Reply, clients bool) {
	n.peer[name].reply, n.blind[name] = r, clients
}

func TestAllJoin(t *testing.T) {
	t.Run("an absent record", func(t *testing.T) {
		n := newAll(t)
		n.run(5 * time.Second)
		n.wantWrite(Absent)
		n.wantRole(Active)
		if n.in() != "lb1" || n.holds[home].Addrs != addr1 || !n.said(Joined) {
			t.Errorf("%+v", n.holds[home])
		}
	})
	t.Run("beside others", func(t *testing.T) {
		n := newAll(t, "lb2", "lb3")
		n.run(5 * time.Second)
		n.wantWrite(Join)
		r := n.holds[home]
		if n.in() != "lb1 lb2 lb3" || r.Addrs != addr1+","+addr2+","+addr3 || r.Lease.Epoch != 7 || r.Lease.Holder != "lb1" {
			t.Errorf("%+v", r)
		}
	})
	t.Run("in turn", func(t *testing.T) {
		n := newAll(t, "lb3")
		n.cfg.Node, n.cfg.Instance, n.cfg.Targets[0].Addrs = "lb9", "i-9", "192.0.2.9"
		n.run(time.Second)
		n.run(5 * time.Second)
		if w := n.wantWrite(Join); count[Read](n) < 2 {
			t.Errorf("it writes at %v without another look, though lb2 comes first", w.at)
		}
	})
	t.Run("in turn after it had to wait", func(t *testing.T) {
		n := newAll(t, "lb3")
		n.cfg.Node, n.cfg.Instance, n.cfg.Targets[0].Addrs = "lb9", "i-9", "192.0.2.9"
		n.run(0)
		n.step(Command{What: Pause})
		n.run(30 * time.Second)
		n.wantNoWrite()
		n.step(Command{What: Resume})
		n.run(2 * time.Second)
		if w := n.wantWrite(Join); w.at < 30*time.Second+Stagger {
			t.Errorf("it writes at %v, and lb2 comes first", w.at)
		}
	})
	for name, edit := range map[string]func(n *node){
		"paused":          func(n *node) { n.step(Health{OK: true}); n.step(Command{What: Pause}) },
		"stopping":        func(n *node) { n.step(Health{OK: true}); n.step(Command{What: Stop}) },
		"unhealthy":       func(n *node) { n.step(Health{OK: false}) },
		"another machine": func(n *node) { n.peer["lb3"].body.Name = "lb1" },
		"a peer not heard": func(n *node) {
			n.cfg.Peers = append(n.cfg.Peers, "lb4")
			n.peer["lb4"] = &scripted{}
			n.nextBeat = Never
		},
		"other definition": func(n *node) { n.peer["lb2"].body.Hash = "other" },
	} {
		t.Run("not while "+name, func(t *testing.T) {
			n := newAll(t, "lb2")
			edit(n)
			n.run(30 * time.Second)
			n.wantNoWrite()
		})
	}
	t.Run("denied", func(t *testing.T) {
		n := newAll(t, "lb2")
		n.writes = func(string) Outcome { return Denied }
		n.run(time.Minute)
		n.wantWrite(Join)
		if n.st.Body(n.now, &n.cfg).Able || !n.said(Unable) {
			t.Error("it says that it is able")
		}
	})
	t.Run("unhealthy, and nobody else", func(t *testing.T) {
		n := newAll(t)
		n.step(Health{OK: false})
		n.peer["lb2"].body.Healthy, n.peer["lb3"].body.Healthy = false, false
		n.run(9 * time.Second)
		n.wantNoWrite()
		n.run(5 * time.Second)
		n.wantWrite(Absent)
	})
}

func TestAllCalm(t *testing.T) {
	n := newAll(t, "lb1", "lb2", "lb3")
	n.run(3 * time.Second)
	n.forget()
	n.run(10 * time.Minute)
	n.wantNoWrite()
	n.wantRole(Active)
	if c := count[Read](n); c > 20 {
		t.Errorf("%d readings in ten minutes", c)
	}
}

func TestAllRemove(t *testing.T) {
	settled := func(t *testing.T, edit func(n *node)) *node {
		n := newAll(t, "lb1", "lb2", "lb3")
		if edit != nil {
			edit(n)
		}
		n.run(30 * time.Second)
		n.wantNoWrite()
		n.forget()
		return n
	}
	t.Run("a silent one that clients don't reach", func(t *testing.T) {
		n := settled(t, nil)
		from := n.now
		n.silence("lb2", Silent, true)
		n.run(10 * time.Second)
		if w := n.wantWrite(DeadSilent); w.at-from > 4*time.Second || n.in() != "lb1 lb3" {
			t.Errorf("after %v: %s", w.at-from, n.in())
		}
		if !n.said(Removed) {
			t.Errorf("it says %+v", n.told)
		}
	})
	t.Run("not one that clients reach", func(t *testing.T) {
		n := settled(t, nil)
		n.silence("lb2", Silent, false)
		n.run(time.Minute)
		n.wantNoWrite()
	})
	t.Run("without a witness after twice the time", func(t *testing.T) {
		n := settled(t, func(n *node) { n.witness = false })
		from := n.now
		n.silence("lb2", Silent, true)
		n.run(20 * time.Second)
		if w := n.wantWrite(DeadSilent); w.at-from < 5*time.Second {
			t.Errorf("after %v", w.at-from)
		}
	})
	t.Run("one that is gone, at once", func(t *testing.T) {
		n := settled(t, nil)
		from := n.now
		n.silence("lb2", Refused, true)
		n.run(5 * time.Second)
		if w := n.wantWrite(DeadGone); w.at-from > 1500*time.Millisecond || n.in() != "lb1 lb3" {
			t.Errorf("after %v: %s", w.at-from, n.in())
		}
	})
	t.Run("not one that another hears", func(t *testing.T) {
		n := settled(t, nil)
		n.peer["lb3"].body.Hears = []string{"lb1", "lb2"}
		n.silence("lb2", Silent, true)
		n.run(time.Minute)
		n.wantNoWrite()
	})
	t.Run("not while its own network fails", func(t *testing.T) {
		n := settled(t, nil)
		n.control = false
		n.silence("lb2", Silent, true)
		n.run(time.Minute)
		n.wantNoWrite()
	})
	t.Run("not one that answers", func(t *testing.T) {
		n := settled(t, nil)
		n.blind["lb2"] = true
		n.peer["lb2"].body.Healthy = false
		n.run(2 * time.Minute)
		n.wantNoWrite()
		if b := n.st.Body(n.now, &n.cfg); !slices.Equal(b.UnseenOf, []string{"lb2"}) {
			t.Errorf("it tells %q", b.UnseenOf)
		}
	})
	t.Run("both others", func(t *testing.T) {
		n := settled(t, nil)
		n.silence("lb2", Refused, true)
		n.silence("lb3", Refused, true)
		n.run(5 * time.Second)
		if n.in() != "lb1" {
			t.Error(n.in())
		}
	})
	t.Run("in turn", func(t *testing.T) {
		n := newAll(t, "lb2", "lb3", "lb9")
		n.cfg.Node, n.cfg.Instance, n.cfg.Targets[0].Addrs = "lb9", "i-9", "192.0.2.9"
		n.run(30 * time.Second)
		n.forget()
		n.silence("lb2", Refused, true)
		n.run(150 * time.Millisecond)
		n.run(5 * time.Second)
		n.wantWrite(DeadGone)
		if count[Read](n) == 0 {
			t.Error("it writes without another look, though lb3 comes first")
		}
	})
	t.Run("not one that has just joined", func(t *testing.T) {
		n := newAll(t, "lb1", "lb3")
		n.run(3 * time.Second)
		n.holds[home] = shared("lb1", "lb3", "lb2")
		n.silence("lb2", Silent, true)
		n.peer["lb3"].body.Writes++
		n.forget()
		n.run(time.Minute)
		n.wantNoWrite() // it was never heard since
		n.run(5 * time.Minute)
		n.wantWrite(DeadSilent)
	})
	t.Run("not one whose lease was edited away, without its witness", func(t *testing.T) {
		n := settled(t, func(n *node) { n.control = false })
		n.cfg.Targets = append(n.cfg.Targets, Target{ID: "second", Addrs: addr1, TTL: 60})
		n.holds["second"] = shared("lb1", "lb2", "lb3")
		n.run(30 * time.Second)
		n.forget()
		edited := n.holds[home]
		edited.Lease = Lease{}
		n.holds[home] = sealed(edited)
		n.silence("lb2", Silent, false)
		n.peer["lb3"].body.Writes++
		n.writes = func(string) Outcome { return Busy }
		n.probeAll = false // the witness has passed, and is not done with the next probe
		n.run(time.Minute)
		for _, m := range n.mutations() {
			if c := causeOf(m.action); c != Adopt {
				t.Fatalf("it writes, because of %d: %+v", c, m.action)
			}
		}
	})
	t.Run("not one that has joined the home anew, before its witness was heard", func(t *testing.T) {
		n := settled(t, func(n *node) { n.control = false })
		n.cfg.Targets = append(n.cfg.Targets, Target{ID: "second", Addrs: addr1, TTL: 60})
		n.holds["second"] = shared("lb1", "lb2", "lb3")
		n.run(30 * time.Second)
		n.forget()
		n.silence("lb2", Silent, true)
		n.blind["lb2"] = false
		n.run(2 * time.Second)
		l := n.holds[home].Lease
		members := l.List()
		members[1].Epoch, members[1].Nonce = 20, "again-1"
		r := n.holds[home]
		r.Lease = LeaseOf(members)
		n.holds[home] = sealed(r)
		n.peer["lb3"].body.Writes++
		n.probeAll = false
		n.run(10 * time.Second)
		n.wantNoWrite()
	})
	t.Run("nobody, after it was taken out itself", func(t *testing.T) {
		n := settled(t, nil)
		n.silence("lb2", Silent, true)
		n.witness = false
		n.run(2 * time.Second)
		n.holds[home] = shared("lb2", "lb3")
		n.peer["lb3"].body.Writes++
		n.run(2 * time.Minute)
		n.wantWrite(Join)
		if !n.said(Dropped) || n.in() != "lb1 lb2 lb3" {
			t.Errorf("%s; it says %+v", n.in(), n.told)
		}
	})
}
