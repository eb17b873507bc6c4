package ec2upstreams

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
	"github.com/caddy-ec2/caddy-ec2/internal/probe"
)

const (
	// coldWait is how long a request may wait for the very first fleet after the start; later ones never wait.
	coldWait = 5 * time.Second
	// Checks at once in one pool of up to 1,024 backends; a larger one has a quarter and an eighth of its backends. Those of failing backends, which end in time-outs, have places of their own,
	// so that a dead zone does not delay the checks of the living.
	upChecks   = 256
	downChecks = 128
	// minRampStep is the shortest time between two views while a backend is in its slow start.
	minRampStep = 250 * time.Millisecond
	// restPerBuild is how many times as long as a view took to make the pool waits before it makes another: a tenth
	// of a core at the most, whatever happens.
	restPerBuild = 9
	longestRest  = 500 * time.Millisecond
	// zoneRetry is the wait before the own zone is asked for again.
	zoneRetry = 30 * time.Second
)

// backend is an instance at one address. A new address makes a new backend, which has to prove itself.
type backend struct {
	inst *fleet.Instance
	target
	health   health
	rampFrom time.Time // when the slow start began, zero if there was none
	note     string    // why it is in or out
	in       bool      // it gets requests

	queue     *queue
	slot      int // in the queue's heap, -1 while it is checked
	due       time.Time
	gone      bool
	checks    uint64
	checkedAt time.Time
	took      time.Duration
	lastErr   error
}

// user is a running configuration's share in a pool.
type user struct {
	fleet.Options
	// checker is this configuration's: certificates may have changed since the pool began. Nil leaves the pool's.
	checker probe.Checker
	// changed is called after a new view, by the pool's goroutine; it must not block.
	changed func()
}

// source is a share in a poller: a *fleet.Handle.
type source interface {
	Start(fleet.Options)
	Changed() <-chan struct{}
	State() *fleet.State
	Counts() (total fleet.Counts, lastMinute int)
	Close()
}

// pool checks the backends of one query and publishes which of them work.
type pool struct {
	settings poolSettings
	id       string
	handle   source
	ownZone  func(context.Context) string // asks for this node's zone; "" if it can't be had now
	// knownDown are addresses that are not taken for healthy at the start.
	knownDown map[string]bool

	view      atomic.Pointer[view]
	restUntil time.Time     // when the next view may be made; only the pool's goroutine looks
	ready     chan struct{} // closed once a first view is there, or coldWait is over
	readyOnce sync.Once
	cold      *time.Timer

	mu       sync.Mutex // guards what follows; no request takes it
	backends []*backend // in the order of the fleet
	zone     string
	users    []*user
	checker  probe.Checker // the newest user's
	up, down queue
	passed   uint64 // checks by result
	failed   uint64
	cancel   context.CancelFunc
	done     chan struct{}
}

func newPool(s poolSettings, h source, c probe.Checker, ownZone func(context.Context) string) *pool {
	p := &pool{
		settings: s, id: s.id(), handle: h, checker: c, ownZone: ownZone,
		ready: make(chan struct{}), zone: s.OwnZone,
		up: queue{limit: upChecks}, down: queue{limit: downChecks},
	}
	p.view.Store(&view{})
	p.cold = time.AfterFunc(coldWait, p.setReady)
	return p
}

// attach gives the pool a user, whose options are in force until another comes. The first one starts it.
func (p *pool) attach(u *user) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users = append(p.users, u)
	p.configure()
	if p.cancel == nil {
		ctx, cancel := context.WithCancel(context.Background())
		p.cancel, p.done = cancel, make(chan struct{})
		go p.run(ctx)
	}
}

// detach takes a user off; unknown ones are ignored.
func (p *pool) detach(u *user) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.users)
	p.users = slices.DeleteFunc(p.users, func(o *user) bool { return o == u })
	if len(p.users) < n && len(p.users) > 0 {
		p.configure()
	}
}

// configure puts the newest user's checker and options in force; p.mu is held.
func (p *pool) configure() {
	newest := p.users[len(p.users)-1]
	if newest.checker != nil {
		p.checker = newest.checker
	}
	o := newest.Options
	for _, u := range p.users {
		o.Refresh = min(o.Refresh, u.Refresh)
	}
	p.handle.Start(o)
}

// Destruct ends the pool. It is called when no configuration uses it any more.
func (p *pool) Destruct() error {
	p.cold.Stop()
	p.setReady() // nobody may wait for a pool that is gone
	p.mu.Lock()
	cancel, done := p.cancel, p.done
	p.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
	p.handle.Close()
	return nil
}

