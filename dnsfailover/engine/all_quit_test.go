package engine

import (
	"strings"
	"testing"
	"time"
)

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
