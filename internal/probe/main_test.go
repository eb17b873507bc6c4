package probe

import (
	"bufio"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// ample is a timeout that no working check comes near to, on any machine.
	ample = time.Minute
	// short is the timeout of checks that are meant to run into it. A loopback connection is made well within it.
	short = time.Second
)

// quiet is the log of servers that are failed on purpose.
var quiet = log.New(io.Discard, "", 0)

// listen serves each connection of a new listener with handle, which runs until the peer or the test ends.
func listen(t *testing.T, handle func(conn *net.TCPConn)) (addr string, accepted *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted = new(atomic.Int32)
	var (
		mu    sync.Mutex
		conns []net.Conn
		wg    sync.WaitGroup
	)
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			wg.Go(func() {
				defer conn.Close()
				handle(conn.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String(), accepted
}

// answer is a listener that reads one request and sends the bytes.
func answer(t *testing.T, raw string) string {
	t.Helper()
	addr, _ := listen(t, func(conn *net.TCPConn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			io.WriteString(conn, raw)
		}
	})
	return addr
}

// closedPort is an address that nobody listens on.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// blackHole is an address that drops connection requests: a listener that never accepts, with its queue filled up.
func blackHole(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(
		syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}),
		syscall.Listen(fd, 0),
	); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}).String()
	for range 100 {
		conn, err := net.DialTimeout("tcp", addr, short/4)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return addr
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Fatal("the queue of the listener has no end")
	return ""
}

// server is an HTTP server whose connections are counted.
func server(t *testing.T, handler http.HandlerFunc) (addr string, accepted *atomic.Int32) {
	t.Helper()
	accepted = new(atomic.Int32)
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = quiet
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			accepted.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String(), accepted
}

func checker(t *testing.T, h HTTP) *HTTPChecker {
	t.Helper()
	if h.Timeout == 0 {
		h.Timeout = ample
	}
	c, err := h.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// expect compares the outcome of a check with its kind and with parts of its text. An empty kind is a pass.
func expect(t *testing.T, err error, kind Kind, parts ...string) {
	t.Helper()
	if KindOf(err) != kind {
		t.Fatalf("kind %q, want %q: %v", KindOf(err), kind, err)
	}
	if err == nil {
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in the error: %v", part, err)
		}
	}
	if len(err.Error()) > 700 || strings.ContainsAny(err.Error(), "\r\n\x00\x1b") {
		t.Errorf("not fit for a log line: %q", err)
	}
}
