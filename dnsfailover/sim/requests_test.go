package sim

import (
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// TestRequestsInAnHour: while nothing is wrong, five nodes with three services
// take less than a fifth of the five requests a second that an account has at
// Route 53.
func TestRequestsInAnHour(t *testing.T) {
	const services, nodes = 3, 5
	var reads, writes, landed int
	for service := range services {
		s := Schedule{
			Seed: uint64(service + 1), Nodes: nodes, Shape: SharedAddress, Interval: time.Second, HoldDown: 5 * time.Minute, Fall: 3, Rise: 2,
			Witness: true, Control: true, Foreign: true, Watch: time.Hour,
		}
		r := Run(s, Options{Step: engine.Step})
		if r.Violation != nil {
			t.Fatal(r.Violation) // of the limits on each node and target, too
		}
		if r.End < time.Hour {
			t.Fatalf("the run was over after %s", r.End)
		}
		reads += r.Coverage.Reads
		landed += r.Coverage.Outcomes[opSwap][engine.Done]
		for _, o := range []op{opSwap, opFree} {
			for _, n := range r.Coverage.Outcomes[o] {
				writes += n
			}
		}
	}
	if rate := float64(reads+writes) / time.Hour.Seconds(); rate > 1 {
		t.Errorf("%.2f requests a second", rate)
	} else {
		t.Logf("%.2f requests a second: %d readings and %d writes in an hour", rate, reads, writes)
	}
	if landed != services*2 {
		t.Errorf("%d writes have landed, and each service has two targets to claim", landed)
	}
}
