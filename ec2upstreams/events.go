package ec2upstreams

import (
	"context"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"go.uber.org/zap"
)

// eventPrefix makes the names of events unique among all of Caddy's: users subscribe by name alone.
const eventPrefix = "ec2upstreams_"

// eventQueue is how many events may wait for slow handlers before further ones are dropped.
const eventQueue = 256

// emitter hands events to Caddy's events app from a goroutine of its own, since handlers are users' commands and
// webhooks, and pools wait for nobody.
type emitter struct {
	queue  chan queuedEvent
	cancel context.CancelFunc
	full   atomic.Bool // the last event found no place
}

type queuedEvent struct {
	name string
	data map[string]any
}

func startEmitter(ctx caddy.Context, app *caddyevents.App) *emitter {
	until, cancel := context.WithCancel(ctx)
	e := &emitter{queue: make(chan queuedEvent, eventQueue), cancel: cancel}
	go func() {
		for {
			select {
			case <-until.Done():
				return
			case ev := <-e.queue:
				if until.Err() == nil {
					app.Emit(ctx, eventPrefix+ev.name, ev.data)
				}
			}
		}
	}()
	return e
}

// stop ends the goroutine. A handler that is running is not waited for: it may take as long as it likes.
func (e *emitter) stop() {
	if e != nil {
		e.cancel()
	}
}

// emit queues an event. It never blocks.
func (u *Upstreams) emit(name string, data map[string]any) {
	if u.events == nil || !u.app.ShouldEmit(eventPrefix+name) {
		return
	}
	select {
	case u.events.queue <- queuedEvent{name, data}:
		u.events.full.Store(false)
	default:
		if u.events.full.Swap(true) {
			return // said when it began
		}
		u.logger.Warn("events are dropped: the handlers of earlier ones are too slow", zap.String("event", eventPrefix+name))
	}
}
