package probe

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestHTTPAnswer(t *testing.T) {
	addr, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			io.WriteString(w, "status: ok\n")
		case "/empty":
			w.WriteHeader(http.StatusNoContent)
		case "/large":
			io.WriteString(w, strings.Repeat("x", 100)+"needle")
		case "/html":
			io.WriteString(w, "<html>\n\x1b[31m"+strings.Repeat("ä", 100))
		case "/redirect":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/broken":
			w.WriteHeader(http.StatusServiceUnavailable)
			io.WriteString(w, "status: ok\n")
		default:
			http.NotFound(w, r)
		}
	})
	url := "GET http://" + addr
	ok := regexp.MustCompile(`status: ok`)
	for _, tc := range []struct {
		name string
		h    HTTP
		kind Kind
		want string
	}{
		{"defaults", HTTP{}, "", ""},
		{"no content", HTTP{URI: "/empty"}, "", ""},
		{"unknown path", HTTP{URI: "/nope?token=secret"}, KindStatus, url + "/nope: status 404, want 2xx"},
		{"unavailable", HTTP{URI: "/broken"}, KindStatus, url + "/broken: status 503, want 2xx"},
		{"unavailable with the expected body", HTTP{URI: "/broken", Expect: ok}, KindStatus, "status 503"},
		{"expected failure", HTTP{URI: "/broken", Status: 503}, "", ""},
		{"exact code", HTTP{Status: 200}, "", ""},
		{"another code of the class", HTTP{URI: "/empty", Status: 200}, KindStatus, "status 204, want 200"},
		{"class", HTTP{URI: "/nope", Status: 4}, "", ""},
		{"redirect is a 3xx", HTTP{URI: "/redirect"}, KindStatus, "status 302, want 2xx"},
		{"redirect is expected", HTTP{URI: "/redirect", Status: 3}, "", ""},
		{"body", HTTP{Expect: ok}, "", ""},
		{"another body", HTTP{URI: "/large", Expect: ok}, KindBody, `body "` + strings.Repeat("x", 80) + `"… does not match status: ok`},
		{"empty body", HTTP{URI: "/empty", Expect: ok}, KindBody, `body "" does not match`},
		{"unprintable body", HTTP{URI: "/html", Expect: ok}, KindBody, `body "<html>\n\x1b[31m`},
		{"body within the bound", HTTP{URI: "/large", Expect: regexp.MustCompile("needle"), MaxBody: 106}, "", ""},
		{"body beyond the bound", HTTP{URI: "/large", Expect: regexp.MustCompile("needle"), MaxBody: 105}, KindBody, ""},
		{"HEAD", HTTP{Method: "HEAD"}, "", ""},
		{"with a host", HTTP{URI: "/nope", Host: "app.test"}, KindStatus, url + "/nope as app.test: status 404"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := checker(t, tc.h).Check(t.Context(), addr)
			expect(t, err, tc.kind, tc.want)
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the query is in the error: %v", err)
			}
		})
	}
}

// What the server gets is what was asked for.
func TestHTTPRequest(t *testing.T) {
	type request struct {
		Line, Host, Agent, Body string
		Header                  http.Header
	}
	got := make(chan request, 1)
	addr, _ := server(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		agent := r.Header.Get("User-Agent")
		r.Header.Del("User-Agent")
		got <- request{r.Method + " " + r.RequestURI, r.Host, agent, string(body), r.Header}
	})
	_, port, _ := net.SplitHostPort(addr)
	for _, tc := range []struct {
		name string
		h    HTTP
		want request
	}{
		{"defaults", HTTP{}, request{"GET /", addr, userAgent, "", http.Header{}}},
		{"uri as given", HTTP{URI: "/a%2Fb/?q=1&q=%20"}, request{"GET /a%2Fb/?q=1&q=%20", addr, userAgent, "", http.Header{}}},
		{"host", HTTP{Host: "app.test"}, request{"GET /", "app.test", userAgent, "", http.Header{}}},
		{
			"header", HTTP{Header: http.Header{"x-token": {"a", "b"}, "host": {"app.test:81"}, "USER-AGENT": {"mine"}}},
			request{"GET /", "app.test:81", "mine", "", http.Header{"X-Token": {"a", "b"}}},
		},
		{
			"body", HTTP{Method: "POST", Body: `{"ping":1}`, Header: http.Header{"content-type": {"application/json"}}},
			request{"POST /", addr, userAgent, `{"ping":1}`, http.Header{"Content-Type": {"application/json"}, "Content-Length": {"10"}}},
		},
		{"POST without body", HTTP{Method: "POST"}, request{"POST /", addr, userAgent, "", http.Header{"Content-Length": {"0"}}}},
		{
			"own idempotency key", HTTP{Method: "PUT", Header: http.Header{"Idempotency-Key": {"k"}}},
			request{"PUT /", addr, userAgent, "", http.Header{"Idempotency-Key": {"k"}, "Content-Length": {"0"}}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := checker(t, tc.h)
			for range 2 { // the second comes from a template that the first must not have changed
				expect(t, c.Check(t.Context(), addr), "")
				if r := <-got; fmt.Sprint(r) != fmt.Sprint(tc.want) {
					t.Fatalf("got  %v\nwant %v", r, tc.want)
				}
			}
		})
	}

	t.Run("port", func(t *testing.T) {
		var n int
		fmt.Sscan(port, &n)
		c := checker(t, HTTP{Port: n})
		expect(t, c.Check(t.Context(), "127.0.0.1:1"), "")
		if r := <-got; r.Host != addr {
			t.Errorf("host %s, want the address with the port that is dialled, %s", r.Host, addr)
		}
	})
}

