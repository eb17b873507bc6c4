package logqueue

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"
)

func init() {
	caddy.RegisterModule(new(Writer))
}

const (
	moduleID    = "caddy.logging.writers.queue"
	defaultSize = 8 << 20
	leastSize   = 64 << 10
	mostSize    = 1 << 30
)

// Writer is a log output that never makes a request wait: lines are queued in memory, and written to another output in the
// background. Lines that find the queue full, or that the output refuses, are lost, which Caddy's own log says. Logs with the same
// `to` and size share one queue.
type Writer struct {
	// The output that lines are written to, such as `net` or `file`. It opens when the configuration is loaded, and if it can't, the
	// configuration is refused as without a queue; `net` has `soft_start` against that. No log without a queue should write to the
	// same file. Required.
	ToRaw json.RawMessage `json:"to,omitempty" caddy:"namespace=caddy.logging.writers inline_key=output"`
	// How many bytes of lines may wait, 65536 (64KiB) to 1073741824 (1GiB). They take memory while they do. Default: 8388608 (8MiB).
	Size int `json:"size,omitempty"`

	to caddy.WriterOpener
}

// CaddyModule returns the Caddy module information.
func (*Writer) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: moduleID, New: func() caddy.Module { return new(Writer) }}
}

// Provision checks the configuration and loads the output.
func (w *Writer) Provision(ctx caddy.Context) error {
	if err := w.check(); err != nil {
		return fmt.Errorf("output queue: %w", err)
	}
	if len(w.ToRaw) == 0 {
		return errNoTo
	}
	mod, err := ctx.LoadModule(w, "ToRaw")
	if err != nil {
		return fmt.Errorf("output queue: loading what it writes to: %w", err)
	}
	to, ok := mod.(caddy.WriterOpener)
	switch {
	case !ok:
		return fmt.Errorf("output queue: to: %T is no output of logs", mod)
	case isQueue(to):
		return errTwoQueues
	}
	w.to = to
	return nil
}

var (
	errNoTo      = errors.New("output queue: to is missing; say which output the lines go to, such as net or file")
	errTwoQueues = errors.New("output queue: to: one queue is enough; name the output behind it")
)

func isQueue(to any) bool {
	_, ok := to.(*Writer)
	return ok
}

func (w *Writer) check() error {
	if w.Size != 0 && (w.Size < leastSize || w.Size > mostSize) {
		return fmt.Errorf("size: %d is not between 65536 (64KiB) and 1073741824 (1GiB)", w.Size)
	}
	return nil
}

func (w *Writer) size() int {
	if w.Size == 0 {
		return defaultSize
	}
	return w.Size
}

// String names the output behind the queue, for people.
func (w *Writer) String() string { return "queue to " + w.to.String() }

// WriterKey tells queues apart. One of another size is another queue, so that a reload that changes the size does it.
func (w *Writer) WriterKey() string { return fmt.Sprintf("queue:%d:%s", w.size(), w.to.WriterKey()) }

// OpenWriter opens the output and puts a queue before it.
func (w *Writer) OpenWriter() (io.WriteCloser, error) {
	to, err := w.to.OpenWriter()
	if err != nil {
		return nil, fmt.Errorf("output queue: opening %s: %w", w.to, err)
	}
	output := zap.String("output", w.to.String())
	q := New(to, w.size(), func(l Loss) { tell(l, output) })
	open.Store(w.WriterKey(), q)
	return q, nil
}

// open are the queues by their keys. Caddy opens one for all configurations after each other that have it, and keeps it.
var open sync.Map

// Cleanup writes what waits if Caddy is about to exit; after a reload, that goes on by itself. Caddy closes no output at its end.
func (w *Writer) Cleanup() error {
	if !caddy.Exiting() || w.to == nil {
		return nil
	}
	q, ok := open.Load(w.WriterKey())
	if !ok {
		return nil
	}
	return q.(*Queue).Close()
}

// tell tells of losses in Caddy's own log as it is at that time, since a queue may outlive the configuration that it comes from.
func tell(l Loss, output zap.Field) {
	log := caddy.Log().Named(moduleID)
	lost := []zap.Field{output, zap.Uint64("lost", l.Lines), zap.Duration("for", time.Since(l.Since))}
	if l.Err != nil {
		lost = append(lost, zap.Error(l.Err))
	}
	//exhaustive:enforce
	switch l.State {
	case Began:
		if l.Err != nil {
			log.Error("log lines are being lost: the output fails", output, zap.Error(l.Err))
		} else {
			log.Error("log lines are being lost: the queue is full, since the output takes them too slowly or not at all", output)
		}
	case Ended:
		log.Warn("log lines are written again, after some were lost", lost...)
	case Closed:
		log.Error("a log is closed after some of its lines were lost", lost...)
	}
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Writer)(nil)
	_ caddy.CleanerUpper    = (*Writer)(nil)
	_ caddy.WriterOpener    = (*Writer)(nil)
	_ caddyfile.Unmarshaler = (*Writer)(nil)
)
