package logqueue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	drainTime = 2 * time.Second        // how long Close waits for lines to be written
	wordTime  = 100 * time.Millisecond // how long Close waits for its last word to be said
	chunkSize = 64 << 10               // bytes of the blocks that lines are kept in
	prefix    = 4                      // bytes of the length before each line
)

// errClosed is why lines are lost that still wait when a queue is closed.
var errClosed = errors.New("the queue was closed before they were written")

// A Queue takes lines at once and writes them to something slower. It is safe for concurrent use. Only while there are lines to write
// it has a goroutine: Caddy opens outputs for each configuration, but does not close them after it.
type Queue struct {
	to     io.WriteCloser
	work   func() // run; kept since making it of the method would allocate
	losses losses

	size      atomic.Int64 // the most that bytes may be
	bytes     atomic.Int64 // of the lines that wait, the one that is being written among them, with their prefixes
	lines     atomic.Int64 // the number of these lines; less than zero for those that Close has counted as lost
	failing   atomic.Bool  // the last line could not be written
	abandoned atomic.Bool  // nothing more is to be written

	mu          sync.Mutex
	first, last *chunk
	spare       *chunk
	running     bool
	idle        chan struct{} // if there is one, it is closed when all is written
	closed      bool
}

// A chunk is a block of lines, each with its length before it.
type chunk struct {
	next *chunk
	text []byte
}

// New returns a queue of at most size bytes of lines in front of a writer, which it closes with itself. Lines that are lost are told of
// by tell, which may take its time, may write to the queue, and is never called twice at once but for the last time, by Close.
func New(to io.WriteCloser, size int, tell func(Loss)) *Queue {
	q := &Queue{to: to}
	q.size.Store(int64(size))
	q.work = q.run
	q.losses = losses{tell: tell, over: func() bool { return !q.failing.Load() && q.bytes.Load() <= q.size.Load()/2 }}
	return q
}

// Write takes one line, of which it makes a copy. It never waits and never fails: a line that does not fit is lost, and so is one
// that comes after Close.
func (q *Queue) Write(line []byte) (int, error) {
	need := int64(prefix + len(line))
	q.mu.Lock()
	fits := q.bytes.Load()+need <= q.size.Load()
	switch {
	case q.closed:
	case fits:
		q.bytes.Add(need)
		q.lines.Add(1)
		q.put(line)
		if !q.running {
			q.running = true
			go q.work()
		}
	}
	closed := q.closed
	q.mu.Unlock()
	if !fits && !closed {
		q.losses.add(nil)
	}
	return len(line), nil
}

// put appends a line to the last chunk, or to another one behind it. The mutex is held.
func (q *Queue) put(line []byte) {
	if q.last == nil || cap(q.last.text)-len(q.last.text) < prefix+len(line) {
		c := q.spare
		q.spare = nil
		if c == nil || cap(c.text) < prefix+len(line) {
			c = &chunk{text: make([]byte, 0, max(chunkSize, prefix+len(line)))}
		}
		if q.last == nil {
			q.first = c
		} else {
			q.last.next = c
		}
		q.last = c
	}
	q.last.text = append(binary.LittleEndian.AppendUint32(q.last.text, uint32(len(line))), line...)
}

// take returns the first chunk, or nil when the queue is empty: then the goroutine ends. A chunk that was written is used again.
func (q *Queue) take(written *chunk) *chunk {
	q.mu.Lock()
	defer q.mu.Unlock()
	if written != nil && cap(written.text) == chunkSize { // one that was made for a long line is not worth its memory
		*written = chunk{text: written.text[:0]}
		q.spare = written
	}
	c := q.first
	if c == nil {
		q.running = false
		if q.idle != nil {
			close(q.idle)
			q.idle = nil
		}
		return nil
	}
	if q.first = c.next; q.first == nil {
		q.last = nil
	}
	return c
}

// run writes lines until the queue is empty, or abandoned.
func (q *Queue) run() {
	defer func() {
		if q.abandoned.Load() {
			_ = q.shut() // once more: Caddy's net writer may have dialed anew
		}
	}()
	for c := q.take(nil); c != nil; c = q.take(c) {
		for text := c.text; len(text) > 0; {
			if q.abandoned.Load() {
				return
			}
			end := prefix + int(binary.LittleEndian.Uint32(text))
			err := q.write(text[prefix:end])
			q.bytes.Add(-int64(end))
			if failing := err != nil; failing != q.failing.Load() {
				q.failing.Store(failing)
			}
			if counted := q.lines.Add(-1) < 0; err != nil && !counted {
				q.losses.add(err)
			}
			text = text[end:]
		}
	}
}

// write writes a line. A panic is an error: here, unlike in a request, it would end the process.
func (q *Queue) write(line []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the output panicked: %v", p)
		}
	}()
	n, err := q.to.Write(line)
	if err == nil && n < len(line) { // as Caddy's net writer does it while it has no connection
		err = fmt.Errorf("it took %d of the %d bytes of a line, and said nothing", n, len(line))
	}
	return err
}

// shut closes the writer. A panic is no news: Caddy's net writer panics when it has never had a connection.
func (q *Queue) shut() error {
	defer func() { _ = recover() }()
	return q.to.Close()
}

// Close writes what waits, closes the writer, and returns its error. After two seconds it gives up: it returns, and what was not written
// is lost. The writer is closed then while it may still write, so that it ends.
func (q *Queue) Close() error { return q.close(drainTime) }

// close is Close with another time to wait.
func (q *Queue) close(wait time.Duration) error {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return nil
	}
	q.closed = true
	idle := make(chan struct{})
	if q.running {
		q.idle = idle
	} else {
		close(idle)
	}
	q.mu.Unlock()
	var lost uint64
	patience := time.NewTimer(wait)
	defer patience.Stop()
	select {
	case <-idle:
	case <-patience.C:
		q.abandoned.Store(true)
		lost = uint64(max(0, q.lines.Swap(0)))
		patience.Reset(0)
	}
	shut := make(chan error, 1)
	go func() { shut <- q.shut() }() // it may wait for a write that hangs
	var err error
	select {
	case err = <-shut:
	case <-patience.C:
	}
	said := make(chan struct{})
	go func() {
		defer close(said)
		q.losses.end(lost)
	}()
	patience.Reset(wordTime)
	select {
	case <-said:
	case <-patience.C:
	}
	return err
}
