//go:build linux

package integration

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/quic-go/quic-go/http3"

	"github.com/caddy-ec2/caddy-ec2/internal/logtest"
)

// What is in the hostile traffic, in requests.
const (
	edgeOthers  = 1500 // of each later version of HTTP
	edgeLong8   = 500  // with headers of 8 KiB
	edgeAway    = 200  // whose clients go away before the answer
	edgeAborts  = 100  // whose connection the server ends
	edgeSockets = 50   // that become something else than HTTP
	edgeLarge   = 3    // with an answer of 100 MB, one for each version
	edgeBroken  = 5    // whose clients go away within such an answer

	edgeHundred = 100 << 20
	edgeBatch   = 100 // requests that are sent at once on one connection
	edgeWorkers = 4
)

// edgeHostile is a server, and a backend that answers in the ways that a log has to tell.
type edgeHostile struct {
	*edgeServer
	plain, secure string // addresses
	port          string // of plain
	log           string
	waiting       chan struct{} // gets one for each request that waits
}

func newEdgeHostile(t *testing.T) *edgeHostile {
	t.Helper()
	h := &edgeHostile{edgeServer: newEdgeServer(t), waiting: make(chan struct{}, edgeAway)}
	backend := httptest.NewServer(http.HandlerFunc(h.backend))
	t.Cleanup(backend.Close)
	certs, err := theCerts()
	h.must(err)
	h.must(certs.write(h.dir))
	p := h.ports(2)
	h.port, h.plain, h.secure, h.log = p[0], "127.0.0.1:"+p[0], "127.0.0.1:"+p[1], h.file("access.log")
	h.run(fmt.Sprintf(`
	log {
		output stderr
		level ERROR
		exclude http.log.access
	}
}
(site) {
	log {
		output file %[1]s {
			mode 0600
			roll_disabled
		}
		format combined {
			max_line 4096
			fields node bytes_read
		}
	}
	log_append <node lb1
	handle /backend/* {
		reverse_proxy %[2]s
	}
	handle_path /hundred* {
		reverse_proxy %[2]s
	}
	handle /nothing* {
		vars a b
	}
	handle /abort {
		abort
	}
	handle {
		vars http.auth.user.id {header.X-User}
		respond hello
	}
}
http://:%[3]s {
	import site
}
https://:%[4]s {
	tls %[5]s %[6]s
	import site
}
`, h.log, backend.Listener.Addr(), p[0], p[1], h.file(certFile), h.file(keyFile)), h.plain, h.secure)
	return h
}

func (h *edgeHostile) backend(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/backend/wait":
		h.waiting <- struct{}{}
		<-r.Context().Done()
	case "/backend/socket":
		logtest.Upgrade(h, w)
	case "/backend/upload":
		io.Copy(io.Discard, r.Body)
	default:
		part := make([]byte, 1<<20)
		for range edgeHundred / len(part) {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
	}
}

// logged is how many lines the log has.
func (h *edgeHostile) logged() int {
	text, err := os.ReadFile(h.log)
	if err != nil {
		return 0
	}
	return bytes.Count(text, []byte{'\n'})
}

// traffic sends all of it, and returns how many requests that were.
func (h *edgeHostile) traffic() (sent int) {
	h.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	part := func(n int, f func() error) {
		mu.Lock()
		sent += n
		mu.Unlock()
		wg.Go(func() {
			if err := f(); err != nil {
				h.Error(err)
			}
		})
	}
	for i := range edgeWorkers {
		addr := h.plain
		if i%2 == 1 && edgeHasIPv6() {
			addr = "[::1]:" + h.port
		}
		part(edgeLines/edgeWorkers, func() error { return h.pipelined(addr, edgeLines/edgeWorkers, uint64(i), false) })
	}
	part(edgeLong8, func() error { return h.pipelined(h.plain, edgeLong8, 99, true) })
	part(edgeAway, h.away)
	part(edgeAborts, h.aborts)
	part(edgeSockets, h.sockets)
	part(edgeBroken, h.broken)
	h2 := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: otherName}, ForceAttemptHTTP2: true}
	defer h2.CloseIdleConnections()
	h3 := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: otherName}}
	defer h3.Close()
	part(edgeOthers+1, func() error { return h.later(h2, 7) })
	part(edgeOthers+1, func() error { return h.later(h3, 8) })
	part(1, func() error { return h.whole(http.DefaultTransport, "http://"+h.plain+"/hundred") })
	part(1, func() error { return h.upload() })
	wg.Wait()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	return sent
}

// edgePicker chooses what a hostile client sends. Control bytes are not among it, but a tab: Caddy's server answers them with 400 by itself.
type edgePicker struct{ *rand.Rand }

func (p edgePicker) of(from ...string) string { return from[p.IntN(len(from))] }

