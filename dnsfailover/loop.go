package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

const (
	// leastWait is the least time between two ticks: an engine that wants to be woken at once, again and again, must not
	// take a core.
	leastWait = time.Millisecond

	// closeTime is how long [Loop.Close] waits for calls that do not end although their context has.
	closeTime = 5 * time.Second
)

// ErrClosed is the error of what is asked of a loop that is closed, or stopping.
var ErrClosed = errors.New("failover has ended in this process")

// LoopOptions are what a [Loop] needs of the world. All of it is called on goroutines of its own.
type LoopOptions struct {
	// Network and Prober are required.
	Network Network
	Prober  Prober

	// Tell gets the decisions of a service in their order, one at a time. It may block: after 256 that wait, later ones are
	// dropped, and counted in [LoopStatus]. Nil is nobody.
	Tell func(service string, t engine.Tell)

	// Log gets what is no decision: calls that fail or panic, services that go. It is written to from the goroutine that
	// calls Tell. Nil is nowhere.
	Log *zap.Logger
}

// Loop runs the engine for all services of a process: it turns the world into events, and carries the actions out. There
// is one per process, which outlives configurations.
//
// One goroutine owns the states. Everything else hands it a function over a channel without a buffer. So no event is lost
// but by closing the loop, nothing piles up but the goroutines that wait, whose number is bounded (one for each peer, a few
// for each target and probe, and the callers), and nobody waits for long: the owner only computes, and never waits for
// anything else. Only the word of the own checks is not handed over, but left where the owner finds it: the latest one is all
// that counts. The heartbeats of the others are answered by the owner, too: a loop that is stuck looks dead.
type Loop struct {
	network Network
	prober  Prober
	log     *zap.Logger
	sink    func(string, engine.Tell)

	start  time.Time // zero of the engine's time
	ctx    context.Context
	cancel context.CancelFunc
	inbox  chan func()
	work   sync.WaitGroup // the owner, the heartbeats and the calls
	idle   chan struct{}  // all of them have ended
	silent chan struct{}  // and what they had to say is said

	notes   chan func()
	dropped atomic.Uint64

	word atomic.Pointer[engine.Health] // the latest of the own checks
	news chan struct{}                 // gets a value with each of them, unless one waits there

	// The owner's.
	services map[string]*service
	born     map[string]int // how often a service of the name has begun
	beats    map[string]*beat
	flights  map[*flight]struct{}
	health   *engine.Health // the latest that was taken in
	stopping bool
}

// Start begins to run services, by name. Their Boot is one that no loop before had, in this process or another. It is an
// error, and nothing runs, if the options or a service can't be used.
func Start(o LoopOptions, services map[string]Service) (*Loop, error) {
	if o.Network == nil || o.Prober == nil {
		return nil, errors.New("starting failover: a network and a prober are needed")
	}
	if err := checkServices(services); err != nil {
		return nil, fmt.Errorf("starting failover: %w", err)
	}
	l := &Loop{
		network: o.Network, prober: o.Prober, log: o.Log, sink: o.Tell,
		start: time.Now(), inbox: make(chan func()), idle: make(chan struct{}), silent: make(chan struct{}),
		notes: make(chan func(), maxNotes), news: make(chan struct{}, 1),
		services: map[string]*service{}, born: map[string]int{}, beats: map[string]*beat{}, flights: map[*flight]struct{}{},
	}
	if l.log == nil {
		l.log = zap.NewNop()
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.work.Go(func() { l.own(services) })
	go func() {
		l.work.Wait()
		close(l.idle)
	}()
	go l.speak()
	return l, nil
}

// own is the goroutine that owns the states. What is due, and what the own checks say, comes before what others bring: if
// the process has not run for a while, the engine is to know that before it hears, or is asked, about what was before.
func (l *Loop) own(services map[string]Service) {
	l.apply(services)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var f func()
		select {
		case <-l.ctx.Done():
			return
		case f = <-l.inbox:
		case <-l.news:
		case <-timer.C:
		}
		l.tick()
		l.takeHealth()
		if f != nil {
			f()
		}
		timer.Reset(max(l.next()-l.now(), leastWait))
	}
}