func TestHTTPConnectionFails(t *testing.T) {
	refused := closedPort(t)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	c := checker(t, HTTP{URI: "/healthz"})
	expect(t, c.Check(t.Context(), refused), KindRefused, "connect "+refused+": connection refused")
	expect(t, c.Check(t.Context(), "10.0.0.1"), KindOther, "check 10.0.0.1: not a host and port")
	expect(t, c.Check(t.Context(), "a\nb"), KindOther, "check a b: ")
	expect(t, c.Check(t.Context(), "a b:80"), KindOther)
	expect(t, c.Check(canceled, refused), KindCanceled, "canceled")
}

// Answers that are none.
func TestHTTPGarbage(t *testing.T) {
	for _, tc := range []struct {
		name, raw string
		kind      Kind
		part      string
	}{
		{"another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n", KindOther, "malformed HTTP"},
		{"nothing", "", KindReset, "connection closed before the answer was complete"},
		{"half a status line", "HTTP/1.1 20", KindOther, ": malformed HTTP status code"},
		{"half a header", "HTTP/1.1 200 OK\r\nContent-Le", KindOther, ": malformed MIME header"},
		{"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", KindReset, "connection closed before the answer was complete"},
		{"half a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc", KindReset, ""},
		{"chunks that are none", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n", KindOther, "chunk"},
		{"no length but an end", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc", "", ""},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\nabc", "", ""},
		{"a status of its own", "HTTP/1.1 999 No\r\n\r\n", KindStatus, "status 999"},
		{"long line", strings.Repeat("A", 20_000) + "\r\n\r\n", KindOther, "malformed HTTP"},
		{"control characters", "\x00\x1b[31m\x15\x03\x01\r\n\r\n", KindOther, "malformed HTTP"},
		{"huge header", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("A", 2*maxHeaderBytes) + "\r\n\r\n", KindOther, "exceeded"},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", KindOther, ""},
		{"informational first", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", ""},
		{"informational for ever", strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: "+strings.Repeat("A", 1000)+"\r\n\r\n", 100), KindOther, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			addr := answer(t, tc.raw)
			expect(t, checker(t, HTTP{}).Check(t.Context(), addr), tc.kind, tc.part)
		})
	}

	t.Run("reset", func(t *testing.T) {
		addr, _ := listen(t, func(conn *net.TCPConn) {
			http.ReadRequest(bufio.NewReader(conn))
			conn.SetLinger(0)
		})
		expect(t, checker(t, HTTP{}).Check(t.Context(), addr), KindReset, "connection reset by the other side")
	})
	t.Run("greeting", func(t *testing.T) {
		addr, _ := listen(t, func(conn *net.TCPConn) {
			io.WriteString(conn, "220 mail.example.com ESMTP\r\n")
			io.Copy(io.Discard, conn)
		})
		// Which of the two is seen depends on who is first.
		err := checker(t, HTTP{}).Check(t.Context(), addr)
		expect(t, err, KindOther)
		if !strings.Contains(err.Error(), ": not HTTP") && !strings.Contains(err.Error(), ": malformed HTTP") {
			t.Errorf("unclear: %v", err)
		}
	})
	t.Run("endless body", func(t *testing.T) {
		addr, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
			for chunk := make([]byte, 32<<10); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		})
		expect(t, checker(t, HTTP{}).Check(t.Context(), addr), "")
		expect(t, checker(t, HTTP{Expect: regexp.MustCompile("ok")}).Check(t.Context(), addr), KindBody)
	})
}

func TestHTTPTimeout(t *testing.T) {
	t.Parallel()
	silent, _ := listen(t, func(conn *net.TCPConn) { io.Copy(io.Discard, conn) })
	slowBody, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "ok")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	slowHeader, _ := listen(t, func(conn *net.TCPConn) {
		http.ReadRequest(bufio.NewReader(conn))
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nX-A: ")
		io.Copy(io.Discard, conn)
	})
	hole := blackHole(t)
	for _, tc := range []struct {
		name, addr string
		h          HTTP
		want       string
	}{
		{"hanging server", silent, HTTP{URI: "/x"}, "GET http://" + silent + "/x: no answer within 1s"},
		{"slow header", slowHeader, HTTP{}, "GET http://" + slowHeader + "/: no answer within 1s"},
		{"slow body", slowBody, HTTP{}, "GET http://" + slowBody + "/: no answer within 1s"},
		{"slow body that matches so far", slowBody, HTTP{Expect: regexp.MustCompile("ok")}, "no answer within 1s"},
		{"no connection", hole, HTTP{}, "connect " + hole + ": no answer within 1s"},
		{"no handshake", silent, HTTP{Scheme: "https"}, "GET https://" + silent + "/: no answer within 1s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.h.Timeout = short
			expect(t, checker(t, tc.h).Check(t.Context(), tc.addr), KindTimeout, tc.want)
		})
	}
	t.Run("the caller's deadline", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		expect(t, checker(t, HTTP{}).Check(ctx, silent), KindTimeout, "before the deadline of the check")
	})
	t.Run("the caller gives up while waiting", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		addr, _ := listen(t, func(conn *net.TCPConn) {
			http.ReadRequest(bufio.NewReader(conn))
			cancel()
			io.Copy(io.Discard, conn)
		})
		expect(t, checker(t, HTTP{}).Check(ctx, addr), KindCanceled, "canceled")
	})
}

// A check that has timed out dials no longer.
func TestHTTPStopsDialling(t *testing.T) {
	hole := blackHole(t)
	c := checker(t, HTTP{Timeout: 50 * time.Millisecond})
	before := goleak.IgnoreCurrent()
	expect(t, c.Check(t.Context(), hole), KindTimeout)
	goleak.VerifyNone(t, before)
}
