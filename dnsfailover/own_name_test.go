package dnsfailover

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// ownSoon is long enough for what is done at once, and short of everything that waits.
const ownSoon = 900 * time.Millisecond

func TestOwnNameLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOwnWorld(t)
		n := w.node("i-1", "203.0.113.1", "2001:db8::1")
		if s := n.status(); len(s) != 0 {
			t.Errorf("the status is %+v", s)
		}
		began := time.Now()
		w.set(nil, time.Millisecond)
		n.begin(func(n *ownName) { n.OnStop = true })
		if s := n.one(); s.State != ownPending || s.Name != ownLabName || s.Zone != w.rec.Zone || !s.Since.Equal(began) {
			t.Errorf("the status is %+v", s)
		}
		pass(ownSoon)
		w.wantCalls(1, 1)
		w.holds("203.0.113.1,2001:db8::1", 60, "i-1", 1)
		if s := n.one(); s.State != ownRegistered || s.Addresses != "203.0.113.1,2001:db8::1" || s.Error != "" {
			t.Errorf("the status is %+v", s)
		}
		n.wantLogs("own name registered")

		// The same, ten times over: other configurations with other accesses.
		for range 10 {
			n.access = &awsAccess{}
			n.begin()
			pass(ownSoon)
		}
		w.wantCalls(0, 0)

		// Then it is looked at every five minutes, and nothing is written, for a day.
		pass(24 * time.Hour)
		w.mu.Lock()
		reads := w.reads
		w.mu.Unlock()
		if len(reads) < 260 || len(reads) > 288 {
			t.Errorf("%d readings in a day", len(reads))
		}
		gaps := map[time.Duration]bool{}
		for i, at := range reads[1:] {
			gap := at.Sub(reads[i])
			gaps[gap] = true
			if gap < ownInterval || gap > ownInterval+ownInterval/10+time.Second { // with the reading itself
				t.Errorf("%s between two readings", gap)
			}
		}
		if len(gaps) < 100 {
			t.Errorf("%d different times between readings", len(gaps))
		}
		w.wantCalls(len(reads), 0)

		// The address changes, and with it nothing but what is to change.
		n.begin(func(n *ownName) { n.Addrs = "203.0.113.7" })
		pass(ownSoon)
		w.wantCalls(1, 1)
		w.holds("203.0.113.7", 60, "i-1", 2)
		n.wantLogs("own name registered")

		// Somebody edits it.
		w.edit(60, "203.0.113.99")
		pass(2 * ownInterval)
		w.holds("203.0.113.7", 60, "i-1", 3)
		if s := n.one(); s.State != ownRegistered || s.Since.Sub(began) > ownSoon {
			t.Errorf("the status is %+v", s)
		}
		w.mu.Lock()
		w.reads, w.swaps = nil, nil
		w.mu.Unlock()

		n.stop(t.Context())
		w.wantCalls(0, 0)
		if r := w.rec.Now(); r.Exists || r.Lease.Holder != "" || w.removals != 1 {
			t.Errorf("after %d removals there is %+v", w.removals, r)
		}
		if s := n.one(); s.State != ownDeleted || s.Addresses != "" {
			t.Errorf("the status is %+v", s)
		}
		n.wantLogs("own name registered", "own name deleted")

		// Nothing comes after the end.
		n.begin(func(n *ownName) { n.Addrs = "203.0.113.8" })
		n.stop(t.Context())
		pass(time.Hour)
		w.wantCalls(0, 0)
	})
}

// What was at the name before decides whether the node writes, and it does so at the first look.
func TestOwnNameFound(t *testing.T) {
	for _, tc := range []struct {
		name   string
		before func(w *ownWorld)
		swaps  int
		epoch  uint64
	}{
		{"somebody else's without a lease", func(w *ownWorld) { w.edit(300, "203.0.113.9", "203.0.113.10") }, 1, 1},
		{"right, without a lease", func(w *ownWorld) { w.edit(60, "203.0.113.1") }, 1, 1},
		{"of its own last life", func(w *ownWorld) { ownBefore(w, "i-1", 60, "203.0.113.1") }, 0, 1},
		{"of its own last life, at another address", func(w *ownWorld) { ownBefore(w, "i-1", 60, "203.0.113.9") }, 1, 2},
		{"of its own last life, with another TTL", func(w *ownWorld) { ownBefore(w, "i-1", 300, "203.0.113.1") }, 1, 2},
		{"of a dead instance", func(w *ownWorld) { ownBefore(w, "i-2", 60, "203.0.113.2") }, 1, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newOwnWorld(t)
				tc.before(w)
				pass(time.Second)
				w.mu.Lock()
				w.reads, w.swaps = nil, nil
				w.mu.Unlock()
				n := w.node("i-1", "203.0.113.1")
				n.begin()
				pass(ownSoon)
				w.wantCalls(1, tc.swaps)
				w.holds("203.0.113.1", 60, "i-1", tc.epoch)
				if s := n.one(); s.State != ownRegistered {
					t.Errorf("the status is %+v", s)
				}
			})
		})
	}
}

