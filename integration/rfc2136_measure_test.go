//go:build linux

package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// TestMeasureRFC2136 is [TestMeasure] for a record in Knot DNS. The time ends when the server gives the new address to whoever
// asks, which is looked for every 10 ms. Half a second of it is the pause between the lease and the addresses, and up to half a
// second more that by which Knot DNS delays an update that comes within a second after another one.
func TestMeasureRFC2136(t *testing.T) {
	runs, err := strconv.Atoi(os.Getenv(measureEnv))
	if err != nil || runs < 1 {
		t.Skipf("set %s to the number of runs", measureEnv)
	}
	var table strings.Builder
	fmt.Fprintf(&table, "\n| fault | interval | min | median | max | runs | requests failed |\n|---|---|---|---|---|---|---|\n")
	for _, f := range []struct {
		name  string
		calm  time.Duration // before the fault
		fault func(*node) time.Time
	}{
		{"process killed", 0, (*node).kill},
		{"frozen, usable witness", engine.Settle, (*node).freeze},
		{"planned hand-over", 0, (*node).term},
	} {
		for _, interval := range []string{"1s", "200ms"} {
			var got samples
			t.Run(f.name+"/"+interval, func(t *testing.T) {
				for i := range runs {
					t.Run(strconv.Itoa(i+1), func(t *testing.T) { measureKnot(t, interval, f.calm, f.fault, &got) })
				}
			})
			if len(got.took) > 0 {
				fmt.Fprintf(&table, "| %s | %s | %s |\n", f.name, interval, &got)
			}
		}
	}
	t.Log(table.String())
}

// measureKnot makes a pair anew, and a fault at a random moment.
func measureKnot(t *testing.T, interval string, calm time.Duration, fault func(*node) time.Time, got *samples) {
	k := newKnotLab(t, 2)
	k.each(func(c *conf) { c.heartbeat = "interval " + interval })
	k.start()
	k.hear()
	k.witnessed(k.nodes[1])
	every, err := time.ParseDuration(interval)
	k.must(err)
	k.throughout(calm+rand.N(every), "nothing is wrong", func() bool { return k.has(k.nodes[0]) })
	took := k.moved(k.nodes[1], fault(k.nodes[0]), within)
	k.wrote(2)
	got.mu.Lock()
	defer got.mu.Unlock()
	got.took = append(got.took, took)
}
