//go:build linux

package integration

import (
	"slices"
	"testing"
	"time"
)

// betweenPause makes it easy to meet a writer between its lease and its addresses.
const betweenPause = 2 * time.Second

// between makes a lab whose second node has written the lease, and not yet the addresses, since the first one died.
func between(t *testing.T, nodes int) *knotLab {
	t.Helper()
	k := newKnotLab(t, nodes)
	k.each(func(c *conf) { c.dns += "\ndns_pause " + betweenPause.String() })
	k.start()
	k.hear()
	k.nodes[0].kill()
	k.eventually("the lease of the second node", func() bool { return k.lease().Holder == k.nodes[1].name })
	k.stillFirst()
	return k
}

// stillFirst checks that the record still points at the first node.
func (k *knotLab) stillFirst() {
	k.Helper()
	if !slices.Equal(k.points(), []string{k.nodes[0].addr}) {
		k.Fatalf("the record points at %s already", k.points())
	}
}

// The writer dies between lease and addresses. Another one takes over from it, and whoever comes back takes nothing back.
func TestRFC2136WriterDies(t *testing.T) {
	k := between(t, 3)
	lb1, lb2, lb3 := k.nodes[0], k.nodes[1], k.nodes[2]
	fault := lb2.kill()
	k.stillFirst()
	k.moved(lb3, fault, knotTakeover+betweenPause+slack)
	k.holds(lb3)
	if e := k.lease().Epoch; e != 3 {
		t.Errorf("the epoch is %d, want 3", e)
	}
	lb1.spawn()
	lb2.spawn()
	k.hear()
	k.calm(lb3)
}

// The writer comes back, finds its lease, and completes what it has begun.
func TestRFC2136WriterComesBack(t *testing.T) {
	k := between(t, 2)
	lb2 := k.nodes[1]
	lb2.kill()
	k.stillFirst()
	lb2.spawn()
	k.holds(lb2)
	k.calm(lb2)
	if e := k.lease().Epoch; e != 2 {
		t.Errorf("the epoch is %d, want 2", e)
	}
}

// The server goes away between lease and addresses, and the writer completes it when it is back.
func TestRFC2136ServerAwayInBetween(t *testing.T) {
	k := between(t, 2)
	lb2 := k.nodes[1]
	k.server.Kill()
	k.eventually("the writer to see that", func() bool { return len(lb2.logged("a call on a target has failed", "connection refused")) > 0 })
	k.server.Start()
	k.stillFirst()
	k.holds(lb2)
	k.calm(lb2)
	if e := k.lease().Epoch; e != 2 {
		t.Errorf("the epoch is %d, want 2", e)
	}
}
