package engine

import (
	"testing"
	"time"
)

// Cases that no rule names, and that went wrong once or nearly did.

func TestProvisionalHolderOffers(t *testing.T) {
	for name, reply := range map[string]Reply{"the home's holder is dead": Refused, "the home's holder lives, and does not hold the service": Answered} {
		t.Run(name, func(t *testing.T) {
			n := mixed(t)
			n.standby()
			n.peer["lb2"].reply = reply
			n.peer["lb2"].body.Active, n.peer["lb2"].body.Healthy = false, false
			n.cfg.Prefer = []string{"lb3"}
			n.step(Command{What: Pause})
			n.holds[eip] = Reading{Token: "a-3", Exists: true, Instance: "i-3"}
			b := &n.peer["lb3"].body
			b.Active, b.Provisional, b.Epoch, b.Able = true, true, 8, false
			n.run(10 * second)
			n.step(Command{What: Resume})
			n.wantNoWrite()
			n.step(Offered{Offer{From: "lb3", Epoch: 8, Why: Why{Code: IsDenied}}})
			n.run(5 * second)
			if n.holds[home].Lease.Holder != "lb1" || n.holds[eip].Instance != "i-1" {
				t.Fatalf("%+v; it waits: %v", n.holds, n.st.Waiting)
			}
		})
	}
}

// An address has no epoch, so an offer of it is about what its giver had when this node did not have it.
func TestOfferOfAnAddressThatIsHere(t *testing.T) {
	n := newNode(t)
	n.cfg.Targets = []Target{{ID: eip, Kind: Address}}
	n.holds = map[string]Reading{eip: {Token: "a-1", Exists: true, Instance: "i-1"}}
	n.peer["lb2"].body.Active = false
	n.run(3 * second)
	n.wantRole(Active)
	n.step(Offered{Offer{From: "lb2", Epoch: n.st.Epoch, Why: Why{Code: Preferred, Node: "lb1"}}})
	n.holds[eip] = Reading{Token: "a-2", Exists: true, Instance: "i-2"} // an operator's order
	n.step(Reloaded{})
	n.run(3 * second)
	n.wantNoWrite()
	n.wantRole(Standby)
}

func TestNodeUnderTwoAddresses(t *testing.T) {
	n := newNode(t)
	n.cfg.Peers = []string{"old", "lb2", "lb3"}
	n.peer["old"] = &scripted{body: n.peer["lb2"].body}
	n.standby()
	n.peer["old"].reply = Refused
	n.run(5 * time.Minute)
	n.wantNoWrite()
	n.peer["lb2"].reply = Refused
	n.run(2 * second)
	n.wantWrite(DeadGone)
}

func TestAnotherMachineOfThisName(t *testing.T) {
	n := newNode(t)
	b := &n.peer["lb2"].body
	b.Name, b.Instance, b.Active = "lb1", "i-2", true
	n.holds[home] = leased("lb1", 7, addr2)
	n.run(5 * time.Minute)
	n.wantNoWrite()
	if n.st.Waiting != (Why{SameName, "lb1"}) {
		t.Errorf("it waits: %v", n.st.Waiting)
	}
}

