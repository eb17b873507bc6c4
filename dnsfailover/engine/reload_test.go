package engine

import (
	"testing"
	"time"
)

// TestReloadEndsProvisional: a service that has no followers any more holds none under a provisional epoch.
func TestReloadEndsProvisional(t *testing.T) {
	for _, mode := range []string{"one", ModeAll} {
		t.Run(mode, func(t *testing.T) {
			n := newNode(t)
			n.cfg.Targets = append(n.cfg.Targets, Target{ID: eip, Kind: Address})
			n.holds[eip] = Reading{Exists: true, Instance: "i-2", Token: "assoc-0"}
			n.run(20 * time.Second)
			n.writes = func(target string) Outcome {
				if target == home {
					return Unknown
				}
				return Done
			}
			n.peer["lb2"].reply = Refused
			n.run(20 * time.Second)
			if n.st.Provisional == 0 {
				t.Fatal("it holds nothing under a provisional epoch")
			}
			n.cfg.Targets, n.cfg.Mode = n.cfg.Targets[:1], mode
			n.holds[home] = leased("lb3", 20, addr3)
			n.peer["lb3"].body.Active, n.peer["lb3"].body.Epoch = true, 20
			n.peer["lb3"].body.Hash = "another" // nothing is to be written
			n.step(Reloaded{})
			n.run(10 * time.Second)
			n.wantRole(Standby)
			if b := n.st.Body(n.now, &n.cfg); b.Active || b.Provisional {
				t.Errorf("it says %+v", b)
			}
		})
	}
}
