package ec2upstreams

import (
	"context"

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
	done   chan struct{}
	log    *zap.Logger
}

type queuedEvent struct {
	name string
	data map[string]any
}

func startEmitter(ctx caddy.Context, app *caddyevents.App) *emitter {
	until, cancel := context.WithCancel(ctx)
	e := &emitter{make(chan queuedEvent, eventQueue), cancel, make(chan struct{}), ctx.Logger()}
	go func() {
		defer close(e.done)
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
	if u.events == nil {
		return
	}
	select {
	case u.events.queue <- queuedEvent{name, data}:
	default:
		u.logger.Warn("event dropped: the handlers of earlier events are too slow", zap.String("event", eventPrefix+name))
	}
}
