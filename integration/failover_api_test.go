//go:build linux

package integration

import (
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// The API does not answer while the holder dies. The takeover is made when it does again.
func TestOutageOfTheAPI(t *testing.T) {
	l := newLab(t, 2)
	l.start()
	l.hear()
	l.ask()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	restore := l.cloud.Outage("route53")
	defer restore()
	lb1.kill()
	l.throughout(3*time.Second, "nobody can move it", func() bool { return l.lease().Holder == lb1.name })
	restored := time.Now()
	restore()
	l.eventually("the service to move", func() bool { return l.lease().Holder == lb2.name })
	var first, moved time.Time
	for _, c := range l.cloud.Calls() {
		if c.Service != "route53" || c.Fault || c.Time.Before(restored) {
			continue
		}
		if first.IsZero() {
			first = c.Time
		}
		if c.Action == "ChangeResourceRecordSets" && c.Code == "" && moved.IsZero() {
			moved = c.Time
		}
	}
	t.Logf("moved %s after the outage, %s after the first answer", moved.Sub(restored), moved.Sub(first))
	if moved.Sub(first) > 2*time.Second {
		t.Errorf("it moved %s after the API's first answer, want 2s at most", moved.Sub(first))
	}
	l.holds(lb2)
	if e := l.lease().Epoch; e != 2 {
		t.Errorf("the epoch is %d, want 2", e)
	}
	lb1.spawn()
	l.holds(lb2)
	l.calm(lb2)
	fault := lb2.kill()
	l.moved(lb1, fault, 500*time.Millisecond+slack)
}

func TestSlowAPI(t *testing.T) {
	for _, latency := range []time.Duration{50 * time.Millisecond, time.Second} {
		t.Run(latency.String(), func(t *testing.T) {
			l := newLab(t, 2)
			l.cloud.Inject(awstest.Fault{Service: "route53", Latency: latency})
			l.start()
			l.hear()
			lb1, lb2 := l.nodes[0], l.nodes[1]
			fault := lb1.kill()
			l.moved(lb2, fault, 500*time.Millisecond+2*latency+slack)
			lb1.spawn()
			l.holds(lb2)
			l.calm(lb2)
			l.wrote(2)
		})
	}
}

// The swap is made, and its answer lost; then the request itself is lost. Each is one move, under one epoch.
func TestLostReplies(t *testing.T) {
	l := newLab(t, 2)
	l.start()
	l.hear()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	lost := awstest.Fault{Service: "route53", Action: "ChangeResourceRecordSets", Times: 1, Kind: awstest.Lose}
	l.cloud.Inject(lost)
	fault := lb1.kill()
	l.moved(lb2, fault, 500*time.Millisecond+slack)
	lb1.spawn()
	l.holds(lb2)
	l.hear()
	l.wrote(2)

	lost.Kind = awstest.Drop
	l.cloud.Inject(lost)
	lb2.kill()
	l.holds(lb1)
	l.calm(lb1)
	l.wrote(4)
	if e := l.lease().Epoch; e != 3 {
		t.Errorf("the epoch is %d, want 3", e)
	}
}

// Somebody else in the account takes the five requests a second.
func TestThrottledAPI(t *testing.T) {
	l := newLab(t, 2)
	l.start()
	l.hear()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	before := l.cloud.Count("route53", "")
	l.cloud.Inject(awstest.Fault{Service: "route53", Code: "Throttling", Status: 400, Message: "Rate exceeded", Times: 5})
	fault := lb1.kill()
	l.moved(lb2, fault, 4*time.Second+slack)
	l.holds(lb2)
	l.calm(lb2)
	if calls := l.cloud.Count("route53", "") - before; calls > 12 {
		t.Errorf("%d calls for one move, five of them throttled", calls)
	}
	if e := l.lease().Epoch; e != 2 {
		t.Errorf("the epoch is %d, want 2", e)
	}
}
