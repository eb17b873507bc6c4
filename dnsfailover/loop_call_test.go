package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// TestLoopHangingTarget: readings that do not even end with their context are given up, do not pile up, and hold nothing
// else up. What they bring in the end changes nothing.
func TestLoopHangingTarget(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(2))
		m := c.members["lb2"]
		release, hanging := make(chan struct{}), 0
		c.mu.Lock()
		m.read = func(context.Context) {
			c.mu.Lock()
			hanging++
			c.mu.Unlock()
			<-release
		}
		c.mu.Unlock()
		pass(10 * time.Minute)
		st := m.loop.Status().Services[svc].State
		c.mu.Lock()
		n := hanging
		c.mu.Unlock()
		if n != maxRunning || !st.Targets[0].Failing {
			t.Errorf("%d readings hang, and the target is %+v", n, st.Targets[0])
		}
		if got := m.loop.Status().Services[svc].Targets[0]; got.Outcome != engine.Unknown || !errors.Is(got.Err, errHangs) || got.Age < 9*time.Minute {
			t.Errorf("the status of the target is %+v", got)
		}
		if c.holder(0).name != "lb1" || !m.loop.Bodies()[svc].Healthy || c.writes() != 1 {
			t.Error("a target that hangs has changed something else")
		}
		began := time.Now()
		if err := m.loop.Close(); err == nil || time.Since(began) != closeTime {
			t.Errorf("closed after %s: %v", time.Since(began), err)
		}
		close(release)
		if err := m.loop.Close(); err != nil {
			t.Error(err)
		}
		if n := m.count(engine.Claimed); n != 0 {
			t.Errorf("a call that ended after the loop was told %d times", n)
		}
	})
}

// TestLoopLateWrite: a swap that ends after it was given up is not taken for its successor, and what it did is read.
func TestLoopLateWrite(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		late := make(chan struct{})
		var swaps atomic.Int64
		c.create(lbs(1), func(m *member) {
			m.swap = func(context.Context) {
				if swaps.Add(1) == 1 {
					<-late
				}
			}
		})
		c.run(lbs(1), lbs(1))
		pass(10 * time.Second) // the second one has landed by now
		if got := c.rec.Now().Lease; got.Nonce != "lb1.1-2" {
			t.Fatalf("the lease is %+v", got)
		}
		reads := c.reads()
		close(late)
		pass(5 * time.Second)
		if got := c.rec.Now().Lease; got.Nonce != "lb1.1-2" || c.reads() == reads {
			t.Errorf("the lease is %+v after %d readings", got, c.reads()-reads)
		}
		if c.holder(0).count(engine.Claimed) != 1 {
			t.Error("it was not claimed once")
		}
	})
}

// TestLoopDeadline: a write whose time has come to an end is not sent.
func TestLoopDeadline(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(1))
		pass(time.Second)
		l := c.members["lb1"].loop
		done := make(chan engine.Event, 2)
		l.do(func() {
			s := l.services[svc]
			for _, until := range []time.Duration{l.now(), l.now() + time.Second} {
				l.callTarget(s, targetCall{
					target: svc, until: until, write: true,
					run: func(ctx context.Context) (engine.Reading, error) {
						if end, ok := ctx.Deadline(); !ok || end != l.start.Add(until) {
							t.Errorf("its context ends at %v", end)
						}
						return engine.Reading{}, ErrConflict
					},
					event: func(o engine.Outcome, _ engine.Reading) engine.Event {
						e := engine.SwapDone{Target: svc, Outcome: o}
						if o != engine.Unknown { // what is prepared for the worst
							done <- e
						}
						return e
					},
				})
				<-done // Busy, prepared
			}
		})
		synctest.Wait()
		outcomes := map[engine.Outcome]int{}
		for len(done) > 0 {
			outcomes[(<-done).(engine.SwapDone).Outcome]++
		}
		if outcomes[engine.Busy] != 1 || outcomes[engine.Conflict] != 1 {
			t.Errorf("outcomes: %v", outcomes)
		}
	})
}

