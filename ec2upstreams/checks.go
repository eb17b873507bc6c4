package ec2upstreams

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

// result is what one check found.
type result struct {
	b    *backend
	err  error
	took time.Duration
}

// takeResults takes one check's result, and all others that are there already, so that many of them make one view.
func (p *pool) takeResults(r result, more <-chan result) (changed bool) {
	now := time.Now()
	var turned []turn
	p.mu.Lock()
	for {
		before := r.b.health.status
		if p.takeResult(r, now) {
			turned = append(turned, turn{r.b, r.err})
		}
		changed = changed || r.b.health.status != before
		select {
		case r = <-more:
			continue
		default:
		}
		break
	}
	log, opts := zap.NewNop(), fleet.Options{}
	if len(p.users) > 0 {
		opts = p.users[len(p.users)-1].Options
		log = opts.Logger
	}
	p.mu.Unlock()
	p.report(log, opts.Event, turned)
	return changed
}

// takeResult counts a result, plans the next check and reports whether the backend went up or down; p.mu is held.
func (p *pool) takeResult(r result, now time.Time) bool {
	b := r.b
	b.queue.running--
	if r.err == nil {
		p.passed++
	} else {
		p.failed++
	}
	if b.gone {
		return false
	}
	c := &p.settings.Check
	before := b.health.status
	b.checks++
	b.checkedAt, b.took, b.lastErr = now, r.took, r.err
	turned := b.health.observe(r.err == nil, c.Passes, c.Fails, now)
	if b.health.status == healthy && (before == unproven || before == unhealthy) {
		b.rampFrom = now
	}

	wait := b.health.nextCheck(c.Interval)
	wait += rand.N(wait/5+1) - wait/10
	q := &p.up
	if b.health.status == unhealthy || b.health.streak < 0 {
		q = &p.down
	}
	q.add(b, now.Add(wait))
	return turned
}

// startChecks starts what is due and returns how long to wait for the next thing to do.
func (p *pool) startChecks(ctx context.Context, work *sync.WaitGroup, results chan<- result) time.Duration {
	now := time.Now()
	wait := time.Hour
	p.mu.Lock()
	defer p.mu.Unlock()
	checker := p.checker
	for _, q := range []*queue{&p.up, &p.down} {
		for b := q.next(now); b != nil; b = q.next(now) {
			dial := b.dial
			work.Go(func() {
				began := time.Now()
				err := checker.Check(ctx, dial)
				select {
				case results <- result{b, err, time.Since(began)}:
				case <-ctx.Done():
				}
			})
		}
		if w := q.wake(); !w.IsZero() {
			wait = min(wait, w.Sub(now))
		}
	}
	if p.view.Load().ramping {
		wait = min(wait, p.rampStep())
	}
	return max(wait, 0)
}

// manyTurned is how many backends may go up or down at once before one line speaks for all.
const manyTurned = 10

// turn is a backend that went up, or down for a reason.
type turn struct {
	*backend
	err error // of the check that decided; nil: it went up
}

// report says which backends went up or down, and why: one line and one event each, or one line for many.
func (p *pool) report(log *zap.Logger, event func(string, map[string]any), turned []turn) {
	if len(turned) > manyTurned {
		up := 0
		for _, b := range turned {
			if b.err == nil {
				up++
			}
		}
		log.Warn("many backends changed at once", zap.String("pool", p.id), zap.Stringer("query", p.settings.Query),
			zap.Int("up", up), zap.Int("down", len(turned)-up))
	}
	for _, b := range turned {
		data := map[string]any{"pool": p.id, "instance": b.inst.ID, "address": b.dial}
		name := "backend_up"
		if b.err != nil {
			name = "backend_down"
			data["reason"] = b.err.Error()
		}
		if event != nil {
			event(name, data)
		}
		if len(turned) > manyTurned {
			continue
		}
		fields := []zap.Field{zap.String("pool", p.id), zap.String("instance", b.inst.ID), zap.String("address", b.dial)}
		if b.err == nil {
			log.Info("backend is up", fields...)
		} else {
			log.Warn("backend is down", append(fields, zap.Error(b.err))...)
		}
	}
}
