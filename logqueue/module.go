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
	leastSize   = 1 << 20
	mostSize    = 1 << 30
)

// Writer is a log output that never makes a request wait: lines are queued in memory, and written to another output in the
// background. Lines that find the queue full, or that the output refuses, are lost, which Caddy's own log says. Logs with the same
// `to` share one queue, which has the size of the one that was loaded last.
type Writer struct {
	// The output that lines are written to, such as `net` or `file`. It opens when the configuration is loaded, and if it can't, the
	// configuration is refused as without a queue; `net` has `soft_start` against that. No log without a queue may write to the same
	// file: Caddy closes no output at a reload, and when one of the two rotates the file, the other writes on to the old one. So a
	// queue before a file that was open without one, or the reverse, takes a restart. Required.
	ToRaw json.RawMessage `json:"to,omitempty" caddy:"namespace=caddy.logging.writers inline_key=output"`
	// How many bytes of lines may wait, 1048576 (1MiB) to 1073741824 (1GiB). While they do, they take that much memory, and up to
	// twice that if many are longer than 16 KiB. Default: 8388608 (8MiB).
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
	placeOf(w.WriterKey()).join(w)
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
		return fmt.Errorf("size: %d is not between 1048576 (1MiB) and 1073741824 (1GiB)", w.Size)
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

// WriterKey tells queues apart. The size is not in it: a second queue to a file would open it again.
func (w *Writer) WriterKey() string { return "queue:" + w.to.WriterKey() }

// OpenWriter opens the output and puts a queue before it.
func (w *Writer) OpenWriter() (io.WriteCloser, error) {
	to, err := w.to.OpenWriter()
	if err != nil {
		return nil, fmt.Errorf("output queue: opening %s: %w", w.to, err)
	}
	output := zap.String("output", w.to.String())
	q := New(to, w.size(), func(l Loss) { tell(l, output) })
	placeOf(w.WriterKey()).put(q)
	return q, nil
}

// Cleanup writes what waits if Caddy is about to exit; after a reload, that goes on by itself. Caddy closes no output at its end.
func (w *Writer) Cleanup() error {
	if w.to == nil {
		return nil
	}
	q := placeOf(w.WriterKey()).leave(w)
	if q == nil || !caddy.Exiting() {
		return nil
	}
	return q.close(max(wordTime, time.Until(exit())))
}

// exit is when the last line of all queues has to be written, once Caddy is about to exit: one after the other is closed.
var exit = sync.OnceValue(func() time.Time { return time.Now().Add(drainTime) })

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
			log.Error("log lines are being lost: the output fails; see what takes them: the receiver, or the disk", output, zap.Error(l.Err))
		} else {
			log.Error("log lines are being lost: the queue is full, since the output takes them too slowly or not at all; see whether its receiver hangs, or give the queue a larger size", output)
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
