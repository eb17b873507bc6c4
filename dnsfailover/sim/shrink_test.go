package sim

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// TestShrinkKeepsWhatMatters: of many faults and nodes the few are left without
// which the rule is not broken.
func TestShrinkKeepsWhatMatters(t *testing.T) {
	// Every node claims while its peers are paused by an operator.
	careless := scripted(time.Second, func(r *robot, ev engine.Event) []engine.Action {
		if _, ok := ev.(engine.Command); ok && r.is(1) {
			return r.claim(engine.Absent)
		}
		return nil
	})
	s := Schedule{Seed: 3, Regime: Everything, Nodes: 5, Interval: time.Second, HoldDown: time.Minute, Fall: 2, Rise: 2, Failback: time.Minute, Prefer: []int{4, 1}, Witness: true}
	for i := range 8 {
		s.Faults = append(s.Faults, Fault{At: time.Duration(5+i) * time.Second, For: 4 * time.Second, Kind: Slow, Node: i % 5, Peer: (i + 1) % 5})
	}
	s.Faults = append(s.Faults, Fault{At: 15500 * time.Millisecond, For: 30 * time.Second, Kind: OrderPause, Node: 1})
	o := Options{Step: careless}
	if r := Run(s, o); r.Violation == nil || r.Violation.Name != "pause" {
		t.Fatalf("got %v, want a violation by a paused node", r.Violation)
	}
	small := Shrink(s, o, "pause")
	if len(small.Faults) != 1 || small.Faults[0].Kind != OrderPause || small.Nodes != 2 || small.Prefer != nil || small.Failback != 0 || small.Witness {
		t.Errorf("it could be smaller: %s", small.String())
	}
	if at := small.Faults[0].At; at != 15*time.Second {
		t.Errorf("the fault begins at %s, and could at 15s", at)
	}
	o.Trace = true
	r := Run(small, o)
	if r.Violation == nil || r.Violation.Name != "pause" {
		t.Fatalf("got %v of the small one, want the same", r.Violation)
	}
	trace := strings.Join(r.Trace, "\n")
	for _, want := range []string{"fault: pause lb2", "lb2 ", "VIOLATION of pause", "seed 3"} {
		if !strings.Contains(trace, want) {
			t.Errorf("the trace does not say %q:\n%s", want, trace)
		}
	}
}
