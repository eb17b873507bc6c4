package logqueue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Caddy and its libraries start these once per process and never end them.
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
		goleak.IgnoreAnyFunction("github.com/DeRuina/timberjack.(*Logger).millRun"),
	)
}

// output is a writer that can hang, fail and panic.
type output struct {
	mu     sync.Mutex
	more   sync.Cond
	hangs  bool
	fails  error
	panics bool
	short  bool
	lines  []string
	closed int
}

func newOutput() *output {
	o := new(output)
	o.more.L = &o.mu
	return o
}

func (o *output) Write(line []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.hangs && o.closed == 0 {
		o.more.Wait()
	}
	switch {
	case o.panics:
		panic("no connection")
	case o.closed > 0:
		return 0, io.ErrClosedPipe
	case o.fails != nil:
		return 0, o.fails
	case o.short:
		return 0, nil
	}
	o.lines = append(o.lines, string(line))
	return len(line), nil
}

func (o *output) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed++
	o.more.Broadcast()
	return nil
}

// set changes how it behaves.
func (o *output) set(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
	o.more.Broadcast()
}

func (o *output) got() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.lines)
}

// write writes numbered lines of 1 KiB with their prefixes.
func write(t *testing.T, q *Queue, from, n int) {
	t.Helper()
	line := make([]byte, 1024-prefix)
	for i := from; i < from+n; i++ {
		copy(line, fmt.Appendf(nil, "%08d", i))
		if n, err := q.Write(line); n != len(line) || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
		clear(line) // it must have been copied
	}
}

// numbers checks that an output has the lines of these ranges, in order.
func (o *output) numbers(t *testing.T, ranges ...[2]int) {
	t.Helper()
	var got, want []string
	for _, line := range o.got() {
		got = append(got, line[:8])
	}
	for _, r := range ranges {
		for i := r[0]; i < r[1]; i++ {
			want = append(want, fmt.Sprintf("%08d", i))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d lines, want %d: %v", len(got), len(want), got)
	}
}

func closeIn(t *testing.T, q *Queue, most time.Duration) {
	t.Helper()
	start := time.Now()
	if err := q.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if took := time.Since(start); took > most {
		t.Errorf("Close took %v", took)
	}
}

func TestLinesArriveWholeAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, w := newOutput(), newWords()
		q := New(out, 1<<20, w.tell)
		var want []string
		for i := range 2000 {
			// Lines of no byte up to more than a chunk, some of them right behind each other and some not.
			n := i % 300
			if i%500 == 0 {
				n = chunkSize + i
			}
			line := bytes.Repeat([]byte{byte('a' + i%26)}, n)
			want = append(want, string(line))
			if n, err := q.Write(line); n != len(line) || err != nil {
				t.Fatal(n, err)
			}
			if i%7 == 0 {
				synctest.Wait()
			}
		}
		closeIn(t, q, 0)
		if got := out.got(); !slices.Equal(got, want) {
			t.Errorf("%d lines, want %d", len(got), len(want))
		}
		w.want(t)
		if out.closed != 1 {
			t.Errorf("closed %d times", out.closed)
		}
		if n, err := q.Write([]byte("late")); n != 4 || err != nil {
			t.Errorf("a write after Close: %d, %v", n, err)
		}
		closeIn(t, q, 0)
	})
}

func TestOutputHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, w := newOutput(), newWords()
		out.hangs = true
		q := New(out, 64<<10, w.tell)
		write(t, q, 0, 100) // of which 64 fit
		synctest.Wait()
		w.want(t, "0s began")
		time.Sleep(65 * time.Second)
		write(t, q, 100, 10)
		out.set(func() { out.hangs = false })
		synctest.Wait()
		out.numbers(t, [2]int{0, 64})
		write(t, q, 200, 5)
		time.Sleep(14 * time.Second)
		w.want(t, "0s began") // it is not over before a time without losses
		time.Sleep(2 * time.Second)
		w.want(t, "0s began", "1m20s ended 46 since 0s")

		// The next losses begin soon after that, and are told of ten seconds after the last word.
		out.set(func() { out.hangs = true })
		write(t, q, 300, 65)
		time.Sleep(8 * time.Second)
		w.want(t, "0s began", "1m20s ended 46 since 0s")
		time.Sleep(2 * time.Second)
		out.set(func() { out.hangs = false })
		synctest.Wait()
		closeIn(t, q, 0)
		w.want(t, "0s began", "1m20s ended 46 since 0s", "1m30s began", "1m31s closed 1 since 1m21s")
		out.numbers(t, [2]int{0, 64}, [2]int{200, 205}, [2]int{300, 364})
	})
}

