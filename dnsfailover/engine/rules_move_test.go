package engine

import (
	"testing"
	"time"
)

// R6: candidates wait for their turn, by time.
func TestR6(t *testing.T) {
	at := func(t *testing.T, prepare func(n *node)) time.Duration {
		n := newNode(t)
		prepare(n)
		n.standby()
		start := n.now
		n.peer["lb2"].reply = Refused
		n.run(30 * second)
		if len(n.mutations()) == 0 {
			t.Fatalf("no claim; it waits: %v", n.st.Waiting)
		}
		return n.mutations()[0].at - start
	}
	first := at(t, func(*node) {})
	for _, tc := range []struct {
		name    string
		prepare func(n *node)
		later   time.Duration
	}{
		{"by name", func(*node) {}, 0},
		{"by preference", func(n *node) { n.cfg.Prefer = []string{"lb3"} }, Stagger},
		{"after two", func(n *node) {
			n.cfg.Prefer = []string{"lb4", "lb3"}
			n.cfg.Peers = append(n.cfg.Peers, "lb4")
			n.peer["lb4"] = &scripted{body: bodyOf("lb4", "192.0.2.4")}
		}, 2 * Stagger},
		{"the dead has no rank", func(n *node) { n.cfg.Prefer = []string{"lb2"} }, 0},
		{"an unhealthy one has none", func(n *node) { n.cfg.Prefer = []string{"lb3"}; n.peer["lb3"].body.Healthy = false }, 0},
		{"an unable one has none", func(n *node) { n.cfg.Prefer = []string{"lb3"}; n.peer["lb3"].body.Able = false }, 0},
		{"a leaving one has none", func(n *node) { n.cfg.Prefer = []string{"lb3"}; n.peer["lb3"].body.Leaving = true }, 0},
		{"a paused one has none", func(n *node) { n.cfg.Prefer = []string{"lb3"}; n.peer["lb3"].body.Paused = true }, 0},
		{"one told something else has none", func(n *node) { n.cfg.Prefer = []string{"lb3"}; n.peer["lb3"].body.Hash = "x" }, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := at(t, tc.prepare) - first; got != tc.later {
				t.Errorf("it claims %v later, want %v", got, tc.later)
			}
		})
	}
	t.Run("nobody is healthy", func(t *testing.T) {
		n := newNode(t)
		n.standby()
		n.step(Health{OK: false, Started: n.now})
		n.peer["lb3"].body.Healthy = false
		n.run(2 * second)
		n.peer["lb2"].reply = Refused
		n.run(LastResort)
		n.wantNoWrite()
		n.run(3 * second)
		n.wantWrite(DeadGone)
	})
	t.Run("somebody else is healthy", func(t *testing.T) {
		n := newNode(t)
		n.standby()
		n.step(Health{OK: false, Started: n.now})
		n.peer["lb2"].reply = Refused
		n.run(5 * time.Minute)
		n.wantNoWrite()
	})
}

// R7: silence alone moves a service once.
func TestR7(t *testing.T) {
	displaced := func(t *testing.T) *node {
		n := newNode(t)
		n.active()
		n.peer["lb2"].reply, n.peer["lb3"].reply = Silent, Silent
		n.run(20 * second)
		n.holds[home] = leased("lb2", 9, addr2)
		n.run(40 * second)
		n.wantRole(Standby)
		if !n.said(Lost) {
			t.Fatal("not told")
		}
		n.wantNoWrite()
		return n
	}
	t.Run("not within hold_down", func(t *testing.T) {
		n := displaced(t)
		n.run(n.cfg.HoldDown - 42*second)
		n.wantNoWrite()
		n.run(60 * second)
		n.wantWrite(DeadSilent)
	})
	t.Run("not after one answer, but after rise", func(t *testing.T) {
		n := displaced(t)
		n.peer["lb2"].body.Active, n.peer["lb2"].body.Epoch = true, 9
		n.peer["lb2"].reply = Answered
		n.run(second)
		n.peer["lb2"].reply = Silent
		n.run(30 * second)
		n.wantNoWrite()
		n.peer["lb2"].reply = Answered
		n.run(2 * second)
		n.peer["lb2"].reply = Silent
		n.run(10 * second)
		n.wantWrite(DeadSilent)
	})
	t.Run("a process that is gone is not silent", func(t *testing.T) {
		n := displaced(t)
		n.peer["lb2"].reply = Refused
		n.run(2 * second)
		n.wantWrite(DeadGone)
	})
	t.Run("an absent record lifts it", func(t *testing.T) {
		n := displaced(t)
		n.holds[home] = Reading{Token: "none"}
		n.run(70 * second)
		n.wantWrite(Absent)
	})
}

