package fleet

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
)

// storeHeadStart is how long the first poll waits for the store.
const storeHeadStart = time.Second

// pollTimeout bounds one refresh, all pages together.
const pollTimeout = time.Minute

// Origin says where a fleet comes from.
type Origin string

// The origins of a fleet.
const (
	Unknown  Origin = ""         // nothing is known yet
	Snapshot Origin = "snapshot" // read from the store at start; no poll has succeeded since
	API      Origin = "api"      // answered by EC2
)

// State is what a poller knows. It is never changed after it was published.
type State struct {
	Instances []*Instance // the last good fleet, sorted by id
	Origin    Origin
	AsOf      time.Time // when EC2 gave the answer that Instances rests on; zero while Origin is Unknown
	Loaded    bool      // the store was asked for an earlier fleet, whatever it answered
	Polled    time.Time // when the last poll ended, zero before the first
	Next      time.Time // when the next one is due
	Err       error     // why the last poll failed, nil if it did not; a *awsconf.Error if AWS or the SDK said so
	Failures  int       // polls failed in a row
	Since     time.Time // since when polls fail, zero if they don't
	// Unconfirmed holds the ids that the newest answer lacks and that stay until a second answer lacks them too.
	Unconfirmed []string
}

// Counts are running totals since the poller's start.
type Counts struct {
	Polls    map[string]uint64 // by result: "ok" or the class of the error
	APICalls uint64            // DescribeInstances requests; a poll of n pages makes n
}

// lister makes one refresh: every matching instance, sorted by id. It is the real EC2 in a program; tests of the loop's timing script it.
type lister func(ctx context.Context, count func()) ([]*Instance, error)

// Poller asks one query at an interval and keeps the last good answer. It runs from the first [Handle.Start] to the
// last [Handle.Close].
type Poller struct {
	query Query
	list  lister

	state atomic.Pointer[State]
	said  []awsconf.Class // classes of errors of this run of failures that were logged
	kick  chan struct{}   // an option changed

	mu      sync.Mutex
	handles []*Handle // started ones, the one whose options are in force last
	cancel  context.CancelFunc
	done    chan struct{}
	polls   map[string]uint64
	calls   callMeter
	saver   saver
}

func newPoller(q Query, l lister) *Poller {
	p := &Poller{query: q, list: l, kick: make(chan struct{}, 1), polls: make(map[string]uint64)}
	p.state.Store(&State{})
	return p
}

// ec2Lister connects on the first poll, and again after an error of the credentials, so that rotated ones are seen.
func ec2Lister(q Query) lister {
	var call describe
	return func(ctx context.Context, count func()) ([]*Instance, error) {
		if call == nil {
			c, err := connect(ctx, q.Source)
			if err != nil {
				return nil, awsconf.Classify(describeOp, err)
			}
			call = c
		}
		instances, err := list(ctx, call, q, count)
		if class := classOf(err); class == awsconf.Credentials || class == awsconf.Denied {
			call = nil
		}
		return instances, err
	}
}

type answer struct {
	instances []*Instance
	err       error
}

// run polls until ctx ends. All changes of the state happen here, one after another.
func (p *Poller) run(ctx context.Context) {
	defer close(p.done)
	snapshot := make(chan *snapshotFile, 1)
	answers := make(chan answer, 1)
	var work sync.WaitGroup
	defer work.Wait()

	opts := p.options()
	work.Go(func() { snapshot <- p.loadSnapshot(ctx, opts) })

	// The first answer is judged by what was stored, as any other is by the one before it: a store that answers soon
	// is waited for.
	timer := time.NewTimer(storeHeadStart)
	defer timer.Stop()
	polling := false
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return

		case s := <-snapshot:
			p.applySnapshot(s)
			if !polling && last.IsZero() {
				timer.Reset(0)
			}

		case <-timer.C:
			polling = true
			work.Go(func() { answers <- p.poll(ctx) })

		case <-p.kick:
			// Only a shorter interval matters now; a poll under way sets the next one when it ends.
			due := last.Add(p.options().Refresh)
			if s := p.state.Load(); !polling && s.Err == nil && len(s.Unconfirmed) == 0 && due.Before(s.Next) {
				timer.Reset(time.Until(due))
				p.publish(func(s *State) { s.Next = due })
			}

		case a := <-answers:
			if ctx.Err() != nil {
				return
			}
			polling, last = false, time.Now()
			wait := p.apply(a)
			timer.Reset(wait)
			p.publish(func(s *State) { s.Next = last.Add(wait) })
			p.saveIfDue(ctx, &work)
		}
		p.notifyAll()
	}
}

func (p *Poller) poll(ctx context.Context) answer {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	instances, err := p.list(ctx, p.countCall)
	return answer{instances, err}
}

