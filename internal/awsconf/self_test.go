package awsconf

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// lookups is a source of identities that can be made slow, or fail. It is used within a synctest bubble.
type lookups struct {
	mu    sync.Mutex
	n     int
	slow  time.Duration
	err   error
	id    Identity
	ended error // why the last one ended early
}

func (l *lookups) look(ctx context.Context) (Identity, error) {
	l.mu.Lock()
	l.n++
	slow, err, id := l.slow, l.err, l.id
	l.mu.Unlock()
	select {
	case <-time.After(slow):
		return id, err
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ended = ctx.Err()
		return Identity{}, ctx.Err()
	}
}

func TestSelfKeepsSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lookups{id: Identity{InstanceID: "i-01234567", PublicIPv4: "198.51.100.1"}}
		s := Self{look: l.look}
		for range 3 {
			if id, err := s.Get(t.Context()); err != nil || id != l.id {
				t.Fatalf("%+v, %v", id, err)
			}
			time.Sleep(24 * time.Hour)
		}
		if l.n != 1 {
			t.Errorf("%d lookups", l.n)
		}

		l.id.PublicIPv4 = "198.51.100.2"
		if id, err := s.Refresh(t.Context()); err != nil || id != l.id {
			t.Fatalf("refreshed: %+v, %v", id, err)
		}
		if id, _ := s.Get(t.Context()); id != l.id {
			t.Errorf("after a refresh: %+v", id)
		}

		l.err = errors.New("slow day")
		if _, err := s.Refresh(t.Context()); !errors.Is(err, l.err) {
			t.Errorf("a refresh that fails: %v", err)
		}
		if id, err := s.Get(t.Context()); err != nil || id != l.id {
			t.Errorf("after a refresh that failed: %+v, %v", id, err)
		}
	})
}

func TestSelfKeepsFailureForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lookups{err: errors.New("not on EC2"), slow: time.Second}
		s := Self{look: l.look}
		start := time.Now()
		for range 5 {
			if _, err := s.Get(t.Context()); !errors.Is(err, l.err) {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); l.n != 1 || took != time.Second {
			t.Errorf("%d lookups in %s", l.n, took)
		}
		time.Sleep(failureKept - time.Nanosecond)
		s.Get(t.Context())
		if l.n != 1 {
			t.Errorf("asked again too early")
		}
		l.err, l.id = nil, Identity{InstanceID: "i-01234567"}
		time.Sleep(time.Nanosecond)
		if id, err := s.Get(t.Context()); err != nil || id != l.id || l.n != 2 {
			t.Errorf("%d lookups, %+v, %v", l.n, id, err)
		}
	})
}

// A refresh does not wait for the failure to be forgotten.
func TestSelfRefreshAfterFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lookups{err: errors.New("booting")}
		s := Self{look: l.look}
		s.Get(t.Context())
		l.err = nil
		if _, err := s.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := s.Get(t.Context()); err != nil {
			t.Errorf("the failure is still remembered: %v", err)
		}
	})
}

func TestSelfSharesLookups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lookups{id: Identity{InstanceID: "i-01234567"}, slow: 2 * time.Second}
		s := Self{look: l.look}
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				ask := s.Get
				if i%2 == 0 {
					ask = s.Refresh
				}
				if id, err := ask(t.Context()); err != nil || id != l.id {
					t.Errorf("%+v, %v", id, err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); l.n != 1 || took != l.slow {
			t.Errorf("%d lookups in %s", l.n, took)
		}
	})
}

// Who comes first and leaves early must not spoil the lookup for the others; nobody waits longer than wanted.
func TestSelfCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lookups{id: Identity{InstanceID: "i-01234567"}, slow: 2 * time.Second}
		s := Self{look: l.look}
		first, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := s.Get(first)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the first: %v", err)
			}
		})
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			_, err := s.Get(ctx)
			if took := time.Since(start); took != time.Second {
				t.Errorf("the hurried one waited for %s", took)
			}
			wantError(t, Classify("", err), Timeout, false)
		})
		wg.Go(func() {
			if id, err := s.Get(t.Context()); err != nil || id != l.id {
				t.Errorf("the patient one: %+v, %v", id, err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		if l.n != 1 {
			t.Errorf("%d lookups", l.n)
		}
	})
}

// A metadata service that hangs costs its bound once, and then nothing for a while.
func TestSelfIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lookups{slow: time.Hour}
		s := Self{look: l.look}
		start := time.Now()
		s.Get(t.Context())
		s.Get(t.Context())
		if took := time.Since(start); took != lookupTimeout || !errors.Is(l.ended, context.DeadlineExceeded) {
			t.Errorf("took %s, ended by %v", took, l.ended)
		}
	})
}

// The zero value asks the metadata service.
func TestSelfZeroValue(t *testing.T) {
	_, server, id := fake(t)
	isolate(t, server.Env(id)...)
	var s Self
	got, err := s.Get(t.Context())
	if err != nil || got.InstanceID != id {
		t.Errorf("%+v, %v", got, err)
	}
}
