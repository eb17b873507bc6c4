package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
)

var errChecked = errors.New("the check fails")

// judgement is what was reported, as seconds after the start.
type judgement struct {
	ok      bool
	at      float64
	started float64
}

func (j judgement) String() string {
	word := "ill"
	if j.ok {
		word = "ok"
	}
	return fmt.Sprintf("%g %s since %g", j.at, word, j.started)
}

// checkLab is checks in a bubble, whose outcomes are scripted by the name of the check.
type checkLab struct {
	t      *testing.T
	start  time.Time
	checks *selfChecks
	end    func()

	mu      sync.Mutex
	reports []judgement
	fails   map[string]bool
	takes   map[string]time.Duration
	openErr error
	opens   map[string]int
	closes  int
	began   map[string][]float64
}

func newCheckLab(t *testing.T, checks ...SelfCheck) *checkLab {
	l := &checkLab{
		t: t, start: time.Now(), fails: map[string]bool{}, takes: map[string]time.Duration{},
		opens: map[string]int{}, began: map[string][]float64{},
	}
	l.checks = newSelfChecks(checkConfig(checks...), func(ok bool, started time.Time) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.reports = append(l.reports, judgement{ok, time.Since(l.start).Seconds(), started.Sub(l.start).Seconds()})
	})
	l.checks.open = l.open
	return l
}

// run begins to check, until end or the end of the test.
func (l *checkLab) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); l.checks.run(ctx) }()
	l.end = func() { cancel(); <-done }
	l.t.Cleanup(l.end)
}

func (l *checkLab) open(s *SelfCheck) (ownChecker, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opens[s.URL]++
	if l.openErr != nil {
		return ownChecker{}, l.openErr
	}
	check := func(ctx context.Context) error {
		l.mu.Lock()
		l.began[s.URL] = append(l.began[s.URL], time.Since(l.start).Seconds())
		takes, fails := l.takes[s.URL], l.fails[s.URL]
		l.mu.Unlock()
		select {
		case <-time.After(takes):
		case <-ctx.Done():
			return ctx.Err()
		}
		if fails {
			return errChecked
		}
		return nil
	}
	return ownChecker{check: check, end: func() { l.mu.Lock(); l.closes++; l.mu.Unlock() }}, nil
}

func (l *checkLab) set(name string, fails bool, takes time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fails[name], l.takes[name] = fails, takes
}

// until lets time pass to so many seconds after the start, and returns what was reported meanwhile.
func (l *checkLab) until(seconds float64) string {
	pass(time.Until(l.start.Add(time.Duration(seconds * float64(time.Second)))))
	l.mu.Lock()
	defer l.mu.Unlock()
	var texts []string
	for _, j := range l.reports {
		texts = append(texts, j.String())
	}
	l.reports = nil
	return strings.Join(texts, ", ")
}

func (l *checkLab) want(seconds float64, reports string) {
	l.t.Helper()
	if got := l.until(seconds); got != reports {
		l.t.Errorf("until %g:\n got %s\nwant %s", seconds, got, reports)
	}
}

func checkConfig(checks ...SelfCheck) *Config {
	return &Config{SelfChecks: checks, Heartbeat: &HeartbeatConfig{Interval: caddy.Duration(time.Second)}}
}

// oneCheck fails after three failures, and passes after two passes.
func oneCheck(name string) SelfCheck {
	return SelfCheck{URL: name, Interval: caddy.Duration(time.Second), Timeout: caddy.Duration(time.Second), Fall: 3, Rise: 2}
}

func TestSelfChecksFallAndRise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCheckLab(t, oneCheck("a"))
		l.run()
		l.want(1.5, "0 ok since 0, 1 ok since 1")
		l.set("a", true, 0)
		// A failure is looked at again after a quarter of the interval, and as long as it may be a hiccup the last pass counts.
		l.want(4.9, "2 ok since 1, 2.25 ok since 1, 2.5 ill since 2, 3.5 ill since 2, 4.5 ill since 2")
		l.set("a", false, 0)
		l.want(5.6, "5.5 ill since 2")
		l.set("a", true, 0)
		l.want(5.8, "5.75 ill since 2")
		l.set("a", false, 0)
		l.want(8.1, "6.75 ill since 2, 7 ok since 7, 8 ok since 8")
		l.set("a", true, 0)
		l.want(9.1, "9 ok since 8")
		l.set("a", false, 0)
		l.want(10.3, "9.25 ok since 9.25, 10.25 ok since 10.25")
	})
}

func TestSelfChecksFirstCountsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCheckLab(t, oneCheck("a"))
		l.set("a", true, 100*time.Millisecond)
		l.run()
		l.want(0.5, "0.1 ill since 0")
		if s := l.checks.status()[0]; !s.Known || s.OK || s.InARow != 1 || s.Error != errChecked.Error() || s.Since.Sub(l.start) != 100*time.Millisecond {
			t.Errorf("status %+v", s)
		}
	})
}

