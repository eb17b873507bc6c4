package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

const (
	// reapEvery is the time between two looks for own names of nodes that are gone, and up to a tenth more. A look lists the
	// zone: a request for 300 record sets.
	reapEvery = time.Hour

	// reapTime bounds a look.
	reapTime = 10 * time.Minute
)

// reaping is what a configuration wants reaped, and how the world is asked.
type reaping struct {
	access   *awsAccess
	names    []reapName
	instance string // this one
	place    string // of this one, as in [ownName]

	turn   func() bool                // whether this node is the one that does it
	here   func(instance string) bool // whether another one is a node that is there, or may be
	states func(ctx context.Context, ids []string) (map[string]string, error)
}

// reapName is an own name of this node, in whose place other nodes have theirs.
type reapName struct {
	own      ownName
	template string        // as it is configured
	after    time.Duration // how long another node must have been gone
}

// ownReaper deletes the own names of nodes that are gone for good. One node does that, which has to have its own name beside
// them, so that a name is never the last one. It deletes what was written by an instance of which EC2 says, at each of its looks for
// as long as is configured, that it has been terminated or that there is no such instance; and which is not heard of
// otherwise. The time begins anew with the process, with every look that finds the instance, and with a change of the name.
//
// An instance that has ended is soon unknown to EC2, as is one of another region or account. So the name must say that its instance
// was where this one is, and in the same answer EC2 must know this one.
type ownReaper struct {
	log  *zap.Logger
	open func(a *awsAccess, zone, name string) (ownTarget, error)
	list func(ctx context.Context, a *awsAccess, zone, name string) ([]ownLease, error)

	mu    sync.Mutex
	now   *reaping // nil: nothing
	wrong string   // why the latest look was none; empty if it was one

	gone map[ownKey]goneOwner // the goroutine's
}

// goneOwner is since when the owner of a name is known to be gone.
type goneOwner struct {
	nonce string // of what it wrote
	since time.Time
}

// reap replaces what is reaped; nil is nothing.
func (o *ownNames) reap(r *reaping) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended || o.reaper == nil && r == nil {
		return
	}
	if o.reaper == nil {
		p := &ownReaper{log: o.log, open: o.open, list: o.list}
		o.reaper = p
		o.work.Go(func() { p.run(o.ctx) })
	}
	o.reaper.set(r)
}

func (p *ownReaper) set(r *reaping) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now = r; r == nil {
		p.wrong = ""
	}
}

func (p *ownReaper) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	for {
		timer.Reset(reapEvery + mathrand.N(reapEvery/10))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		p.round(ctx)
	}
}

// round makes a look, and says what is wrong if that is news.
func (p *ownReaper) round(ctx context.Context) {
	p.mu.Lock()
	r := p.now
	p.mu.Unlock()
	if r == nil || !r.turn() {
		p.gone = nil
		p.note(nil)
		return
	}
	callCtx, cancel := context.WithTimeout(ctx, reapTime)
	defer cancel()
	if err := p.look(callCtx, r); ctx.Err() == nil {
		p.note(err)
	}
}

// note keeps what is wrong for the status, and logs what is news.
func (p *ownReaper) note(err error) {
	text := ""
	if err != nil {
		text = "own names of nodes that are gone for good can't be deleted: " + err.Error()
	}
	p.mu.Lock()
	news := timeless(text) != timeless(p.wrong)
	p.wrong = text
	p.mu.Unlock()
	if err != nil && news {
		p.log.Warn("own names of nodes that are gone for good can't be deleted; this is tried again", zap.Error(err))
	}
}

// reapProblem is why nothing is reaped although it should be, and empty otherwise.
func (o *ownNames) reapProblem() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.reaper == nil {
		return ""
	}
	o.reaper.mu.Lock()
	defer o.reaper.mu.Unlock()
	return o.reaper.wrong
}

// look looks for names whose owners are gone, and deletes those whose time is over. An error says nothing of any owner.
func (p *ownReaper) look(ctx context.Context, r *reaping) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p.log.Error("looking for own names of nodes that are gone has panicked: this is a bug, which the stack shows",
				zap.Any("panic", v), zap.ByteString("stack", debug.Stack()))
			err = errPanic
		}
	}()
	found, err := p.find(ctx, r)
	if err != nil || len(found) == 0 {
		if err == nil {
			p.gone = nil
		}
		return err
	}
	ids := []string{r.instance}
	for _, f := range found {
		ids = append(ids, f.lease.Lease.Instance)
	}
	states, err := r.states(ctx, ids)
	if err != nil {
		return err
	}
	if state := states[r.instance]; state == "" || state == fleet.Terminated {
		return fmt.Errorf("EC2 does not know this instance, %s, so what it says of others counts for nothing: "+
			"are region and credentials of peers ec2 those of this instance?", r.instance)
	}
	still := map[ownKey]goneOwner{}
	var errs []error
	for _, f := range found {
		if state := states[f.lease.Lease.Instance]; state != "" && state != fleet.Terminated {
			continue
		}
		g, seen := p.gone[f.key]
		if seen = seen && g.nonce == f.lease.Lease.Nonce; !seen {
			g = goneOwner{f.lease.Lease.Nonce, time.Now()}
		}
		still[f.key] = g
		if !seen || time.Since(g.since) < f.after || !r.turn() || r.here(f.lease.Lease.Instance) {
			continue
		}
		if err := p.remove(ctx, r.access, f, g); err != nil {
			errs = append(errs, err)
			continue
		}
		delete(still, f.key) // if somebody has changed the name, its time begins anew
	}
	p.gone = still
	return errors.Join(errs...)
}

// remove deletes a name, if it still is as its owner left it.
func (p *ownReaper) remove(ctx context.Context, a *awsAccess, f foundName, g goneOwner) error {
	t, err := p.open(a, f.key.zone, f.key.name)
	if err != nil {
		return err
	}
	seen, err := t.Read(ctx)
	if err != nil {
		return err
	}
	if l := f.lease.Lease; seen.Refuse != "" || seen.Lease != l || seen.Exists && seen.Addrs != l.Addrs {
		p.log.Info("own name of a node that is gone stays: somebody has changed it", zap.String("name", f.key.name),
			zap.String("addresses", seen.Addrs), zap.String("instance", l.Instance))
		return nil
	}
	switch err := t.Remove(ctx, seen); {
	case errors.Is(err, ErrConflict):
		return nil // the next look shows what it is now
	case err != nil:
		return err
	}
	p.log.Info("own name of a node that is gone for good deleted", zap.String("name", f.key.name), zap.String("zone", f.key.zone),
		zap.String("addresses", seen.Addrs), zap.String("node", seen.Lease.Holder), zap.String("instance", seen.Lease.Instance),
		zap.Duration("gone_for", time.Since(g.since)))
	return nil
}