// R8: voluntary moves are limited, others are not.
func TestR8(t *testing.T) {
	t.Run("failback waits for a preferred node to be stable", func(t *testing.T) {
		n := newNode(t)
		n.cfg.Prefer, n.cfg.Failback = []string{"lb2", "lb1"}, time.Minute
		n.peer["lb2"].body.Healthy = false
		n.active()
		n.run(5 * time.Minute)
		n.peer["lb2"].body.Healthy = true
		n.run(59 * second)
		if len(n.offered) > 0 {
			t.Fatal("too early")
		}
		n.run(3 * second)
		if len(n.offered) == 0 || n.offered[0].Peer != "lb2" || n.offered[0].Offer.Why.Code != Preferred {
			t.Fatalf("offered %+v", n.offered)
		}
	})
	t.Run("a node that was denied something is preferred by nobody, though better than one that leaves", func(t *testing.T) {
		n := newNode(t)
		n.cfg.Prefer, n.cfg.Failback = []string{"lb2", "lb1"}, time.Minute
		n.peer["lb2"].body.Doubtful, n.peer["lb3"].body.Doubtful = true, true
		n.active()
		n.run(time.Hour)
		if len(n.offered) > 0 {
			t.Fatalf("offered %+v", n.offered)
		}
		n.peer["lb3"].body.Doubtful = false
		n.run(2 * second)
		n.step(Command{What: Stop})
		n.run(2 * second)
		if len(n.offered) == 0 || n.offered[0].Peer != "lb3" {
			t.Fatalf("with lb3 beyond doubt, offered %+v", n.offered)
		}
		n.peer["lb3"].reply = Silent
		n.run(10 * second)
		n.forget()
		n.run(20 * second)
		if len(n.offered) == 0 || n.offered[0].Peer != "lb2" {
			t.Fatalf("with lb3 silent, offered %+v", n.offered)
		}
	})
	t.Run("never, if so told", func(t *testing.T) {
		n := newNode(t)
		n.cfg.Prefer = []string{"lb2", "lb1"}
		n.active()
		n.run(time.Hour)
		if len(n.offered) != 0 {
			t.Fatalf("offered %+v", n.offered)
		}
	})
	t.Run("a second failback waits for hold_down", func(t *testing.T) {
		n := newNode(t)
		n.cfg.Prefer, n.cfg.Failback = []string{"lb2", "lb1"}, 10*second
		n.active()
		n.run(15 * second)
		n.holds[home] = leased("lb2", 9, addr2) // taken
		n.peer["lb2"].body.Active, n.peer["lb2"].body.Epoch = true, 9
		n.run(10 * second)
		n.wantRole(Standby)
		n.peer["lb2"].reply = Refused
		n.run(2 * second)
		n.wantRole(Active)
		n.peer["lb2"].reply, n.peer["lb2"].body.Active = Answered, false
		n.forget()
		n.run(4 * time.Minute)
		if len(n.offered) != 0 {
			t.Fatalf("offered %+v", n.offered)
		}
		n.run(2 * time.Minute)
		if len(n.offered) == 0 {
			t.Fatal("never offered again")
		}
	})
	t.Run("a node that flaps is slowed down", func(t *testing.T) {
		n := newNode(t)
		n.active()
		var waits []time.Duration
		for epoch := uint64(9); len(waits) < 9; epoch += 2 {
			n.forget()
			failed := n.now
			n.step(Health{OK: false, Started: n.now})
			for len(n.offered) == 0 {
				n.run(100 * time.Millisecond)
			}
			waits = append(waits, n.now-failed)
			n.holds[home] = leased("lb2", epoch, addr2) // taken, and given back
			n.peer["lb2"].body.Active, n.peer["lb2"].body.Epoch = true, epoch
			n.step(Health{OK: true, Started: n.now})
			n.run(3 * second)
			n.wantRole(Standby)
			n.peer["lb2"].body.Active = false
			n.holds[home] = leased("lb1", epoch+1, addr1)
			n.peer["lb2"].body.Epoch, n.peer["lb2"].body.Writes = epoch+1, epoch
			n.run(5 * second)
			n.wantRole(Active)
		}
		if waits[1] > 2*second || waits[8] < 30*second || waits[8] > n.cfg.HoldDown {
			t.Errorf("it waits %v", waits)
		}
	})
	t.Run("a takeover that waits for the provider follows its first answers", func(t *testing.T) {
		for outage := 10 * second; outage <= time.Minute; outage += 3 * second {
			n := newNode(t)
			n.standby()
			n.peer["lb2"].reply = Refused
			n.reads, n.writes = Unknown, func(string) Outcome { return Busy }
			n.run(outage)
			n.wantRole(Standby)
			if m := len(n.did); m > 2*int(outage/second) {
				t.Errorf("%d calls in %s", m, outage)
			}
			n.reads, n.writes = Done, func(string) Outcome { return Done }
			n.run(BackoffUrgent + 100*time.Millisecond)
			n.wantRole(Active)
		}
	})
	t.Run("a dead holder is met with backoff, never with giving up", func(t *testing.T) {
		n := newNode(t)
		n.standby()
		n.peer["lb2"].reply = Refused
		n.writes = func(string) Outcome { return Busy }
		n.run(time.Hour)
		if m := len(n.mutations()); m < 100 || m > 300 {
			t.Fatalf("%d attempts in an hour", m)
		}
		n.writes = func(string) Outcome { return Done }
		n.run(BackoffMax)
		n.wantRole(Active)
	})
}