// Nothing is said before every check has ended once, but one that fails is enough.
func TestSelfChecksOfSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCheckLab(t, oneCheck("a"), oneCheck("b"))
		l.set("b", false, 300*time.Millisecond)
		l.run()
		l.want(0.2, "")
		l.want(1.4, "0.3 ok since 0, 1 ok since 0, 1.3 ok since 1")
		l.set("a", true, 0)
		l.want(2.9, "2 ok since 1, 2.25 ok since 1, 2.3 ok since 1, 2.5 ill since 2")
		l.set("b", true, 0)
		// The failure of the one that was first counts.
		l.want(3.6, "3 ill since 2, 3.25 ill since 2, 3.5 ill since 2, 3.5 ill since 2")
		l.set("a", false, 0)
		l.want(5.1, "4.5 ill since 2, 4.5 ill since 2, 4.75 ill since 3")
	})
	synctest.Test(t, func(t *testing.T) {
		l := newCheckLab(t, oneCheck("a"), oneCheck("b"))
		l.set("a", true, 0)
		l.set("b", false, time.Hour)
		l.run()
		l.want(0.5, "0 ill since 0")
	})
}

// A check that hangs until its timeout is asked again at once, and keeps nobody waiting.
func TestSelfChecksHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCheckLab(t, oneCheck("a"), oneCheck("b"))
		l.run()
		l.want(0.5, "0 ok since 0")
		l.set("a", true, time.Second)
		l.until(4.5)
		for name, want := range map[string][]float64{"a": {0, 1, 2, 3, 4}, "b": {0, 1, 2, 3, 4}} {
			if !slices.Equal(l.began[name], want) {
				t.Errorf("%s began at %v, want %v", name, l.began[name], want)
			}
		}
		if s := l.checks.status(); s[0].OK || s[0].InARow != 3 || s[0].Since.Sub(l.start) != 4*time.Second || !s[1].OK || s[1].InARow != 5 || s[1].Error != "" {
			t.Errorf("status %+v", s)
		}
	})
}

func TestSelfChecksNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCheckLab(t)
		<-l.checks.changed // there is no run yet to see it
		l.run()
		l.want(2.5, "0 ok since 0, 1 ok since 1, 2 ok since 2")
		l.set("a", true, 0)
		l.checks.set(checkConfig(oneCheck("a")))
		l.want(3.2, "2.5 ill since 2.5")
		l.checks.set(checkConfig())
		l.want(4.3, "3.2 ok since 3.2, 4.2 ok since 4.2")
	})
}

// A reload of what stays the same changes no count and delays no check; a new check has to end before anything is said.
func TestSelfChecksReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCheckLab(t, oneCheck("a"))
		l.run()
		l.want(1.5, "0 ok since 0, 1 ok since 1")
		l.set("a", true, 0)
		l.want(2.3, "2 ok since 1, 2.25 ok since 1")
		for range 10 {
			l.checks.set(checkConfig(oneCheck("a")))
		}
		l.want(2.6, "2.5 ill since 2")
		if l.opens["a"] != 2 || l.closes != 1 {
			t.Errorf("its files were read %d times, and closed %d times", l.opens["a"], l.closes)
		}
		l.set("a", false, 0)
		l.want(3.8, "3.5 ill since 2, 3.75 ok since 3.75")
		l.set("b", false, 500*time.Millisecond)
		l.checks.set(checkConfig(oneCheck("b"), oneCheck("a")))
		l.want(4.9, "4.3 ok since 3.75, 4.75 ok since 3.8")
		if s := l.checks.status(); s[0].Name != "b" || s[1].Name != "a" || s[1].InARow != 3 {
			t.Errorf("status %+v", s)
		}
		l.set("b", false, time.Hour)
		l.want(5.9, "5.3 ok since 4.75, 5.75 ok since 4.8")
		l.checks.set(checkConfig(oneCheck("a"))) // while b hangs
		l.want(6.8, "6.75 ok since 6.75")
		l.end()
		l.want(9, "")
		if l.closes != 5 {
			t.Errorf("%d checks were closed, want 5", l.closes)
		}
	})
}

// What can't be opened fails, and is tried again with every check.
func TestSelfChecksOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newCheckLab(t, oneCheck("a"))
		l.openErr = errChecked
		l.run()
		l.want(1.5, "0 ill since 0, 1 ill since 0")
		l.mu.Lock()
		l.openErr = nil
		l.mu.Unlock()
		l.want(4, "2 ill since 0, 2.25 ok since 2.25, 3.25 ok since 3.25")
		if l.opens["a"] != 3 {
			t.Errorf("opened %d times", l.opens["a"])
		}
	})
}

// Reports do not overlap, and the status can be read while one hangs.
func TestSelfChecksReportBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		calls := 0
		l := newCheckLab(t, oneCheck("a"), oneCheck("b"))
		l.checks.report = func(bool, time.Time) {
			calls++
			<-free
		}
		l.run()
		l.until(3)
		if s := l.checks.status(); calls != 1 || len(s) != 2 || !s[0].Known || !s[1].Known {
			t.Errorf("%d calls, status %+v", calls, s)
		}
		close(free)
	})
}