// bad is a piece of a target or of a header.
func (p edgePicker) bad() string {
	return p.of("", "-", "a", `"`, `\`, `\"`, `\\"`, `\x22`, `"200"1"-"`, "[01/Jan/2000:00:00:00+0000]", `\n`, "%0d%0a192.0.2.1", "%22%0a%00", "é€𝄞", "\xff\xfe", "'", "<script>", "${jndi:ldap://x}", "?", "//..", "{}|^`")
}

// worse is a piece of a header. One goes on in the next line, which HTTP/1.1 still allows.
func (p edgePicker) worse() string {
	return p.of("\t", " ", "a\r\n b", `" 200 1 "-" "x`, "  [x] ", "\" \\\" \"\t", p.bad(), p.bad())
}

// flat is a header of later versions, which have no such lines.
func (p edgePicker) flat() string {
	return strings.TrimSpace(strings.ReplaceAll(p.worse(), "\r\n", ""))
}

// pipelined sends requests over one connection, many at a time.
func (h *edgeHostile) pipelined(addr string, n int, seed uint64, long bool) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	in := bufio.NewReader(c)
	p := edgePicker{rand.New(rand.NewPCG(seed, 1))}
	for n > 0 {
		batch := min(n, edgeBatch)
		n -= batch
		var out bytes.Buffer
		var methods []string
		for range batch {
			method := p.of("GET", "GET", "HEAD", "OPTIONS", "PROPFIND", "M-SEARCH")
			methods = append(methods, method)
			more := ""
			if long {
				more = strings.Repeat("a\"\\\xc3\xa9\t", 1<<13/6)
			}
			fmt.Fprintf(&out, "%s /%s%s?%s%s HTTP/1.1\r\nHost: %s\r\nX-User: %s\r\nReferer: %s%s\r\nUser-Agent: %s%s%s\r\nUser-Agent: %s\r\n\r\n",
				method, p.of("hello", "nothing", "a/b"), p.bad(), p.bad(), p.bad(), p.of("www.example.com", "[2001:db8::1]:8443", "x'$&;=,y"), p.worse(), p.worse(), p.bad(), p.worse(), p.worse(), more, p.bad())
		}
		wrote := make(chan error, 1)
		go func() {
			_, err := c.Write(out.Bytes())
			wrote <- err
		}()
		for _, method := range methods {
			resp, err := http.ReadResponse(in, &http.Request{Method: method})
			if err != nil {
				return err
			}
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				return err
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("%s, %s", resp.Status, out.String()[:200])
			}
		}
		if err := <-wrote; err != nil {
			return err
		}
	}
	return nil
}

// later sends requests of a later version, and one with a large answer.
func (h *edgeHostile) later(transport http.RoundTripper, seed uint64) error {
	p := edgePicker{rand.New(rand.NewPCG(seed, 2))}
	for range edgeOthers {
		r := &http.Request{Method: p.of("GET", "HEAD"), Host: otherName, URL: &url.URL{Scheme: "https", Host: h.secure, Path: "/" + p.of("hello", "nothing") + p.bad(), RawQuery: p.of("", "a", `"\`, "\xff", "%0a")},
			Header: http.Header{"Referer": {p.flat()}, "User-Agent": {p.flat(), p.bad()}, "X-User": {p.flat()}}}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			return fmt.Errorf("%s: %w", r.URL, err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s, %w", r.URL, resp.Status, err)
		}
	}
	return h.whole(transport, "https://"+h.secure+"/hundred")
}

// whole asks for a large answer, and reads it.
func (h *edgeHostile) whole(transport http.RoundTripper, target string) error {
	resp, err := (&http.Client{Transport: transport}).Get(target)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != edgeHundred {
		return fmt.Errorf("%s: %d bytes, %w", target, n, err)
	}
	return nil
}

func (h *edgeHostile) upload() error {
	resp, err := http.Post("http://"+h.plain+"/backend/upload", "application/octet-stream", io.LimitReader(rand.NewChaCha8([32]byte{}), edgeHundred))
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// raw sends bytes on a connection of its own, and reads so many back before it closes it.
func (h *edgeHostile) raw(request string, read int64) error {
	c, err := net.Dial("tcp", h.plain)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		return err
	}
	_, err = io.CopyN(io.Discard, c, read)
	if err == io.EOF {
		err = nil
	}
	return err
}

func (h *edgeHostile) aborts() error {
	for range edgeAborts {
		if err := h.raw("GET /abort HTTP/1.1\r\nHost: a\r\n\r\n", 1); err != nil {
			return err
		}
	}
	return nil
}

func (h *edgeHostile) broken() error {
	for range edgeBroken {
		if err := h.raw("GET /hundred HTTP/1.1\r\nHost: a\r\n\r\n", 2<<20); err != nil {
			return err
		}
	}
	return nil
}

func (h *edgeHostile) away() error {
	for range edgeAway {
		ctx, cancel := context.WithCancel(h.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.plain+"/backend/wait", nil)
		if err != nil {
			cancel()
			return err
		}
		ended := make(chan error, 1)
		go func() {
			resp, err := http.DefaultTransport.RoundTrip(r)
			if err == nil {
				resp.Body.Close()
			}
			ended <- err
		}()
		<-h.waiting
		cancel()
		if err := <-ended; err == nil {
			return fmt.Errorf("an answer to a request that was ended")
		}
	}
	return nil
}

func (h *edgeHostile) sockets() error {
	for range edgeSockets {
		if err := h.raw("GET /backend/socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello\n", 1<<20); err != nil {
			return err
		}
	}
	return nil
}
