package engine

import (
	"testing"
	"time"
)

const second = time.Second

// R1: a verdict is about one reading.
func TestR1(t *testing.T) {
	t.Run("the swap names the reading that was judged", func(t *testing.T) {
		n := newNode(t)
		n.standby()
		judged := n.holds[home]
		n.peer["lb2"].reply = Refused
		n.run(2 * second)
		if from := n.wantWrite(DeadGone).action.(Swap).From; from.Token != judged.Token {
			t.Fatalf("it swaps from %+v, and judged %+v", from, judged)
		}
	})
	t.Run("a newer reading voids the verdict", func(t *testing.T) {
		n := newNode(t)
		n.standby()
		// lb3 was faster, and works.
		n.holds[home] = leased("lb3", 8, addr3)
		n.peer["lb3"].body.Active, n.peer["lb3"].body.Epoch = true, 7 // it has not said so yet
		n.peer["lb2"].reply = Refused
		n.run(60 * second)
		n.wantWrite(DeadGone) // refused by the target, and not tried again
		n.wantRole(Standby)
		if !n.said(Contested) || n.holds[home].Lease.Holder != "lb3" {
			t.Fatalf("told %+v, the record is %+v", n.told, n.holds[home])
		}
	})
	t.Run("after an unknown outcome it reads before it writes", func(t *testing.T) {
		n := newNode(t)
		n.standby()
		n.peer["lb2"].reply = Refused
		n.reads = Unknown
		n.writes = func(string) Outcome { return Unknown }
		n.run(30 * second)
		n.wantWrite(DeadGone)
		n.reads = Done
		n.writes = func(string) Outcome { return Done }
		n.forget()
		n.run(60 * second)
		n.wantWrite(DeadGone)
		n.wantRole(Active)
	})
	t.Run("a lost reply is recognised, without a second write", func(t *testing.T) {
		n := newNode(t)
		n.standby()
		n.peer["lb2"].reply = Refused
		n.writes = func(id string) Outcome {
			n.holds[id] = leased("lb1", 8, addr1)
			return Unknown
		}
		n.run(30 * second)
		n.wantWrite(DeadGone)
		n.wantRole(Active)
	})
}

// R2: nobody resumes before hearing every peer, and the higher epoch wins.
func TestR2(t *testing.T) {
	t.Run("resumes after every peer has answered", func(t *testing.T) {
		n := newNode(t)
		n.peer["lb2"].body.Active = false
		n.holds[home] = leased("lb1", 7, addr1)
		n.run(2 * second)
		n.wantRole(Active)
		n.run(5 * time.Minute)
		n.wantNoWrite()
		if !n.said(Resumed) {
			t.Error("not told")
		}
	})
	t.Run("waits for a silent peer", func(t *testing.T) {
		n := newNode(t)
		n.peer["lb2"].reply = Silent
		n.holds[home] = leased("lb1", 7, addr1)
		n.run(1900 * time.Millisecond)
		n.wantRole(Starting)
		n.run(2 * second)
		n.wantRole(Active)
		n.wantNoWrite()
	})
	t.Run("yields to a higher epoch", func(t *testing.T) {
		n := mixed(t)
		n.holds[home] = leased("lb1", 7, "198.51.100.9")
		n.holds[eip] = Reading{Token: "a-2", Exists: true, Instance: "i-2"}
		b := &n.peer["lb2"].body
		b.Active, b.Provisional, b.Epoch = true, true, 8
		n.run(60 * second)
		n.wantRole(Standby)
		n.wantNoWrite()
	})
	t.Run("provisional epoch: followers are claimed while the home can't be used", func(t *testing.T) {
		n := mixed(t)
		n.standby()
		n.writes = func(id string) Outcome {
			if id == home {
				return Unknown
			}
			return Done
		}
		n.reads = Unknown
		n.peer["lb2"].reply = Refused
		n.run(10 * second)
		if n.st.Provisional != 8 || n.holds[eip].Instance != "i-1" {
			t.Fatalf("provisional epoch %d, the address is at %+v; it waits: %v", n.st.Provisional, n.holds[eip], n.st.Waiting)
		}
		n.wantRole(Active)
		if b := n.st.Body(n.now, &n.cfg); !b.Provisional || b.Epoch != 8 {
			t.Errorf("it says %+v", b)
		}
		// The home comes back, and is claimed under that epoch.
		n.reads, n.writes = Done, func(string) Outcome { return Done }
		n.run(60 * second)
		if l := n.holds[home].Lease; l.Holder != "lb1" || l.Epoch != 8 || n.st.Provisional != 0 {
			t.Fatalf("the home is %+v, provisional epoch %d; it waits: %v", n.holds[home], n.st.Provisional, n.st.Waiting)
		}
	})
}

// mixed is a node of a service with a record and an Elastic IP, at lb2.
func mixed(t *testing.T) *node {
	n := newNode(t)
	n.cfg.Targets = []Target{{ID: home, Addrs: "198.51.100.9", Shared: true, TTL: 60}, {ID: eip, Kind: Address}}
	n.holds[home] = leased("lb2", 7, "198.51.100.9")
	n.holds[eip] = Reading{Token: "a-2", Exists: true, Instance: "i-2"}
	return n
}

