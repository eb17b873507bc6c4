package dnsfailover

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// The tests named TestFaultNN are the table of faults in DESIGN.md; those about the rules alone are in the simulator. Each
// plays its fault, says who has to hold the service, how many writes there may be, and when, and plays it once more without
// the rule that it takes: that has to go wrong.

// faultNotes is what went wrong.
type faultNotes struct{ bad []string }

func (n *faultNotes) addf(format string, args ...any) {
	n.bad = append(n.bad, fmt.Sprintf(format, args...))
}

// faultPlay is a fault, with the rule or without it.
type faultPlay func(t *testing.T, without bool, n *faultNotes)

// faultBoth plays a fault in both ways.
func faultBoth(t *testing.T, rule string, play faultPlay) {
	t.Helper()
	for _, without := range []bool{false, true} {
		t.Run(strings.ReplaceAll(map[bool]string{false: "with ", true: "without "}[without]+rule, " ", "_"), func(t *testing.T) {
			n := &faultNotes{}
			play(t, without, n)
			switch {
			case !without && len(n.bad) > 0:
				t.Error(strings.Join(n.bad, "\n"))
			case without && len(n.bad) == 0:
				t.Error("nothing goes wrong")
			case without:
				t.Log(strings.Join(n.bad, "; "))
			}
		})
	}
}

// faultCluster plays a fault with loops in a bubble.
func faultCluster(t *testing.T, play func(t *testing.T, c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { play(t, newCluster(t)) })
}

// wants notes if the record has another holder, or was written another number of times.
func (n *faultNotes) wants(c *cluster, holder string, writes int) {
	if h := c.rec.Now().Lease.Holder; h != holder {
		n.addf("the record is with %s, not with %s", h, holder)
	}
	if w := c.writes(); w != writes {
		n.addf("%d writes, not %d", w, writes)
	}
}

// active notes if another node than one takes itself for the holder.
func (n *faultNotes) active(c *cluster, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.members {
		if active := m.up && m.state().Role == engine.Active; active != (m.name == name) {
			n.addf("%s is active: %t", m.name, active)
		}
	}
}

// within lets time pass until the record is with a node, and notes if that takes too long.
func (n *faultNotes) within(c *cluster, holder string, d time.Duration) {
	for began := time.Now(); c.rec.Now().Lease.Holder != holder; pass(10 * time.Millisecond) {
		if time.Since(began) > d {
			n.addf("after %s the record is with %s, not with %s", d, c.rec.Now().Lease.Holder, holder)
			return
		}
	}
}

// say gives a node the word of its own checks.
func (m *member) say(ok bool) { m.loop.Health(ok, time.Now()) }

// faultTarget is a target that fails before a call, or whose errors are changed after it.
type faultTarget struct {
	Target
	before func() error
	after  func(error) error
}

func (f faultTarget) Read(ctx context.Context) (engine.Reading, error) {
	if f.before != nil {
		if err := f.before(); err != nil {
			return engine.Reading{}, err
		}
	}
	r, err := f.Target.Read(ctx)
	return r, f.changed(err)
}

func (f faultTarget) Swap(ctx context.Context, from engine.Reading, to engine.Value) (engine.Reading, error) {
	if f.before != nil {
		if err := f.before(); err != nil {
			return engine.Reading{}, err
		}
	}
	r, err := f.Target.Swap(ctx, from, to)
	return r, f.changed(err)
}

func (f faultTarget) changed(err error) error {
	if f.after == nil {
		return err
	}
	return f.after(err)
}

// faultDenied takes everything that may be tried again for a denial.
func faultDenied(err error) error {
	if err != nil && OutcomeOf(err) == engine.Busy {
		return &outcomeError{engine.Denied, err}
	}
	return err
}

// faultAwait waits for what happens in real time, and reports whether it has in time.
func faultAwait(d time.Duration, cond func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(d); !cond(); {
		select {
		case <-tick.C:
		case <-end:
			return false
		}
	}
	return true
}