// now is the engine's time: that of the monotonic clock since the start.
func (l *Loop) now() time.Duration { return time.Since(l.start) }

// tick does what is due. A service without a step for two intervals gets one: with peers that only happens if the process
// has not run, and the engine notices.
func (l *Loop) tick() {
	now := l.now()
	for f := range l.flights {
		if f.overdue || now < f.expires {
			continue
		}
		f.overdue = true
		if f.target != "" {
			l.noteOutcome(f.service, f.target, engine.Unknown, errHangs)
		}
		l.step(f.service, f.lost)
	}
	for _, s := range l.services {
		if now >= s.state.Wake || now > s.state.Last+2*s.cfg.Interval {
			l.step(s, engine.Tick{})
		}
	}
}

// next is when something is due.
func (l *Loop) next() time.Duration {
	at := engine.Never
	for _, s := range l.services {
		at = min(at, s.state.Wake)
	}
	for f := range l.flights {
		if !f.overdue {
			at = min(at, f.expires)
		}
	}
	return at
}

// post hands a function to the owner. It reports false, and the function never runs, if the loop is closed.
func (l *Loop) post(f func()) bool {
	select {
	case l.inbox <- f:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// do has the owner run a function, and waits for that.
func (l *Loop) do(f func()) bool {
	done := make(chan struct{})
	if !l.post(func() { defer close(done); f() }) {
		return false
	}
	<-done
	return true
}

// Health is how a round of this node's own checks ended, after their rise and fall, for all services. Every round is to be
// reported. Started is when that round began; if the checks fail, when the first of those that failed in a row did. It never
// waits, and may be called by many at once: the latest word counts, and one that was replaced before the loop came to it,
// within microseconds as a rule, is passed over.
func (l *Loop) Health(ok bool, started time.Time) {
	l.word.Store(&engine.Health{OK: ok, Started: started.Sub(l.start)})
	select {
	case l.news <- struct{}{}:
	default:
	}
}

func (l *Loop) takeHealth() {
	h := l.word.Load()
	if h == l.health {
		return
	}
	l.health = h
	for _, s := range l.services {
		l.step(s, *h)
	}
}

// Offered takes in an authentic offer of a peer. One for a service that is not here is passed over.
func (l *Loop) Offered(service string, o engine.Offer) {
	l.post(func() {
		if s := l.services[service]; s != nil {
			l.step(s, engine.Offered{Offer: o})
		}
	})
}

// Command gives an operator's order to a service, with the reason for the log. It returns when the order has been
// understood, not when it has been carried out. It is an error if there is no such service, and [ErrClosed] if nothing runs.
func (l *Loop) Command(service string, order engine.Order, reason string) error {
	known := false
	ran := l.do(func() {
		if s := l.services[service]; s != nil {
			known = true
			l.step(s, engine.Command{What: order, Reason: reason})
		}
	})
	switch {
	case !ran:
		return ErrClosed
	case !known:
		return fmt.Errorf("there is no service %q here: check the name, and that its configuration is loaded", service)
	}
	return nil
}

// Close ends the loop without another word to anybody, and returns when all of its goroutines have ended. Calls that are
// under way are cancelled, and what they bring is lost. It is an error if some have not ended after 5 s; they end by
// themselves then, and change nothing here. Later calls of Close wait in the same way.
func (l *Loop) Close() error {
	l.cancel()
	timer := time.NewTimer(closeTime)
	defer timer.Stop()
	select {
	case <-l.silent:
		return nil
	case <-timer.C:
		return fmt.Errorf("ending failover: a call, a probe or a log is still at work after %s, and is left behind", closeTime)
	}
}
