package dnsfailover

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"
)

const (
	// eventPrefix makes the names of events unique among all of Caddy's: users subscribe by name alone.
	eventPrefix = "dnsfailover_"

	// eventQueue is how many events may wait for slow handlers before further ones are dropped.
	eventQueue = 256

	// eventsTime is how long the end of a configuration waits for the handlers of what has happened by then, such as the
	// hand-over before an exit.
	eventsTime = time.Second
)

// emitter hands events to Caddy's events app from a goroutine of its own, since handlers are users' commands and webhooks,
// and failover waits for none of them.
type emitter struct {
	emit  func(name string, data map[string]any)
	queue chan queuedEvent
	log   *zap.Logger

	cancel context.CancelFunc
	quit   chan struct{} // closed to end it when the queue is empty
	once   sync.Once
	done   chan struct{}
	full   atomic.Bool // the last event found no place
}

type queuedEvent struct {
	name string
	data map[string]any
}

// startEmitter is one for a configuration whose context is passed. It is to be stopped.
func startEmitter(ctx caddy.Context, app *caddyevents.App, log *zap.Logger) *emitter {
	return runEmitter(ctx, log, func(name string, data map[string]any) {
		if app.ShouldEmit(name) {
			app.Emit(ctx, name, data)
		}
	})
}

func runEmitter(ctx context.Context, log *zap.Logger, emit func(name string, data map[string]any)) *emitter {
	e := &emitter{
		emit: emit, queue: make(chan queuedEvent, eventQueue), log: log,
		quit: make(chan struct{}), done: make(chan struct{}),
	}
	ctx, e.cancel = context.WithCancel(ctx)
	go e.run(ctx)
	return e
}

func (e *emitter) run(ctx context.Context) {
	defer close(e.done)
	quit := e.quit
	for ctx.Err() == nil {
		if quit == nil && len(e.queue) == 0 {
			return
		}
		select {
		case <-ctx.Done():
		case <-quit:
			quit = nil
		case ev := <-e.queue:
			if ctx.Err() == nil {
				e.hand(ev)
			}
		}
	}
}

// hand gives one event to the handlers. A panic of one must not end a process that serves clients.
func (e *emitter) hand(ev queuedEvent) {
	defer func() {
		if v := recover(); v != nil {
			e.log.Error("a handler of an event has panicked", zap.String("event", ev.name), zap.Any("panic", v), zap.ByteString("stack", debug.Stack()))
		}
	}()
	e.emit(ev.name, ev.data)
}

// stop ends the goroutine when the handlers of all events so far have returned, after eventsTime at the latest. A handler
// that takes longer is left to itself. Calls after the first one do nothing.
func (e *emitter) stop() {
	if e == nil {
		return
	}
	e.once.Do(func() {
		close(e.quit)
		timer := time.NewTimer(eventsTime)
		defer timer.Stop()
		select {
		case <-e.done:
		case <-timer.C:
			e.log.Warn("events are dropped: their handlers are too slow", zap.Int("events", len(e.queue)))
		}
		e.cancel()
	})
}

// add queues an event. It never blocks.
func (e *emitter) add(name string, data map[string]any) {
	if e == nil {
		return
	}
	select {
	case e.queue <- queuedEvent{eventPrefix + name, data}:
		e.full.Store(false)
	default:
		if !e.full.Swap(true) { // once, when it begins
			e.log.Warn("events are dropped: the handlers of earlier ones are too slow", zap.String("event", eventPrefix+name))
		}
	}
}
