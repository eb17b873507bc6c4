package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// frame is what there is to see at one moment.
type frame struct {
	at     time.Time
	second tally // per second, since the frame before
	total  tally
	pools  pools
	err    error // why pools is not known
	static string
	lbs    []balancerLine
}

// balancerLine is a load balancer as it is shown.
type balancerLine struct {
	text string
	has  bool // the name
}

const (
	// lookEvery is how often the admin endpoint is asked, so that changes are told soon.
	lookEvery = 250 * time.Millisecond
	barWidth  = 24
)

// showTimeline shows what happens until the context ends: events as lines, and once a second how things are.
func showTimeline(ctx context.Context, s *stage, out *screen) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	shown := time.Now()
	var known pools
	var name held
	total := s.traffic.now()
	calls := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if now := s.world.held(); now != name {
			out.event("%s", out.paint(green, now.String()))
			name = now
		}
		now, err := s.pools()
		if err == nil {
			for _, e := range changes(known, now) {
				out.event("%s", e)
			}
			known = now
		}
		calls = tellCalls(s.world, calls, out)
		if at := time.Now(); at.Sub(shown) >= time.Second-lookEvery/2 {
			before := total
			total = s.traffic.now()
			f := frame{
				at: at, second: total.since(before).per(at.Sub(shown)), total: total, pools: known, err: err,
				static: s.world.static.name, lbs: s.standings(name),
			}
			shown = at
			if n := f.second.failed; n > 0 {
				out.event("%s", out.paint(red, fmt.Sprintf("requests failed: %d, the last one at %s", n, s.traffic.lastFailure())))
			}
			if out.live {
				out.block(f.lines(out))
			} else {
				fmt.Fprintln(out, f.line())
			}
		}
	}
}

// standings are the load balancers, a line for each.
func (s *stage) standings(h held) (list []balancerLine) {
	looks := s.looks()
	for _, lb := range s.lbs {
		text := fmt.Sprintf("%s  %-9s  %s", lb.name, lb.address, inALine(lb, looks, h))
		list = append(list, balancerLine{text, lb.name == h.at})
	}
	return list
}

// tellCalls tells of the EC2 calls that others than Caddy make, with an AWS CLI for example. It returns how many calls
// have been looked at.
func tellCalls(w *world, seen int, out *screen) int {
	total := w.cloud.Count("ec2", "")
	if total == seen {
		return seen
	}
	calls := w.cloud.Calls()
	fresh := min(total-seen, len(calls))
	for _, c := range calls[len(calls)-fresh:] {
		if c.Service == "ec2" && c.Action != "DescribeInstances" {
			result := "done"
			if c.Code != "" {
				result = c.Code
			}
			out.event("EC2 was called by somebody else: %s, %s", c.Action, result)
		}
	}
	return total
}

// changes tells what is different between two answers of the admin endpoint.
func changes(old, now pools) (events []string) {
	say := func(format string, args ...any) { events = append(events, fmt.Sprintf(format, args...)) }
	for _, q := range now.ordered() {
		for _, r := range q.Backends {
			was, known := old.find(r.Instance)
			state := "gets no requests"
			if r.In {
				state = "is in"
			}
			switch {
			case !known:
				say("found %s (%s), it %s: %s", r.called(), r.Instance, state, r.Why)
			case was.In != r.In || !r.In && reason(was.Why) != reason(r.Why):
				say("%s %s: %s", r.called(), state, r.Why)
			}
		}
	}
	for _, q := range old.ordered() {
		for _, r := range q.Backends {
			if _, still := now.find(r.Instance); !still {
				say("%s is gone: EC2 does not list it any more", r.called())
			}
		}
		for _, n := range now.Pools {
			if n.ID != q.ID {
				continue
			}
			switch {
			case q.Poll.Error == "" && n.Poll.Error != "":
				say("asking for %s failed, what is known goes on serving: %s", n.Query, n.Poll.Error)
			case q.Poll.Error != "" && n.Poll.Error == "":
				say("asking for %s works again", n.Query)
			}
		}
	}
	if len(old.Upstreams) > 0 && old.serving() != now.serving() {
		say("requests are served by %s now", now.serving())
	}
	return events
}

// reason is the first part of why a backend is in or out. The rest is the wording of the last error, which varies.
func reason(why string) string {
	first, _, _ := strings.Cut(why, ":")
	return first
}

// line is the frame in one plain line.
func (f frame) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %3d requests/s, %d failed  ", f.at.Format("15:04:05"), f.second.sent, f.second.failed)
	for _, name := range slices.Sorted(maps.Keys(f.second.via)) {
		fmt.Fprintf(&b, "  %s %d", name, f.second.via[name])
	}
	for _, name := range slices.Sorted(maps.Keys(f.second.by)) {
		fmt.Fprintf(&b, "  %s %d", name, f.second.by[name])
	}
	for _, q := range f.pools.ordered() {
		for _, r := range q.Backends {
			if !r.In {
				fmt.Fprintf(&b, "  %s out (%s)", r.called(), reason(r.Why))
			}
		}
	}
	if f.err != nil {
		fmt.Fprintf(&b, "  (the admin endpoint does not answer: %v)", f.err)
	}
	return b.String()
}

// lines is the frame as a block for a terminal.
func (f frame) lines(s *screen) []string {
	failed := fmt.Sprintf("%d of %d failed", f.total.failed, f.total.sent)
	if f.total.failed > 0 {
		failed = s.paint(red, failed)
	}
	list := []string{
		"",
		fmt.Sprintf("%s  %s requests/s, %s, served by %s", f.at.Format("15:04:05"),
			s.paint(bold, fmt.Sprint(f.second.sent)), failed, f.pools.serving()),
	}
	for _, lb := range f.lbs {
		as := dim
		if lb.has {
			as = green
		}
		list = append(list, "  "+s.paint(as, lb.text))
	}
	for _, q := range f.pools.ordered() {
		for _, r := range q.Backends {
			state := s.paint(red, "out")
			if r.In {
				state = s.paint(green, "in ")
			}
			list = append(list, f.bar(s, r.called(), state, r.Why))
		}
	}
	if f.static != "" {
		list = append(list, f.bar(s, f.static, s.paint(dim, "-  "), "a fixed address, the last resort, unchecked"))
	}
	for _, q := range f.pools.ordered() {
		api := fmt.Sprintf("answers, %d calls in the last minute", q.Poll.CallsPerMinute)
		if q.Poll.Error != "" {
			api = s.paint(red, fmt.Sprintf("failed %d times: %s", q.Poll.FailuresInARow, q.Poll.Error))
		}
		list = append(list, s.paint(dim, fmt.Sprintf("  EC2, %-20s ", q.Query))+api)
	}
	if f.err != nil {
		list = append(list, s.paint(red, fmt.Sprintf("  the admin endpoint does not answer: %v", f.err)))
	}
	return list
}

// bar is one backend: its share of the last second, whether it is in, and why.
func (f frame) bar(s *screen, name, state, why string) string {
	n := f.second.by[name]
	width := 0
	if f.second.sent > 0 {
		width = (n*barWidth + f.second.sent/2) / f.second.sent
	}
	return fmt.Sprintf("  %-10s %s %4d/s  %s%s  %s", name, state, n,
		s.paint(green, strings.Repeat(s.full, width)), strings.Repeat(" ", barWidth-width), why)
}
