package dnsfailover

import (
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// restingConn is a connection over which nothing comes.
type restingConn struct {
	net.Conn
	from   string
	closed bool
}

func (c *restingConn) Close() error { c.closed = true; return nil }

func (c *restingConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from))
}

func TestGate(t *testing.T) {
	evicted := 0
	g := &gate{links: map[*link]struct{}{}, evicted: func() { evicted++ }}
	enter := func(from string) (*link, *restingConn) {
		c := &restingConn{from: from}
		return g.enter(c), c
	}
	wantClosed := func(c *restingConn, want bool, what string) {
		t.Helper()
		if c.closed != want {
			t.Errorf("%s: closed is %v, want %v", what, c.closed, want)
		}
	}
	// One source fills its share: the oldest that has shown nothing goes, then what may be a recording, never the peer.
	peer, peerConn := enter("10.0.0.1:1")
	g.prove(peer, proofOnce)
	g.prove(peer, proofFresh)
	recording, recordingConn := enter("10.0.0.1:2")
	g.prove(recording, proofOnce)
	var others []*restingConn
	for range maxLinksOf {
		_, c := enter("10.0.0.1:3")
		others = append(others, c)
	}
	wantClosed(others[0], true, "the oldest")
	wantClosed(others[1], true, "the next oldest")
	wantClosed(others[2], false, "a newer one")
	wantClosed(recordingConn, false, "one that said something authentic")
	for l := range g.links {
		g.prove(l, proofFresh)
	}
	_, late := enter("10.0.0.1:4")
	wantClosed(late, true, "a new one among many that have proved themselves")
	_, elsewhere := enter("10.0.0.2:4")
	wantClosed(elsewhere, false, "one from another source")

	// Many sources fill all there is.
	for i := range 2 * maxLinks {
		enter(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 5).String())
		if len(g.links) > maxLinks {
			t.Fatalf("%d connections, %d are the most", len(g.links), maxLinks)
		}
	}
	wantClosed(elsewhere, true, "the oldest that has shown nothing")
	wantClosed(peerConn, false, "the peer")
	if want := 2 + 1 + (maxLinksOf + 1 + 2*maxLinks - maxLinks); evicted != want {
		t.Errorf("%d evictions were counted, want %d", evicted, want)
	}
	for l := range g.links {
		l.Close()
	}
	if len(g.links) != 0 || !peerConn.closed {
		t.Errorf("%d connections are left", len(g.links))
	}
}

func TestSourceOf(t *testing.T) {
	for text, want := range map[string]string{
		"10.1.2.3":          "10.1.2.3/32 private",
		"172.16.0.1":        "172.16.0.1/32 private",
		"192.168.0.1":       "192.168.0.1/32 private",
		"100.64.0.1":        "100.64.0.1/32 private",
		"169.254.1.1":       "169.254.1.1/32 private",
		"127.0.0.1":         "127.0.0.1/32 private",
		"::1":               "::1/128 private",
		"::ffff:10.0.0.1":   "10.0.0.1/32 private",
		"fd00::1:2:3:4":     "fd00:0:0:0:1::/80 private",
		"fe80::1%eth0":      "fe80::/80 private",
		"2001:db8::1:2:3:4": "2001:db8:0:0:1::/80 public",
		"203.0.113.1":       "203.0.113.1/32 public",
		"100.128.0.1":       "100.128.0.1/32 public",
	} {
		source, public := sourceOf(net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(text), 1)))
		kind := "private"
		if public {
			kind = "public"
		}
		prefix := strings.Fields(want)[0]
		if source != netip.MustParsePrefix(prefix) || !strings.HasSuffix(want, kind) {
			t.Errorf("%s: got %v %s, want %s", text, source, kind, want)
		}
	}
	if source, public := sourceOf(&net.UnixAddr{}); source.IsValid() || public {
		t.Errorf("a Unix socket: got %v, public %v", source, public)
	}
}

// A failed accept is no reason to leave the port to nobody.
func TestGatedListenerGoesOn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewPeerServer(selfOf(t, "lb-b", secretA), PeerServerOptions{Services: func() map[string]engine.Body { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(&failingOnce{Listener: l}) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if _, _, err := clientOf(t, l.Addr().String(), selfOf(t, "lb-a", secretA), PeerClientOptions{}).Ask(t.Context()); err != nil {
		t.Error(err)
	}
}

type failingOnce struct {
	net.Listener
	failed bool
}

func (f *failingOnce) Accept() (net.Conn, error) {
	if !f.failed {
		f.failed = true
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: syscall.ENOBUFS}
	}
	return f.Listener.Accept()
}
