package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

const (
	// lookAgain is how often a node looks whether its own addresses are still the same; and lookSoon while they may be changing,
	// which is for restlessTime after they were seen to change, and after an Elastic IP was moved. The metadata service may be late.
	lookAgain    = time.Minute
	lookSoon     = 2 * time.Second
	restlessTime = time.Minute

	// retryMin and retryMax bound the time until what could not be set up is tried again, which doubles every time.
	retryMin = time.Second
	retryMax = 30 * time.Second

	// deregisterTime bounds the removal of own names at the exit.
	deregisterTime = 5 * time.Second
)

// node is this process's part in failover. It outlives configurations: of those that are attached the last one is in force,
// and when the last one goes, the node leaves.
//
// A goroutine sets up what the configuration wants, for as long and as often as it takes. What runs already goes on as it is until
// the new setup is complete.
type node struct {
	log *zap.Logger // of the configuration in force

	inForce atomic.Pointer[share] // or was until now

	mu      sync.Mutex
	shares  []*share
	cancel  context.CancelFunc
	done    chan struct{} // closed when the goroutine has ended
	wake    chan struct{}
	setup   *setup    // what runs, or nil
	problem *Problem  // of the latest attempt to set up what is configured
	leaving time.Time // since when, if it is
	lingers time.Time // until when, if it does
	soon    time.Time // until when to look more often

	leave sync.Mutex // held while the node leaves
}

// Problem is what keeps a node from doing what it was told to. It is tried again by itself.
type Problem struct {
	About string // such as heartbeat, identity or dns
	Error string // what is wrong, and the next step
	Since time.Time
}

func newNode() *node {
	n := &node{wake: make(chan struct{}, 1)}
	n.log = zap.New(logRelay{to: n.core}).Named("dnsfailover")
	return n
}

// attach puts a configuration in force.
func (n *node) attach(s *share) {
	n.leave.Lock() // an earlier configuration may be leaving at this moment: this one begins after it
	defer n.leave.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	s.fleet.start(n.look)
	n.shares = append(n.shares, s)
	n.inForce.Store(s)
	if n.cancel == nil {
		var ctx context.Context
		ctx, n.cancel = context.WithCancel(context.Background())
		n.done = make(chan struct{})
		go n.run(ctx, n.done)
	}
	n.look()
}

// core is where the node's log goes now. Its parts live longer than a configuration and its log.
func (n *node) core() zapcore.Core { return n.inForce.Load().log.Core() }

// look has the goroutine look at what is in force.
func (n *node) look() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// detach takes a configuration back; one that is not attached is ignored. After the last one the node leaves: it offers what it
// holds, and waits until a peer has it, within hand_over. If the process exits it then goes on serving for the
// linger of what was handed over, and own names are removed that say so.
func (n *node) detach(s *share, exiting bool) {
	n.leave.Lock()
	defer n.leave.Unlock()
	n.mu.Lock()
	i := slices.Index(n.shares, s)
	if i < 0 {
		n.mu.Unlock()
		return
	}
	n.shares = slices.Delete(n.shares, i, i+1)
	if len(n.shares) > 0 {
		n.inForce.Store(n.shares[len(n.shares)-1])
		n.look()
		n.mu.Unlock()
		s.fleet.stop()
		return
	}
	cancel, done := n.cancel, n.done
	n.cancel, n.leaving = nil, time.Now()
	n.mu.Unlock()

	cancel()
	<-done
	s.fleet.stop()
	n.mu.Lock()
	up := n.setup
	n.mu.Unlock()
	if up != nil {
		n.handOver(s, up, exiting)
		up.close()
	}
	n.mu.Lock()
	n.setup, n.problem, n.leaving, n.lingers = nil, nil, time.Time{}, time.Time{}
	n.mu.Unlock()
}

// handOver lets the peers have what this node holds.
func (n *node) handOver(s *share, up *setup, exiting bool) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.cfg.HandOver))
	defer cancel()
	began := time.Now()
	handed, err := up.loop.Stop(ctx)
	if err != nil {
		s.log.Warn("leaving without having handed everything over", zap.Error(err))
	}
	if len(handed) > 0 {
		names := make([]string, len(handed))
		for i, key := range handed {
			names[i] = up.label(key)
		}
		s.log.Info("handed over", zap.Strings("services", names), zap.Duration("took", time.Since(began)))
	}
	if !exiting {
		return
	}
	linger := time.Duration(0)
	ran := up.wanted().share.cfg.Services
	for i := range ran {
		if c := &ran[i]; slices.Contains(handed, c.key()) {
			linger = max(linger, time.Duration(c.Linger))
		}
	}
	if linger > 0 {
		n.mu.Lock()
		n.lingers = time.Now().Add(linger)
		n.mu.Unlock()
		s.log.Info("serving on for clients whose resolvers still have the old answer", zap.Duration("linger", linger))
		<-time.After(linger)
	}
	ctx, cancel = context.WithTimeout(context.Background(), deregisterTime)
	defer cancel()
	up.own.stop(ctx)
}

