package dnsfailover

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// freeze stops the owner of a loop for a while, as SIGSTOP does, and cuts the node off. It returns when the owner stands
// still.
func (m *member) freeze(d time.Duration) {
	m.c.mu.Lock()
	m.cut = true
	m.c.mu.Unlock()
	go m.loop.do(func() { <-time.After(d) })
	synctest.Wait()
}

// TestLoopFreeze: a holder that did not run for a minute, and was replaced meanwhile, says from its first word on that it does
// not know what it is, believes no answer from before, writes nothing, and makes no burst of calls.
func TestLoopFreeze(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(2))
		pass(20 * time.Second)
		m := c.members["lb1"]
		sent := m.loop.now()
		says := PeerAnswer{Node: "lb2", Instance: "i-lb2", Services: c.members["lb2"].loop.Bodies()}
		m.freeze(time.Minute)
		var active []bool
		go m.loop.do(func() {
			s := m.loop.services[svc]
			active = append(active, s.state.Body(m.loop.now(), s.cfg).Active)
			m.loop.heard(m.loop.beats["lb2"], says, engine.Answered, nil, sent)
			active = append(active, s.state.Role == engine.Active)
			m.loop.heard(m.loop.beats["lb2"], PeerAnswer{}, engine.Silent, nil, sent)
			if p := s.state.Peers[0]; p.Known || p.Misses != 0 {
				t.Errorf("it has heard %+v", p)
			}
		})
		pass(59 * time.Second)
		if c.rec.Now().Lease.Holder != "lb2" || c.writes() != 2 {
			t.Fatalf("%d writes, and the record is %+v", c.writes(), c.rec.Now())
		}
		reads, asks := c.reads(), m.asks.Load()
		c.mu.Lock()
		m.cut = false
		c.mu.Unlock()
		pass(time.Second)
		for range 1000 {
			if m.loop.Bodies()[svc].Active {
				t.Fatal("it says that it is active")
			}
			pass(10 * time.Millisecond)
		}
		if len(active) != 2 || active[0] || active[1] {
			t.Errorf("when it ran again it was active: %v", active)
		}
		if st := m.state(); st.Role != engine.Standby || m.count(engine.Slept) != 1 || m.count(engine.Lost) != 1 {
			t.Errorf("it is %s, and told %+v", st.Role, m.told)
		}
		if n := c.reads() - reads; n > 4 || c.writes() != 2 {
			t.Errorf("%d readings, and %d writes", n, c.writes()-2)
		}
		if n := m.asks.Load() - asks; n > 14 {
			t.Errorf("%d heartbeats in eleven seconds", n)
		}
	})
}

// TestLoopFreezeShort: so it does if it did not run for some intervals only, in which nothing was due.
func TestLoopFreezeShort(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(2))
		m := c.members["lb1"]
		const d = 5 * time.Second
		for m.state().Wake-m.loop.now() < d+time.Second {
			pass(100 * time.Millisecond)
		}
		m.freeze(d)
		slept := make(chan engine.Body, 1)
		go m.loop.do(func() {
			s := m.loop.services[svc]
			slept <- s.state.Body(m.loop.now(), s.cfg)
		})
		if b := <-slept; b.Active || len(b.Hears) != 0 {
			t.Errorf("it says %+v", b)
		}
		c.mu.Lock()
		m.cut = false
		c.mu.Unlock()
		if h := c.holder(5 * time.Second); h != m || c.writes() != 1 {
			t.Errorf("%s has it after %d writes", h.name, c.writes())
		}
	})
}

// TestLoopFreezeStandby: one that did not run does not take its own deafness for the silence of the holder.
func TestLoopFreezeStandby(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(2))
		pass(time.Minute)
		m := c.members["lb2"]
		for range 10 {
			m.freeze(20 * time.Second)
			pass(20 * time.Second)
			c.mu.Lock()
			m.cut = false
			c.mu.Unlock()
			pass(2 * time.Second)
		}
		if c.writes() != 1 || m.state().Role != engine.Standby || m.count(engine.Slept) != 10 {
			t.Errorf("%d writes, %+v", c.writes(), m.told)
		}
	})
}

// TestLoopHealth: words of the own checks are taken from many at once, never wait, and the last one counts.
func TestLoopHealth(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(1))
		l := c.members["lb1"].loop
		go l.do(func() { <-time.After(time.Second) }) // it has no time
		synctest.Wait()
		began := time.Now()
		var many sync.WaitGroup
		for i := range 100 {
			many.Go(func() { l.Health(i%2 == 0, began) })
		}
		many.Wait()
		l.Health(false, began.Add(-time.Minute))
		if time.Since(began) != 0 {
			t.Error("it was waited for")
		}
		if b := l.Bodies()[svc]; b.Healthy {
			t.Error("who asks after a word was given does not see it")
		}
		if h := c.members["lb1"].state().Health; h.OK || h.Failed != began.Add(-time.Minute).Sub(l.start) {
			t.Errorf("its health is %+v", h)
		}
		for i := range 20 { // whatever else waits for the loop
			go l.do(func() { <-time.After(time.Millisecond) })
			synctest.Wait()
			ok := i%2 == 0
			l.Health(ok, time.Now())
			if l.Bodies()[svc].Healthy != ok {
				t.Fatalf("it is healthy: %t", !ok)
			}
		}
	})
}
