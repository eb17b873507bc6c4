package engine

import (
	"testing"
	"time"
)

func TestAllRenamed(t *testing.T) {
	// renamed is the node that was lb1, under another name. Its address works.
	renamed := func(t *testing.T) *node {
		n := newAll(t, "lb1", "lb2")
		n.cfg.Node, n.foreign = "lb9", true
		return n
	}
	t.Run("it puts its part under the new name", func(t *testing.T) {
		n := renamed(t)
		n.run(10 * time.Second)
		n.wantWrite(Adopt)
		r := n.holds[home]
		if n.in() != "lb2 lb9" || r.Addrs != addr1+","+addr2 || r.Lease.Epoch != 7 {
			t.Errorf("%s: %+v", n.in(), r)
		}
		n.forget()
		n.run(5 * time.Minute)
		n.wantNoWrite()
	})
	t.Run("also if a peer that was not heard could have been the old name", func(t *testing.T) {
		n := renamed(t)
		n.peer["lb3"].reply = Silent
		n.run(time.Minute)
		n.peer["lb3"].reply = Answered
		n.run(time.Minute)
		n.silence("lb2", Refused, true)
		n.run(10 * time.Second)
		if n.in() != "lb3 lb9" && n.in() != "lb9" {
			t.Errorf("the record has leases of %s", n.in())
		}
	})
}