// Destruct is called when no configuration uses the node any more; each was detached before.
func (n *node) Destruct() error { return nil }

// run sets up what is in force, until ctx ends.
func (n *node) run(ctx context.Context, done chan struct{}) {
	defer close(done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	retry := retryMin
	var tried *share
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.wake:
		case <-timer.C:
		}
		n.mu.Lock()
		up := n.setup
		n.mu.Unlock()
		s := n.inForce.Load()
		if s != tried {
			tried, retry = s, retryMin
		}
		err := n.bring(ctx, s, up)
		if ctx.Err() != nil {
			return
		}
		n.report(s, err)
		wait := lookAgain
		if err != nil {
			wait, retry = retry, min(2*retry, retryMax)
		} else {
			retry = retryMin
		}
		timer.Reset(n.within(wait))
	}
}

// within is a time until the next look, or less while addresses may be changing.
func (n *node) within(wait time.Duration) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Now().Before(n.soon) {
		return min(wait, lookSoon)
	}
	return wait
}

// restless has the node look more often for a while.
func (n *node) restless() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.soon = time.Now().Add(restlessTime)
}

// bring makes the node run what a configuration wants.
func (n *node) bring(ctx context.Context, s *share, up *setup) *setupError {
	w, err := s.want(ctx, up)
	if err != nil {
		return err
	}
	moved := up != nil && !sameSelf(up.wanted().self, w.self)
	if up != nil && (up.wanted().self.Node != w.self.Node || up.wanted().self.Instance != w.self.Instance) {
		if err := up.canListen(w); err != nil {
			return &setupError{"heartbeat", err} // what runs goes on
		}
		s.log.Info("this node is another one now, and begins anew", zap.String("node", w.self.Node), zap.String("instance", w.self.Instance))
		n.install(nil)
		up.close()
		up = nil
	}
	if up != nil {
		err = up.become(w)
	} else if up, err = newSetup(w, n.log, n.decided); err == nil {
		n.install(up)
	}
	if err != nil {
		return err
	}
	if moved {
		n.restless()
	}
	return w.missing
}

func (n *node) install(up *setup) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.setup = up
}

// decided takes a decision in, for the configuration in force.
func (n *node) decided(service string, t engine.Tell) {
	s := n.inForce.Load()
	s.tell(service, t)
	switch moves := t.What != engine.Waiting && s.cfg.movesAddress(); {
	case moves:
		n.restless()
		n.look()
	case s.fleet != nil:
		n.look() // it may be about a holder that is no peer
	}
}

// report keeps what is wrong for the status, and logs what is news.
func (n *node) report(s *share, e *setupError) {
	n.mu.Lock()
	was := n.problem
	better := e == nil && was != nil
	worse := e != nil && (was == nil || was.About != e.about || timeless(was.Error) != timeless(e.err.Error()))
	switch {
	case better:
		n.problem = nil
	case e != nil:
		n.problem = &Problem{About: e.about, Error: e.err.Error(), Since: time.Now()}
		if was != nil {
			n.problem.Since = was.Since
		}
	}
	n.mu.Unlock() // a log may hang
	switch {
	case better:
		s.log.Info("failover is set up as configured by now", zap.Duration("after", time.Since(was.Since)))
	case worse:
		s.log.Error("failover is not set up as configured; this is tried again", zap.String("about", e.about), zap.Error(e.err))
	}
}

// requestID is what AWS adds to an error, another one each time.
var requestID = regexp.MustCompile(` \(request [^()]*\)`)

// timeless is the text of an error that comes again.
func timeless(text string) string { return requestID.ReplaceAllString(text, "") }

// snapshot is what a node knows of itself at a moment.
type snapshot struct {
	cfg     *Config  // in force
	setup   *setup   // nil before the first one is complete
	problem *Problem // nil if it is set up as configured
	leaving bool
	lingers time.Time // until when; zero if it does not
}

// snapshot returns false if no configuration is in force.
func (n *node) snapshot() (snapshot, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.shares) == 0 && n.leaving.IsZero() {
		return snapshot{}, false
	}
	return snapshot{cfg: n.inForce.Load().cfg, setup: n.setup, problem: n.problem, leaving: !n.leaving.IsZero(), lingers: n.lingers}, true
}

// command gives an operator's order to a service, by its name.
func (n *node) command(service string, order engine.Order, reason string) error {
	s, ok := n.snapshot()
	switch {
	case !ok:
		return ErrClosed
	case s.setup == nil:
		return errors.New("this node is not set up yet: its status has the problem")
	}
	services := s.setup.wanted().share.cfg.Services // those that run, as in the status
	for i := range services {
		if c := &services[i]; c.Name == service {
			return s.setup.loop.Command(c.key(), order, reason)
		}
	}
	return fmt.Errorf("there is no service %q here", service)
}
