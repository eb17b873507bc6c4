package engine

import (
	"slices"
	"testing"
	"time"
)

// TestAllTells: what a node has done itself is told, and by no other.
func TestAllTells(t *testing.T) {
	t.Run("it takes out an address of nobody known", func(t *testing.T) {
		n := newAll(t, "lb1", "lb2")
		r := n.holds[home]
		r.Addrs = union(r.Addrs, "198.51.100.9")
		n.holds[home] = sealed(r)
		n.run(time.Minute)
		n.wantWrite(Stranger)
		told := func(l Tell) bool {
			return l.What == Removed && l.From == "198.51.100.9" && l.To == "lb1" && l.Why.Code == StrangerDown
		}
		if !slices.ContainsFunc(n.told, told) {
			t.Errorf("it says %+v", n.told)
		}
	})
	t.Run("it brings its own address up to date", func(t *testing.T) {
		n := newAll(t, "lb1", "lb2")
		n.run(5 * time.Second)
		n.cfg.Targets = []Target{{ID: home, Addrs: "192.0.2.77", TTL: 60}}
		n.step(Reloaded{})
		n.run(5 * time.Second)
		n.wantWrite(Own)
		if !n.said(Converged) {
			t.Errorf("it says %+v", n.told)
		}
	})
	t.Run("another one was faster to take out the dead", func(t *testing.T) {
		n := newAll(t, "lb1", "lb2", "lb3")
		n.run(30 * time.Second)
		n.forget()
		n.writes = func(string) Outcome {
			l := n.holds[home].Lease
			members := slices.DeleteFunc(l.List(), func(m Member) bool { return m.Node == "lb2" })
			members[1].Nonce = "lb3-2"
			lease := LeaseOf(members)
			n.holds[home] = sealed(Reading{Exists: true, Addrs: lease.Addrs, TTL: 60, Lease: lease})
			return Conflict
		}
		n.silence("lb2", Refused, true)
		n.run(10 * time.Second)
		n.wantWrite(DeadGone)
		if n.said(Removed) || !n.said(Moved) {
			t.Errorf("it says %+v", n.told)
		}
	})
}
