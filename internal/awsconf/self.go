package awsconf

import (
	"context"
	"sync"
	"time"
)

// failureKept is how long a failed lookup is the answer to everybody: a host without a metadata service is asked
// about itself by many, and each time would cost the full bound.
const failureKept = 30 * time.Second

// This is the process-wide identity. Whoever needs one asks here.
var This Self

// Self is the identity of this instance, looked up at most once at a time. Its zero value is ready to use; it must not be copied.
type Self struct {
	look func(context.Context) (Identity, error) // nil: Lookup

	mu       sync.Mutex
	known    bool // id was looked up
	id       Identity
	err      error     // the last lookup's, if none ever succeeded
	errUntil time.Time // until when err is the answer
	running  *lookup
	tags     map[string]string // that were found, by key
}

// lookup is one in progress. Its result may be read once done is closed.
type lookup struct {
	done chan struct{}
	id   Identity
	err  error
}

// Get returns the identity. A success is kept for good, since an instance never changes its id, region or zone;
// a failure is kept for 30 s. Addresses may be older than the last change: use Refresh where that matters.
// Callers share one lookup, which ends within 3 s; none waits longer than its own ctx.
func (s *Self) Get(ctx context.Context) (Identity, error) {
	s.mu.Lock()
	if s.known {
		defer s.mu.Unlock()
		return s.id, nil
	}
	if s.err != nil && time.Now().Before(s.errUntil) {
		defer s.mu.Unlock()
		return Identity{}, s.err
	}
	return s.wait(ctx, s.begin())
}

// Refresh looks the identity up anew, or joins a lookup that is in progress. If it fails, Get goes on returning what is
// known.
func (s *Self) Refresh(ctx context.Context) (Identity, error) {
	s.mu.Lock()
	return s.wait(ctx, s.begin())
}

// begin starts a lookup unless one is in progress. The lookup is not ended by the caller who happens to be the first.
func (s *Self) begin() *lookup {
	if s.running != nil {
		return s.running
	}
	look := s.look
	if look == nil {
		look = Lookup
	}
	l := &lookup{done: make(chan struct{})}
	s.running = l
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
		defer cancel()
		l.id, l.err = look(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running = nil
		switch {
		case l.err == nil:
			s.known, s.id, s.err = true, l.id, nil
		case !s.known:
			s.err, s.errUntil = l.err, time.Now().Add(failureKept)
		}
		close(l.done)
	}()
	return l
}

// wait gives up the lock and waits.
func (s *Self) wait(ctx context.Context, l *lookup) (Identity, error) {
	s.mu.Unlock()
	select {
	case <-l.done:
		return l.id, l.err
	case <-ctx.Done():
		return Identity{}, Classify("imds", ctx.Err())
	}
}
