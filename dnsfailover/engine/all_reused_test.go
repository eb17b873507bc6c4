package engine

import (
	"testing"
	"time"
)

// TestAllReused: a machine that is gone has left its lease, and its address to another. The lease goes with the next write,
// and no write is made for it.
func TestAllReused(t *testing.T) {
	n := newAll(t, "lb1", "lb2", "lb3")
	l := n.holds[home].Lease
	lease := LeaseOf(append(l.List(), Member{"old", "i-old", 3, "old-1", "h", addr2}))
	n.holds[home] = sealed(Reading{Exists: true, Addrs: lease.Addrs, TTL: 60, Lease: lease})
	n.foreign = true // it is lb2 that answers there
	n.run(10 * time.Minute)
	n.wantNoWrite()
	n.silence("lb3", Refused, true)
	n.run(10 * time.Second)
	n.wantWrite(DeadGone)
	if r := n.holds[home]; n.in() != "lb1 lb2" || r.Addrs != addr1+","+addr2 {
		t.Errorf("%+v", r)
	}
}
