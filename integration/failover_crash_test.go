//go:build linux

package integration

import (
	"testing"
	"time"
)

func TestFirstStartOfBothAtOnce(t *testing.T) {
	l := newLab(t, 2)
	for _, n := range l.nodes {
		n.spawn()
	}
	l.eventually("somebody to have the service", func() bool { return l.lease().Holder != "" })
	holder := l.nodes[0]
	if l.lease().Holder != holder.name {
		holder = l.nodes[1] // it was up much earlier
	}
	l.holds(holder)
	l.ask()
	l.calm(holder)
	l.wrote(1)
	if e := l.lease().Epoch; e != 1 {
		t.Errorf("the epoch is %d, want 1", e)
	}
}

func TestHolderIsKilled(t *testing.T) {
	l := newLab(t, 2)
	l.start()
	l.ask()
	lb1, lb2 := l.nodes[0], l.nodes[1]

	fault := lb1.kill()
	l.moved(lb2, fault, 500*time.Millisecond+slack)
	l.served(lb2, fault, 500*time.Millisecond+time.Second+slack)
	l.wrote(2)

	lb1.spawn()
	l.holds(lb2)
	l.hear()
	l.calm(lb2)
	l.wrote(2)

	// A second failure, the other way round.
	fault = lb2.kill()
	l.moved(lb1, fault, 500*time.Millisecond+slack)
	lb2.spawn()
	l.holds(lb1)
	l.calm(lb1)
	l.wrote(3)
	if e := l.lease().Epoch; e != 3 {
		t.Errorf("the epoch is %d, want 3", e)
	}
}
