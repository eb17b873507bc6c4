package engine

import (
	"testing"
	"time"
)

func TestAllUntold(t *testing.T) {
	// dropped is lb1 beside lb2, whose configuration has lost the service, and lb3.
	dropped := func(t *testing.T) *node {
		n := newAll(t, "lb1", "lb2", "lb3")
		n.run(30 * time.Second)
		n.peer["lb2"].body = Body{Name: "lb2", Instance: "i-2"}
		return n
	}
	t.Run("it is taken out when it does not serve any more", func(t *testing.T) {
		n := dropped(t)
		n.blind["lb2"] = true
		n.run(4 * time.Minute)
		n.wantNoWrite() // its configuration may be changing, or its process starting
		n.run(2 * time.Minute)
		n.wantWrite(Deferred)
		if n.in() != "lb1 lb3" || !n.said(Removed) {
			t.Errorf("%s; it says %+v", n.in(), n.told)
		}
	})
	t.Run("and stays as long as it does, but stops nobody", func(t *testing.T) {
		n := dropped(t)
		n.run(10 * time.Minute)
		n.wantNoWrite()
		n.silence("lb3", Refused, true)
		n.run(10 * time.Second)
		n.wantWrite(DeadGone)
		if n.in() != "lb1 lb2" {
			t.Error(n.in())
		}
	})
}
