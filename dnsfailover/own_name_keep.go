package dnsfailover

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

const (
	// ownInterval is the time between two looks at a name, and up to a tenth more so that nodes which were started together
	// come apart.
	ownInterval = 5 * time.Minute

	// ownRetry is how long after a failure the next attempt follows, at most. The time doubles with each, up to ownInterval.
	ownRetry = 2 * time.Second

	// ownAliveTime is how often it is asked whether the other owner of a name is still alive, which takes no request.
	ownAliveTime = 10 * time.Second

	// ownCallTime bounds the requests of one attempt.
	ownCallTime = 30 * time.Second
)

// ownKeeper keeps one name.
type ownKeeper struct {
	ownKey
	log   *zap.Logger
	alive func(instance string) bool
	open  func(a *awsAccess, zone, name string) (ownTarget, error)
	poke  chan struct{} // there is something to do
	quit  chan struct{} // closed to end the keeper between two attempts
	done  chan struct{} // closed when it has ended

	mu     sync.Mutex
	want   ownName
	access *awsAccess
	fresh  bool // want is another one than before
	stale  bool // access is
	told   bool // an attempt is to be made at once
	status ownStatus

	// The goroutine's, and that of deregister after it.
	target    ownTarget
	last      engine.Reading // what the record holds, if known is set
	known     bool
	epoch     uint64         // the latest that this instance is known to have written; 0: none
	converged bool           // the TTL was right since want is what it is
	fails     int            // in a row
	outcome   engine.Outcome // of the latest of them
	other     string         // the living instance that the name belongs to
	look      time.Time      // when the name is read again, whether that one lives or not
}

func newOwnKeeper(o *ownNames, access *awsAccess, n ownName) *ownKeeper {
	return &ownKeeper{
		ownKey: n.key(), log: o.log.With(zap.String("name", n.Name), zap.String("zone", n.Zone)), alive: o.alive, open: o.open,
		poke: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
		want: n, access: access,
		status: ownStatus{Name: n.Name, Zone: n.Zone, State: ownPending, Since: time.Now()},
	}
}

// tell says what the name is to hold from now on.
func (k *ownKeeper) tell(access *awsAccess, n ownName) {
	k.mu.Lock()
	defer k.mu.Unlock()
	before := k.want
	before.OnStop = n.OnStop // which counts at the exit alone
	fresh, stale := before != n, k.access != access
	wrong := k.status.State != ownPending && k.status.State != ownRegistered
	k.want, k.access = n, access
	k.fresh, k.stale = k.fresh || fresh, k.stale || stale
	if !fresh && (!stale || !wrong) {
		return
	}
	k.told = true
	select {
	case k.poke <- struct{}{}:
	default:
	}
}

func (k *ownKeeper) run(ctx context.Context) {
	defer close(k.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		// An attempt that is due must not come before the end.
		select {
		case <-k.quit:
			return
		case <-ctx.Done():
			return
		default:
		}
		timer.Reset(k.round(ctx))
		select {
		case <-k.quit:
		case <-ctx.Done():
		case <-k.poke:
		case <-timer.C:
		}
	}
}

// round makes an attempt, unless there is nothing new. It returns the time until the next.
func (k *ownKeeper) round(ctx context.Context) time.Duration {
	want, access, told := k.begin()
	if left := time.Until(k.look); k.other != "" && !told && left > 0 && k.alive(k.other) {
		return min(left, ownAliveTime)
	}
	k.other = ""
	callCtx, cancel := context.WithTimeout(ctx, ownCallTime)
	defer cancel()
	state, err := k.attempt(callCtx, access, want)
	if ctx.Err() != nil {
		return 0
	}
	k.note(state, err)
	if state == ownFailed {
		k.fails++
		wait := min(ownRetry<<min(k.fails-1, 16), ownInterval)
		return wait/2 + mathrand.N(wait/2+1)
	}
	k.fails = 0
	wait := ownInterval + mathrand.N(ownInterval/10)
	k.look = time.Now().Add(wait)
	if k.other != "" {
		wait = ownAliveTime
	}
	return wait
}

// begin takes in what the keeper was told.
func (k *ownKeeper) begin() (want ownName, access *awsAccess, told bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.fresh {
		k.converged = false
	}
	if k.stale {
		k.target = nil
	}
	told = k.told
	k.fresh, k.stale, k.told = false, false, false
	return k.want, k.access, told
}

// opened makes the target, unless there is one.
func (k *ownKeeper) opened(access *awsAccess) (err error) {
	if k.target == nil {
		k.target, err = k.open(access, k.zone, k.name)
	}
	return err
}

