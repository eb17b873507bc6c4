package ec2upstreams

import (
	"testing"
	"time"
)

func TestHealth(t *testing.T) {
	for _, c := range []struct {
		name    string
		start   healthStatus
		results string // + pass, - fail
		want    healthStatus
		turned  string // for each result: ^ went up, v went down, . no change
	}{
		{"assumed, passes", assumed, "+", healthy, "."},
		{"assumed, fails at once", assumed, "-", unhealthy, "v"},
		{"new, passes at once", unproven, "+", healthy, "^"},
		{"new, fails", unproven, "-", unhealthy, "."},
		{"new, fails then needs passes in a row", unproven, "-+-++", unhealthy, "....."},
		{"new, fails then passes", unproven, "-+++", healthy, "...^"},
		{"healthy, one failure", healthy, "-", healthy, "."},
		{"healthy, failures in a row", healthy, "--", unhealthy, ".v"},
		{"healthy, failures apart", healthy, "-+-+-+", healthy, "......"},
		{"unhealthy, passes in a row", unhealthy, "+++", healthy, "..^"},
		{"unhealthy, passes apart", unhealthy, "++-++-", unhealthy, "......"},
		{"down and up", healthy, "--+++--", unhealthy, ".v..^.v"},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Unix(1000, 0)
			h := health{status: c.start}
			turned := ""
			for _, r := range c.results {
				now = now.Add(time.Second)
				changed := h.observe(r == '+', 3, 2, now)
				switch {
				case !changed:
					turned += "."
				case h.status.up():
					turned += "^"
				default:
					turned += "v"
				}
				if changed && h.since != now {
					t.Errorf("since is %s, want %s", h.since, now)
				}
			}
			if h.status != c.want || turned != c.turned {
				t.Errorf("status %s, turns %s; want %s, %s", h.status, turned, c.want, c.turned)
			}
		})
	}
}

func TestNextCheck(t *testing.T) {
	for _, c := range []struct {
		name     string
		h        health
		interval time.Duration
		want     time.Duration
	}{
		{"healthy", health{status: healthy, streak: 5}, 2 * time.Second, 2 * time.Second},
		{"in doubt", health{status: healthy, streak: -1}, 2 * time.Second, 500 * time.Millisecond},
		{"coming back", health{status: unhealthy, streak: 1}, 2 * time.Second, 500 * time.Millisecond},
		{"still down", health{status: unhealthy, streak: -9}, 2 * time.Second, 2 * time.Second},
		{"not below the quickest", health{status: healthy, streak: -1}, 200 * time.Millisecond, quickest},
		{"not above the interval", health{status: healthy, streak: -1}, 50 * time.Millisecond, 50 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.h.nextCheck(c.interval); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
