package dnsfailover

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// address is an Elastic IP in memory, which counts its associations.
type address struct {
	mu       sync.Mutex
	instance string
	number   int
	frees    int
}

// seen is with whom it is, and how often that, and it being freed, has happened.
func (a *address) seen() (instance string, number, frees int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.instance, a.number, a.frees
}

func (a *address) reading() engine.Reading {
	return engine.Reading{Token: "eipassoc-" + strconv.Itoa(a.number), Exists: a.instance != "", Instance: a.instance}
}

func (a *address) change(from engine.Reading, instance string) (engine.Reading, error) {
	if from.Token != a.reading().Token {
		return engine.Reading{}, ErrConflict
	}
	a.instance = instance
	a.number++
	return a.reading(), nil
}

func (a *address) Read(context.Context) (engine.Reading, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.reading(), nil
}

func (a *address) Swap(_ context.Context, from engine.Reading, to engine.Value) (engine.Reading, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.change(from, to.Lease.Instance)
}

func (a *address) Free(_ context.Context, from engine.Reading) (engine.Reading, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.frees++
	return a.change(from, "")
}

// TestLoopTwoServices: one heartbeat serves all services, and one death moves them all. The address of a dead node is freed,
// and then claimed.
func TestLoopTwoServices(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		const vip = "vip"
		eip := &address{}
		c.start(lbs(2), func(m *member) {
			m.with = func(s engine.Settings) map[string]Service {
				all := only(s, m)
				s.Targets = []engine.Target{{ID: vip, Kind: engine.Address}}
				all[vip] = Service{Settings: s, Targets: map[string]Target{vip: eip}}
				return all
			}
		})
		m := c.members["lb2"]
		asks := m.asks.Load()
		pass(20 * time.Second)
		if n := m.asks.Load() - asks; n < 17 || n > 23 {
			t.Errorf("%d heartbeats in 20 s", n)
		}
		if instance, number, frees := eip.seen(); instance != "i-lb1" || number != 1 || frees != 0 {
			t.Fatalf("the address is with %s, after %d changes, freed %d times", instance, number, frees)
		}
		c.kill("lb1")
		pass(300 * time.Millisecond)
		instance, number, frees := eip.seen()
		if instance != "i-lb2" || number != 3 || frees != 1 || c.rec.Now().Lease.Holder != "lb2" {
			t.Errorf("the address is with %s, after %d changes, freed %d times, and the record %+v", instance, number, frees, c.rec.Now())
		}
		for name, s := range m.loop.Status().Services {
			if s.State.Role != engine.Active || s.Holder != "lb2" {
				t.Errorf("%s is held by %s", name, s.Holder)
			}
		}
	})
}