// ownBefore lets an instance register the name, and end without a word.
func ownBefore(w *ownWorld, instance string, ttl int, addrs ...string) {
	before := w.node(instance, addrs...)
	before.begin(func(n *ownName) { n.TTL = ttl })
	pass(ownSoon)
	before.close()
}

func TestOwnNameTTLIsConvergedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOwnWorld(t)
		n := w.node("i-1", "203.0.113.1")
		n.begin()
		pass(ownSoon)
		n.begin(func(n *ownName) { n.TTL = 30 })
		pass(ownSoon)
		w.wantCalls(2, 2)
		w.holds("203.0.113.1", 30, "i-1", 2)

		w.edit(5, "203.0.113.1")
		pass(time.Hour)
		w.holds("203.0.113.1", 5, "i-1", 2)

		n.begin(func(n *ownName) { n.Addrs = "203.0.113.2" })
		pass(ownSoon)
		w.holds("203.0.113.2", 30, "i-1", 3)
	})
}

// Of two instances with the name of one node, the first keeps it as long as it lives, and one that was displaced does not
// come back.
func TestOwnNameOfTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOwnWorld(t)
		first, clone := w.node("i-1", "203.0.113.1"), w.node("i-2", "203.0.113.2")
		clone.live("i-1", true)
		first.begin()
		pass(ownSoon)
		w.wantCalls(1, 1)
		clone.begin(func(n *ownName) { n.OnStop = true })
		pass(ownInterval - 2*ownSoon)
		w.wantCalls(1, 0) // asking for its life takes no request
		if s := clone.one(); s.State != ownContested || s.Addresses != "203.0.113.1" || !strings.Contains(s.Error, `"i-1"`) {
			t.Errorf("the status is %+v", s)
		}
		for range 10 {
			clone.begin()
			pass(ownSoon)
		}
		pass(time.Hour)
		w.holds("203.0.113.1", 60, "i-1", 1)
		clone.wantLogs("own name is not at this node's addresses, or not known to be")

		// The first is not heard of any more, for whatever reason.
		clone.live("i-1", false)
		pass(ownAliveTime)
		w.holds("203.0.113.2", 60, "i-2", 2)
		if s := clone.one(); s.State != ownRegistered || s.Error != "" {
			t.Errorf("the status is %+v", s)
		}
		clone.wantLogs("own name registered", "own name is at this node's addresses again")

		// It lives, and has no way to know the other.
		pass(24 * time.Hour)
		w.holds("203.0.113.2", 60, "i-2", 2)
		if s := first.one(); s.State != ownContested || !strings.Contains(s.Error, "while this node runs") {
			t.Errorf("the status is %+v", s)
		}

		// The exit of the one that does not have it deletes nothing.
		first.begin(func(n *ownName) { n.OnStop = true })
		first.stop(t.Context())
		w.holds("203.0.113.2", 60, "i-2", 2)
		clone.stop(t.Context())
		if r := w.rec.Now(); r.Exists {
			t.Errorf("there is still %+v", r)
		}
	})
}

// What another took while this one could not look is not deleted at the exit.
func TestOwnNameIsAnothersAtTheExit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOwnWorld(t)
		first, clone := w.node("i-1", "203.0.113.1"), w.node("i-2", "203.0.113.2")
		first.begin(func(n *ownName) { n.OnStop = true })
		pass(ownSoon)
		clone.begin()
		pass(ownSoon)
		w.wantCalls(2, 2)
		first.wantLogs("own name registered")
		first.stop(t.Context())
		w.wantCalls(1, 0)
		w.holds("203.0.113.2", 60, "i-2", 2)
		first.wantLogs("own name is not deleted: it is not this instance's")
	})
}

func TestOwnNameBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOwnWorld(t)
		n := w.node("i-1", "203.0.113.1")
		w.set(&outcomeError{engine.Unknown, errors.New("an outage")}, 0)
		n.begin()
		pass(2 * time.Hour)
		w.mu.Lock()
		reads := w.reads
		w.reads = nil
		w.mu.Unlock()
		for i, at := range reads[1:] {
			most := min(ownRetry<<min(i, 16), ownInterval)
			if gap := at.Sub(reads[i]); gap < most/2 || gap > most {
				t.Errorf("%s between the attempts %d and %d", gap, i+1, i+2)
			}
		}
		if s := n.one(); s.State != ownFailed || s.Error != "an outage" {
			t.Errorf("the status is %+v", s)
		}
		n.wantLogs("own name is not at this node's addresses, or not known to be")

		// The same configuration waits, another one does not. The next attempt is far away just after one.
		for tried := false; !tried; {
			pass(time.Second)
			w.mu.Lock()
			tried, w.reads = len(w.reads) > 0, nil
			w.mu.Unlock()
		}
		n.begin()
		pass(ownSoon)
		w.wantCalls(0, 0)
		n.access = &awsAccess{}
		n.begin()
		pass(ownSoon)
		w.wantCalls(1, 0)

		// Another error is worth another line, and a success ends it.
		w.set(&outcomeError{engine.Denied, errors.New("no permission")}, 0)
		pass(ownInterval)
		w.set(nil, 0)
		pass(ownInterval)
		w.holds("203.0.113.1", 60, "i-1", 1)
		n.wantLogs("own name is not at this node's addresses, or not known to be", "own name registered", "own name is at this node's addresses again")
	})
}

// A node that has no address (yet) leaves the name alone.
func TestOwnNameWithoutAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOwnWorld(t)
		n := w.node("i-1")
		n.begin()
		pass(time.Hour)
		w.wantCalls(0, 0)
		if s := n.one(); s.State != ownFailed || !strings.Contains(s.Error, "no address for the name") {
			t.Errorf("the status is %+v", s)
		}
		n.begin(func(n *ownName) { n.Addrs = "203.0.113.1" })
		pass(ownSoon)
		w.wantCalls(1, 1)
	})
}

// A name that is not configured any more stays, also if it goes at the exit, and is kept again when it comes back.
func TestOwnNameRemovedFromConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOwnWorld(t)
		n := w.node("i-1", "203.0.113.1")
		n.begin(func(n *ownName) { n.OnStop = true })
		pass(ownSoon)
		n.wantLogs("own name registered")
		n.set(n.access, nil)
		n.wantLogs("own name is not kept any more, and stays in the DNS as it is: delete the record and the TXT beside it if nobody needs them")
		if s := n.status(); len(s) != 0 {
			t.Errorf("the status is %+v", s)
		}
		pass(time.Hour)
		w.wantCalls(1, 1)
		n.begin()
		n.set(n.access, []ownName{n.want, n.want})
		pass(ownSoon)
		w.wantCalls(1, 0)
		n.set(n.access, nil)
		n.stop(t.Context())
		w.holds("203.0.113.1", 60, "i-1", 1)
	})
}

// Stopping waits for a call under way, and no longer than it may; closing ends it.
func TestOwnNameStopWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOwnWorld(t)
		n := w.node("i-1", "203.0.113.1")
		w.set(nil, 3*time.Second)
		n.begin(func(n *ownName) { n.OnStop = true })
		pass(4 * time.Second) // it is about to be written
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		n.stop(ctx)
		if r := w.rec.Now(); r.Exists || w.removals != 1 {
			t.Errorf("after %d removals there is %+v", w.removals, r)
		}
		n.wantLogs("own name registered", "own name deleted")
	})
	synctest.Test(t, func(t *testing.T) {
		w := newOwnWorld(t)
		n := w.node("i-1", "203.0.113.1")
		w.set(nil, 20*time.Second)
		n.begin(func(n *ownName) { n.OnStop = true })
		pass(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		n.stop(ctx)
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("stopping took %s", took)
		}
		n.wantLogs("own name is not deleted: it stays in the DNS until this instance starts again, or somebody deletes it")
		n.close()
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("stopping and closing took %s", took)
		}
		w.wantCalls(1, 0)
	})
}

// A target that panics is an error of this name, and of nothing else.
func TestOwnNamePanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newOwnWorld(t)
		n := w.node("i-1", "203.0.113.1")
		n.open = func(*awsAccess, string, string) (ownTarget, error) { panic("x") }
		n.begin()
		pass(ownSoon)
		if s := n.one(); s.State != ownFailed || s.Error != errPanic.Error() {
			t.Errorf("the status is %+v", s)
		}
	})
}
