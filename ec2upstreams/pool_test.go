package ec2upstreams

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

// fixed is a fleet that the test sets.
type fixed struct {
	mu      sync.Mutex
	state   fleet.State
	opts    fleet.Options
	changed chan struct{}
}

func newFixed(n int) *fixed {
	f := &fixed{changed: make(chan struct{}, 1)}
	f.set(n)
	return f
}

func (f *fixed) set(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = fleet.State{Origin: fleet.API, AsOf: time.Now()}
	for i := range n {
		f.state.Instances = append(f.state.Instances, &fleet.Instance{
			ID:          fmt.Sprintf("i-%06d", i),
			PrivateIPv4: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}),
		})
	}
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

func (f *fixed) State() *fleet.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.state
	return &s
}

func (f *fixed) Start(o fleet.Options) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opts = o
}

func (f *fixed) options() fleet.Options {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.opts
}

func (f *fixed) Changed() <-chan struct{}    { return f.changed }
func (f *fixed) Counts() (fleet.Counts, int) { return fleet.Counts{}, 0 }
func (f *fixed) Close()                      {}

// host is what a checked machine does: nil answers, an error refuses at once, hang lets the check time out.
var errHang = errors.New("no answer")

// machines checks without a network: everything takes virtual time.
type machines struct {
	mu      sync.Mutex
	answer  func(addr string) error
	at      map[string][]time.Time
	running int
	most    int
}

func (m *machines) Check(ctx context.Context, addr string) error {
	m.mu.Lock()
	if m.at == nil {
		m.at = make(map[string][]time.Time)
	}
	m.at[addr] = append(m.at[addr], time.Now())
	m.running++
	m.most = max(m.most, m.running)
	err := m.answer(addr)
	m.mu.Unlock()
	took := 5 * time.Millisecond
	if errors.Is(err, errHang) {
		took = 2 * time.Second
	}
	select {
	case <-time.After(took):
	case <-ctx.Done():
		err = ctx.Err()
	}
	m.mu.Lock()
	m.running--
	m.mu.Unlock()
	return err
}

func testSettings(mode pickMode) poolSettings {
	return poolSettings{Port: 80, Address: addressPrivate, DefaultWeight: defaultWeight, Mode: mode, Check: checkSettings{
		TCP: true, Interval: 2 * time.Second, Timeout: 2 * time.Second, Passes: 2, Fails: 2,
	}}
}

// inPool runs f in virtual time with a started pool.
func inPool(t *testing.T, s poolSettings, f *fixed, m *machines, run func(p *pool)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f.changed = make(chan struct{}, 1) // of this bubble
		f.set(len(f.state.Instances))
		p := newPool(s, f, m, func(context.Context) string { return "" })
		p.attach(&user{Options: fleet.Options{}.WithDefaults(), changed: func() {}})
		synctest.Wait()
		run(p)
		if err := p.Destruct(); err != nil {
			t.Error(err)
		}
	})
}

func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// Half of a large fleet is behind a dead zone, where every check ends in a time-out: the living are checked as often as
// ever, and no more checks run at once than the pool may.
func TestADeadZoneDoesNotDelayTheLiving(t *testing.T) {
	const n = 2000
	dead := func(addr string) bool { return addr[len(addr)-4]%2 == 0 } // by the last digit of the address
	m := &machines{answer: func(string) error { return nil }}
	inPool(t, testSettings(pickAll), newFixed(n), m, func(p *pool) {
		pass(10 * time.Second)
		if got := p.view.Load().counts.usable; got != n {
			t.Fatalf("%d usable, want %d", got, n)
		}
		m.mu.Lock()
		m.answer = func(addr string) error {
			if dead(addr) {
				return errHang
			}
			return nil
		}
		m.mu.Unlock()
		pass(time.Minute) // time to find out about half of the fleet, 2 s each
		settled := time.Now()
		c := p.view.Load().counts
		if c.unhealthy < n*4/10 || c.usable+c.unhealthy != n {
			t.Fatalf("after a minute: %s", c)
		}
		pass(time.Minute)

		m.mu.Lock()
		defer m.mu.Unlock()
		if m.most > n/4+n/8 {
			t.Errorf("%d checks at once", m.most)
		}
		for addr, times := range m.at {
			last := settled
			for _, at := range append(times, time.Now()) {
				if gap := at.Sub(last); at.After(settled) && !dead(addr) && gap > 3*time.Second {
					t.Fatalf("%s was not checked for %s", addr, gap)
				}
				if at.After(settled) {
					last = at
				}
			}
		}
	})
}

func TestChecksAreSpreadAndRegular(t *testing.T) {
	m := &machines{answer: func(string) error { return nil }}
	inPool(t, testSettings(pickAll), newFixed(10), m, func(p *pool) {
		pass(200 * time.Second)
		for addr, times := range m.at {
			if n := len(times); n < 90 || n > 112 {
				t.Errorf("%s was checked %d times in 200 s, want about 100", addr, n)
			}
		}
	})
}

