package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// backend is what runs on one instance: a web server on a loopback address of its own. It lives in this process, but all
// that anybody sees of it goes over TCP.
type backend struct {
	name string
	id   string // of the instance, or "static" for a server that EC2 knows nothing of
	addr string

	hold    chan struct{} // health checks are answered when it is closed; nil holds nothing
	failing atomic.Bool   // the health check answers 503

	requests atomic.Int64  // that have arrived, health checks not among them
	slow     atomic.Int64  // requests to /slow under way
	release  chan struct{} // ends them when it is closed

	mu    sync.Mutex
	srv   *http.Server // nil while killed
	conns map[net.Conn]bool
	done  chan struct{} // closed when srv has ended
}

func newBackend(name, id, addr string) *backend {
	return &backend{name: name, id: id, addr: addr, release: make(chan struct{})}
}

// who is the first line of every answer.
func (b *backend) who() string { return b.name + " " + b.id }

// slowSeconds is how long a request to /slow takes unless it says otherwise.
const slowSeconds = 10

// lateTime is how long an answer takes to begin at latePath, so that several are under way at any moment.
const (
	latePath = "/late"
	lateTime = 25 * time.Millisecond
)

// ServeHTTP answers /healthz; /slow, the end of which comes late; latePath; and everything else with the backend's name.
func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/healthz" {
		if b.hold != nil {
			select {
			case <-b.hold:
			case <-r.Context().Done():
				return
			}
		}
		if b.failing.Load() {
			http.Error(w, "not well", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "well")
		return
	}
	b.requests.Add(1)
	if r.URL.Path == latePath {
		wait := time.NewTimer(lateTime)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-r.Context().Done():
			return
		}
	}
	fmt.Fprintln(w, b.who())
	if r.URL.Path != "/slow" {
		return
	}
	b.slow.Add(1)
	defer b.slow.Add(-1)
	seconds, err := strconv.Atoi(r.URL.Query().Get("seconds"))
	if err != nil {
		seconds = slowSeconds
	}
	http.NewResponseController(w).Flush()
	end := time.NewTimer(time.Duration(seconds) * time.Second)
	defer end.Stop()
	select {
	case <-end.C:
	case <-b.release:
	case <-r.Context().Done():
		return
	}
	fmt.Fprintln(w, "the end")
}

// start begins to listen. A backend that runs is left alone.
func (b *backend) start() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.srv != nil {
		return nil
	}
	ln, err := net.Listen("tcp", b.addr)
	if err != nil {
		return fmt.Errorf("starting %s: %w", b.name, err)
	}
	srv := &http.Server{Handler: b, ReadHeaderTimeout: 10 * time.Second}
	srv.ConnState = func(c net.Conn, s http.ConnState) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch {
		case s == http.StateNew && b.srv != srv: // accepted just before the end
			reset(c)
		case s == http.StateNew:
			b.conns[c] = true
		case s == http.StateClosed:
			delete(b.conns, c)
		}
	}
	b.srv, b.conns, b.done = srv, make(map[net.Conn]bool), make(chan struct{})
	go func(done chan struct{}) {
		defer close(done)
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			ln.Close() // nothing listens any more, and the checks find that out
		}
	}(b.done)
	return nil
}

// kill does what the end of a machine does: nothing listens any more and every connection is reset. It returns how many
// there were.
func (b *backend) kill() int {
	b.mu.Lock()
	srv, done := b.srv, b.done
	open := len(b.conns)
	for c := range b.conns {
		reset(c)
	}
	b.srv, b.conns = nil, nil
	b.mu.Unlock()
	if srv == nil {
		return 0
	}
	srv.Close()
	<-done
	return open
}

// reset closes a connection so that its peer is told at once, in the middle of whatever it does.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

// alive reports whether the backend listens.
func (b *backend) alive() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.srv != nil
}
