package dnsfailover

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// TestLoopFirstClaim: of nodes that start together one claims what nobody has, and twenty minutes without a fault cost two
// readings a minute and node at most, and no write.
func TestLoopFirstClaim(t *testing.T) {
	for _, n := range []int{1, 2, 3} {
		inBubble(t, func(t *testing.T, c *cluster) {
			c.create(lbs(n))
			c.run(lbs(n), lbs(n))
			h := c.holder(10 * time.Second)
			pass(5 * time.Second) // those who found it absent as well are refused, and read
			writes := c.writes()
			if writes > 2*n {
				t.Errorf("of %d, %s holds the service after %d writes", n, h.name, writes)
			}
			if lease := c.rec.Now().Lease; lease.Holder != h.name || lease.Epoch != 1 {
				t.Errorf("the lease is %+v", lease)
			}
			synctest.Wait()
			if h.count(engine.Claimed) != 1 {
				t.Errorf("told: %+v", h.told)
			}
			reads, minutes := c.reads(), 20
			for range minutes * 60 {
				pass(time.Second)
				for _, m := range c.members {
					m.loop.Health(true, time.Now())
				}
			}
			if reads := c.reads() - reads; reads > 2*minutes*n || reads < minutes/2*n || c.writes() != writes {
				t.Errorf("%d nodes: %d readings in %d minutes, %d writes", n, reads, minutes, c.writes()-writes)
			}
			if c.holder(0) != h {
				t.Error("the service has moved")
			}
		})
	}
}

// TestLoopDeath: a process that is gone is replaced at once, and one that comes back stays what it is.
func TestLoopDeath(t *testing.T) {
	for _, n := range []int{2, 3} {
		inBubble(t, func(t *testing.T, c *cluster) {
			c.start(lbs(n))
			pass(20*time.Second + 400*time.Millisecond)
			killed := time.Now()
			c.kill("lb1")
			h := c.holder(time.Second)
			if took := time.Since(killed); h.name != "lb2" || took > 300*time.Millisecond {
				t.Errorf("%s has the service after %s", h.name, took)
			}
			if c.writes() != 2 || c.rec.Now().Lease.Epoch != 2 {
				t.Errorf("%d writes, %+v", c.writes(), c.rec.Now().Lease)
			}
		})
	}
}

// TestLoopSilence: a host that vanishes is found by time-outs of half an interval.
func TestLoopSilence(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(3))
		pass(time.Minute)
		c.mu.Lock()
		c.members["lb1"].cut = true
		c.mu.Unlock()
		cut := time.Now()
		for c.rec.Now().Lease.Holder == "lb1" {
			if pass(100 * time.Millisecond); time.Since(cut) > 10*time.Second {
				t.Fatal("nobody takes over")
			}
		}
		// No witness has ever passed, so it takes twice Fall.
		if took := time.Since(cut); took < 5*time.Second || took > 8*time.Second {
			t.Errorf("it took %s", took)
		}
		if got := c.members["lb2"].loop.Status().Peers["lb1"]; got.Reply != engine.Silent || got.Err == nil {
			t.Errorf("lb1 replies %+v", got)
		}
	})
}

// TestLoopCommand: orders reach the engine, and errors those who give them.
func TestLoopCommand(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(2))
		l := c.members["lb2"].loop
		if err := l.Command(svc, engine.Takeover, "maintenance of lb1"); err != nil {
			t.Fatal(err)
		}
		for c.members["lb2"].state().Role != engine.Active {
			if pass(10 * time.Millisecond); c.members["lb2"].loop.now() > 10*time.Second {
				t.Fatal("lb2 has not taken over")
			}
		}
		if st := l.Status().Services[svc]; st.Holder != "lb2" || st.Targets[0].Err != nil || st.State.Epoch != 2 {
			t.Errorf("status: %+v", st)
		}
		if err := l.Command("other", engine.Pause, ""); err == nil || errors.Is(err, ErrClosed) {
			t.Errorf("a command to a service that is not there: %v", err)
		}
		l.Offered("other", engine.Offer{From: "lb1"})
		c.kill("lb2")
		if err := l.Command(svc, engine.Pause, ""); !errors.Is(err, ErrClosed) {
			t.Errorf("a command after the end: %v", err)
		}
		if handed, err := l.Stop(t.Context()); handed != nil || !errors.Is(err, ErrClosed) {
			t.Errorf("a stop after the end: %v, %v", handed, err)
		}
		if err := l.Reload(nil); !errors.Is(err, ErrClosed) {
			t.Errorf("a reload after the end: %v", err)
		}
		if l.Bodies() != nil || l.Status().Services != nil {
			t.Error("a closed loop says something")
		}
		l.Health(true, time.Now())
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestLoopConnectionEnds: a connection that ends is asked about at once, but a peer that closes each of them is not asked
// without end.
func TestLoopConnectionEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(2))
		m := c.members["lb2"]
		before := m.asks.Load()
		for range 1000 {
			m.end("lb1")
			pass(10 * time.Millisecond)
		}
		if n := m.asks.Load() - before; n < 15 || n > 25 {
			t.Errorf("%d heartbeats in ten seconds of one each", n)
		}
	})
}
