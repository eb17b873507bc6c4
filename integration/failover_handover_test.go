//go:build linux

package integration

import (
	"net/http"
	"testing"
	"time"
)

func TestStopHandsOver(t *testing.T) {
	l := newLab(t, 2)
	l.start()
	l.fit()
	l.ask()
	lb1, lb2 := l.nodes[0], l.nodes[1]

	fault := lb1.term()
	l.moved(lb2, fault, time.Second+slack)
	l.eventually("the old node to linger, and to say so", func() bool {
		s := lb1.status()
		return s.Leaving && !s.LingersUntil.IsZero() || !lb1.runs()
	})
	lb1.ended()
	if took := time.Since(fault); took < time.Second || took > 10*time.Second {
		t.Errorf("the old node has ended after %s, want at least the linger of a second", took)
	}
	if len(lb1.logged("handed over")) != 1 {
		t.Errorf("it is not logged that the service was handed over")
	}
	l.calm(lb2)
	lb1.spawn()
	l.holds(lb2)
	l.calm(lb2)
	l.wrote(2)
	l.unfailed()
}

func TestRollingRestart(t *testing.T) {
	l := newLab(t, 2)
	l.start()
	l.fit()
	l.ask()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	for _, n := range []struct{ old, next *node }{{lb1, lb2}, {lb2, lb1}} {
		n.old.term()
		n.old.ended()
		n.old.spawn()
		n.old.up()
		l.holds(n.next)
		l.fit()
	}
	l.calm(lb1)
	l.wrote(3)
	l.unfailed()
	if e := l.lease().Epoch; e != 3 {
		t.Errorf("the epoch is %d, want 3", e)
	}
}

// Nobody is left to take anything over, and whoever had the service has it again. A node that does not know yet that it stops may
// still take it from the other.
func TestAllRestartedAtOnce(t *testing.T) {
	l := newLab(t, 2)
	l.start()
	l.hear()
	began := time.Now()
	for _, n := range l.nodes {
		n.term()
	}
	for _, n := range l.nodes {
		n.ended()
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("they waited %s for somebody to take the service", took)
	}
	holder, writes := l.nodes[0], 1
	if l.lease().Holder != holder.name {
		holder, writes = l.nodes[1], 2
	}
	l.wrote(writes)
	for _, n := range l.nodes {
		n.spawn()
	}
	l.holds(holder)
	l.hear()
	for _, n := range l.nodes {
		n.kill()
	}
	for _, n := range l.nodes {
		n.spawn()
	}
	l.holds(holder)
	l.calm(holder)
	l.wrote(writes)
}

// The listener of the site is gone while the process lives.
func TestListenerIsClosed(t *testing.T) {
	l := newLab(t, 2)
	l.start()
	l.fit()
	l.ask()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	site := lb1.conf.site
	fault := lb1.closeListener()
	l.moved(lb2, fault, 1200*time.Millisecond+slack)
	l.served(lb2, fault, 1200*time.Millisecond+time.Second+slack)
	if s := lb1.status(); len(s.Services) != 1 || s.Services[0].Healthy {
		t.Errorf("the node without a listener thinks that it is healthy")
	}
	lb1.conf.site = site
	lb1.reload()
	l.holds(lb2)
	l.calm(lb2)
	l.wrote(2)
}

func TestOperator(t *testing.T) {
	l := newLab(t, 2)
	l.start()
	l.fit()
	l.ask()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	order := func(n *node, what string) {
		t.Helper()
		if _, err := n.admin(http.MethodPost, "/dnsfailover/"+what+"?reason=the+tests", ""); err != nil {
			t.Fatal(err)
		}
	}
	order(lb1, "release")
	l.holds(lb2)
	order(lb1, "takeover")
	l.holds(lb1)
	l.wrote(3)
	l.unfailed()
	order(lb2, "pause")
	lb1.kill()
	l.unmoved(2*time.Second, "a paused node takes nothing")
	fault := time.Now()
	order(lb2, "resume")
	l.moved(lb2, fault, slack)
	l.wrote(4)
	if lines := lb1.logged(`"order":"the tests"`); len(lines) == 0 {
		t.Error("the reason of the operator is not logged")
	}
}