// current is the pool's view. Before the first fleet is known it waits for it, for a bounded time and no longer than
// the request lives.
func (p *pool) current(ctx context.Context) *view {
	v := p.view.Load()
	if v.counts.found == 0 {
		select {
		case <-p.ready:
		case <-ctx.Done():
		}
		v = p.view.Load()
	}
	return v
}

func (p *pool) setReady() { p.readyOnce.Do(func() { close(p.ready) }) }

// run is the pool's only goroutine beside the checks: whatever changes the backends happens here.
func (p *pool) run(ctx context.Context) {
	defer close(p.done)
	var work sync.WaitGroup
	defer work.Wait()
	results := make(chan result, upChecks+downChecks)
	zones := make(chan string, 1)
	if p.settings.PreferZone && p.zone == "" {
		work.Go(func() { p.findZone(ctx, zones) })
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	dirty := false // the view does not show everything yet
	told := false  // the users know that there is nothing yet
	for {
		changed := false
		select {
		case <-ctx.Done():
			return
		case <-p.handle.Changed():
			changed = p.takeFleet()
		case r := <-results:
			changed = p.takeResults(r, results)
		case z := <-zones:
			p.mu.Lock()
			p.zone, changed = z, p.backends != nil // before the first fleet there is nothing to show
			p.mu.Unlock()
		case <-timer.C:
		}
		if v := p.view.Load(); v.ramping && time.Since(v.made) >= p.rampStep() {
			changed = true
		}
		// Where a view takes long to make, for thousands of backends, several changes share one.
		dirty = dirty || changed
		rest := time.Until(p.restUntil)
		if dirty && rest <= 0 {
			p.publish()
			dirty, rest = false, 0
		}
		if s := p.handle.State(); !told && s.Err != nil && s.Loaded {
			told = true
			p.setReady() // there is nothing to wait for
			p.tell()
		}
		wait := p.startChecks(ctx, &work, results)
		if dirty {
			wait = min(wait, rest)
		}
		timer.Reset(wait)
	}
}

// takeFleet brings the backends in line with the fleet and reports whether anything is different.
func (p *pool) takeFleet() bool {
	s := p.handle.State()
	if s.Origin == fleet.Unknown {
		return false
	}
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()

	first := p.backends == nil
	was := make(map[string]*backend, len(p.backends))
	for _, b := range p.backends {
		was[b.inst.ID] = b
	}
	backends := make([]*backend, 0, len(s.Instances))
	changed := first || len(s.Instances) != len(p.backends)
	for _, in := range s.Instances {
		b := was[in.ID]
		if b != nil && b.inst == in {
			delete(was, in.ID)
			backends = append(backends, b)
			continue
		}
		changed = true
		t := resolve(in, &p.settings)
		if b != nil && b.dial == t.dial {
			delete(was, in.ID)
			b.inst, b.target = in, t
			backends = append(backends, b)
			continue
		}
		b = &backend{inst: in, target: t, slot: -1, health: health{status: unproven, since: now}}
		if first && !p.knownDown[t.dial] {
			b.health.status = assumed
		}
		backends = append(backends, b)
		if b.dial != "" {
			p.up.add(b, now)
		}
	}
	for _, b := range was {
		changed = true
		b.gone = true
		if b.queue != nil {
			b.queue.remove(b)
		}
	}
	p.backends = backends
	p.up.limit, p.down.limit = max(upChecks, len(backends)/4), max(downChecks, len(backends)/8)
	return changed
}

// rampStep is the time between two views during a slow start: a twentieth of it.
func (p *pool) rampStep() time.Duration { return max(p.settings.SlowStart/20, minRampStep) }

// publish makes a new view of the backends.
func (p *pool) publish() {
	p.mu.Lock()
	began := time.Now()
	p.view.Store(buildView(&p.settings, p.backends, p.zone, began))
	p.mu.Unlock()
	p.restUntil = time.Now().Add(min(restPerBuild*time.Since(began), longestRest))
	p.setReady()
	p.tell()
}

// tell lets the users look at what serves now.
func (p *pool) tell() {
	p.mu.Lock()
	users := slices.Clone(p.users)
	p.mu.Unlock()
	for _, u := range users {
		u.changed()
	}
}

// findZone asks for the own zone until it is known.
func (p *pool) findZone(ctx context.Context, zones chan<- string) {
	said := false
	for {
		if z := p.ownZone(ctx); z != "" {
			zones <- z
			return
		}
		if !said {
			said = true
			p.logger().Warn("the own availability zone is not known yet; backends of all zones are used",
				zap.String("pool", p.id), zap.String("hint", "outside EC2, name it: zone prefer 70% eu-west-1a"))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(zoneRetry):
		}
	}
}

func (p *pool) logger() *zap.Logger {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.users) == 0 {
		return zap.NewNop()
	}
	return p.users[len(p.users)-1].Logger
}
