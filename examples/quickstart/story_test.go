package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// newTestStory is a story without a stage: nobody sends requests.
func newTestStory(ctx context.Context) (*story, *bytes.Buffer) {
	out := new(bytes.Buffer)
	return &story{
		name: "test", ctx: ctx, out: out, began: time.Now(), traffic: new(traffic), dead: func() error { return nil },
	}, out
}

// ready is there from the n-th look on.
func ready(n int) func() (string, bool) {
	looks := 0
	return func() (string, bool) {
		looks++
		return fmt.Sprintf("look %d", looks), looks >= n
	}
}

func never() (string, bool) { return "nothing", false }

func TestStoryHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, out := newTestStory(t.Context())
		s.step("one", func() {
			s.await("something comes", ready(10))
			s.until("and something small", ready(2))
			s.expect("a fact", "so it is", true)
			s.do("some work", nil)
		})
		if !s.held() || !s.end() {
			t.Error("it did not hold")
		}
		for _, part := range []string{"step 1: one", "something comes", "look 10", "a fact", "story test: all 3 expectations held"} {
			if !strings.Contains(out.String(), part) {
				t.Errorf("%q is missing in\n%s", part, out)
			}
		}
		if strings.Contains(out.String(), "small") || strings.Contains(out.String(), "some work") {
			t.Errorf("what is not worth a line got one:\n%s", out)
		}
	})
}

func TestStoryBreaksOff(t *testing.T) {
	tests := []struct {
		name   string
		play   func(*story)
		seen   string // in what is printed
		took   time.Duration
		broken bool // the next step is not played
	}{
		{"waited in vain", func(s *story) { s.await("it comes", never) }, "expected: it comes; seen: nothing (not within 15s)", patience, true},
		{"waited in vain for something small", func(s *story) { s.until("it comes", never) }, "expected: it comes; seen: nothing (not within 15s)", patience, true},
		{"not to be done", func(s *story) { s.do("drain", errors.New("no such instance")) }, "expected: drain; seen: no such instance", 0, true},
		{"Caddy dies", func(s *story) {
			s.dead = func() error { return errors.New("caddy has ended") }
			s.await("it comes", never)
		}, "seen: nothing (caddy has ended)", 20 * time.Millisecond, true},
		{"a fact that is not so", func(s *story) { s.expect("a fact", "another", false) }, "expected: a fact; seen: another", 0, false},
		{"a request fails", func(s *story) { s.traffic.counts.sent, s.traffic.counts.failed = 7, 2 }, "expected: no request fails; seen: 2 of 7 failed", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, out := newTestStory(t.Context())
				s.step("one", func() {
					tt.play(s)
					s.await("a second thing", ready(1))
				})
				played := false
				s.step("two", func() { played = true })
				if took := time.Since(s.began); took != tt.took {
					t.Errorf("it took %s, want %s", took, tt.took)
				}
				if !strings.Contains(out.String(), "NOT SO: ") || !strings.Contains(out.String(), tt.seen) {
					t.Errorf("%q is not in\n%s", tt.seen, out)
				}
				if played == tt.broken {
					t.Errorf("the next step was played: %v", played)
				}
				if s.held() || s.end() || !strings.Contains(out.String(), "did not hold:\n    step 1: ") {
					t.Errorf("the verdict is wrong:\n%s", out)
				}
				if tt.broken != strings.Contains(out.String(), "step 2: all of it") {
					t.Errorf("the step that was not reached is wrong:\n%s", out)
				}
			})
		})
	}
}

func TestStoryIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s, out := newTestStory(ctx)
		s.step("one", func() { s.await("it comes", never) })
		if time.Since(s.began) != time.Second || !strings.Contains(out.String(), "(interrupted)") {
			t.Errorf("after %s:\n%s", time.Since(s.began), out)
		}
	})
}

func TestTable(t *testing.T) {
	steps := []*step{
		{"three serve", []expectation{{"3 are usable", "3 usable", true}, {"shares", "a third each", true}, {noneFails, "0 of 300 failed", true}},
			1500 * time.Millisecond, tally{sent: 300}},
		{"nothing to see", []expectation{{noneFails, "1 of 9 failed", false}}, time.Second, tally{sent: 9, failed: 1, again: 2}},
		{"one leaves", []expectation{{"it leaves", "it stays", false}}, 0, tally{}},
	}
	const want = `
   step            expected      seen              seconds  failed requests
1  three serve     3 are usable  3 usable          1.5      0 of 300
                   shares        a third each
2  nothing to see                                  1.0      1 of 9, 2 sent again
3  one leaves      it leaves     NOT SO: it stays  0.0      0 of 0
`
	if got := "\n" + table(steps); got != want {
		t.Errorf("got%s\nwant%s", got, want)
	}
}

func TestSummary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, out := newTestStory(t.Context())
		s.step("one", func() { s.expect("a fact", "so it is", true) })
		p := &pairStory{story: s, moves: [][]string{
			{"it is killed", "lb2", "152 ms", "32 of 191", "7", "172 ms", "1", "1"},
			{"an operator moves it", "lb1", "21 ms", "0 of 640", "8", "48 ms", "1", "1"},
		}}
		s.summary = p.sum()
		const want = `
move                  to   after   new requests failed  under way failed  no answer for  AssociateAddress  writes
it is killed          lb2  152 ms  32 of 191            7                 172 ms         1                 1
an operator moves it  lb1  21 ms   0 of 640             8                 48 ms          1                 1

Requests under way had begun`
		if !s.end() || !strings.Contains(out.String(), want) {
			t.Errorf("got\n%s\nwant in it%s", out, want)
		}
	})
}

func TestClip(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"short", "connection refused", "connection refused"},
		{"as long as it may be", "12345678901234567890", "12345678901234567890"},
		{"too long", "GET http://127.0.1.1:8080/healthz: status 503", "GET htt ... atus 503"},
		{"runes are not cut", "äöüäöüäöüäöüäöüäöüäöüäöü", "äöüäöüä ... öüäöüäöü"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := clip(tt.text, 20)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestStories tells every story with the real binary.
func TestStories(t *testing.T) {
	bin := os.Getenv("CADDY_BIN")
	if bin == "" {
		t.Skip("set CADDY_BIN to a binary of go build ./cmd/caddy; CI does")
	}
	newPort(t)
	for _, p := range parts() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			err := tellStories(t.Context(), arguments{caddy: bin, story: true, parts: []string{p.name}}, &screen{out: &out})
			t.Log(out.String())
			if err != nil {
				t.Error(err)
			}
		})
	}
}