// R3: only the claimer writes, and offers are taken at once.
func TestR3(t *testing.T) {
	offer := func(n *node) Offered {
		return Offered{Offer{From: "lb2", Epoch: 7, Why: Why{Code: CheckFails}}}
	}
	t.Run("an offer is claimed at once", func(t *testing.T) {
		n := newNode(t)
		n.standby()
		n.step(offer(n))
		if d := n.wantWrite(ByOffer); d.at != n.now {
			t.Fatalf("it waited %v", d.at-n.now)
		}
	})
	for name, spoil := range map[string]func(n *node, o *Offered){
		"of somebody else":    func(_ *node, o *Offered) { o.Offer.From = "lb3" },
		"of an earlier claim": func(_ *node, o *Offered) { o.Offer.Epoch = 6 },
		"to an unhealthy node": func(n *node, _ *Offered) {
			n.step(Health{OK: false, Started: n.now})
		},
		"to a paused node":   func(n *node, _ *Offered) { n.step(Command{What: Pause}) },
		"to a stopping node": func(n *node, _ *Offered) { n.step(Command{What: Stop}) },
		"of another definition": func(n *node, _ *Offered) {
			n.peer["lb2"].body.Hash = "x"
			n.run(2 * second)
		},
	} {
		t.Run("no claim on an offer "+name, func(t *testing.T) {
			n := newNode(t)
			n.standby()
			o := offer(n)
			spoil(n, &o)
			n.step(o)
			n.run(30 * second)
			n.wantNoWrite()
		})
	}
	t.Run("an offer does not last", func(t *testing.T) {
		n := newNode(t)
		n.standby()
		n.step(Command{What: Pause})
		n.step(offer(n))
		n.run(OfferTime)
		n.step(Command{What: Resume})
		n.run(second)
		n.wantNoWrite()
	})
	t.Run("a failed self-check is offered to a peer that has passed since", func(t *testing.T) {
		n := newNode(t)
		n.active()
		n.peer["lb2"].body.Checked = 5 * second // its last pass began before our failure
		n.step(Health{OK: false, Started: n.now})
		n.run(3 * second)
		if len(n.offered) == 0 || n.offered[0].Peer != "lb3" {
			t.Fatalf("offered %+v", n.offered)
		}
		n.wantNoWrite()
	})
	t.Run("where nobody has passed since, nobody is asked", func(t *testing.T) {
		n := newNode(t)
		n.active()
		n.peer["lb2"].body.Checked, n.peer["lb3"].body.Checked = time.Hour, time.Hour
		n.step(Health{OK: false, Started: n.now})
		n.run(60 * second)
		if len(n.offered) != 0 {
			t.Fatalf("offered %+v", n.offered)
		}
	})
	t.Run("release", func(t *testing.T) {
		n := newNode(t)
		n.active()
		n.step(Command{What: Release, Reason: "maintenance"})
		if len(n.offered) != 1 || n.offered[0].Peer != "lb2" || n.offered[0].Offer.Epoch != 8 {
			t.Fatalf("offered %+v", n.offered)
		}
		n.wantNoWrite()
	})
	t.Run("stop offers and leaves when it is taken", func(t *testing.T) {
		n := newNode(t)
		n.active()
		n.step(Command{What: Stop})
		if len(n.offered) != 1 || count[Left](n) != 0 {
			t.Fatalf("offered %+v, left %d", n.offered, count[Left](n))
		}
		n.holds[home] = leased("lb2", 9, addr2)
		n.run(2 * second)
		if count[Left](n) != 1 {
			t.Fatal("it does not leave")
		}
	})
	t.Run("the last node keeps everything and leaves at once", func(t *testing.T) {
		n := newNode(t)
		n.active()
		n.peer["lb2"].reply, n.peer["lb3"].reply = Refused, Refused
		n.run(2 * second)
		n.step(Command{What: Stop})
		if len(n.offered) != 0 || count[Left](n) != 1 {
			t.Fatalf("offered %+v, left %d", n.offered, count[Left](n))
		}
		n.wantNoWrite()
	})
	t.Run("takeover by an operator", func(t *testing.T) {
		n := newNode(t)
		n.standby()
		n.step(Command{What: Takeover, Reason: "test"})
		n.wantWrite(Forced)
		n.wantRole(Active)
		last := n.told[len(n.told)-1]
		if last.What != Claimed || last.Order != "test" || last.From != "lb2" {
			t.Errorf("told %+v", last)
		}
	})
}

