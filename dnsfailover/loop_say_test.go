package dnsfailover

import (
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// TestLoopBlockedSink: a sink that takes nothing holds nothing up; what it gets in the end is the beginning of the
// story, and what it missed is counted.
func TestLoopBlockedSink(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		release := make(chan struct{})
		c.start(lbs(2), func(m *member) { m.sink = func(engine.Tell) { <-release } })
		m := c.members["lb2"]
		pass(20 * time.Second)
		killed := time.Now()
		c.mu.Lock()
		c.members["lb1"].up = false
		c.mu.Unlock()
		m.end("lb1")
		if h := c.holder(time.Second); h != m || time.Since(killed) > 300*time.Millisecond {
			t.Errorf("%s took over after %s", h.name, time.Since(killed))
		}
		const offers = 2 * maxNotes
		for i := range offers {
			m.loop.Offered(svc, engine.Offer{From: "lb1", Epoch: uint64(i)})
		}
		dropped := m.loop.Status().Dropped
		if dropped < offers-maxNotes-1 || dropped > offers { // one is with the sink
			t.Errorf("%d were dropped", dropped)
		}
		if err := m.loop.Close(); err == nil {
			t.Error("a loop whose sink hangs has ended")
		}
		close(release)
		synctest.Wait()
		if err := m.loop.Close(); err != nil {
			t.Error(err)
		}
		if n := m.count(engine.Claimed); n != 1 {
			t.Errorf("the claim was told %d times", n)
		}
		if err := c.members["lb1"].loop.Close(); err != nil {
			t.Error(err)
		}
	})
}

// brokenLog is a log that panics.
type brokenLog struct{ zapcore.LevelEnabler }

func (l brokenLog) With([]zapcore.Field) zapcore.Core { return l }
func (l brokenLog) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return c.AddCore(e, l)
}
func (brokenLog) Write(zapcore.Entry, []zapcore.Field) error { panic("a bug in a log") }
func (brokenLog) Sync() error                                { return nil }

// TestLoopBrokenLog: a log that panics is not told so again and again, and holds up neither a failover nor the end.
func TestLoopBrokenLog(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(2), func(m *member) { m.log = zap.New(brokenLog{zap.DebugLevel}) })
		m := c.members["lb2"]
		pass(20 * time.Second)
		c.kill("lb1")
		if h := c.holder(time.Second); h != m {
			t.Errorf("%s took over", h.name)
		}
		pass(time.Minute)
		if n := m.loop.Status().Dropped; n == 0 || n > 10 {
			t.Errorf("%d lines were lost", n)
		}
		if m.count(engine.Claimed) != 1 {
			t.Error("a broken log has kept a decision from its subscriber")
		}
		if err := m.loop.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestLoopLastWords: what was said before the end is told before the end.
func TestLoopLastWords(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(1), func(m *member) { m.sink = func(engine.Tell) { <-time.After(10 * time.Millisecond) } })
		m := c.members["lb1"]
		synctest.Wait()
		before := len(m.told)
		for i := range 100 {
			m.loop.Offered(svc, engine.Offer{From: "lb2", Epoch: uint64(i)})
		}
		if err := m.loop.Close(); err != nil {
			t.Fatal(err)
		}
		if n := len(m.told) - before; n != 100 {
			t.Errorf("%d of 100 were told", n)
		}
	})
}
