//go:build linux

package integration

import (
	"slices"
	"testing"
	"time"
)

// together waits until the record holds these nodes and none else, and every process that runs agrees.
func (l *lab) together(nodes ...*node) {
	l.Helper()
	var want []string
	for _, n := range nodes {
		want = append(want, n.addr)
	}
	slices.Sort(want)
	l.eventually("the record to hold the right nodes", func() bool {
		if got := slices.Sorted(slices.Values(l.points())); !slices.Equal(got, want) {
			return false
		}
		for _, n := range l.nodes {
			if !n.runs() || n.frozen {
				continue
			}
			role := "standby"
			if slices.Contains(nodes, n) {
				role = "active"
			}
			if s := n.status(); len(s.Services) != 1 || s.Services[0].Role != role {
				return false
			}
		}
		return true
	})
}

// Every node serves. One that dies is taken out, one that stops leaves, and both come back by themselves; the last one stays.
func TestEveryNodeServes(t *testing.T) {
	l := newLab(t, 3)
	l.many = true
	l.each(func(c *conf) { c.rest += "\nmode all" })
	lb1, lb2, lb3 := l.nodes[0], l.nodes[1], l.nodes[2]
	for _, n := range l.nodes {
		n.spawn()
	}
	l.together(lb1, lb2, lb3)
	l.hear()
	l.ask()
	l.eventually("clients to come to all", func() bool {
		by := l.crowd.now().by
		return by[lb1.name] > 0 && by[lb2.name] > 0 && by[lb3.name] > 0
	})

	writes := len(l.writes())
	fault := lb1.kill()
	l.together(lb2, lb3)
	for _, c := range l.writes()[writes:] {
		if c.Code == "" {
			t.Logf("taken out %s after the death", c.Time.Sub(fault).Round(time.Millisecond))
			if took := c.Time.Sub(fault); took > 500*time.Millisecond+slack {
				t.Errorf("that took %s", took)
			}
		}
	}
	if n := len(l.writes()) - writes; n != 1 {
		t.Errorf("%d writes for a death", n)
	}
	lb1.spawn()
	l.together(lb1, lb2, lb3)
	l.fit()

	before := l.crowd.now()
	lb2.term()
	l.together(lb1, lb3)
	lb2.ended()
	more := l.crowd.now().sent + 40
	l.eventually("clients to ask", func() bool { return l.crowd.now().sent >= more })
	after := l.crowd.now()
	t.Logf("%d of %d requests have failed since the planned end", len(after.failed)-len(before.failed), after.sent-before.sent)
	if len(after.failed) > len(before.failed) {
		t.Errorf("the first of them: %v", after.failed[len(before.failed)].err)
	}
	lb1.reload()
	lb3.reload()
	writes = len(l.writes())
	l.unmoved(time.Second, "nothing has changed")
	lb3.kill()
	l.together(lb1)
	lb1.term()
	lb1.ended()
	if got := l.points(); !slices.Equal(got, []string{lb1.addr}) {
		t.Errorf("after the end of the last one the record holds %q", got)
	}
	if n := len(l.writes()) - writes; n != 1 {
		t.Errorf("%d writes for a death and the end of the last one", n)
	}
}
