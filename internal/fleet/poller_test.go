package fleet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errAPI = &awsconf.Error{Op: describeOp, Class: awsconf.Server, Err: errors.New("internal error")}

func testQuery(t *testing.T) Query {
	t.Helper()
	test, _, _ := strings.Cut(t.Name(), "/")
	q, err := NewQuery(awsconf.Source{}, map[string][]string{"Role": {"web"}, "Test": {test}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func instance(id string) *Instance {
	return &Instance{ID: id, PrivateIPv4: netip.MustParseAddr("10.0.0.1"), Tags: map[string]string{"Role": "web"}}
}

// cloud is what EC2 answers, at the moment it is asked.
type cloud struct {
	mu    sync.Mutex
	ids   []string
	err   error
	asked []time.Time
	block bool // until the caller gives up
}

func (c *cloud) set(err error, ids ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids, c.err = ids, err
}

func (c *cloud) polls() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.asked)
}

func (c *cloud) list(ctx context.Context, count func()) ([]*Instance, error) {
	count()
	c.mu.Lock()
	c.asked = append(c.asked, time.Now())
	ids, err, block := c.ids, c.err, c.block
	c.mu.Unlock()
	if block {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	var out []*Instance
	for _, id := range ids {
		out = append(out, instance(id))
	}
	return out, nil
}

// polling runs f in a bubble of virtual time with a started poller of the cloud c.
func polling(t *testing.T, c *cloud, o Options, f func(h *Handle, logs *observer.ObservedLogs)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zapcore.DebugLevel)
		o.Logger = zap.New(core)
		h := join(testQuery(t), func() lister { return c.list })
		defer h.Close()
		h.Start(o)
		synctest.Wait()
		f(h, logs)
	})
}

func ids(s *State) string {
	var out []string
	for _, in := range s.Instances {
		out = append(out, in.ID)
	}
	return strings.Join(out, " ")
}

func wantIDs(t *testing.T, h *Handle, want string) {
	t.Helper()
	if got := ids(h.State()); got != want {
		t.Fatalf("fleet is %q, want %q", got, want)
	}
}

// pass lets virtual time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestPollFindsAndRefreshes(t *testing.T) {
	c := &cloud{ids: []string{"i-1"}}
	polling(t, c, Options{Refresh: 10 * time.Second}, func(h *Handle, _ *observer.ObservedLogs) {
		wantIDs(t, h, "i-1")
		if s := h.State(); s.Origin != API || s.Err != nil || s.AsOf.IsZero() {
			t.Errorf("state is %+v", s)
		}
		c.set(nil, "i-1", "i-2")
		pass(11 * time.Second)
		wantIDs(t, h, "i-1 i-2")
		pass(100 * time.Second)
		if n := c.polls(); n < 10 || n > 14 {
			t.Errorf("%d polls in 111 s at an interval of 10 s", n)
		}
	})
}

func TestErrorsKeepTheFleet(t *testing.T) {
	for name, err := range map[string]error{
		"server error": errAPI,
		"throttled":    &awsconf.Error{Class: awsconf.Throttled, Err: errors.New("slow down")},
		"no class":     errors.New("page 2: broken"),
	} {
		t.Run(name, func(t *testing.T) {
			c := &cloud{ids: []string{"i-1", "i-2"}}
			var events []string
			o := Options{Event: func(name string, _ map[string]any) { events = append(events, name) }}
			polling(t, c, o, func(h *Handle, logs *observer.ObservedLogs) {
				c.set(err)
				pass(time.Hour)
				wantIDs(t, h, "i-1 i-2")
				s := h.State()
				if s.Err == nil || s.Failures < 50 || time.Since(s.AsOf) < 59*time.Minute {
					t.Errorf("after an hour of failure the state is %+v", s)
				}
				if n := logs.FilterMessageSnippet("asking EC2 failed").Len(); n != 1 {
					t.Errorf("the failure was logged %d times, want once", n)
				}
				c.set(nil, "i-1", "i-2")
				pass(2 * time.Minute)
				if s := h.State(); s.Err != nil || s.Failures != 0 {
					t.Errorf("after recovery the state is %+v", s)
				}
				if n := logs.FilterMessage("EC2 answers again").Len(); n != 1 {
					t.Errorf("the recovery was logged %d times, want once", n)
				}
				if want := []string{"poll_failed", "poll_recovered"}; !slices.Equal(events, want) {
					t.Errorf("events are %v, want %v", events, want)
				}
			})
		})
	}
}

