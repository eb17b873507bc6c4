package probe

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
)

func TestHTTPConnectionIsReused(t *testing.T) {
	for _, tc := range []struct {
		name    string
		h       HTTP
		handler http.HandlerFunc
		conns   int32 // for ten checks
	}{
		{"plain", HTTP{}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }, 1},
		{"chunked", HTTP{}, func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "o")
			w.(http.Flusher).Flush()
			io.WriteString(w, "k")
		}, 1},
		{"expected body", HTTP{Expect: regexp.MustCompile("k")}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }, 1},
		{"unexpected body", HTTP{Expect: regexp.MustCompile("z")}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }, 1},
		{"wrong status", HTTP{}, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 500) }, 1},
		{"large body", HTTP{}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", DefaultMaxBody)) }, 1},
		{"too large body", HTTP{}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", 2*DefaultMaxBody)) }, 10},
		{"with a body of its own", HTTP{Method: "POST", Body: "x"}, func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }, 1},
		{"HEAD", HTTP{Method: "HEAD"}, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "100") }, 1},
		{"closed on request", HTTP{Header: http.Header{"Connection": {"close"}}}, func(http.ResponseWriter, *http.Request) {}, 10},
		{"redirected", HTTP{FollowRedirects: true}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/" {
				http.Redirect(w, r, "/here", http.StatusFound)
			}
		}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			addr, accepted := server(t, tc.handler)
			c := checker(t, tc.h)
			for range 10 {
				c.Check(t.Context(), addr)
			}
			if got := accepted.Load(); got != tc.conns {
				t.Errorf("%d connections for ten checks, want %d", got, tc.conns)
			}
		})
	}
}

// A server that closes a kept-alive connection just as the next check is sent works well all the same.
func TestHTTPStaleConnection(t *testing.T) {
	for _, ending := range []struct {
		name string
		end  func(*net.TCPConn)
	}{
		{"closed", func(conn *net.TCPConn) { conn.CloseWrite() }},
		{"reset", func(conn *net.TCPConn) { conn.SetLinger(0) }},
	} {
		for _, h := range []HTTP{
			{}, {Method: "HEAD"}, {Method: "OPTIONS"}, {Method: "POST"}, {Method: "POST", Body: "ping"}, {Method: "GET", Body: "ping"},
			{Method: "PUT", Body: strings.Repeat("x", 4*bufferSize)}, {Method: "PATCH", Body: "ping"}, {Method: "DELETE"},
		} {
			t.Run(ending.name+"/"+h.Method+"/"+h.Body[:min(len(h.Body), 4)], func(t *testing.T) {
				addr, accepted := listen(t, func(conn *net.TCPConn) {
					r := bufio.NewReader(conn)
					for n := 1; ; n++ {
						req, err := http.ReadRequest(r)
						if err != nil {
							return
						}
						body, _ := io.ReadAll(req.Body)
						if string(body) != h.Body {
							t.Errorf("request %d has a body of %d bytes, want %d", n, len(body), len(h.Body))
						}
						if n == 2 { // no answer to the second
							ending.end(conn)
							return
						}
						io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					}
				})
				c := checker(t, h)
				for i := range 3 {
					if err := c.Check(t.Context(), addr); err != nil {
						t.Fatalf("check %d: %v", i+1, err)
					}
				}
				if got := accepted.Load(); got != 3 {
					t.Errorf("%d connections, want 3: one for each answer", got)
				}
			})
		}
	}
}

// A server that hangs up on each fresh connection is down, and not asked for ever.
func TestHTTPFreshConnectionIsNotRetried(t *testing.T) {
	addr, accepted := listen(t, func(conn *net.TCPConn) { http.ReadRequest(bufio.NewReader(conn)) })
	expect(t, checker(t, HTTP{}).Check(t.Context(), addr), KindReset)
	if got := accepted.Load(); got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
}

func TestHTTPClose(t *testing.T) {
	closed := make(chan struct{})
	addr, _ := listen(t, func(conn *net.TCPConn) {
		r := bufio.NewReader(conn)
		if _, err := http.ReadRequest(r); err == nil {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		}
		io.Copy(io.Discard, r)
		close(closed)
	})
	c := checker(t, HTTP{})
	expect(t, c.Check(t.Context(), addr), "")
	select {
	case <-closed:
		t.Fatal("the connection was not kept")
	default:
	}
	c.Close()
	<-closed
}

// One checker serves many backends at once.
func TestHTTPConcurrent(t *testing.T) {
	c := checker(t, HTTP{Method: "POST", Body: "ping", Expect: regexp.MustCompile("^ping$"), Header: http.Header{"X-A": {"1"}}})
	var addrs []string
	for range 4 {
		addr, _ := server(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
		addrs = append(addrs, addr)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 10 {
				if err := c.Check(t.Context(), addrs[i%len(addrs)]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
