package dnsfailover

import (
	"runtime/debug"

	"go.uber.org/zap"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// maxNotes is how many decisions and log lines may wait for a log, or a subscriber, that is slow.
const maxNotes = 256

// say has something said by the goroutine that does nothing else. A disk that is full, or a sink that hangs, must not hold
// a failover up: what does not fit in the queue is dropped. It is the newest, because the beginning of a story is
// what explains it, and what is true now is in the status.
func (l *Loop) say(f func()) {
	select {
	case l.notes <- f:
	default:
		l.dropped.Add(1)
	}
}

// speak says what there is to say, until everything else has ended.
func (l *Loop) speak() {
	defer close(l.silent)
	for {
		select {
		case f := <-l.notes:
			l.utter(f)
		case <-l.idle:
			for len(l.notes) > 0 {
				l.utter(<-l.notes)
			}
			return
		}
	}
}

// utter says one thing. If that panics the log is told, here and now; if it is the log that panics, nobody is, because that
// would go on for ever.
func (l *Loop) utter(f func()) {
	defer func() {
		if v := recover(); v != nil {
			stack := debug.Stack()
			defer func() {
				if recover() != nil {
					l.dropped.Add(1)
				}
			}()
			l.logPanic("", "log or subscriber", v, stack)
		}
	}()
	f()
}

func (l *Loop) tell(service string, t engine.Tell) {
	if l.sink != nil {
		l.say(func() { l.sink(service, t) })
	}
}

// guard runs what is not ours. A panic there must not end a process that serves clients.
func (l *Loop) guard(service, what string, f func()) {
	defer func() {
		if v := recover(); v != nil {
			stack := debug.Stack()
			l.say(func() { l.logPanic(service, what, v, stack) })
		}
	}()
	f()
}

func (l *Loop) logPanic(service, what string, v any, stack []byte) {
	l.log.Error("a call has panicked, and counts as one without an answer: this is a bug, which the stack shows",
		zap.String("service", service), zap.String("call", what), zap.Any("panic", v), zap.ByteString("stack", stack))
}

// noteOutcome keeps how a call on a target ended for the status, and logs what is worse than before.
func (l *Loop) noteOutcome(s *service, target string, o engine.Outcome, err error) {
	before := s.calls[target].outcome
	s.calls[target] = ended{o, err, l.now()}
	if o == before || o == engine.Done || o == engine.Conflict || s.dropped {
		return
	}
	l.say(func() {
		l.log.Warn("a call on a target has failed", zap.String("service", s.name), zap.String("target", target),
			zap.Stringer("outcome", o), zap.Error(err))
	})
}

// sayReply logs that a peer replies in another way than before.
func (l *Loop) sayReply(peer string, reply engine.Reply, err error) {
	l.say(func() {
		switch reply {
		case engine.Answered:
			l.log.Info("a peer answers again", zap.String("peer", peer))
		case engine.Mismatched:
			l.log.Warn("a peer is there, but its answers do not count", zap.String("peer", peer), zap.Error(err))
		default:
			l.log.Warn("a peer does not answer", zap.String("peer", peer), zap.Error(err))
		}
	})
}

func (l *Loop) sayOffer(service, peer string, err error) {
	l.say(func() {
		l.log.Warn("an offer could not be given to a peer", zap.String("service", service), zap.String("peer", peer), zap.Error(err))
	})
}

func (l *Loop) sayDropped(s *service) {
	l.say(func() {
		l.log.Info("the service is not configured any more: its targets stay as they are, and are not looked after",
			zap.String("service", s.name))
	})
}
