package dnsfailover

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
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

// faultCalls is what a node that reaps has asked for and deleted.
type faultCalls struct{ lists, asked, removed atomic.Int64 }

func (c *faultCalls) String() string {
	return fmt.Sprintf("%d lists, %d questions, %d removals", c.lists.Load(), c.asked.Load(), c.removed.Load())
}

// faultReaper counts what a node does, before it begins.
func faultReaper(node *ownNode, r *reaping) *faultCalls {
	c := new(faultCalls)
	list, open, states := node.list, node.open, r.states
	node.list = func(ctx context.Context, a *awsAccess, zone, name string) ([]ownLease, error) {
		c.lists.Add(1)
		return list(ctx, a, zone, name)
	}
	node.open = func(a *awsAccess, zone, name string) (ownTarget, error) {
		t, err := open(a, zone, name)
		return faultRemoved{t, c}, err
	}
	r.states = func(ctx context.Context, ids []string) (map[string]string, error) {
		c.asked.Add(1)
		return states(ctx, ids)
	}
	return c
}

type faultRemoved struct {
	ownTarget
	calls *faultCalls
}

func (f faultRemoved) Remove(ctx context.Context, from engine.Reading) error {
	f.calls.removed.Add(1)
	return f.ownTarget.Remove(ctx, from)
}

// faultStandby begins a second node in the world, lb9, whose turn it is when turn says so.
func faultStandby(t *testing.T, w *reapWorld, turn func() bool) *faultCalls {
	const name = "lb9.example.com"
	id := w.launch()
	w.put(name, id)
	node := newOwnNode(t, id, w.rec.Zone, "203.0.113.9")
	node.want.Name, node.want.Node, node.want.Place = name, "lb9", reapPlace
	node.open, node.list = w.open, w.list
	r := *w.r
	r.access, r.instance, r.turn, r.states = node.access, id, turn, w.states
	r.names = []reapName{{node.want, "{node}.example.com", 24 * time.Hour}}
	c := faultReaper(node, &r)
	node.reap(&r)
	return c
}

// TestFault45: the instance of a node is gone for good. Its own name goes, after a day, from the hand of the active node alone, and
// no other name does.
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
				standbyToo := false
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
					case "the active node does it":
						w.r.turn = func() bool { return false }
					case "no other does it":
						standbyToo = true
					}
				}
				standby := faultStandby(t, w, func() bool { return standbyToo })
				active := faultReaper(w.node, w.r)
				pass(3 * time.Hour) // so that the standby would be first
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
				if active.removed.Load() != 1 {
					n.addf("the active node: %s", active)
				}
				if standby.lists.Load()+standby.asked.Load()+standby.removed.Load() != 0 {
					n.addf("the standby: %s", standby)
				}
			})
		}
	}
	for _, rule := range []string{"EC2 is asked", "who answers is there", "the active node does it", "no other does it"} {
		t.Run(strings.ReplaceAll(rule, " ", "_"), func(t *testing.T) { faultBoth(t, rule, play(rule)) })
	}
	t.Run("it moves in the middle of a look", func(t *testing.T) {
		faultBoth(t, "the turn is asked for before a removal", func(t *testing.T, out bool, n *faultNotes) {
			synctest.Test(t, func(t *testing.T) {
				w := newReapWorld(t)
				w.put("lb2.example.com", w.ended())
				turn := w.r.turn
				standby := faultStandby(t, w, func() bool { return !turn() })
				if out {
					w.r.turn = func() bool { return true }
				}
				var first time.Time
				ask := w.r.states
				w.r.states = func(ctx context.Context, ids []string) (map[string]string, error) {
					if first.IsZero() {
						first = time.Now()
					} else if time.Since(first) >= 24*time.Hour { // and so the name's time is over
						w.do(func() { w.active = false })
					}
					return ask(ctx, ids)
				}
				active := faultReaper(w.node, w.r)
				w.begin()
				pass(reapDue)
				if active.removed.Load()+standby.removed.Load() != 0 || !w.there("lb2.example.com") {
					n.addf("the one before: %s; the next one: %s", active, standby)
				}
				pass(reapDue)
				if active.removed.Load() != 0 || standby.removed.Load() != 1 || w.there("lb2.example.com") {
					n.addf("a day later the one before: %s; the next one: %s", active, standby)
				}
			})
		})
	})
}
