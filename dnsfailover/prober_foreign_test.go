package dnsfailover

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// echoConn is a host that is pinged, and the kernel between.
type echoConn struct {
	net.PacketConn // of which nothing else is used
	lose           int
	garble         bool
	v6             bool

	mu       sync.Mutex
	asked    int
	deadline time.Time
	replies  chan []byte
	closed   chan struct{}
	once     sync.Once
}

func newEchoConn(lose int) *echoConn {
	return &echoConn{lose: lose, replies: make(chan []byte, 10), closed: make(chan struct{})}
}

func (c *echoConn) WriteTo(packet []byte, to net.Addr) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	protocol := 1
	var reply icmp.Type = ipv4.ICMPTypeEchoReply
	if c.v6 {
		protocol, reply = 58, ipv6.ICMPTypeEchoReply
	}
	m, err := icmp.ParseMessage(protocol, packet)
	if err != nil {
		return 0, err
	}
	if _, ok := to.(*net.UDPAddr); !ok {
		return 0, errors.New("not an address to ping without privilege")
	}
	if c.asked++; c.asked <= c.lose {
		return len(packet), nil
	}
	if c.garble { // what others may send
		other, _ := (&icmp.Message{Type: reply, Body: &icmp.Echo{Data: []byte("another")}}).Marshal(nil)
		c.replies <- other
		c.replies <- []byte{1}
		c.replies <- packet
	}
	m.Type = reply
	answer, err := m.Marshal(nil)
	c.replies <- answer
	return len(packet), err
}

func (c *echoConn) ReadFrom(b []byte) (int, net.Addr, error) {
	c.mu.Lock()
	wait := time.Until(c.deadline)
	c.mu.Unlock()
	select {
	case p := <-c.replies:
		return copy(b, p), nil, nil
	case <-time.After(wait):
		return 0, nil, os.ErrDeadlineExceeded
	case <-c.closed:
		return 0, nil, net.ErrClosed
	}
}

func (c *echoConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return nil
}

func (c *echoConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func TestPing(t *testing.T) {
	for _, tc := range []struct {
		name   string
		addr   string
		lose   int
		garble bool
		asked  int
		took   time.Duration
		want   bool
	}{
		{"answers", "192.0.2.1", 0, false, 1, 0, true},
		{"answers by IPv6", "2001:db8::1", 0, false, 1, 0, true},
		{"two are lost", "192.0.2.1", 2, false, 3, 2 * pingAgain, true},
		{"among others", "192.0.2.1", 0, true, 1, 0, true},
		{"dead", "192.0.2.1", 100, false, 4, 1500 * time.Millisecond, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
				defer cancel()
				conn := newEchoConn(tc.lose)
				conn.garble = tc.garble
				start := time.Now()
				err := ping(ctx, netip.MustParseAddr(tc.addr), func(network, _ string) (net.PacketConn, error) {
					conn.v6 = network == "udp6"
					return conn, nil
				})
				if (err == nil) != tc.want || conn.asked != tc.asked || time.Since(start) != tc.took {
					t.Errorf("asked %d times in %s: %v", conn.asked, time.Since(start), err)
				}
				if err != nil && !seenToFail(err) {
					t.Errorf("nobody was seen to fail: %v", err)
				}
				select {
				case <-conn.closed:
				default:
					t.Error("it is left open")
				}
			})
		})
	}
}

// Where the kernel does not allow it, a ping is no reason to displace anybody.
func TestPingForReal(t *testing.T) {
	p := mustProber(t, probeConfig(func(_ *Config, s *ServiceConfig) { s.ForeignCheck = "ping" }), Self{})
	ok := p.Foreign(t.Context(), probedKey, probedKey, engine.Reading{Addrs: "127.0.0.1"})
	conn, err := listenICMP("udp4", "0.0.0.0")
	if err != nil {
		if !errors.Is(err, errNoPing) || !strings.Contains(err.Error(), "ping_group_range") {
			t.Errorf("the next step is missing: %v", err)
		}
		t.Log("the kernel does not allow it here")
		probed(t, p, probedKey, ok, true, "this process may not ping", "tcp :PORT")
		return
	}
	conn.Close()
	probed(t, p, probedKey, ok, true)
	if s := p.status(probedKey); len(s) != 1 || !s[0].OK {
		t.Errorf("status %+v", s)
	}
}
