//go:build linux

package ec2upstreams

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// newBenchCloud serves a fake cloud.
func newBenchCloud(b *testing.B) (*awstest.Cloud, *awstest.Server) {
	b.Helper()
	cloud := awstest.New(awstest.Config{})
	server, err := awstest.Serve(cloud)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { server.Close() })
	return cloud, server
}

// benchHost is where Caddy listens: an address of its own, so that no outgoing connection can take the port before it.
const benchHost = "127.9.9.9"

// freePort is a port of benchHost that nobody listens on.
func freePort(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", benchHost+":0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// beBackends serves one port at every address of this host, as if each were a backend, and says which one.
func beBackends(t *testing.T) {
	s := serveTiny(t, "0.0.0.0:0")
	fmt.Println(s.l.Addr().(*net.TCPAddr).Port)
	io.Copy(io.Discard, os.Stdin)
}

// startBackends runs all of up to 40,000 backends in one other process, and returns their port.
func startBackends(b *testing.B) (port int) {
	b.Helper()
	startProcess(b, benchBackends).answer(&port)
	return port
}

// tinyServer answers requests without a body with the same few bytes, for as little as that can cost.
type tinyServer struct {
	l      net.Listener
	answer atomic.Pointer[string]
	wg     sync.WaitGroup
	mu     sync.Mutex
	conns  map[net.Conn]bool // nil once closed
}

const (
	tinyOK      = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	tinyFailure = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
)

func serveTiny(tb testing.TB, addr string) *tinyServer {
	tb.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	s := &tinyServer{l: l, conns: make(map[net.Conn]bool)}
	s.say(tinyOK)
	s.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil || !s.keep(conn) {
				return
			}
			s.wg.Go(func() { s.serve(conn) })
		}
	})
	tb.Cleanup(s.close)
	return s
}

// say sets the answer from now on.
func (s *tinyServer) say(answer string) { s.answer.Store(&answer) }

func (s *tinyServer) keep(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		conn.Close()
		return false
	}
	s.conns[conn] = true
	return true
}

func (s *tinyServer) serve(conn net.Conn) {
	defer func() {
		conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	for r := bufio.NewReaderSize(conn, 1<<10); ; {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		if len(line) > len("\r\n") {
			continue
		}
		if _, err := io.WriteString(conn, *s.answer.Load()); err != nil {
			return
		}
	}
}

// close ends the server as the death of its process does: whoever is connected is cut off, and then refused.
func (s *tinyServer) close() {
	s.l.Close()
	s.mu.Lock()
	for conn := range s.conns {
		conn.Close()
	}
	s.conns = nil
	s.mu.Unlock()
	s.wg.Wait()
}