// R4: without an offer, only what nobody has, or a dead one has, is claimed.
func TestR4(t *testing.T) {
	for _, tc := range []struct {
		name  string
		do    func(n *node)
		after time.Duration // of the fault
		cause Cause         // NoCause for no claim
	}{
		{"absent", func(n *node) {
			n.holds[home] = Reading{Token: "none"}
			n.peer["lb2"].body.Active = false
			n.run(70 * second)
		}, second, Absent},
		{"silent, without a witness, for fall heartbeats", func(n *node) { n.peer["lb2"].reply = Silent }, 4900 * time.Millisecond, NoCause},
		{"silent, without a witness, for twice fall", func(n *node) { n.peer["lb2"].reply = Silent }, 8 * second, DeadSilent},
		{"silent, and the armed witness fails", func(n *node) { n.arm(); n.peer["lb2"].reply = Silent; n.witness = false }, 5 * second, DeadSilent},
		{"silent, and the armed witness passes", func(n *node) { n.arm(); n.peer["lb2"].reply = Silent }, time.Minute, NoCause},
		{"silent, and the armed witness has not ended", func(n *node) { n.arm(); n.peer["lb2"].reply = Silent; n.probeAll = false }, time.Minute, NoCause},
		{"silent, and a peer hears it", func(n *node) { n.peer["lb2"].reply = Silent; n.peer["lb3"].body.Hears = []string{"lb1", "lb2"} }, time.Minute, NoCause},
		{"silent, and a silent peer has heard it", func(n *node) {
			n.peer["lb3"].body.Hears = []string{"lb1", "lb2"}
			n.run(2 * second)
			n.peer["lb2"].reply, n.peer["lb3"].reply = Silent, Silent
		}, 8 * second, DeadSilent},
		{"silent, and the armed control probe fails", func(n *node) { n.control = true; n.run(31 * second); n.peer["lb2"].reply = Silent; n.control = false }, time.Minute, NoCause},
		{"silent, and the control probe that never passed fails", func(n *node) { n.peer["lb2"].reply = Silent }, 8 * second, DeadSilent},
		{"refused", func(n *node) { n.peer["lb2"].reply = Refused }, 2 * second, DeadGone},
		{"refused, though a peer still hears it", func(n *node) { n.peer["lb2"].reply = Refused; n.peer["lb3"].body.Hears = []string{"lb2"} }, 2 * second, DeadGone},
		{"refused, and the armed witness passes", func(n *node) { n.arm(); n.peer["lb2"].reply = Refused }, time.Minute, NoCause},
		{"refused, and the armed witness fails", func(n *node) { n.arm(); n.peer["lb2"].reply = Refused; n.witness = false }, 2 * second, DeadGone},
		{"under another secret", func(n *node) { n.peer["lb2"].reply = Mismatched }, 10 * time.Minute, NoCause},
		{"unreadable", func(n *node) { n.reads = Unknown; n.run(3 * time.Minute) }, time.Minute, NoCause},
		{"absent, and then unreadable", func(n *node) {
			n.step(Command{What: Pause})
			n.holds[home] = Reading{Token: "none"}
			n.run(70 * second)
			n.reads = Unknown
			n.run(70 * second)
			n.step(Command{What: Resume})
		}, time.Minute, NoCause},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := newNode(t)
			n.standby()
			tc.do(n)
			n.run(tc.after)
			if tc.cause == NoCause {
				n.wantNoWrite()
				return
			}
			n.wantWrite(tc.cause)
		})
	}
	t.Run("one refusal is a missed heartbeat, no more", func(t *testing.T) {
		n := newNode(t)
		n.standby()
		for range 3 {
			n.step(Heartbeat{Peer: "lb2", Reply: Refused, Sent: n.now})
			n.now += 150 * time.Millisecond
		}
		n.wantNoWrite()
		if p := n.st.Peers[0]; p.Gone || p.Misses > 1 {
			t.Errorf("gone %v, misses %d", p.Gone, p.Misses)
		}
	})
}

// arm lets the witness pass.
func (n *node) arm() {
	n.witness = true
	n.run(ProbeEvery + second)
	if !n.st.Witness.Armed {
		n.t.Fatal("the witness is not armed")
	}
}

// R5: a holder that answers is told, not displaced.
func TestR5(t *testing.T) {
	t.Run("a standby that does not reach the service says so", func(t *testing.T) {
		n := newNode(t)
		n.standby()
		n.arm()
		n.witness = false
		n.run(10 * time.Minute)
		n.wantNoWrite()
		if !n.st.Body(n.now, &n.cfg).Unseen {
			t.Error("it does not say so")
		}
	})
	t.Run("the holder tests and offers", func(t *testing.T) {
		n := newNode(t)
		n.control = true
		n.active()
		n.peer["lb3"].body.Unseen = true
		n.run(30 * second)
		if len(n.offered) > 0 {
			t.Fatal("it offers though its own test passes")
		}
		n.control = false
		n.run(30 * second)
		if len(n.offered) == 0 || n.offered[0].Offer.Why.Code != PublicPathFails {
			t.Fatalf("offered %+v", n.offered)
		}
	})
	t.Run("without a test of its own it believes all of them", func(t *testing.T) {
		n := newNode(t)
		n.active()
		n.peer["lb3"].body.Unseen = true
		n.run(2 * time.Minute)
		if len(n.offered) > 0 {
			t.Fatal("it believes one of two")
		}
		n.peer["lb2"].body.Unseen = true
		n.run(30 * second)
		if len(n.offered) == 0 {
			t.Fatal("it does not believe both")
		}
	})
}

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
