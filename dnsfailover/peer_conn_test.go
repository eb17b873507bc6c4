package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// After a silence the next heartbeat goes over a new connection: the old one may lead to a host that has been replaced, or
// suspended, and would stay silent for as long as TCP sends again.
func TestPeerHalfOpen(t *testing.T) {
	lab := newPeerLab(t, selfOf(t, "lb-b", secretA))
	var conns, ended atomic.Int32
	address := fakePeer(t, func(c net.Conn) {
		first := conns.Add(1) == 1
		relay(t, c, lab.address, func(asked int) bool {
			if first && asked == 2 {
				io.Copy(io.Discard, c)
			}
			return true
		})
	})
	c := clientOf(t, address, selfOf(t, "lb-a", secretA), PeerClientOptions{Ended: func() { ended.Add(1) }})
	mustAsk(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, reply, err := c.Ask(ctx); reply != engine.Silent {
		t.Fatalf("got reply %v, error %v, want silence", reply, err)
	}
	mustAsk(t, c)
	mustAsk(t, c)
	if conns.Load() != 2 || ended.Load() != 0 {
		t.Errorf("%d connections, the end of one told %d times, want 2 and never", conns.Load(), ended.Load())
	}
}

// An answer that comes a byte at a time, for ever, is none.
func TestPeerSlow(t *testing.T) {
	address := fakePeer(t, func(c net.Conn) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nX: ")
		for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
			if _, err := io.WriteString(c, "x"); err != nil {
				return
			}
		}
	})
	c := clientOf(t, address, selfOf(t, "lb-a", secretA), PeerClientOptions{Timeout: 50 * time.Millisecond})
	begin := time.Now()
	if err := wantReply(t, c, engine.Silent); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) > 5*time.Second {
		t.Errorf("got %v after %v, want the end of 50 ms", err, time.Since(begin))
	}
}

// The answer to a heartbeat that was given up is not taken for that to the next one.
func TestPeerCancelled(t *testing.T) {
	lab := newPeerLab(t, selfOf(t, "lb-b", secretA))
	asked, cancelled := make(chan struct{}), make(chan struct{})
	var conns atomic.Int32
	address := fakePeer(t, func(c net.Conn) {
		first := conns.Add(1) == 1
		relay(t, c, lab.address, func(n int) bool {
			if first && n == 2 {
				close(asked)
				<-cancelled
			}
			return true
		})
	})
	c := clientOf(t, address, selfOf(t, "lb-a", secretA), PeerClientOptions{})
	mustAsk(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	if _, reply, err := c.Ask(ctx); reply != engine.Silent || !errors.Is(err, context.Canceled) {
		t.Fatalf("got reply %v, error %v, want that it is given up", reply, err)
	}
	close(cancelled)
	mustAsk(t, c)
	if conns.Load() != 2 {
		t.Errorf("%d connections, want 2", conns.Load())
	}
}

// The deadline of a heartbeat does not outlive it.
func TestPeerOldDeadline(t *testing.T) {
	lab := newPeerLab(t, selfOf(t, "lb-b", secretA))
	c, err := NewPeerClient(lab.address, selfOf(t, "lb-a", secretA), PeerClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	mustAsk(t, c)
	c.conn.SetWriteDeadline(time.Now().Add(-time.Second))
	mustAsk(t, c)
}

// A connection that has ended by the time of the request is one that the peer has closed, however that shows.
func TestPeerConnEnded(t *testing.T) {
	address := fakePeer(t, func(net.Conn) {})
	raw, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan struct{})
	c := newPeerConn(raw, func() { close(told) })
	<-told
	if _, err := c.exchange(t.Context(), []byte("GET / HTTP/1.1\r\n\r\n")); !errors.Is(err, errPeerClosed) || c.usable() {
		t.Errorf("got %v, usable %v, want that the peer closed it", err, c.usable())
	}
	c.drop()
}

// A peer that has too many connections closes one, from which it has not read all. That does not look like a process that has
// gone.
func TestPeerEvicted(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	g := gatedListener{l, &gate{links: map[*link]struct{}{}, evicted: func() {}}}
	for i := range 20 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			c := clientOf(t, l.Addr().String(), selfOf(t, "lb-a", secretA), PeerClientOptions{})
			replies := make(chan engine.Reply)
			go func() {
				_, reply, _ := c.Ask(context.Background())
				replies <- reply
			}()
			victim, err := g.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := victim.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			for range maxLinksOf { // one too many
				dialRaw(t, l.Addr().String())
				other, err := g.Accept()
				if err != nil {
					t.Fatal(err)
				}
				defer other.Close()
			}
			if reply := <-replies; reply != engine.Silent {
				t.Errorf("got reply %v, want silence", reply)
			}
		})
	}
}