// apply takes one answer into the state and returns how long to wait for the next.
func (p *Poller) apply(a answer) time.Duration {
	opts, now, old := p.options(), time.Now(), p.state.Load()
	p.countPoll(a.err)

	if a.err != nil {
		p.publish(func(s *State) {
			s.Polled, s.Err = now, a.err
			s.Failures++
			if s.Since.IsZero() {
				s.Since = now
			}
		})
		p.logFailure(opts.Logger, old)
		if old.Err == nil {
			opts.emit("poll_failed", map[string]any{"query": p.query.String(), "error": a.err.Error()})
		}
		return backoff(old.Failures+1, a.err, opts.Refresh)
	}

	next, missing := merge(old, a.instances)
	p.publish(func(s *State) {
		*s = State{Instances: next, Origin: API, AsOf: now, Loaded: s.Loaded, Polled: now, Unconfirmed: missing}
	})
	if old.Err != nil {
		opts.Logger.Info("EC2 answers again",
			zap.Stringer("query", p.query), zap.Int("failed_polls", old.Failures), zap.Duration("after", now.Sub(old.Since)))
		opts.emit("poll_recovered", map[string]any{"query": p.query.String()})
	}
	p.report(opts, old, next, missing)
	// A fleet that loses something in every answer is not asked for more often than any other.
	if len(missing) > 0 && len(old.Unconfirmed) == 0 {
		return confirmAfter()
	}
	return jitter(opts.Refresh)
}

// report says what changed, once per change.
func (p *Poller) report(opts Options, old *State, next []*Instance, missing []string) {
	if len(missing) > 0 && len(old.Unconfirmed) == 0 {
		opts.Logger.Info("instances are missing from an answer; they stay until a second answer confirms it",
			zap.Stringer("query", p.query), zap.Strings("missing", few(missing)), zap.Int("of", len(old.Instances)))
	}
	added, gone := diff(old.Instances, next)
	switch {
	case len(next) == 0 && (old.Origin == Unknown || len(old.Instances) > 0):
		opts.Logger.Warn("no running instance matches; check tags, region and account", zap.Stringer("query", p.query))
	case len(added)+len(gone) > 0:
		opts.Logger.Info("fleet changed",
			zap.Stringer("query", p.query), zap.Strings("added", few(added)), zap.Strings("gone", few(gone)), zap.Int("instances", len(next)))
	}
	if 2*len(gone) > len(old.Instances) {
		opts.Logger.Warn("fleet lost more than half of its instances, confirmed by two answers",
			zap.Stringer("query", p.query), zap.Int("from", len(old.Instances)), zap.Int("to", len(next)))
		opts.emit("fleet_shrunk", map[string]any{
			"query": p.query.String(), "from": len(old.Instances), "to": len(next)})
	}
}

// few keeps a log line readable when thousands of instances come or go.
func few(ids []string) []string {
	const most = 20
	if len(ids) <= most {
		return ids
	}
	return append(slices.Clone(ids[:most]), fmt.Sprintf("and %d more", len(ids)-most))
}

// logFailure says what is new: an outage mixes a few kinds of errors, and each is said once.
func (p *Poller) logFailure(log *zap.Logger, old *State) {
	now := p.state.Load()
	class := classOf(now.Err)
	if old.Err == nil {
		p.said = nil
	}
	if slices.Contains(p.said, class) {
		return
	}
	p.said = append(p.said, class)
	fields := []zap.Field{zap.Stringer("query", p.query), zap.Error(now.Err), zap.Int("instances", len(now.Instances))}
	if now.Origin == Unknown {
		log.Error("asking EC2 failed and no earlier fleet is known yet; trying again", fields...)
		return
	}
	log.Warn("asking EC2 failed; the last good fleet goes on serving",
		append(fields, zap.Duration("age", now.Polled.Sub(now.AsOf)))...)
}

// State returns what is known now: one atomic load.
func (p *Poller) State() *State { return p.state.Load() }

// publish replaces the state by a changed copy. Only the goroutine of run calls it.
func (p *Poller) publish(change func(*State)) {
	s := *p.state.Load()
	change(&s)
	p.state.Store(&s)
}

func (p *Poller) notifyAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.handles {
		h.notify()
	}
}

// options returns the options in force: those set last, with the shortest interval that any user asks for.
func (p *Poller) options() Options {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.handles) == 0 {
		return Options{}.WithDefaults()
	}
	o := p.handles[len(p.handles)-1].opts
	for _, h := range p.handles {
		o.Refresh = min(o.Refresh, h.opts.Refresh)
	}
	return o
}

func (p *Poller) countCall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls.add(time.Now())
}

func (p *Poller) countPoll(err error) {
	result := "ok"
	if err != nil {
		result = string(classOf(err))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.polls[result]++
}

// Counts returns the totals so far, and the API calls of the last minute.
func (p *Poller) Counts() (total Counts, lastMinute int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	total = Counts{Polls: make(map[string]uint64, len(p.polls)), APICalls: p.calls.total}
	for k, v := range p.polls {
		total.Polls[k] = v
	}
	return total, p.calls.within(time.Now(), time.Minute)
}

// callMeter counts API calls, and remembers the times of those within a minute.
type callMeter struct {
	total uint64
	times []time.Time
}

func (m *callMeter) add(now time.Time) {
	m.total++
	m.within(now, time.Minute)
	m.times = append(m.times, now)
}

func (m *callMeter) within(now time.Time, d time.Duration) int {
	keep := slices.IndexFunc(m.times, func(t time.Time) bool { return now.Sub(t) < d })
	if keep < 0 {
		keep = len(m.times)
	}
	m.times = slices.Delete(m.times, 0, keep)
	return len(m.times)
}