func TestOutputFails(t *testing.T) {
	for name, fail := range map[string]struct {
		set  func(*output, bool)
		want string
	}{
		"with an error": {func(o *output, on bool) { o.fails = map[bool]error{true: errors.New("no space left")}[on] }, "no space left"},
		"by a panic":    {func(o *output, on bool) { o.panics = on }, "the output panicked: no connection"},
		"silently":      {func(o *output, on bool) { o.short = on }, "it took 0 of the 1020 bytes of a line, and said nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out, w := newOutput(), newWords()
				q := New(out, 64<<10, w.tell)
				write(t, q, 0, 10)
				synctest.Wait()
				out.set(func() { fail.set(out, true) })
				for i := range 1000 {
					write(t, q, 10+i, 1)
					synctest.Wait()
				}
				time.Sleep(65 * time.Second)
				w.want(t, "0s began: "+fail.want)
				out.set(func() { fail.set(out, false) })
				write(t, q, 2000, 10)
				time.Sleep(65 * time.Second)
				w.want(t, "0s began: "+fail.want, "1m10s ended 1000 since 0s: "+fail.want)
				out.numbers(t, [2]int{0, 10}, [2]int{2000, 2010})
				closeIn(t, q, 0)
			})
		})
	}
}

func TestCloseWritesWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, w := newOutput(), newWords()
		out.hangs = true
		q := New(out, 64<<10, w.tell)
		write(t, q, 0, 64)
		time.AfterFunc(1900*time.Millisecond, func() { out.set(func() { out.hangs = false }) })
		closeIn(t, q, 1900*time.Millisecond)
		out.numbers(t, [2]int{0, 64})
		w.want(t)
	})
}

func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, w := newOutput(), newWords()
		out.hangs = true
		q := New(out, 64<<10, w.tell)
		write(t, q, 0, 50)
		closeIn(t, q, 2*time.Second)
		synctest.Wait()
		// The write that hung has ended with the writer, or the bubble would not end.
		out.numbers(t)
		w.want(t, "2s closed 50 since 2s: "+errClosed.Error())
	})
}

// Whoever writes at once: what arrives is what was not lost, in the order of each writer.
func TestManyWriters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const writers, each = 8, 2000
		out, w := newOutput(), newWords()
		q := New(out, 64<<10, w.tell)
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				for n := range each {
					fmt.Fprintf(q, "%d %08d %s", i, n, strings.Repeat("x", n%512))
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		q.losses.mu.Lock()
		lost := int(q.losses.now.Lines)
		q.losses.mu.Unlock()
		closeIn(t, q, 0)
		last := map[string]string{}
		for _, line := range out.got() {
			f := strings.Fields(line)
			if f[1] <= last[f[0]] {
				t.Fatalf("%s after %s", f[1], last[f[0]])
			}
			last[f[0]] = f[1]
		}
		if got := len(out.got()); got+lost != writers*each {
			t.Errorf("%d lines and %d lost, of %d", got, lost, writers*each)
		}
	})
}

// However long it was full, a queue keeps no memory but for a chunk or two.
func TestMemoryIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out, w := newOutput(), newWords()
		out.hangs = true
		q := New(out, 4<<20, w.tell)
		write(t, q, 0, 4096)
		out.set(func() { out.hangs = false })
		synctest.Wait()
		q.mu.Lock()
		if q.first != nil || q.last != nil || q.spare == nil || q.spare.next != nil || cap(q.spare.text) != chunkSize {
			t.Error("more than a spare chunk is left")
		}
		q.mu.Unlock()
		if n, m := q.bytes.Load(), q.lines.Load(); n != 0 || m != 0 {
			t.Errorf("%d bytes of %d lines", n, m)
		}
		closeIn(t, q, 0)
		w.want(t)
	})
}