// R9: silence does not count against a new holder at first.
func TestR9(t *testing.T) {
	claimed := func(t *testing.T) *node {
		n := newNode(t)
		n.standby()
		n.holds[home] = leased("lb3", 8, addr3)
		n.peer["lb2"].body.Active = false
		n.peer["lb3"].body.Active, n.peer["lb3"].body.Epoch = true, 8
		n.run(3 * second) // it is read when lb3 says so, and lb3 is heard since
		return n
	}
	t.Run("silence", func(t *testing.T) {
		n := claimed(t)
		n.peer["lb3"].reply = Silent
		n.run(Settle)
		n.wantNoWrite()
		n.run(6 * second)
		n.wantWrite(DeadSilent)
	})
	t.Run("refusal", func(t *testing.T) {
		n := claimed(t)
		n.peer["lb3"].reply = Refused
		n.run(2 * second)
		n.wantWrite(DeadGone)
	})
}

// R10: a node that may not write says so, and what can't be read is not absent.
func TestR10(t *testing.T) {
	t.Run("denied", func(t *testing.T) {
		n := newNode(t)
		n.standby()
		n.peer["lb2"].reply = Refused
		n.writes = func(string) Outcome { return Denied }
		n.run(4 * time.Minute)
		n.wantWrite(DeadGone)
		if b := n.st.Body(n.now, &n.cfg); b.Able || !n.said(Unable) {
			t.Errorf("it says %+v", b)
		}
		// It tries again after hold_down.
		n.writes = func(string) Outcome { return Done }
		n.run(2 * time.Minute)
		n.wantRole(Active)
	})
	t.Run("as holder it offers", func(t *testing.T) {
		n := newNode(t)
		n.active()
		n.reads = Denied
		n.run(40 * second)
		if len(n.offered) == 0 || n.offered[0].Offer.Why.Code != IsDenied {
			t.Fatalf("offered %+v", n.offered)
		}
	})
	t.Run("never read is not absent", func(t *testing.T) {
		n := newNode(t)
		n.reads = Unknown
		n.peer["lb2"].reply = Refused
		n.run(10 * time.Minute)
		n.wantNoWrite()
		n.wantRole(Starting)
	})
	t.Run("one target's outage does not stop the other", func(t *testing.T) {
		n := mixed(t)
		n.standby()
		n.writes = func(id string) Outcome {
			if id == eip {
				return Unknown
			}
			return Done
		}
		n.peer["lb2"].reply = Refused
		n.run(30 * second)
		if n.holds[home].Lease.Holder != "lb1" || n.holds[eip].Instance != "i-2" {
			t.Fatalf("%+v", n.holds)
		}
		n.writes = func(string) Outcome { return Done }
		n.run(2 * BackoffMax)
		if n.holds[eip].Instance != "i-1" {
			t.Fatalf("the address stays behind: %+v; it waits: %v", n.holds[eip], n.st.Waiting)
		}
	})
}

// What a node may read, and not move, it knows; and it is no candidate.
func TestReadableAndDenied(t *testing.T) {
	n := newNode(t)
	n.cfg.Targets = []Target{{ID: eip, Kind: Address}}
	n.holds = map[string]Reading{eip: {Token: "a-2", Exists: true, Instance: "i-2"}}
	n.reads = Denied
	n.run(30 * time.Second)
	n.wantRole(Standby)
	if b := n.st.Body(n.now, &n.cfg); b.Able || n.st.Holder(&n.cfg) != "lb2" {
		t.Errorf("able %v, and the holder is %q", b.Able, n.st.Holder(&n.cfg))
	}
	n.peer["lb2"].reply = Refused
	n.run(time.Minute)
	n.wantNoWrite()
	n.reads = Done
	n.run(2 * time.Minute)
	if n.holds[eip].Instance != "i-1" {
		t.Errorf("it is allowed, and %+v", n.holds[eip])
	}
}

// A claim of which a node has heard while it ran is a new one, although it could not read the one before.
func TestClaimThatWasHeardOf(t *testing.T) {
	n := newNode(t)
	n.reads = Busy
	n.run(20 * time.Second)
	n.peer["lb2"].body.Active = false
	b := &n.peer["lb3"].body
	b.Active, b.Epoch = true, 8
	n.holds[home] = leased("lb3", 8, addr3)
	n.run(2 * time.Second)
	n.peer["lb3"].reply = Silent
	n.reads = Done
	n.run(2 * time.Minute)
	n.wantNoWrite()
	if n.st.Waiting.Code != HoldingDown {
		t.Errorf("it waits: %v", n.st.Waiting)
	}
}
