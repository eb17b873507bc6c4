package dnsfailover

import (
	"bufio"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// Secrets of tests, none of which anybody uses.
const (
	secretA = "aaaaaaaaaaaaaaaa-a"
	secretB = "bbbbbbbbbbbbbbbb-b"
	secretC = "cccccccccccccccc-c"
)

// patience is how long a test waits for what comes at once unless something is broken.
const patience = 20 * time.Second

func secretsOf(t testing.TB, texts ...string) []PeerSecret {
	t.Helper()
	var secrets []PeerSecret
	for _, text := range texts {
		s, err := NewPeerSecret([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, s)
	}
	return secrets
}

func selfOf(t testing.TB, node string, texts ...string) PeerSelf {
	t.Helper()
	return PeerSelf{Node: node, Instance: "i-" + node, Secrets: secretsOf(t, texts...)}
}

// peerLab is a server on a port of its own, and what it was told.
type peerLab struct {
	t       testing.TB
	server  *PeerServer
	address string
	stop    func() // ends the server, once

	mu     sync.Mutex
	bodies map[string]engine.Body
	offers []engine.Offer
}

func newPeerLab(t testing.TB, self PeerSelf) *peerLab {
	t.Helper()
	return newPeerLabOf(t, self, PeerServerOptions{})
}

func newPeerLabOf(t testing.TB, self PeerSelf, opts PeerServerOptions, prepare ...func(*PeerServer)) *peerLab {
	t.Helper()
	p := &peerLab{t: t, bodies: map[string]engine.Body{"www": {Healthy: true, Able: true, Epoch: 7}}}
	opts.Services = func() map[string]engine.Body {
		p.mu.Lock()
		defer p.mu.Unlock()
		return maps.Clone(p.bodies)
	}
	opts.Offered = func(service string, o engine.Offer) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.offers = append(p.offers, o)
	}
	var err error
	if p.server, err = NewPeerServer(self, opts); err != nil {
		t.Fatal(err)
	}
	for _, f := range prepare {
		f(p.server)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.address = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- p.server.Serve(l) }()
	p.stop = sync.OnceFunc(func() {
		p.server.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(p.stop)
	return p
}

func (p *peerLab) taken() []engine.Offer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]engine.Offer(nil), p.offers...)
}

func (p *peerLab) rejected(why Rejection) uint64 { return p.server.Rejected()[why] }

// client makes a client that is closed with the test.
func clientOf(t testing.TB, address string, self PeerSelf, opts PeerClientOptions) *PeerClient {
	t.Helper()
	if opts.Timeout == 0 {
		opts.Timeout = patience
	}
	c, err := NewPeerClient(address, self, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// mustAsk asks and wants an answer.
func mustAsk(t testing.TB, c *PeerClient) PeerAnswer {
	t.Helper()
	a, reply, err := c.Ask(context.Background())
	if reply != engine.Answered || err != nil {
		t.Fatalf("got reply %v, error %v, want an answer", reply, err)
	}
	return a
}

// wantReply asks and wants something else than an answer.
func wantReply(t testing.TB, c *PeerClient, want engine.Reply) error {
	t.Helper()
	a, reply, err := c.Ask(context.Background())
	if reply != want || err == nil || a.Services != nil {
		t.Fatalf("got reply %v, answer %+v, error %v, want reply %v and an error", reply, a, err, want)
	}
	return err
}

// rawLink is a connection over which a test sends what it likes.
type rawLink struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func dialRaw(t testing.TB, address string) *rawLink {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &rawLink{t, c, bufio.NewReader(c)}
}

// say sends bytes and returns the answer, or nil if there is none.
func (l *rawLink) say(text []byte) *rawAnswer {
	l.t.Helper()
	if _, err := l.Write(text); err != nil {
		return nil
	}
	resp, err := http.ReadResponse(l.r, nil)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return &rawAnswer{resp.StatusCode, resp.Header, body}
}

// fakePeer listens and serves each connection as it is told.
func fakePeer(t testing.TB, serve func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				serve(c)
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
	return l.Addr().String()
}