func TestRefusedForNoReasonThatShows(t *testing.T) {
	n := newNode(t)
	n.standby()
	n.peer["lb2"].reply = Refused
	n.writes = func(string) Outcome { return Conflict }
	n.run(10 * time.Minute)
	if m := len(n.mutations()); m < 10 || m > 60 {
		t.Errorf("%d writes in ten minutes", m)
	}
	told := 0
	for _, tell := range n.told {
		if tell.What == Contested {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

func TestDeletedHomeIsPutBackByItsHolder(t *testing.T) {
	n := newNode(t)
	n.cfg.Prefer = []string{"lb2", "lb3"}
	n.active()
	n.peer["lb2"].body.Missing = true
	n.holds[home] = Reading{Token: "none"}
	n.run(2 * second)
	d := n.wantWrite(Absent)
	for _, a := range n.did {
		if _, ok := a.action.(Read); ok && a.at < d.at {
			t.Errorf("read at %v, written at %v: it waited", a.at, d.at)
		}
	}
}

func TestDeletedHomeIsLeftToTheNextHolder(t *testing.T) {
	n := newNode(t)
	n.active()
	n.reads = Unknown // it does not see the claim of lb3
	b := &n.peer["lb3"].body
	b.Active, b.Epoch, b.Hash = true, 9, "another"
	n.run(2 * second)
	n.wantRole(Standby)
	n.holds[home] = Reading{Token: "none"}
	n.reads = Done
	n.run(time.Minute)
	n.wantNoWrite()
	if n.st.Waiting.Code != OtherDefinition {
		t.Errorf("it waits: %v", n.st.Waiting)
	}
}

// Who was to put it back has done so: a reading from before that is no reason to claim.
func TestDeletedHomeHasBeenPutBack(t *testing.T) {
	n := newNode(t)
	n.standby()
	n.holds[home] = Reading{Token: "none"}
	for n.st.Targets[0].Reading.Exists {
		n.run(second / 10)
	}
	n.run(second)
	if n.st.Waiting != (Why{LeftToActive, "lb2"}) {
		t.Fatalf("it waits: %v", n.st.Waiting)
	}
	n.holds[home] = leased("lb2", 8, addr2)
	n.run(time.Minute)
	n.wantNoWrite()
	n.wantRole(Standby)
}

// A peer that was told nothing of the service under this node's name for it, as
// while one node after the other gets another definition.
func TestDefinitionChangesOnOneNodeAfterTheOther(t *testing.T) {
	n := newNode(t)
	n.standby()
	b := &n.peer["lb2"].body
	*b = Body{Name: "lb2", Instance: "i-2"}
	n.run(n.cfg.HoldDown - 40*second)
	n.wantNoWrite()
	n.run(2 * time.Minute)
	n.wantWrite(Deferred)
}

// What a witness or a control probe said counts only as long as it is the same
// that is asked.
func TestProbesChange(t *testing.T) {
	n := newNode(t)
	n.witness, n.control = true, true
	n.run(2 * time.Minute)
	n.wantRole(Standby)
	if !n.st.Witness.Armed || !n.st.Control.Armed {
		t.Fatal("not armed")
	}
	n.cfg.Probes = "nothing"
	n.witness, n.control = false, false
	n.step(Reloaded{})
	n.run(2 * time.Minute)
	if n.st.Witness.Armed || n.st.Control.Armed || n.st.Body(n.now, &n.cfg).Unseen {
		t.Fatal("what is not asked any more still counts")
	}
	n.peer["lb2"].reply = Silent
	n.run(n.cfg.Interval*time.Duration(2*n.cfg.Fall) + 5*second)
	n.wantWrite(DeadSilent)
}

func TestDeniedIsNotAskedAgainForNothing(t *testing.T) {
	n := newNode(t)
	n.standby()
	n.peer["lb2"].reply = Refused
	n.writes = func(string) Outcome { return Denied }
	n.run(10 * second)
	n.peer["lb2"].reply = Answered
	n.run(6 * time.Minute)
	if b := n.st.Body(n.now, &n.cfg); !b.Able || !b.Doubtful {
		t.Errorf("able %t, doubtful %t: after hold_down it can be asked to try again, if it has to, but is not preferred", b.Able, b.Doubtful)
	}
	n.run(time.Hour)
	n.wantWrite(DeadGone) // once
	if b := n.st.Body(n.now, &n.cfg); !b.Able || b.Doubtful {
		t.Errorf("able %t, doubtful %t an hour after the only denial", b.Able, b.Doubtful)
	}
	n.step(Reloaded{})
	if b := n.st.Body(n.now, &n.cfg); !b.Able || b.Doubtful {
		t.Errorf("able %t, doubtful %t under a new configuration", b.Able, b.Doubtful)
	}
}

func TestStopping(t *testing.T) {
	t.Run("waits for its own write", func(t *testing.T) {
		n := newNode(t)
		n.standby()
		n.st, _ = Step(n.now, &n.cfg, n.st, Offered{Offer{From: "lb2", Epoch: 7}})
		n.step(Command{What: Stop})
		if count[Left](n) != 0 {
			t.Fatal("it leaves while its write is under way")
		}
		n.run(2 * CallTime)
		if count[Left](n) != 1 {
			t.Fatal("it never leaves")
		}
	})
	t.Run("one missed heartbeat is no reason to leave unheard", func(t *testing.T) {
		n := newNode(t)
		n.active()
		n.peer["lb2"].reply, n.peer["lb3"].reply = Silent, Silent
		n.run(second)
		n.step(Command{What: Stop})
		if count[Left](n) != 0 {
			t.Fatal("it leaves at once")
		}
		n.peer["lb2"].reply = Answered
		n.run(second)
		if len(n.offered) == 0 {
			t.Fatal("it does not offer")
		}
	})
	t.Run("without a target", func(t *testing.T) {
		n := newNode(t)
		n.active()
		n.cfg.Targets = nil
		n.step(Reloaded{})
		n.wantRole(Standby)
		n.step(Command{What: Stop})
		if count[Left](n) != 1 {
			t.Fatal("it does not leave")
		}
	})
}

func TestLastResortCountsAnew(t *testing.T) {
	n := newNode(t)
	n.standby()
	n.peer["lb3"].body.Healthy = false
	n.step(Health{OK: false, Started: n.now})
	n.peer["lb2"].reply = Refused
	n.run(5 * second) // nobody is healthy
	n.step(Health{OK: true, Started: n.now})
	n.run(3 * second)
	n.wantWrite(DeadGone)
	n.holds[home] = leased("lb2", 9, addr2)
	n.peer["lb2"].reply = Answered
	n.peer["lb2"].body.Active, n.peer["lb2"].body.Epoch, n.peer["lb2"].body.Writes = true, 9, 1
	n.run(20 * second)
	n.forget()
	n.step(Health{OK: false, Started: n.now})
	n.peer["lb2"].reply = Refused
	n.run(9 * second)
	n.wantNoWrite()
}

func TestOtherHome(t *testing.T) {
	n := newNode(t)
	n.standby()
	n.arm()
	n.cfg.Targets = []Target{{ID: "other.example.com", Addrs: addr1, TTL: 60}, n.cfg.Targets[0]}
	n.holds["other.example.com"] = leased("lb2", 3, addr2)
	n.witness = false
	n.step(Reloaded{})
	n.run(second)
	if n.st.Witness.Armed {
		t.Error("the witness of the home before speaks for this one")
	}
	n.wantNoWrite()
}

func TestOperatorsReasonIsForItsOwnDecision(t *testing.T) {
	n := newNode(t)
	n.standby()
	n.step(Command{What: Release, Reason: "maintenance"})
	n.run(time.Hour)
	n.peer["lb2"].reply = Refused
	n.run(2 * second)
	n.wantWrite(DeadGone)
	if last := n.told[len(n.told)-1]; last.What != Claimed || last.Order != "" {
		t.Errorf("told %+v", last)
	}
}

func TestAddressOfAPeerThatWasRemoved(t *testing.T) {
	n := mixed(t)
	l := leased("lb9", 7, "198.51.100.9")
	l.Lease.Instance = "i-9"
	n.holds[home] = sealed(l)
	n.holds[eip] = Reading{Token: "a-9", Exists: true, Instance: "i-9"}
	n.peer["lb2"].body.Active, n.foreign = false, true
	n.run(5 * time.Minute)
	n.wantNoWrite() // it is none of ours, and works
}

func TestRenamedNode(t *testing.T) {
	n := newNode(t)
	n.peer["lb2"].body.Active = false
	l := leased("old-name", 7, addr1)
	l.Lease.Instance = "i-1"
	n.holds[home] = sealed(l)
	n.run(10 * second)
	n.wantWrite(Adopt)
	n.wantRole(Active)
}

func TestLateEndOfACallThatWasGivenUp(t *testing.T) {
	n := newNode(t)
	n.standby()
	old := n.holds[home]
	st := n.st
	st.Targets = append([]TargetState(nil), st.Targets...)
	st.Targets[0].hint, st.Targets[0].hintAt = true, 0
	n.st = st
	var first Read
	var actions []Action
	n.st, actions = Step(n.now, &n.cfg, n.st, Tick{})
	for _, a := range actions {
		if r, ok := a.(Read); ok {
			first = r
		}
	}
	if first.Call == 0 {
		t.Fatal("it does not read")
	}
	n.holds[home] = leased("lb3", 8, addr3)
	n.run(CallTime + BackoffMax) // that reading is given up, and another one ends well
	n.step(ReadDone{Target: home, Call: first.Call, Reading: old})
	if got := n.st.Targets[0].Reading.Lease.Holder; got != "lb3" {
		t.Errorf("it takes the old reading, of %s", got)
	}
}

// What a node says of the holder of before is no word about the one that has claimed since.
func TestUnseenIsOfTheLatestHolder(t *testing.T) {
	n := newNode(t)
	n.cfg.Interval = 200 * time.Millisecond
	n.witness = true
	n.run(30 * time.Second)
	if !n.st.Witness.Armed {
		t.Fatal("the witness has not passed")
	}
	n.witness = false
	n.peer["lb2"].reply = Refused
	n.writes = func(string) Outcome { return Unknown } // and the record stays as it is
	n.run(2 * time.Second)
	if !n.st.Body(n.now, &n.cfg).Unseen {
		t.Fatal("the dead holder is seen")
	}
	b := &n.peer["lb3"].body
	b.Active, b.Epoch, b.Writes = true, 8, 1
	n.holds[home] = leased("lb3", 8, addr3)
	n.reads = Unknown // and so the witness still asks at the address of lb2
	n.run(2 * time.Second)
	if n.st.Epoch != 8 || n.st.Body(n.now, &n.cfg).Unseen {
		t.Fatalf("after the claim of lb3, epoch %d, it says that lb3 is not seen", n.st.Epoch)
	}
	n.reads = Done
	n.run(20 * time.Second)
	if l := n.st.Targets[0].Reading.Lease; l.Holder != "lb3" {
		t.Fatalf("it does not know of the claim: %+v", l)
	}
}