func TestFailureIsConfirmedSoon(t *testing.T) {
	m := &machines{answer: func(string) error { return nil }}
	inPool(t, testSettings(pickAll), newFixed(3), m, func(p *pool) {
		pass(10 * time.Second)
		m.mu.Lock()
		m.answer = func(string) error { return errors.New("refused") }
		m.mu.Unlock()
		began := time.Now()
		for p.view.Load().counts.usable > 0 {
			pass(10 * time.Millisecond)
		}
		// One interval until the first failure, a quarter of it until the second; a tenth more for the jitter.
		if took := time.Since(began); took > 2800*time.Millisecond {
			t.Errorf("the last backend left after %s", took)
		}
		if v := p.view.Load(); v.last.len() != 3 {
			t.Errorf("%d backends are left to fail open to, want 3", v.last.len())
		}
	})
}

func TestInstancesComeAndGoWhileTheyAreChecked(t *testing.T) {
	m := &machines{answer: func(string) error { return errHang }}
	f := newFixed(50)
	inPool(t, testSettings(pickRandom), f, m, func(p *pool) {
		for i := range 40 {
			f.set(50 - i)
			pass(300 * time.Millisecond)
			if got := p.view.Load().counts.found; got != 50-i {
				t.Fatalf("%d found, want %d", got, 50-i)
			}
			f.set(60)
			pass(50 * time.Millisecond)
		}
		pass(time.Minute)
		p.mu.Lock()
		defer p.mu.Unlock()
		planned := len(p.up.heap) + len(p.down.heap) + p.up.running + p.down.running
		if planned != 60 {
			t.Errorf("%d checks are planned or running for 60 backends", planned)
		}
	})
}

// Before anything is known a request waits, but not for ever and not longer than its client.
func TestColdStartWaitsForTheFirstFleet(t *testing.T) {
	m := &machines{answer: func(string) error { return nil }}
	nothing := newFixed(0)
	synctest.Test(t, func(t *testing.T) {
		f := &fixed{changed: make(chan struct{}, 1)}
		zoned := testSettings(pickAll)
		zoned.PreferZone = true
		p := newPool(zoned, f, m, func(context.Context) string { return "eu-west-1a" }) // the zone is known at once
		p.attach(&user{Options: fleet.Options{}.WithDefaults(), changed: func() {}})
		defer p.Destruct()
		began := time.Now()
		go func() {
			<-time.After(time.Second)
			f.set(3)
		}()
		if v := p.current(t.Context()); v.use.len() != 3 || time.Since(began) != time.Second {
			t.Errorf("%d backends after %s", v.use.len(), time.Since(began))
		}
	})
	synctest.Test(t, func(t *testing.T) {
		f := &fixed{changed: make(chan struct{}, 1)}
		p := newPool(testSettings(pickAll), f, m, nil)
		p.attach(&user{Options: fleet.Options{}.WithDefaults(), changed: func() {}})
		defer p.Destruct()
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if p.current(ctx); time.Since(began) != time.Second {
			t.Errorf("a client that hung up was held for %s", time.Since(began))
		}
		if p.current(t.Context()); time.Since(began) != coldWait {
			t.Errorf("held for %s, want %s", time.Since(began), coldWait)
		}
		if p.current(t.Context()); time.Since(began) != coldWait {
			t.Error("held again")
		}
	})
	inPool(t, testSettings(pickAll), nothing, m, func(p *pool) {
		began := time.Now()
		if p.current(context.Background()); time.Since(began) != 0 {
			t.Errorf("an empty fleet held a request for %s", time.Since(began))
		}
	})
}

// A configuration that fails to start takes its pools away; a request that waits in one must not wait for ever.
func TestRequestsDoNotWaitForAPoolThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(testSettings(pickAll), &fixed{}, nil, nil)
		began := time.Now()
		go func() {
			<-time.After(time.Second)
			if err := p.Destruct(); err != nil {
				t.Error(err)
			}
		}()
		if p.current(t.Context()); time.Since(began) != time.Second {
			t.Errorf("held for %s", time.Since(began))
		}
	})
}

// A result that contradicts the one before it may be taken in the same breath: what is reported is what decided.
func TestTurnsAreReportedWithTheirReason(t *testing.T) {
	p := newPool(testSettings(pickAll), newFixed(1), nil, nil)
	defer p.Destruct()
	p.takeFleet()
	b := p.backends[0]
	b.queue.remove(b)
	more := make(chan result, 2)
	more <- result{b: b}
	var reasons []any
	p.users = []*user{{Options: fleet.Options{Event: func(name string, data map[string]any) {
		reasons = append(reasons, name, data["reason"])
	}}.WithDefaults()}}
	b.queue.running = 2
	p.takeResults(result{b: b, err: errors.New("refused")}, more)
	if fmt.Sprint(reasons) != "[backend_down refused]" {
		t.Errorf("reported %v", reasons)
	}
}
