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
