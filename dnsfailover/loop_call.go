package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

const (
	// readTime bounds a reading. It is far below [engine.CallTime]: a claim waits for a reading that is under way.
	readTime = 5 * time.Second

	// offerTime bounds an offer.
	offerTime = 2 * time.Second

	// probeMin and probeMax bound the time that a probe may take.
	probeMin = 300 * time.Millisecond
	probeMax = 1500 * time.Millisecond

	// graceTime is how long after the end of its context a call is waited for.
	graceTime = time.Second

	// maxRunning is how many calls may be at work on one target, or in one kind of probe. More than one are if some do not
	// end with their context, and those do not stop the others, nor pile up.
	maxRunning = 4
)

// errPanic is the error of a call that has panicked.
var errPanic = errors.New("the call has panicked: the log has the stack")

// errHangs is the error of a call that does not end with its context.
var errHangs = errors.New("the call has not ended, although its time is over")

// flight is a call under way: foreign code that is to bring an event. It is the owner's.
type flight struct {
	service *service
	target  string        // if it is a call on one
	expires time.Duration // when it is given up
	overdue bool          // it has been, and lost was its event
	lost    engine.Event
}

// job is what is to be called.
type job struct {
	what   string        // that it keeps busy, and for the log
	target string        // if it is a call on one
	until  time.Duration // end of its context
	lost   engine.Event  // if it panics, or does not end
	full   engine.Event  // if too many do not end
	late   bool          // its own event counts even after lost
	run    func(ctx context.Context) engine.Event
}

// launch begins a call. Whatever becomes of it, an event follows.
func (l *Loop) launch(s *service, j job) {
	if s.running[j.what] >= maxRunning {
		l.step(s, j.full)
		return
	}
	s.running[j.what]++
	f := &flight{service: s, target: j.target, expires: j.until + graceTime, lost: j.lost}
	l.flights[f] = struct{}{}
	ctx, cancel := context.WithDeadline(s.ctx, l.start.Add(j.until))
	l.work.Go(func() {
		defer cancel()
		e := j.lost
		l.guard(s.name, j.what, func() { e = j.run(ctx) })
		l.post(func() {
			if s.running[j.what]--; s.running[j.what] == 0 {
				delete(s.running, j.what) // nodes and addresses come and go
			}
			delete(l.flights, f)
			if !s.dropped && (!f.overdue || j.late) {
				l.step(s, e)
			}
		})
	})
}

// targetCall is a call on a target.
type targetCall struct {
	target string
	until  time.Duration
	write  bool // it must not be sent after until
	run    func(ctx context.Context) (engine.Reading, error)
	event  func(engine.Outcome, engine.Reading) engine.Event
}

func (l *Loop) callTarget(s *service, c targetCall) {
	l.launch(s, job{
		what: "target " + c.target, target: c.target, until: c.until, late: true,
		lost: c.event(engine.Unknown, engine.Reading{}),
		full: c.event(engine.Busy, engine.Reading{}),
		run: func(ctx context.Context) engine.Event {
			if c.write && l.now() >= c.until {
				return c.event(engine.Busy, engine.Reading{})
			}
			var r engine.Reading
			err := errPanic
			l.guard(s.name, "target "+c.target, func() { r, err = c.run(ctx) })
			o := OutcomeOf(err)
			l.post(func() { l.noteOutcome(s, c.target, o, err) })
			if o != engine.Done && o != engine.Denied {
				r = engine.Reading{}
			}
			return c.event(o, r)
		},
	})
}

func (l *Loop) read(s *service, a engine.Read) {
	t := s.targets[a.Target]
	l.callTarget(s, targetCall{
		target: a.Target, until: l.now() + readTime, run: t.Read,
		event: func(o engine.Outcome, r engine.Reading) engine.Event {
			if o == engine.Conflict {
				o = engine.Unknown // a reading has nothing to conflict with
			}
			return engine.ReadDone{Target: a.Target, Call: a.Call, Outcome: o, Reading: r}
		},
	})
}

