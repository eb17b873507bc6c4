package engine

import (
	"testing"
	"time"
)

// Where one dead node has the home and a follower, one verdict is enough for both, although the witness asks elsewhere once the
// home has been taken.
func TestFollowerOfTheDead(t *testing.T) {
	n := mixed(t)
	n.witness = true
	n.run(30 * time.Second)
	if !n.st.Witness.Armed {
		t.Fatal("the witness has not passed")
	}
	n.forget()
	n.witness = false
	n.peer["lb2"].reply = Silent
	n.run(20 * time.Second)
	m := n.mutations()
	if len(m) != 3 || m[2].at-m[0].at > 100*time.Millisecond {
		t.Errorf("%d writes: %+v", len(m), m)
	}
}

// The holder of the home takes what the dead still has soon after the provider answers again, however long that was.
func TestFollowerOfTheDeadAfterAnOutage(t *testing.T) {
	n := mixed(t)
	n.run(30 * time.Second)
	back := n.now + time.Minute
	n.writes = func(target string) Outcome {
		if target == eip && n.now < back {
			return Busy
		}
		return Done
	}
	n.peer["lb2"].reply = Refused
	n.run(2 * time.Minute)
	r := n.holds[eip]
	m := n.mutations()
	if last := m[len(m)-1]; r.Instance != "i-1" || last.at-back > 3*time.Second {
		t.Errorf("%+v, %v after the API is back", r, last.at-back)
	}
}

// A node that starts may read for a while that it has an address which it has lost. It looks again when it hears that another one has it.
func TestAddressThatWasLostBeforeTheStart(t *testing.T) {
	n := newNode(t)
	n.cfg.Targets = []Target{{ID: eip, Kind: Address}}
	n.holds = map[string]Reading{eip: {Token: "a-1", Exists: true, Instance: "i-1"}}
	n.run(1500 * time.Millisecond)
	n.wantRole(Active)
	n.holds[eip] = Reading{Token: "a-2", Exists: true, Instance: "i-2"} // as it has been all the time
	n.run(5 * time.Second)
	n.wantRole(Standby)
	n.wantNoWrite()
}