// TestLoopHangingProber: probes that have passed, and then never end, keep nobody from taking over from a node that is gone.
func TestLoopHangingProber(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		var hang atomic.Bool
		release := make(chan struct{})
		c.start(lbs(2), func(m *member) {
			m.probe = func(context.Context) bool {
				if hang.Load() {
					<-release
				}
				return true
			}
		})
		pass(time.Minute)
		if st := c.members["lb2"].state(); !st.Witness.OK || !st.Control.OK {
			t.Errorf("the probes are %+v and %+v", st.Witness, st.Control)
		}
		hang.Store(true)
		killed := time.Now()
		c.kill("lb1")
		if h := c.holder(10 * time.Second); h.name != "lb2" || time.Since(killed) > probeMax+graceTime+300*time.Millisecond {
			t.Errorf("%s took over after %s", h.name, time.Since(killed))
		}
		m := c.members["lb2"]
		pass(5 * time.Minute)
		if m.state().Control.OK {
			t.Error("a probe that does not end has passed")
		}
		started := m.state().Control.Started
		close(release)
		synctest.Wait()
		if st := m.state(); st.Control.OK || st.Control.Started != started {
			t.Error("a probe that was given up has passed")
		}
	})
}

// TestLoopPanics: what panics counts as a call without an answer, and is logged.
func TestLoopPanics(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		logs, seen := observer.New(zap.WarnLevel)
		c.create(lbs(2), func(m *member) {
			m.log = zap.New(logs)
			if m.name == "lb2" {
				m.read = func(context.Context) { panic("a bug in a target") }
				m.probe = func(context.Context) bool { panic("a bug in a prober") }
				m.ask = func() { panic("a bug in a client") }
				m.sink = func(engine.Tell) { panic("a bug in a sink") }
			}
		})
		c.run(lbs(2), lbs(1))
		c.holder(10 * time.Second)
		c.run(lbs(2), lbs(2)[1:])
		l := c.members["lb2"].loop
		pass(time.Minute)
		st := l.Status()
		one := st.Services[svc]
		if !one.State.Targets[0].Failing || !errors.Is(one.Targets[0].Err, errPanic) || st.Peers["lb1"].Reply != engine.Silent {
			t.Errorf("status: %+v", st)
		}
		l.Offered(svc, engine.Offer{From: "lb1"})
		synctest.Wait()
		for _, what := range []string{"target", "prober", "client", "sink"} {
			n := 0
			for _, e := range seen.FilterMessageSnippet("panicked").All() {
				if e.ContextMap()["panic"] == "a bug in a "+what && strings.Contains(fmt.Sprint(e.ContextMap()["stack"]), "loop_call_test.go") {
					n++
				}
			}
			if n == 0 {
				t.Errorf("the panic of the %s is not logged", what)
			}
		}
		if c.members["lb1"].state().Role != engine.Active || c.writes() != 1 {
			t.Error("a panic has moved the service")
		}
	})
}

// TestLoopFailingTarget: a call that fails is in the status and, once, in the log.
func TestLoopFailingTarget(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		logs, seen := observer.New(zap.WarnLevel)
		c.start(lbs(1), func(m *member) { m.log = zap.New(logs) })
		remove := c.fail(list)
		pass(10 * time.Minute)
		m := c.members["lb1"]
		if got := m.loop.Status().Services[svc].Targets[0]; !got.Called || got.Outcome != engine.Unknown || got.Err == nil || !got.Failing || !got.Known || got.Age < 9*time.Minute {
			t.Errorf("the status of the target is %+v", got)
		}
		remove()
		pass(time.Minute)
		if got := m.loop.Status().Services[svc].Targets[0]; got.Outcome != engine.Done || got.Err != nil || got.Failing || got.Age > engine.LookActive+5*time.Second || got.Ended > got.Age {
			t.Errorf("the status of the target is %+v", got)
		}
		if n := seen.FilterMessageSnippet("a call on a target").Len(); n != 1 {
			t.Errorf("logged %d times", n)
		}
	})
}
