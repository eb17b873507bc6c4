package logqueue

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// words are what a queue has told, each with the time since the words were made.
type words struct {
	mu    sync.Mutex
	start time.Time
	all   []string
	hook  func(Loss)
}

func newWords() *words { return &words{start: time.Now()} }

func (w *words) tell(l Loss) {
	text := fmt.Sprintf("%v began", time.Since(w.start)) // with how many lines so far is chance
	if l.State != Began {
		text = fmt.Sprintf("%v %s %d since %v", time.Since(w.start), [...]string{Ended: "ended", Closed: "closed"}[l.State], l.Lines, l.Since.Sub(w.start))
	}
	if l.Err != nil {
		text += ": " + l.Err.Error()
	}
	w.mu.Lock()
	w.all = append(w.all, text)
	w.mu.Unlock()
	if w.hook != nil {
		w.hook(l)
	}
}

func (w *words) want(t *testing.T, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.all, want) {
		t.Errorf("told:\n%s\nwant:\n%s", strings.Join(w.all, "\n"), strings.Join(want, "\n"))
	}
}

// While it takes no line, nothing is over, though none is lost.
func TestHangingIsNotOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, w := newOutput(), newWords()
		out.hangs = true
		q := New(out, 64<<10, w.tell)
		write(t, q, 0, 65)
		time.Sleep(time.Hour + 5*time.Second)
		w.want(t, "0s began")
		out.set(func() { out.hangs = false })
		time.Sleep(time.Hour + 5*time.Second)
		w.want(t, "0s began", "1h0m10s ended 1 since 0s")
		closeIn(t, q, 0)
	})
}

// What is told can be lost like any line, without an end to the telling or to the queue.
func TestWordsInTheSameQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, w := newOutput(), newWords()
		out.hangs = true
		var q *Queue
		w.hook = func(l Loss) { fmt.Fprintf(q, "word %d", l.State) }
		q = New(out, 64<<10, w.tell)
		write(t, q, 0, 65)
		time.Sleep(time.Hour + 5*time.Second)
		w.want(t, "0s began")
		out.set(func() { out.hangs = false })
		time.Sleep(time.Hour + 5*time.Second)
		w.want(t, "0s began", "1h0m10s ended 2 since 0s")
		if got := out.got(); len(got) != 65 || got[64] != "word 1" {
			t.Errorf("%d lines", len(got))
		}

		out.set(func() { out.fails = errors.New("refused") })
		write(t, q, 100, 1)
		time.Sleep(time.Hour + 5*time.Second)
		closeIn(t, q, 0)
		w.want(t, "0s began", "1h0m10s ended 2 since 0s", "2h0m10s began: refused", "3h0m15s closed 2 since 2h0m10s: refused")
	})
}

// A word that nobody takes stops neither lines nor Close, and no other is begun meanwhile.
func TestWordHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newOutput()
		out.fails = errors.New("refused")
		hang := make(chan struct{})
		var told atomic.Int64
		q := New(out, 64<<10, func(l Loss) {
			if l.State != Closed {
				told.Add(1)
			}
			<-hang
		})
		write(t, q, 0, 10)
		time.Sleep(time.Hour + 5*time.Second)
		write(t, q, 10, 10)
		time.Sleep(time.Hour + 5*time.Second)
		closeIn(t, q, wordTime)
		if n := told.Load(); n != 1 {
			t.Errorf("told %d times", n)
		}
		close(hang)
	})
}