func TestHangingAPIKeepsTheFleet(t *testing.T) {
	c := &cloud{ids: []string{"i-1"}}
	polling(t, c, Options{}, func(h *Handle, _ *observer.ObservedLogs) {
		c.mu.Lock()
		c.block = true
		c.mu.Unlock()
		pass(10 * time.Minute)
		wantIDs(t, h, "i-1")
		if s := h.State(); !errors.Is(s.Err, context.DeadlineExceeded) {
			t.Errorf("error is %v, want a time-out", s.Err)
		}
	})
}

func TestLossIsConfirmedWithinTwoSeconds(t *testing.T) {
	for _, c := range []struct {
		name, after string
		lost        string
		shrunk      bool
	}{
		{"one of three", "i-1 i-2", "i-3", false},
		{"more than half", "i-1", "i-2 i-3", true},
		{"all", "", "i-1 i-2 i-3", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := []string{"i-1", "i-2", "i-3"}
			cl := &cloud{ids: all}
			var shrunk bool
			o := Options{Refresh: time.Minute, Event: func(n string, _ map[string]any) { shrunk = shrunk || n == "fleet_shrunk" }}
			polling(t, cl, o, func(h *Handle, logs *observer.ObservedLogs) {
				cl.set(nil, strings.Fields(c.after)...)
				for cl.polls() == 1 {
					pass(time.Second / 10)
				}
				wantIDs(t, h, strings.Join(all, " ")) // the first answer without them drops nothing
				if got := strings.Join(h.State().Unconfirmed, " "); got != c.lost {
					t.Errorf("unconfirmed are %q, want %q", got, c.lost)
				}
				pass(2 * time.Second)
				wantIDs(t, h, c.after)
				if n := cl.polls(); n != 3 {
					t.Errorf("%d polls, want 3: first, loss, confirmation", n)
				}
				if shrunk != c.shrunk {
					t.Errorf("event fleet_shrunk: %v, want %v", shrunk, c.shrunk)
				}
			})
		})
	}
}

func TestFlickeringAnswersDropNothing(t *testing.T) {
	cl := &cloud{ids: []string{"i-1", "i-2"}}
	polling(t, cl, Options{Refresh: 10 * time.Second}, func(h *Handle, _ *observer.ObservedLogs) {
		for range 50 {
			n := cl.polls()
			cl.set(nil, "i-1") // this answer lacks i-2, the next one has it again
			for cl.polls() == n {
				pass(time.Second / 10)
			}
			cl.set(nil, "i-1", "i-2")
			for cl.polls() == n+1 {
				wantIDs(t, h, "i-1 i-2")
				pass(time.Second / 10)
			}
		}
		wantIDs(t, h, "i-1 i-2")
	})
}

func TestConfirmationSurvivesAnError(t *testing.T) {
	cl := &cloud{ids: []string{"i-1", "i-2"}}
	polling(t, cl, Options{Refresh: 10 * time.Second}, func(h *Handle, _ *observer.ObservedLogs) {
		cl.set(nil, "i-1")
		for cl.polls() == 1 {
			pass(time.Second / 10)
		}
		cl.set(errAPI)
		pass(20 * time.Second)
		wantIDs(t, h, "i-1 i-2")
		cl.set(nil, "i-1")
		pass(time.Minute)
		wantIDs(t, h, "i-1")
	})
}

