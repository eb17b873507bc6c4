package dnsfailover

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// selfChecks watches whether this node works, by its own checks. Every check has a goroutine, so that one that hangs delays no
// other.
type selfChecks struct {
	report  func(ok bool, started time.Time)
	open    func(*SelfCheck) (ownChecker, error)
	changed chan struct{}
	turn    chan struct{} // holds a token while somebody judges and reports, so that judgements come in their order

	mu     sync.Mutex
	checks []*selfCheck
	idle   time.Duration // between two reports if there are no checks
	loads  int           // configurations so far
}

// SelfCheckStatus is what is known of one of a node's checks of itself.
type SelfCheckStatus struct {
	Name   string    `json:"name"`            // the URL, or tcp and an address
	Known  bool      `json:"known"`           // a first check has ended
	OK     bool      `json:"ok"`              // whether the node passes for healthy, after rise and fall
	Since  time.Time `json:"since,omitzero"`  // when that began
	InARow int       `json:"in_a_row"`        // how many of the latest checks ended like the last one
	Error  string    `json:"error,omitempty"` // of the last one, if it failed
}

// newSelfChecks makes the checks of a configuration. Report is called for every check that has ended, as soon as all have ended
// once, or one has failed: with whether all pass, after their rise and fall, and when the oldest of their latest passes
// began or, if some do not pass, the first failure of those that brought that about. Calls do not overlap. With no checks there
// is a report of a pass after every interval of the heartbeat.
func newSelfChecks(cfg *Config, report func(ok bool, started time.Time)) *selfChecks {
	c := &selfChecks{report: report, open: openSelfCheck, changed: make(chan struct{}, 1), turn: make(chan struct{}, 1)}
	c.set(cfg)
	return c
}

// set makes the checks those of another configuration. One that stays the same goes on, with what is known of it, and reads its
// file of certificates again.
func (c *selfChecks) set(cfg *Config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loads++
	c.idle = defaultInterval
	if cfg.Heartbeat != nil {
		c.idle = cmp.Or(time.Duration(cfg.Heartbeat.Interval), c.idle)
	}
	before := c.checks
	c.checks = nil
	for _, given := range cfg.SelfChecks {
		s := &selfCheck{SelfCheck: given}
		if i := slices.IndexFunc(before, func(b *selfCheck) bool { return b.SelfCheck == given }); i >= 0 {
			s, before = before[i], slices.Concat(before[:i], before[i+1:])
		}
		c.checks = append(c.checks, s)
	}
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// run checks until ctx ends. It may be called once.
func (c *selfChecks) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	running := map[*selfCheck]context.CancelFunc{}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-c.changed:
		}
		c.mu.Lock()
		checks, idle := c.checks, c.idle
		c.mu.Unlock()
		for s, cancel := range running {
			if !slices.Contains(checks, s) {
				cancel()
				delete(running, s)
			}
		}
		for _, s := range checks {
			if running[s] == nil {
				var one context.Context
				one, running[s] = context.WithCancel(ctx)
				work.Go(func() { c.watch(one, s) })
			}
		}
		if len(checks) == 0 {
			c.tell(ctx)
			timer.Reset(idle)
		}
	}
}

// watch makes one check again and again, the first one at once.
func (c *selfChecks) watch(ctx context.Context, s *selfCheck) {
	var checker ownChecker
	loaded := 0
	defer func() { checker.close() }()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		started := time.Now()
		c.mu.Lock()
		loads := c.loads
		c.mu.Unlock()
		var err error
		if loads != loaded {
			checker.close()
			if checker, err = c.open(&s.SelfCheck); err == nil {
				loaded = loads
			}
		}
		if err == nil {
			err = checker.check(ctx)
		}
		if ctx.Err() != nil {
			return // that says nothing about this node
		}
		c.mu.Lock()
		s.fold(err, started, time.Now())
		c.mu.Unlock()
		c.tell(ctx)
		timer.Reset(time.Until(started.Add(s.wait())))
	}
}

// tell reports what follows from what is known.
func (c *selfChecks) tell(ctx context.Context) {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-c.turn }()
	c.mu.Lock()
	known, ok, started := judgeChecks(c.checks)
	c.mu.Unlock()
	if known {
		c.report(ok, started)
	}
}

// judgeChecks says whether all checks pass, and since when that is known.
func judgeChecks(checks []*selfCheck) (known, ok bool, started time.Time) {
	known = true
	var passed, failed time.Time
	for _, s := range checks {
		switch {
		case !s.known:
			known = false
		case !s.ok && (failed.IsZero() || s.failed.Before(failed)):
			failed = s.failed
		case s.ok && (passed.IsZero() || s.passed.Before(passed)):
			passed = s.passed
		}
	}
	switch {
	case !failed.IsZero():
		return true, false, failed
	case len(checks) == 0:
		passed = time.Now()
	}
	return known, true, passed
}

// status is what is known of the checks, in the order of the configuration.
func (c *selfChecks) status() []SelfCheckStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]SelfCheckStatus, len(c.checks))
	for i, s := range c.checks {
		all[i] = SelfCheckStatus{Name: s.name(), Known: s.known, OK: s.known && s.ok, Since: s.since, InARow: s.inARow}
		if s.err != nil {
			all[i].Error = s.err.Error()
		}
	}
	return all
}
