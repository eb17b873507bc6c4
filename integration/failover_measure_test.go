//go:build linux

package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// measureEnv says how often each fault is made, such as 10. Without it nothing is measured.
const measureEnv = "FAILOVER_MEASURE"

// TestMeasure measures the time from a fault to the changed record, and prints the table of the README:
//
//	FAILOVER_MEASURE=10 go test ./integration -run '^TestMeasure$' -v -timeout 60m
//
// One run is a pair of processes made anew, and one fault at a random moment, when the standby has known the holder for so long
// that silence counts (R9). The time ends when the request that changes the record arrives at the fake, which carries it out
// then. The fake answers at once, or every call after 50 ms; its DNS shows a change at once. Nothing else should run on the machine.
func TestMeasure(t *testing.T) {
	runs, err := strconv.Atoi(os.Getenv(measureEnv))
	if err != nil || runs < 1 {
		t.Skipf("set %s to the number of runs", measureEnv)
	}
	faults := []struct {
		name string
		measurement
	}{
		{"process killed", measurement{fault: (*node).kill, witness: true}},
		{"frozen, usable witness", measurement{fault: (*node).freeze, witness: true, settle: true}},
		{"frozen, no witness", measurement{fault: (*node).freeze, settle: true}},
		{"service stopped, process alive", measurement{fault: (*node).closeListener, witness: true}},
		{"planned hand-over", measurement{fault: (*node).term, witness: true, clients: true}},
	}
	var table strings.Builder
	fmt.Fprintf(&table, "\n| fault | interval | API | min | median | max | runs | requests failed |\n|---|---|---|---|---|---|---|---|\n")
	for _, f := range faults {
		for _, interval := range []string{"1s", "200ms"} {
			for _, latency := range []time.Duration{0, 50 * time.Millisecond} {
				m := f.measurement
				m.interval, m.latency = interval, latency
				var got samples
				t.Run(fmt.Sprintf("%s/%s/%s", f.name, interval, latency), func(t *testing.T) {
					for i := range runs {
						t.Run(strconv.Itoa(i+1), func(t *testing.T) { m.run(t, &got) })
					}
				})
				if len(got.took) > 0 {
					fmt.Fprintf(&table, "| %s | %s | %s | %s |\n", f.name, interval, latency, &got)
				}
			}
		}
	}
	t.Log(table.String())
}

// measurement is how the fault of a cell of the table is made.
type measurement struct {
	fault    func(*node) time.Time
	witness  bool
	settle   bool // silence is what counts
	clients  bool
	interval string
	latency  time.Duration
}

// samples are what the runs of a cell have brought.
type samples struct {
	mu           sync.Mutex
	took         []time.Duration
	failed, sent int
}

// String is the second half of a line of the table.
func (s *samples) String() string {
	slices.Sort(s.took)
	n := len(s.took)
	ms := func(i int) time.Duration { return s.took[i].Round(time.Millisecond) }
	failed := "–"
	if s.sent > 0 {
		failed = fmt.Sprintf("%d of %d", s.failed, s.sent)
	}
	return fmt.Sprintf("%s | %s | %s | %d | %s", ms(0), (ms((n-1)/2)+ms(n/2))/2, ms(n-1), n, failed)
}

func (m *measurement) run(t *testing.T, got *samples) {
	l := newLab(t, 2)
	lb1, lb2 := l.nodes[0], l.nodes[1]
	l.each(func(c *conf) {
		c.heartbeat = "interval " + m.interval
		if !m.witness {
			c.rest = ""
		}
	})
	if m.latency > 0 {
		l.cloud.Inject(awstest.Fault{Service: "route53", Latency: m.latency})
	}
	l.start()
	l.hear()
	if m.witness {
		l.witnessed(lb2)
	}
	interval, err := time.ParseDuration(m.interval)
	l.must(err)
	random := rand.N(interval)
	if m.settle {
		random += engine.Settle
	}
	l.unmoved(random, "nothing is wrong")
	if m.clients {
		l.ask()
	}
	took := l.moved(lb2, m.fault(lb1), within)
	got.mu.Lock()
	defer got.mu.Unlock()
	got.took = append(got.took, took)
	if m.clients {
		lb1.ended()
		l.ask()
		c := l.crowd.now()
		got.sent += c.sent
		got.failed += len(c.failed)
	}
}

// closeListener takes the site out of the node's configuration.
func (n *node) closeListener() time.Time {
	at := time.Now()
	n.conf.site = ""
	n.reload()
	return at
}
