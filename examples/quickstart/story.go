package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// patience is how long a story waits for one thing. Only a failure takes it.
const patience = 15 * time.Second

// part is one story that can be told by itself. An error of play means that it could not be told at all; what did not go as
// expected is in the record.
type part struct {
	name, about string
	play        func(s *story, bin string) error
}

// parts are all of them, in the order in which they are told.
func parts() []part {
	return []part{
		{"fleet", "backends come, go, fail and drain, EC2 fails, Caddy restarts and reloads", playFleet},
		{"pair", "two load balancers, one name: it moves when it must, and only then", playPair},
		{"address", "the same with an Elastic IP beside the name: what clients notice of a move", playAddress},
	}
}

// errStory means that an expectation did not hold. What and why is printed already.
var errStory = errors.New("not all expectations held")

// tellStories plays the parts that are asked for.
func tellStories(ctx context.Context, a arguments, out *screen) error {
	bin, err := binary(ctx, a.caddy, out)
	if err != nil {
		return err
	}
	chosen := parts()
	if len(a.parts) > 0 {
		chosen = slices.DeleteFunc(chosen, func(p part) bool { return !slices.Contains(a.parts, p.name) })
	}
	var failed []string
	for _, p := range chosen {
		fmt.Fprintf(out, "story %s: %s\n", p.name, p.about)
		s := &story{name: p.name, ctx: ctx, out: out, began: time.Now(), dead: func() error { return nil }}
		if err := p.play(s, bin); err != nil {
			return fmt.Errorf("story %s: %w", p.name, err)
		}
		if !s.end() {
			failed = append(failed, p.name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("story %s: %w", strings.Join(failed, ", "), errStory)
	}
	return nil
}

// story is the record of a part while it is played. Once something was waited for in vain it goes on without waiting, so
// that the end comes soon and names all that was not reached.
type story struct {
	name    string
	ctx     context.Context
	out     io.Writer
	began   time.Time
	traffic *traffic
	dead    func() error // says why nothing more is to be expected
	steps   []*step
	summary string // of its own, for the end
	broken  bool
}

// step is one thing that happens, and what is expected of it.
type step struct {
	title        string
	expectations []expectation
	took         time.Duration
	requests     tally // that ended during the step
}

// expectation is what should be seen, and what was.
type expectation struct {
	want, seen string
	held       bool
}

// step plays one: its title is printed, and whatever it expects is recorded with the requests that failed meanwhile.
func (s *story) step(title string, play func()) {
	if s.fault(title, play) {
		fate := s.steps[len(s.steps)-1].requests
		s.record(expectation{noneFails, fate.fate() + " failed", fate.failed == 0})
	}
}

// fault plays a step in which requests may fail, and reports whether it did: not if the story has broken off before.
func (s *story) fault(title string, play func()) bool {
	st := &step{title: title}
	s.steps = append(s.steps, st)
	if s.broken {
		s.expect("all of it", "", false)
		return false
	}
	s.say("step %d: %s", len(s.steps), title)
	before, began := s.traffic.now(), time.Now()
	play()
	s.traffic.settle() // what began in this step is counted in it
	st.took, st.requests = time.Since(began), s.traffic.now().since(before)
	return true
}

// noneFails is expected of every step but faults. The table has a column of its own for it.
const noneFails = "no request fails"

// await waits until what is looked for is there, and records what was seen.
func (s *story) await(want string, look func() (seen string, ok bool)) {
	if s.broken {
		s.expect(want, "", false)
		return
	}
	e := s.wait(want, look)
	s.record(e)
	s.broken = !e.held
}

// until waits as await does, for something that is only worth a line if it never comes.
func (s *story) until(want string, look func() (seen string, ok bool)) {
	if s.broken {
		return
	}
	if e := s.wait(want, look); !e.held {
		s.record(e)
		s.broken = true
	}
}

func (s *story) wait(want string, look func() (seen string, ok bool)) expectation {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		seen, ok := look()
		if ok {
			return expectation{want, seen, true}
		}
		vain := ""
		select {
		case <-tick.C:
			if err := s.dead(); err != nil {
				vain = err.Error()
			}
		case <-deadline.C:
			vain = fmt.Sprintf("not within %s", patience)
		case <-s.ctx.Done():
			vain = "interrupted"
		}
		if vain != "" {
			return expectation{want, fmt.Sprintf("%s (%s)", seen, vain), false}
		}
	}
}

// expect records what is so or not so at once.
func (s *story) expect(want, seen string, held bool) {
	if s.broken {
		seen, held = notReached, false
	}
	s.record(expectation{want, seen, held})
}

// do carries out what the story needs, and breaks it off if that can't be done. Success is nothing to report.
func (s *story) do(what string, err error) {
	if err != nil && !s.broken {
		s.record(expectation{what, err.Error(), false})
		s.broken = true
	}
}

// notReached is seen of everything that comes after the story has broken off.
const notReached = "not reached"

func (s *story) record(e expectation) {
	if !e.held && e.seen != notReached {
		s.say("    NOT SO: expected: %s; seen: %s", e.want, e.seen)
	}
	st := s.steps[len(s.steps)-1]
	st.expectations = append(st.expectations, e)
}

func (s *story) say(format string, args ...any) {
	fmt.Fprintf(s.out, "%5.1f s  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
}

// held reports whether everything was as expected so far.
func (s *story) held() bool {
	for _, st := range s.steps {
		if slices.ContainsFunc(st.expectations, func(e expectation) bool { return !e.held }) {
			return false
		}
	}
	return true
}

// The clients of a story: enough requests that counting a few hundred takes a second, and few enough for a slow machine.
const (
	storyConnections = 8
	storyRate        = 240 // requests per second
)

// open starts everything on ports of its own, and gives the story its traffic.
func (s *story) open(bin string, sc scene, c clients) (*stage, error) {
	c.connections, c.rate = storyConnections, storyRate
	var st *stage
	err := onFreePorts(func(p ports) (err error) {
		st, err = newStage(s.ctx, bin, "", p, sc, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	p := st.ports
	s.traffic, s.dead = st.traffic, st.dead
	fmt.Fprintf(s.out, "the site is at %s, its backends at %s to %s port %d, AWS at %s, DNS at %s, Caddy's binary is %s\n",
		st.traffic.url, host(1), host(staticHost), p.backend, local(p.api), local(p.dns), shortPath(bin))
	return st, nil
}

// awaitRequests waits until n more requests have ended than before.
func (s *story) awaitRequests(before tally, n int) {
	s.until("requests flow", func() (string, bool) {
		sent := s.traffic.now().since(before).sent
		return fmt.Sprintf("%d of %d", sent, n), sent >= n
	})
}

// shortPath leaves out the folder that a reader runs the story in.
func shortPath(path string) string {
	if here, err := os.Getwd(); err == nil {
		return strings.TrimPrefix(path, here+string(os.PathSeparator))
	}
	return path
}