func TestSecondUserSharesThePoller(t *testing.T) {
	cl := &cloud{ids: []string{"i-1"}}
	polling(t, cl, Options{Refresh: time.Minute}, func(h *Handle, _ *observer.ObservedLogs) {
		for range 10 { // as a reload does
			other := join(testQuery(t), func() lister { t.Error("a second poller was made"); return nil })
			other.Start(Options{Refresh: time.Minute})
			synctest.Wait()
			select {
			case <-other.Changed():
			default:
				t.Error("a new user is not told what is known")
			}
			other.Close()
		}
		if n := cl.polls(); n != 1 {
			t.Errorf("%d polls, want 1: a new user with the same interval costs none", n)
		}
		fast := join(testQuery(t), nil)
		fast.Start(Options{Refresh: time.Second})
		pass(30 * time.Second)
		if n := cl.polls(); n < 25 {
			t.Errorf("%d polls in 30 s after a user asked for one a second", n)
		}
		fast.Close()
		n := cl.polls()
		pass(5 * time.Minute)
		if n = cl.polls() - n; n > 7 {
			t.Errorf("%d polls in 5 minutes after the fast user left, want about 5", n)
		}
	})
}

func TestCloseEndsAPollUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := &cloud{block: true}
		h := join(testQuery(t), func() lister { return cl.list })
		h.Start(Options{})
		synctest.Wait()
		began := time.Now()
		h.Close()
		h.Close() // a second time is harmless
		if took := time.Since(began); took != 0 {
			t.Errorf("closing took %s", took)
		}
		h.Start(Options{}) // nor does a late start revive it
		synctest.Wait()
		if n := cl.polls(); n != 1 {
			t.Errorf("%d polls, want the one that was under way", n)
		}
	})
}

func TestEmptyFirstAnswerIsSaid(t *testing.T) {
	cl := &cloud{}
	polling(t, cl, Options{}, func(h *Handle, logs *observer.ObservedLogs) {
		pass(10 * time.Minute)
		if n := logs.FilterMessageSnippet("no running instance matches").Len(); n != 1 {
			t.Errorf("said %d times, want once", n)
		}
		if s := h.State(); s.Origin != API {
			t.Errorf("origin is %q", s.Origin)
		}
	})
}

func TestManyInstances(t *testing.T) {
	var all []string
	for i := range 5000 {
		all = append(all, fmt.Sprintf("i-%05d", i))
	}
	cl := &cloud{ids: all}
	polling(t, cl, Options{Refresh: 10 * time.Second}, func(h *Handle, _ *observer.ObservedLogs) {
		first := h.State().Instances[4999]
		pass(11 * time.Second)
		if s := h.State(); len(s.Instances) != 5000 || s.Instances[4999] != first {
			t.Errorf("%d instances, or unchanged ones were replaced", len(s.Instances))
		}
	})
}

// Answers that each lack another instance drop nothing, and are not asked for more often than others.
func TestAlternatingAnswers(t *testing.T) {
	cl := &cloud{ids: []string{"i-1", "i-2", "i-3"}}
	polling(t, cl, Options{Refresh: 10 * time.Second}, func(h *Handle, _ *observer.ObservedLogs) {
		for i := range 20 {
			n := cl.polls()
			cl.set(nil, []string{"i-1", "i-2"}[i%2], "i-3")
			for cl.polls() == n {
				pass(time.Second / 10)
			}
			wantIDs(t, h, "i-1 i-2 i-3")
		}
		n := cl.polls()
		for i := range 600 {
			if i%10 == 0 {
				cl.set(nil, []string{"i-1", "i-2"}[i/10%2], "i-3")
			}
			pass(time.Second)
		}
		if n = cl.polls() - n; n > 130 {
			t.Errorf("%d polls in ten minutes, want at most two for each interval", n)
		}
	})
}

// An outage that mixes kinds of errors says each of them once.
func TestMixedErrorsAreSaidOnceEach(t *testing.T) {
	cl := &cloud{ids: []string{"i-1"}}
	polling(t, cl, Options{}, func(h *Handle, logs *observer.ObservedLogs) {
		for i := range 40 {
			n := cl.polls()
			cl.set([]error{errAPI, errors.New("odd")}[i%2])
			for cl.polls() == n {
				pass(time.Second)
			}
		}
		if n := logs.FilterMessageSnippet("asking EC2 failed").Len(); n != 2 {
			t.Errorf("logged %d times, want once for each kind", n)
		}
	})
}
