package dnsfailover

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestFault38: the public address of the holder changes, when the service's Elastic IP goes to another node. Its own name
// follows, and is never that Elastic IP.
func TestFault38(t *testing.T) {
	faultBoth(t, "the next look", func(t *testing.T, without bool, n *faultNotes) {
		l, raw := ownEIP(t, nil)
		l.eip.must(l.cloud.SetAddress(l.eip.id, l.eip.lb2))
		l.load(raw)
		l.until("the own name", func() bool { return l.own().State == ownRegistered })
		before := l.lent()
		l.eip.must(l.cloud.SetAddress(l.eip.id, l.eip.lb1))
		if !without {
			l.look()
			l.until("the node to know that it has the Elastic IP", func() bool { return strings.Contains(l.own().Error, eipPublic) })
		}
		if at := l.ownAt(); at != before {
			n.addf("with the Elastic IP its own name is at %s, and was at %s", at, before)
		}
		l.eip.must(l.cloud.SetAddress(l.eip.id, l.eip.lb2))
		if after := l.lent(); !faultAwait(map[bool]time.Duration{false: patience, true: 3 * time.Second}[without], func() bool { return l.ownAt() == after }) {
			n.addf("its own name is at %s, and it is at %s", l.ownAt(), after)
		}
		if w := l.cloud.Count("route53", change); w != 2 {
			n.addf("%d writes, not 2", w)
		}
		l.never()
	})
}

// TestFault45: the instance of a node is gone for good. Its own name goes, after a day, from the hand of the active node, and no other
// name does.
func TestFault45(t *testing.T) {
	play := func(without string) faultPlay {
		return func(t *testing.T, out bool, n *faultNotes) {
			synctest.Test(t, func(t *testing.T) {
				w := newReapWorld(t)
				w.put("lb2.example.com", w.ended())
				w.put("lb3.example.com", w.launch())
				answers := w.ended()
				w.put("lb4.example.com", answers)
				w.lives[answers] = true
				if out {
					switch without {
					case "EC2 is asked":
						ask := w.r.states
						w.r.states = func(ctx context.Context, ids []string) (map[string]string, error) {
							all, err := ask(ctx, ids[:1])
							return all, err
						}
					case "who answers is there":
						w.r.here = func(string) bool { return false }
					case "one node does it":
						w.r.turn = func() bool { return false }
					}
				}
				w.begin()
				there := func(name string, want bool) {
					if got := w.there(name); got != want {
						n.addf("after %s %s is there: %t", time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)), name, got)
					}
				}
				pass(23 * time.Hour)
				there("lb2.example.com", true)
				pass(reapDue - 23*time.Hour)
				there("lb2.example.com", false)
				there("lb3.example.com", true)
				there("lb4.example.com", true)
				there(ownLabName, true)
			})
		}
	}
	for _, rule := range []string{"EC2 is asked", "who answers is there", "one node does it"} {
		t.Run(strings.ReplaceAll(rule, " ", "_"), func(t *testing.T) { faultBoth(t, rule, play(rule)) })
	}
}
