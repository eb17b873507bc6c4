package dnsfailover

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// runAll starts nodes of which each is to be in the record.
func (c *cluster) runAll(names []string) {
	c.t.Helper()
	c.create(names, func(m *member) {
		m.with = func(s engine.Settings) map[string]Service {
			s.Mode = engine.ModeAll
			return only(s, m)
		}
		m.sees = func(r engine.Reading) bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.members[r.Lease.Holder].up && r.Addrs == "192.0.2."+r.Lease.Holder[2:]
		}
	})
	c.run(names, names)
}

// served waits until the record holds these addresses, and none else.
func (c *cluster) served(addrs string, within time.Duration) {
	c.t.Helper()
	for end := time.Now().Add(within); ; pass(10 * time.Millisecond) {
		switch r := c.rec.Now(); {
		case r.Addrs == addrs:
			return
		case time.Now().After(end):
			c.t.Fatalf("after %s the record holds %s, want %s", within, r.Addrs, addrs)
		}
	}
}

func TestLoopAll(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.runAll(lbs(3))
		c.served("192.0.2.1,192.0.2.2,192.0.2.3", 10*time.Second)
		pass(time.Minute)
		contested := 0 // what the account's rate limit refuses while all of them start is none of it
		for name, m := range c.members {
			contested += m.count(engine.Contested)
			if n := m.count(engine.Joined); n != 1 {
				t.Errorf("%s says that it has joined %d times", name, n)
			}
		}
		if contested > 3 {
			t.Errorf("%d writes of three nodes came second", contested)
		}
		before := c.writes()
		pass(10 * time.Minute)
		if n := c.writes() - before; n != 0 {
			t.Errorf("%d writes while nothing happened", n)
		}

		began := time.Now()
		c.kill("lb2")
		c.served("192.0.2.1,192.0.2.3", 2*time.Second)
		t.Logf("taken out %s after the death", time.Since(began))
		pass(time.Minute)
		if n := c.writes() - before; n != 1 || c.members["lb1"].count(engine.Removed) != 1 {
			t.Errorf("%d writes for a death, and lb1 says it has taken out %d", n, c.members["lb1"].count(engine.Removed))
		}

		lb3 := c.members["lb3"].loop
		lb3.Health(false, time.Now())
		pass(time.Second)
		c.members["lb1"].loop.Health(true, time.Now()) // of a check that began since
		c.served("192.0.2.1", 5*time.Second)
		c.members["lb1"].loop.Health(false, time.Now())
		pass(time.Minute)
		c.served("192.0.2.1", 0) // the last one stays
		c.members["lb1"].loop.Health(true, time.Now())
		lb3.Health(true, time.Now())
		c.served("192.0.2.1,192.0.2.3", 5*time.Second)

		pass(2 * time.Second) // each has heard that the other is well
		handed, err := lb3.Stop(t.Context())
		if err != nil || len(handed) != 1 {
			t.Errorf("lb3 hands over %q, %v", handed, err)
		}
		c.served("192.0.2.1", 0)
		handed, err = c.members["lb1"].loop.Stop(t.Context())
		if err != nil || len(handed) != 0 {
			t.Errorf("the last one hands over %q, %v", handed, err)
		}
		c.served("192.0.2.1", 0)
	})
}

// TestLoopManyStrangers: each address of nobody known is asked about for itself, however many there are.
func TestLoopManyStrangers(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		var addrs []string
		for i := range 3 * maxRunning {
			addrs = append(addrs, fmt.Sprintf("198.51.100.%02d", 10+i))
		}
		c.rec.Edit(engine.Reading{Exists: true, Addrs: strings.Join(addrs, ","), TTL: 60})
		c.create(lbs(1), func(m *member) {
			m.with = func(s engine.Settings) map[string]Service {
				s.Mode = engine.ModeAll
				return only(s, m)
			}
			m.probe = func(ctx context.Context) bool {
				<-ctx.Done() // as an address at which nobody is
				return false
			}
		})
		c.run(lbs(1), lbs(1))
		c.served("192.0.2.1", 30*time.Second)
		pass(10 * time.Second)
		c.members["lb1"].loop.do(func() {
			if n := len(c.members["lb1"].loop.services[svc].running); n > 3 {
				t.Errorf("%d kinds of calls are kept in mind", n)
			}
		})
	})
}
