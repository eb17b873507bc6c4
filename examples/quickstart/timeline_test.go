package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// twoPools is an answer of the admin endpoint.
func twoPools(web ...row) pools {
	p := pools{Pools: []pool{
		{ID: "bbbb", Query: query(roleBackup), Backends: []row{{Instance: "i-9", Name: "backup-1", In: true, Why: "healthy"}}},
		{ID: "aaaa", Query: query(roleWeb), Backends: web},
	}}
	p.Upstreams = append(p.Upstreams, struct {
		Pools   []string `json:"pools"`
		Static  []string `json:"static"`
		Serving string   `json:"serving"`
	}{[]string{"aaaa", "bbbb"}, []string{"127.0.1.9:8080"}, "pool aaaa"})
	return p
}

func in(id, name string) row       { return row{Instance: id, Name: name, In: true, Why: "healthy"} }
func out(id, name, why string) row { return row{Instance: id, Name: name, Why: why} }

func TestChanges(t *testing.T) {
	apiFails := func(p pools) pools {
		p.Pools[1].Poll.Error = "EOF"
		return p
	}
	servedBy := func(p pools, serving string) pools {
		p.Upstreams[0].Serving = serving
		return p
	}
	web1 := in("i-1", "web-1")
	tests := []struct {
		name     string
		old, now pools
		want     []string
	}{
		{"nothing", twoPools(web1), twoPools(web1), nil},
		{"the first look", pools{}, twoPools(web1), []string{"found web-1 (i-1), it is in: healthy", "found backup-1 (i-9), it is in: healthy"}},
		{"a launch", twoPools(web1), twoPools(web1, out("i-2", "", "not checked yet")), []string{"found i-2 (i-2), it gets no requests: not checked yet"}},
		{"a failure", twoPools(web1), twoPools(out("i-1", "web-1", "unhealthy: status 503")), []string{"web-1 gets no requests: unhealthy: status 503"}},
		{"another wording", twoPools(out("i-1", "web-1", "unhealthy: EOF")), twoPools(out("i-1", "web-1", "unhealthy: refused")), nil},
		{"another reason", twoPools(out("i-1", "web-1", "unhealthy: EOF")), twoPools(out("i-1", "web-1", "draining by tag Drain")),
			[]string{"web-1 gets no requests: draining by tag Drain"}},
		{"a return", twoPools(out("i-1", "web-1", "unhealthy: EOF")), twoPools(web1), []string{"web-1 is in: healthy"}},
		{"an end", twoPools(web1, in("i-2", "web-2")), twoPools(web1), []string{"web-2 is gone: EC2 does not list it any more"}},
		{"the API fails", twoPools(web1), apiFails(twoPools(web1)), []string{"asking for tag:Role=web failed, what is known goes on serving: EOF"}},
		{"and works", apiFails(twoPools(web1)), twoPools(web1), []string{"asking for tag:Role=web works again"}},
		{"the fallback", twoPools(web1), servedBy(twoPools(web1), "pool bbbb"), []string{"requests are served by tag:Role=web-backup now"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, changes(tt.old, tt.now)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// aFrame has a backend that is in, one that is out, and names in an order that only numbers give.
func aFrame() frame {
	return frame{
		at:     time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		second: tally{sent: 48, failed: 1, by: map[string]int{"web-2": 24, "web-10": 23}, via: map[string]int{"lb1": 47}},
		total:  tally{sent: 1000, failed: 1},
		pools:  twoPools(in("i-3", "web-10"), out("i-1", "web-1", "draining by tag Drain"), in("i-2", "web-2")),
		static: "static-1",
		lbs:    []balancerLine{{"lb1  127.0.0.1  has lb.example.com, epoch 1", true}},
	}
}

func TestPlainLine(t *testing.T) {
	f := aFrame()
	want := "03:04:05   48 requests/s, 1 failed    lb1 47  web-10 23  web-2 24  web-1 out (draining by tag Drain)"
	if got := f.line(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	f.err = errors.New("refused")
	if got := f.line(); !strings.Contains(got, "the admin endpoint does not answer: refused") {
		t.Error(got)
	}
}

func TestBlock(t *testing.T) {
	want := []string{
		"",
		"03:04:05  48 requests/s, 1 of 1000 failed, served by tag:Role=web",
		"  lb1  127.0.0.1  has lb.example.com, epoch 1",
		"  web-1      out    0/s                            draining by tag Drain",
		"  web-2      in    24/s  ============              healthy",
		"  web-10     in    23/s  ============              healthy",
		"  backup-1   in     0/s                            healthy",
		"  static-1   -      0/s                            a fixed address, the last resort, unchecked",
		"  EC2, tag:Role=web         answers, 0 calls in the last minute",
		"  EC2, tag:Role=web-backup  answers, 0 calls in the last minute",
	}
	if d := cmp.Diff(want, aFrame().lines(&screen{full: "="})); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	for _, l := range aFrame().lines(&screen{full: "=", color: true})[1:] {
		if strings.Count(l, "\x1b[0m") == 0 || strings.Count(l, "\x1b[")%2 != 0 {
			t.Errorf("colors do not begin and end in %q", l)
		}
	}
}

func TestServingIsNamed(t *testing.T) {
	for serving, want := range map[string]string{
		"pool aaaa":                       "tag:Role=web",
		"unhealthy backends of pool bbbb": "unhealthy backends of tag:Role=web-backup",
		"static 127.0.1.9:8080":           "static 127.0.1.9:8080",
		"nothing":                         "nothing",
	} {
		p := twoPools()
		p.Upstreams[0].Serving = serving
		if got := p.serving(); got != want {
			t.Errorf("%s: got %s, want %s", serving, got, want)
		}
	}
}
