package dnsfailover

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxLinks and maxLinksOf bound the connections to a heartbeat listener, in all and from one source. A peer needs one. Each
	// costs some 20 KB.
	maxLinks   = 256
	maxLinksOf = 16
)

// proof is what a connection has shown of its other end.
type proof uint8

const (
	proofNone  proof = iota
	proofOnce        // it sent an authentic message, which may be a recording
	proofFresh       // it sent one about a nonce that it had just been given: it has the secret
)

// link is a connection to a heartbeat listener.
type link struct {
	net.Conn
	gate   *gate
	source netip.Prefix
	public bool
	order  uint64
	proof  proof // guarded by gate.mu

	heard atomic.Uint32 // one of the constants below

	// What follows belongs to the one goroutine that serves the connection.

	challenge string // the nonce in the last answer; empty before the first one
	given     time.Time
}

// What was heard over a connection since the last request that was answered.
const (
	heardNothing uint32 = iota
	heardPart           // something, of which no request has come yet
	heardBad            // a request that was refused, and counted
)

// Read notes that something was heard.
func (l *link) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if n > 0 {
		l.heard.CompareAndSwap(heardNothing, heardPart)
	}
	return n, err
}

func (l *link) Close() error {
	l.gate.mu.Lock()
	delete(l.gate.links, l)
	l.gate.mu.Unlock()
	return l.Conn.Close()
}

// CloseWrite lets the HTTP server end its side alone, so that what it says of a request that it has not read to the end is not
// lost in a reset.
func (l *link) CloseWrite() error {
	if c, ok := l.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// gate lets connections in. When there are too many it closes the one that has shown least, and the oldest of several: so
// nobody without the secret takes the place of somebody with it, and who floods from one source loses its own connections.
type gate struct {
	evicted func()

	mu    sync.Mutex
	links map[*link]struct{}
	last  uint64
}

// gatedListener is a listener behind a gate.
type gatedListener struct {
	net.Listener
	gate *gate
}

func (g gatedListener) Accept() (net.Conn, error) {
	c, err := g.Listener.Accept()
	if err != nil {
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		return nil, acceptError{err}
	}
	return g.gate.enter(c), nil
}

// acceptError makes the HTTP server try again: whatever it was, a listener that is open goes on.
type acceptError struct{ error }

func (acceptError) Timeout() bool   { return false }
func (acceptError) Temporary() bool { return true }

func (g *gate) enter(c net.Conn) *link {
	l := &link{Conn: c, gate: g}
	l.source, l.public = sourceOf(c.RemoteAddr())
	g.mu.Lock()
	g.last++
	l.order = g.last
	g.links[l] = struct{}{}
	victim := g.victim(l.source)
	g.mu.Unlock()
	if victim != nil {
		g.evicted()
		// Closing a connection from which not all has been read resets it. That would tell a peer that this process is gone, so
		// the orderly end goes first.
		_ = victim.CloseWrite()
		_ = victim.Close()
	}
	return l
}

// victim is the connection that must go, if any. It may be the new one.
func (g *gate) victim(source netip.Prefix) (victim *link) {
	same := 0
	for l := range g.links {
		if l.source == source {
			same++
		}
	}
	crowded := same > maxLinksOf
	if !crowded && len(g.links) <= maxLinks {
		return nil
	}
	for l := range g.links {
		if crowded && l.source != source {
			continue
		}
		if victim == nil || l.proof < victim.proof || l.proof == victim.proof && l.order < victim.order {
			victim = l
		}
	}
	return victim
}

// prove takes in that a connection has sent an authentic message.
func (g *gate) prove(l *link, p proof) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l.proof = max(l.proof, p)
}

var (
	sharedSpace = netip.MustParsePrefix("100.64.0.0/10") // VPCs have it too
	ipv6Share   = 80                                     // bits: an instance may have a whole /80
)

// sourceOf is the source that a connection counts for, and whether it is a public one. What has no IP address, such as a Unix
// socket, is local.
func sourceOf(a net.Addr) (source netip.Prefix, public bool) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}, false
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	public = !ip.IsPrivate() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() && !sharedSpace.Contains(ip)
	bits := ip.BitLen()
	if ip.Is6() && !ip.IsLoopback() {
		bits = ipv6Share
	}
	source, err := ip.Prefix(bits)
	return source, public || err != nil
}

type linkKey struct{}

func withLink(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, linkKey{}, c)
}
