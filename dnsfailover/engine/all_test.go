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

func TestAllQuit(t *testing.T) {
	settled := func(t *testing.T) *node {
		n := newAll(t, "lb1", "lb2", "lb3")
		n.run(30 * time.Second)
		n.forget()
		return n
	}
	sick := func(n *node) {
		n.step(Health{OK: false, Started: n.now})
		n.run(2 * time.Second)
	}
	t.Run("it is not healthy", func(t *testing.T) {
		n := settled(t)
		sick(n)
		n.wantWrite(Quit)
		n.wantRole(Standby)
		if n.in() != "lb2 lb3" || !n.said(Withdrew) {
			t.Errorf("%s; it says %+v", n.in(), n.told)
		}
		n.forget()
		n.run(time.Minute)
		n.wantNoWrite()
		n.step(Health{OK: true, Started: n.now})
		n.run(3 * time.Second)
		n.wantWrite(Join)
		if e := n.holds[home].Lease.Epoch; e != 8 {
			t.Errorf("it joins with epoch %d", e)
		}
	})
	t.Run("nobody else is healthy either", func(t *testing.T) {
		n := settled(t)
		n.peer["lb2"].body.Healthy, n.peer["lb3"].body.Healthy = false, false
		sick(n)
		n.run(time.Minute)
		n.wantNoWrite()
	})
	t.Run("the others have not passed since", func(t *testing.T) {
		n := settled(t)
		n.peer["lb2"].body.Checked, n.peer["lb3"].body.Checked = time.Hour, time.Hour
		sick(n)
		n.run(time.Minute)
		n.wantNoWrite()
	})
	t.Run("stopping", func(t *testing.T) {
		n := settled(t)
		n.step(Command{What: Stop})
		n.run(time.Second)
		n.wantWrite(Quit)
		if count[Left](n) != 1 {
			t.Error("it does not say that it has left")
		}
	})
	t.Run("stopping, the last", func(t *testing.T) {
		n := newAll(t, "lb1")
		n.run(30 * time.Second)
		n.forget()
		n.step(Command{What: Stop})
		n.wantNoWrite()
		if count[Left](n) != 1 {
			t.Error("it does not say that it has left")
		}
	})
	t.Run("released, and stays out", func(t *testing.T) {
		n := settled(t)
		n.step(Command{What: Release, Reason: "work"})
		n.run(time.Minute)
		n.wantWrite(Quit)
		if !n.st.Paused {
			t.Error("it is not paused")
		}
		n.forget()
		n.step(Command{What: Resume})
		n.run(5 * time.Second)
		n.wantWrite(Join)
	})
	t.Run("released from two records", func(t *testing.T) {
		n := newAll(t, "lb1", "lb2")
		n.cfg.Targets = append(n.cfg.Targets, Target{ID: "second", Addrs: addr1, TTL: 60})
		n.holds["second"] = shared("lb1", "lb2")
		n.run(30 * time.Second)
		n.forget()
		n.writes = func(target string) Outcome {
			if target == "second" && n.now < 33*time.Second {
				return Busy
			}
			return Done
		}
		n.step(Command{What: Release})
		n.run(time.Minute)
		for _, m := range n.mutations() {
			if causeOf(m.action) != Quit {
				t.Errorf("it writes %+v", m.action)
			}
		}
		if n.in() != "lb2" || n.holds["second"].Addrs != addr2 || !n.st.Paused {
			t.Errorf("%s, %+v", n.in(), n.holds["second"])
		}
	})
	t.Run("the last order counts", func(t *testing.T) {
		for _, last := range []Order{Takeover, Resume} {
			n := settled(t)
			lose := 0
			n.writes = func(string) Outcome {
				if lose++; lose == 1 {
					n.holds[home] = shared("lb3", "lb2") // it is carried out, and the answer is lost
					return Unknown
				}
				return Done
			}
			n.step(Command{What: Release})
			n.step(Command{What: last})
			n.run(30 * time.Second)
			if last == Resume && n.st.Paused || !strings.Contains(n.in(), "lb1") {
				t.Errorf("after order %d it is paused: %v; in the record are %s", last, n.st.Paused, n.in())
			}
		}
	})
	t.Run("taken in by an operator", func(t *testing.T) {
		n := newAll(t, "lb2", "lb3")
		n.step(Health{OK: false})
		n.run(30 * time.Second)
		n.wantNoWrite()
		n.step(Command{What: Takeover})
		n.run(time.Second)
		n.wantWrite(Forced)
	})
	t.Run("its public path fails", func(t *testing.T) {
		n := settled(t)
		n.peer["lb2"].body.UnseenOf, n.peer["lb3"].body.UnseenOf = []string{"lb1"}, []string{"lb1"}
		n.run(10 * time.Second)
		n.wantNoWrite() // its own probe passes
		n.control = false
		n.run(20 * time.Second)
		n.wantWrite(Quit)
		n.forget()
		n.peer["lb2"].body.UnseenOf, n.peer["lb3"].body.UnseenOf = nil, nil
		n.run(time.Minute)
		n.wantNoWrite()
		n.control = true
		n.run(40 * time.Second)
		n.wantWrite(Join)
	})
}

