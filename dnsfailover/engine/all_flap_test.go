package engine

import (
	"testing"
	"time"
)

// TestAllFlap: a node that flaps is slowed down from the third time on, however many records the service has.
func TestAllFlap(t *testing.T) {
	for name, records := range map[string]int{"one record": 1, "two records": 2, "three records": 3} {
		t.Run(name, func(t *testing.T) {
			n := newAll(t, "lb1", "lb2")
			for _, id := range []string{"second", "third"}[:records-1] {
				n.cfg.Targets = append(n.cfg.Targets, Target{ID: id, Addrs: addr1, TTL: 60})
				n.holds[id] = shared("lb1", "lb2")
			}
			n.run(30 * time.Second)
			for flaps := 1; flaps <= 4; flaps++ {
				n.step(Health{OK: false, Started: n.now})
				out := n.now
				n.run(time.Second)
				if n.in() != "lb2" {
					t.Fatal("it stays in")
				}
				n.step(Health{OK: true, Started: n.now})
				for n.in() != "lb1 lb2" && n.now-out < time.Minute {
					n.run(100 * time.Millisecond)
				}
				// It leaves after a second, when lb2 has passed its own check since.
				want := time.Second + []time.Duration{0, 0, 4 * time.Second, 8 * time.Second}[flaps-1]
				if got := n.now - out; got < want || got > want+200*time.Millisecond {
					t.Errorf("time %d: out for %v, want %v", flaps, got, want)
				}
				n.run(time.Second)
			}
		})
	}
}