// attempt reads the name, and writes it if need be. The error is nil if, and only if, it is registered.
func (k *ownKeeper) attempt(ctx context.Context, access *awsAccess, want ownName) (state ownState, err error) {
	defer func() {
		if v := recover(); v != nil {
			k.log.Error("a call on an own name has panicked: this is a bug, which the stack shows",
				zap.Any("panic", v), zap.ByteString("stack", debug.Stack()))
			state, err = ownFailed, errPanic
		}
	}()
	if want.Addrs == "" {
		return ownFailed, &outcomeError{engine.Denied, errors.New("the name stays as it is: " + cmp.Or(want.Why, "this node has no address for the name"))}
	}
	if err := k.opened(access); err != nil {
		return ownFailed, err
	}
	k.known = false
	seen, err := k.target.Read(ctx)
	if err != nil {
		return ownFailed, err
	}
	k.last, k.known = seen, true
	v := judgeOwn(want, seen, k.epoch, k.converged, k.alive)
	if !v.write {
		k.other = v.other
		if v.err == nil {
			k.epoch, k.converged = seen.Lease.Epoch, true
		}
		return v.state, v.err
	}
	to := engine.Value{Addrs: want.Addrs, TTL: want.TTL, Lease: engine.Lease{
		Epoch: max(seen.Lease.Epoch, k.epoch) + 1, Holder: want.Node, Instance: want.Instance,
		Nonce: rand.Text()[:16], Addrs: want.Addrs, Mode: ownMode, Hash: want.Place,
	}}
	k.known = false
	made, err := k.target.Swap(ctx, seen, to)
	if err != nil {
		return ownFailed, err
	}
	k.last, k.known = made, true
	k.epoch, k.converged = to.Lease.Epoch, true
	k.log.Info("own name registered", zap.String("addresses", made.Addrs), zap.String("before", seen.Addrs),
		zap.Int("ttl", to.TTL), zap.String("instance_before", seen.Lease.Instance), zap.Uint64("epoch", to.Lease.Epoch))
	return ownRegistered, nil
}

// note keeps the status. The log has a line where it changes, not for every attempt.
func (k *ownKeeper) note(state ownState, err error) {
	k.mu.Lock()
	changed := k.status.State != state
	before := k.status.State
	if changed {
		k.status.State, k.status.Since = state, time.Now()
	}
	if k.known {
		k.status.Addresses = k.last.Addrs
	}
	k.status.Error = ""
	if err != nil {
		k.status.Error = err.Error()
	}
	k.mu.Unlock()

	outcome := OutcomeOf(err)
	switch {
	case changed && state == ownRegistered && before != ownPending:
		k.log.Info("own name is at this node's addresses again")
	case err != nil && (changed || outcome != k.outcome):
		k.log.Warn("own name is not at this node's addresses, or not known to be", zap.String("state", string(state)), zap.Error(err))
	case err != nil:
		k.log.Debug("own name is still not at this node's addresses", zap.String("state", string(state)), zap.Error(err))
	}
	k.outcome = outcome
}

func (k *ownKeeper) snapshot() ownStatus {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status
}

// deregister deletes the name if it is to go at the exit, and is this instance's. The keeper has been told to quit.
func (k *ownKeeper) deregister(ctx context.Context) {
	k.mu.Lock()
	gone := k.want.OnStop
	k.mu.Unlock()
	if !gone {
		return
	}
	err := k.remove(ctx)
	if errors.Is(err, ErrConflict) {
		k.known = false // whose is it now?
		err = k.remove(ctx)
	}
	if err != nil {
		k.log.Warn("own name is not deleted: it stays in the DNS until this instance starts again, or somebody deletes it", zap.Error(err))
	}
}

// remove deletes the name if it is this instance's.
func (k *ownKeeper) remove(ctx context.Context) (err error) {
	select {
	case <-k.done:
	case <-ctx.Done():
		return fmt.Errorf("waiting for a call on it: %w", ctx.Err())
	}
	want, access, _ := k.begin()
	if err := k.opened(access); err != nil {
		return err
	}
	if !k.known {
		if k.last, err = k.target.Read(ctx); err != nil {
			return err
		}
		k.known = true
	}
	if l := k.last.Lease; l.Instance != want.Instance || l.Mode != ownMode {
		k.log.Info("own name is not deleted: it is not this instance's", zap.String("addresses", k.last.Addrs),
			zap.String("holder", l.Holder), zap.String("instance", l.Instance))
		return nil
	}
	if err := k.target.Remove(ctx, k.last); err != nil {
		return err
	}
	k.log.Info("own name deleted", zap.String("addresses", k.last.Addrs))
	k.last = engine.Reading{}
	k.note(ownDeleted, nil)
	return nil
}