func TestAllStrangers(t *testing.T) {
	const other = "198.51.100.9"
	beside := func(r Reading) Reading {
		r.Addrs = union(r.Addrs, other)
		return sealed(r)
	}
	t.Run("one that works stays", func(t *testing.T) {
		n := newAll(t, "lb1", "lb2")
		n.holds[home] = beside(n.holds[home])
		n.foreign = true
		n.run(5 * time.Minute)
		n.wantNoWrite()
	})
	t.Run("joining keeps it", func(t *testing.T) {
		n := newAll(t, "lb2")
		n.holds[home] = beside(n.holds[home])
		n.foreign = true
		n.run(time.Minute)
		n.wantWrite(Join)
		if r := n.holds[home]; r.Addrs != addr1+","+addr2+","+other {
			t.Errorf("%+v", r)
		}
	})
	t.Run("one that fails goes", func(t *testing.T) {
		n := newAll(t, "lb1", "lb2")
		n.holds[home] = beside(n.holds[home])
		n.run(15 * time.Second)
		n.wantNoWrite()
		n.run(30 * time.Second)
		n.wantWrite(Stranger)
		if r := n.holds[home]; r.Addrs != addr1+","+addr2 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("alone it is left alone", func(t *testing.T) {
		n := newAll(t)
		n.holds[home] = sealed(Reading{Exists: true, Addrs: other, TTL: 300})
		n.foreign = true
		n.run(5 * time.Minute)
		n.wantNoWrite()
		n.foreign = false
		n.run(2 * time.Minute)
		n.wantWrite(Join)
		if n.in() != "lb1" || n.holds[home].Addrs != addr1 {
			t.Errorf("%+v", n.holds[home])
		}
	})
	t.Run("alone beside our leases it is left alone", func(t *testing.T) {
		n := newAll(t, "lb1", "lb2")
		n.foreign = true
		n.run(30 * time.Second)
		edited := n.holds[home]
		edited.Addrs = other
		n.holds[home] = sealed(edited)
		n.run(5 * time.Minute)
		n.wantNoWrite()
		n.wantRole(Standby)
		n.foreign = false
		n.run(2 * time.Minute)
		n.wantWrite(Join)
		if r := n.holds[home]; n.in() != "lb1" || r.Addrs != addr1 || r.Lease.Epoch != 7 {
			t.Errorf("%+v", r) // lb2 joins by itself
		}
	})
	t.Run("without a lease its own address is adopted", func(t *testing.T) {
		n := newAll(t)
		n.holds[home] = sealed(Reading{Exists: true, Addrs: addr1 + "," + addr2, TTL: 60})
		n.run(time.Minute)
		n.wantWrite(Adopt)
		if r := n.holds[home]; n.in() != "lb1" || r.Addrs != addr1+","+addr2 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("an alias", func(t *testing.T) {
		n := newAll(t)
		n.holds[home] = sealed(Reading{Exists: true, Refuse: "alias"})
		n.run(5 * time.Minute)
		n.wantNoWrite()
	})
}

func TestAllConverges(t *testing.T) {
	t.Run("its address", func(t *testing.T) {
		n := newAll(t, "lb1", "lb2")
		n.run(5 * time.Second)
		n.cfg.Targets = []Target{{ID: home, Addrs: "192.0.2.77", TTL: 60}}
		n.step(Reloaded{})
		n.run(5 * time.Second)
		n.wantWrite(Own)
		if r := n.holds[home]; r.Addrs != addr2+",192.0.2.77" || r.Lease.Epoch != 6 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("the TTL, by the first", func(t *testing.T) {
		n := newAll(t, "lb1", "lb2")
		n.run(5 * time.Second)
		n.cfg.Targets = []Target{{ID: home, Addrs: addr1, TTL: 30}}
		n.step(Reloaded{})
		n.run(time.Minute)
		n.wantWrite(Own)
		if ttl := n.holds[home].TTL; ttl != 30 {
			t.Errorf("TTL %d", ttl)
		}
		edited := n.holds[home]
		edited.TTL = 3600
		n.holds[home] = sealed(edited)
		n.forget()
		n.run(5 * time.Minute)
		n.wantNoWrite() // what somebody has set stays
	})
	t.Run("from a service that one node holds", func(t *testing.T) {
		n := newAll(t)
		n.holds[home] = leased("lb2", 7, addr2)
		n.peer["lb2"].body.Active, n.peer["lb2"].body.Hash = true, "one"
		n.run(30 * time.Second)
		n.wantNoWrite()
		n.peer["lb2"].body.Hash = "h"
		n.run(5 * time.Second)
		n.wantWrite(Join)
		if r := n.holds[home]; n.in() != "lb1 lb2" || r.Lease.Epoch != 8 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("to a service that one node holds", func(t *testing.T) {
		n := newAll(t, "lb2", "lb1")
		n.cfg.Mode, n.cfg.Hash = "one", "new"
		n.run(30 * time.Second)
		n.wantWrite(Own)
		if r := n.holds[home]; r.Addrs != addr1 || r.Lease.Mode != "one" || r.Lease.Members != "" {
			t.Errorf("%+v", r)
		}
	})
}