// swap and free end with the deadline of the write, not only begin before it: the target repeats what was not answered,
// and does not do so after its context.
func (l *Loop) swap(s *service, a engine.Swap) {
	t := s.targets[a.Target]
	l.callTarget(s, targetCall{
		target: a.Target, until: a.Deadline, write: true,
		run: func(ctx context.Context) (engine.Reading, error) { return t.Swap(ctx, a.From, a.To) },
		event: func(o engine.Outcome, r engine.Reading) engine.Event {
			return engine.SwapDone{Target: a.Target, Call: a.Call, Outcome: o, Reading: r}
		},
	})
}

func (l *Loop) free(s *service, a engine.Free) {
	t := s.targets[a.Target]
	l.callTarget(s, targetCall{
		target: a.Target, until: a.Deadline, write: true,
		run: func(ctx context.Context) (engine.Reading, error) {
			f, ok := t.(Freer)
			if !ok {
				return engine.Reading{}, &outcomeError{engine.Denied, fmt.Errorf("the target %s is an address, and its means can't free one", a.Target)}
			}
			return f.Free(ctx, a.From)
		},
		event: func(o engine.Outcome, r engine.Reading) engine.Event {
			return engine.FreeDone{Target: a.Target, Call: a.Call, Outcome: o, Reading: r}
		},
	})
}

func (l *Loop) askWitness(s *service, a engine.AskWitness) {
	started := l.now()
	what := "witness"
	if a.Member != "" {
		what += " of " + a.Member
	}
	l.ask(s, what, func(ok bool) engine.Event { return engine.WitnessDone{OK: ok, Started: started, Member: a.Member} }, false,
		func(ctx context.Context) bool { return l.prober.Witness(ctx, s.name, a.Reading) })
}

func (l *Loop) askControl(s *service) {
	started := l.now()
	l.ask(s, "control probe", func(ok bool) engine.Event { return engine.ControlDone{OK: ok, Started: started} }, false,
		func(ctx context.Context) bool { return l.prober.Control(ctx, s.name) })
}

// askForeign counts a probe that breaks as one that passes: only what was seen to fail may be displaced. So each part of a record
// that is asked about alone counts alone: many of them must not keep one another from being seen to fail.
func (l *Loop) askForeign(s *service, a engine.AskForeign) {
	l.ask(s, "probe of "+a.Target+" at "+a.Reading.Addrs, func(ok bool) engine.Event {
		return engine.ForeignDone{Target: a.Target, Token: a.Reading.Token, OK: ok}
	}, true, func(ctx context.Context) bool { return l.prober.Foreign(ctx, s.name, a.Target, a.Reading) })
}

// probeTime is how long a probe may take. One that is begun at the first missed heartbeat has ended when the last one that counts
// is missed, so that what nobody answers does not delay the verdict.
func probeTime(cfg *engine.Settings) time.Duration {
	return min(max(time.Duration(cfg.Fall-1)*cfg.Interval-cfg.Interval/2, probeMin), probeMax)
}

// ask begins a probe. A probe that breaks counts as broken says.
func (l *Loop) ask(s *service, what string, event func(bool) engine.Event, broken bool, run func(context.Context) bool) {
	l.launch(s, job{
		what: what, until: l.now() + probeTime(s.cfg), lost: event(broken), full: event(broken),
		run: func(ctx context.Context) engine.Event { return event(run(ctx)) },
	})
}

// sendOffer ends in nothing but a tick: the engine looks at the target, and offers again.
func (l *Loop) sendOffer(s *service, a engine.SendOffer) {
	l.launch(s, job{
		what: "offer", until: l.now() + offerTime, lost: engine.Tick{}, full: engine.Tick{},
		run: func(ctx context.Context) engine.Event {
			if err := l.network.Offer(ctx, a.Peer, s.name, a.Offer); err != nil {
				l.sayOffer(s.name, a.Peer, err)
			}
			return engine.Tick{}
		},
	})
}
