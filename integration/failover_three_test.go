//go:build linux

package integration

import (
	"testing"
	"time"
)

// Of two that could, one takes over, and when that one dies, the other.
func TestThreeNodes(t *testing.T) {
	l := newLab(t, 3)
	l.start()
	l.hear()
	l.ask()
	lb1, lb2, lb3 := l.nodes[0], l.nodes[1], l.nodes[2]
	fault := lb1.kill()
	l.moved(lb2, fault, 500*time.Millisecond+slack)
	l.holds(lb2)
	l.calm(lb2)
	l.wrote(2)
	fault = lb2.kill()
	l.moved(lb3, fault, 500*time.Millisecond+slack)
	l.holds(lb3)
	l.wrote(3)
	lb1.spawn()
	lb2.spawn()
	l.holds(lb3)
	l.hear()
	l.calm(lb3)
	lb3.term()
	l.holds(lb1)
	lb3.ended()
	l.calm(lb1)
	l.wrote(4)
}
