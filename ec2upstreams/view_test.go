package ec2upstreams

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

// member is a backend for a view: its address, zone and status, and what its tags say.
func member(dial, zone string, status healthStatus, change ...func(*backend)) *backend {
	b := &backend{
		inst:   &fleet.Instance{ID: "i-" + dial, Zone: zone},
		target: target{dial: dial, weight: defaultWeight},
		health: health{status: status},
	}
	for _, f := range change {
		f(b)
	}
	return b
}

func drained(b *backend)    { b.draining = true }
func weightless(b *backend) { b.weight = 0 }
func unfit(b *backend)      { b.dial, b.reason = "", "no private address" }

func TestView(t *testing.T) {
	prefer := testSettings(pickAll)
	prefer.PreferZone, prefer.ZoneShare = true, 0.7
	for _, c := range []struct {
		name     string
		settings poolSettings
		zone     string
		backends []*backend
		use      string // addresses that get requests
		last     string // those to fail open to
		summary  string
	}{
		{"nothing", testSettings(pickAll), "", nil, "", "", "no instance found"},
		{"all kinds", testSettings(pickAll), "", []*backend{
			member("a", "", healthy), member("b", "", assumed), member("c", "", unhealthy), member("d", "", unproven),
			member("e", "", healthy, drained), member("f", "", healthy, weightless), member("g", "", healthy, unfit),
		}, "a b", "", "7 found: 2 usable, 1 unhealthy, 1 not checked yet, 2 draining, 1 without a usable address or port"},
		{"nothing healthy: unhealthy and new ones are left, draining ones are not", testSettings(pickAll), "", []*backend{
			member("a", "", unhealthy), member("b", "", unproven), member("c", "", unhealthy, drained), member("d", "", healthy, drained),
		}, "", "a b", "4 found: 1 unhealthy, 1 not checked yet, 2 draining"},
		{"one address, the first instance of it is down", testSettings(pickAll), "", []*backend{
			member("a", "", unproven), member("a", "", healthy),
		}, "a", "", "2 found: 1 usable, 1 without a usable address or port"},
		{"one address, both up", testSettings(pickAll), "", []*backend{
			member("a", "", healthy), member("a", "", healthy),
		}, "a", "", "2 found: 1 usable, 1 without a usable address or port"},
		{"enough of the own zone", prefer, "z1", []*backend{
			member("a", "z1", healthy), member("b", "z1", healthy), member("c", "z1", healthy), member("d", "z1", unhealthy), member("e", "z2", healthy),
		}, "a b c", "", "5 found: 3 usable, 1 unhealthy, 1 in other zones"},
		{"too little of the own zone", prefer, "z1", []*backend{
			member("a", "z1", healthy), member("b", "z1", healthy), member("c", "z1", unhealthy), member("e", "z2", healthy),
		}, "a b e", "", "4 found: 3 usable, 1 unhealthy"},
		{"draining ones of the own zone do not count", prefer, "z1", []*backend{
			member("a", "z1", healthy), member("b", "z1", healthy, drained), member("e", "z2", healthy),
		}, "a", "", "3 found: 1 usable, 1 draining, 1 in other zones"},
		{"nothing in the own zone", prefer, "z1", []*backend{member("e", "z2", healthy)}, "e", "", "1 found: 1 usable"},
		{"the own zone is not known", prefer, "", []*backend{member("a", "z1", healthy), member("e", "z2", healthy)}, "a e", "", "2 found: 2 usable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := buildView(&c.settings, c.backends, c.zone, time.Now())
			dials := func(p *picker) string {
				if p.len() == 0 {
					return ""
				}
				return strings.Join(p.dials, " ")
			}
			if use, last := dials(v.use), dials(v.last); use != c.use || last != c.last || v.counts.String() != c.summary {
				t.Errorf("use %q, last %q, %q\nwant %q, %q, %q", use, last, v.counts, c.use, c.last, c.summary)
			}
			for _, b := range c.backends {
				if b.note == "" || b.in != (b.note == "healthy" || b.note == "assumed healthy") {
					t.Errorf("%s is in: %v, because %q", b.dial, b.in, b.note)
				}
			}
		})
	}
}

func TestRampedWeight(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		since time.Duration
		want  int
	}{{0, 10}, {5 * time.Second, 55}, {10 * time.Second, 100}, {time.Hour, 100}} {
		b := member("a", "", healthy, func(b *backend) { b.rampFrom = now.Add(-c.since) })
		if w, _ := rampedWeight(b, 10*time.Second, now); w != c.want {
			t.Errorf("after %s the weight is %d, want %d", c.since, w, c.want)
		}
	}
	if w, share := rampedWeight(member("a", "", assumed), 10*time.Second, now); w != 100 || share != 1 {
		t.Errorf("a backend that was there at the start begins at %d", w)
	}
}

func TestManyTurnsAreOneLine(t *testing.T) {
	p := newPool(testSettings(pickAll), newFixed(0), nil, nil)
	defer p.Destruct()
	for _, n := range []int{1, manyTurned, manyTurned + 1, 500} {
		log, lines := observed()
		var turned []turn
		for i := range n {
			turned = append(turned, turn{member(fmt.Sprint(i), "", unhealthy), fmt.Errorf("refused")})
		}
		events := 0
		p.report(log, func(string, map[string]any) { events++ }, turned)
		want := n
		if n > manyTurned {
			want = 1
		}
		if lines.Len() != want || events != n {
			t.Errorf("%d backends down: %d lines and %d events, want %d and %d", n, lines.Len(), events, want, n)
		}
	}
}
