//go:build linux

package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// edgeStuck takes connections, but reads nothing until it is told to.
type edgeStuck struct {
	addr string
	wake func()

	mu  sync.Mutex
	got map[int]bool
}

func newEdgeStuck(t *testing.T) *edgeStuck {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	awake := make(chan struct{})
	r := &edgeStuck{addr: ln.Addr().String(), wake: sync.OnceFunc(func() { close(awake) }), got: map[int]bool{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				conn.(*net.TCPConn).SetReadBuffer(64 << 10) // so that less is needed to fill what is on the way
				<-awake
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					if m := edgeNumber.FindSubmatch(lines.Bytes()); m != nil {
						n, _ := strconv.Atoi(string(m[1])) // it is a number
						r.mu.Lock()
						r.got[n] = true
						r.mu.Unlock()
					}
				}
			})
		}
	})
	t.Cleanup(func() { r.wake(); ln.Close(); wg.Wait() })
	return r
}

// received is how many lines there are.
func (r *edgeStuck) received() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

// has is how many lines there are of the requests from one number to before another.
func (r *edgeStuck) has(from, to int) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := from; i < to; i++ {
		if r.got[i] {
			n++
		}
	}
	return n
}

// edgeAsker sends requests on one connection.
type edgeAsker struct {
	conn net.Conn
	in   *bufio.Reader
	sent int
}

// ask sends a request that makes a line of about 4 KiB, and returns how long its answer took.
func (a *edgeAsker) ask(patience time.Duration) (time.Duration, error) {
	start := time.Now()
	if err := a.conn.SetDeadline(start.Add(patience)); err != nil {
		return 0, err
	}
	fmt.Fprintf(a.conn, "GET /%d HTTP/1.1\r\nHost: a\r\nUser-Agent: %s\r\n\r\n", a.sent, strings.Repeat("a", 4000))
	a.sent++
	resp, err := http.ReadResponse(a.in, nil)
	if err != nil {
		return time.Since(start), err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return time.Since(start), fmt.Errorf("status %s, body %w", resp.Status, err)
	}
	return time.Since(start), nil
}

// newEdgeQueue starts a server whose access log has this output, and whose own log tells of lines that are lost. Requests are in logs
// with other outputs, too.
func newEdgeQueue(t *testing.T, output string, others ...string) (*edgeServer, *edgeAsker) {
	t.Helper()
	more := ""
	for i, o := range others {
		more += fmt.Sprintf("log other%d {\noutput %s\nformat combined\ninclude http.log.access\n}\n", i, o)
	}
	s := newEdgeServer(t)
	port := s.ports(1)[0]
	addr := "127.0.0.1:" + port
	s.run(fmt.Sprintf(`
	log {
		output stderr
		format json
		level WARN
		exclude http.log.access
	}
	%s
}
http://:%s {
	bind 127.0.0.1
	log {
		output %s
		format combined
	}
	respond hello
}
`, more, port, output), addr)
	conn, err := net.Dial("tcp", addr)
	s.must(err)
	t.Cleanup(func() { conn.Close() })
	return s, &edgeAsker{conn: conn, in: bufio.NewReader(conn)}
}

// edgeLost adds up how many lines a server says it has lost.
func edgeLost(s *edgeServer) (lost int, words []string) {
	s.Helper()
	text, err := os.ReadFile(s.file("out"))
	s.must(err)
	for line := range bytes.Lines(text) {
		var entry struct {
			Logger, Msg string
			Lost        int
		}
		if json.Unmarshal(line, &entry) == nil && entry.Logger == "caddy.logging.writers.queue" {
			lost += entry.Lost
			words = append(words, entry.Msg)
		}
	}
	return lost, words
}

// A receiver that hangs stops all requests when nothing is between, which is why there is a queue.
func TestReceiverHangsWithoutQueue(t *testing.T) {
	t.Parallel()
	r := newEdgeStuck(t)
	s, a := newEdgeQueue(t, "net tcp/"+r.addr)
	for {
		_, err := a.ask(patience)
		if err != nil {
			t.Logf("request %d, after %d KiB of lines: %v", a.sent, a.sent*4, err)
			break
		}
		if a.sent == 10_000 {
			t.Fatal("requests go on: is there still a need for the queue, and what the manual says about it?")
		}
	}
	r.wake()
	s.eventually("the lines of all requests", func() bool { return r.received() == a.sent })
}

// With a queue no request waits, lines go on when the receiver does, and what is said to be lost is what is lost.
func TestReceiverHangsBehindQueue(t *testing.T) {
	t.Parallel()
	r := newEdgeStuck(t)
	s, a := newEdgeQueue(t, "queue {\nto net tcp/"+r.addr+"\nsize 1MiB\n}")
	var longest time.Duration
	ask := func(n int) {
		t.Helper()
		for range n {
			took, err := a.ask(patience)
			if err != nil {
				t.Fatalf("request %d: %v", a.sent, err)
			}
			longest = max(longest, took)
		}
	}
	ask(5000)
	s.eventually("the word that lines are lost", func() bool { _, words := edgeLost(s); return len(words) == 1 })
	first := a.sent
	r.wake()
	s.eventually("a line that was written since", func() bool {
		ask(1)
		return r.has(first, a.sent) > 0
	})
	ask(100)
	s.stop()
	lost, words := edgeLost(s)
	if lost == 0 {
		t.Errorf("no line is said to be lost: %q", words)
	}
	t.Logf("%d requests, the slowest took %v; %d lines received, %d lost", a.sent, longest, r.received(), lost)
	within := time.After(within)
	for r.received() != a.sent-lost {
		select {
		case <-within:
			t.Fatalf("%d sent, %d received, %d said to be lost", a.sent, r.received(), lost)
		case <-time.After(5 * time.Millisecond):
		}
	}
	if n := r.has(a.sent-100, a.sent); n != 100 {
		t.Errorf("of 100 lines since it receives again, %d are there", n)
	}
}

// A server stops in time, though its logs hang, and says what is lost. All of them together have the two seconds that one has.
func TestStopWhileReceiverHangs(t *testing.T) {
	t.Parallel()
	hangs := func() string { return "queue {\nto net tcp/" + newEdgeStuck(t).addr + "\nsize 1MiB\n}" }
	s, a := newEdgeQueue(t, hangs(), hangs(), hangs())
	for range 6000 { // some 24 MB: what is on the way and the queue are full
		if _, err := a.ask(patience); err != nil {
			t.Fatalf("request %d: %v", a.sent, err)
		}
	}
	a.conn.Close()
	start := time.Now()
	s.stop()
	took := time.Since(start)
	lost, words := edgeLost(s)
	closed := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w != "a log is closed after some of its lines were lost" })
	if lost < 1<<20/4200 || len(closed) != 3 || words[len(words)-1] != closed[0] {
		t.Errorf("%d lost: %q", lost, words)
	}
	t.Logf("stopped in %v, %d lines lost", took, lost)
	if took > 5*time.Second {
		t.Errorf("it stopped only after %v", took)
	}
}
