package dnsfailover

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// fakeDial is a network in which each address of a host does something else.
func fakeDial(t testing.TB, address string, does ...string) peerDialer {
	t.Helper()
	var ips []netip.Addr
	what := map[string]string{}
	for i, d := range does {
		ip := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		ips, what[net.JoinHostPort(ip.String(), "8404")] = append(ips, ip), d
	}
	return peerDialer{
		func(_ context.Context, network, host string) ([]netip.Addr, error) {
			if network != "ip" || host != "lb-b.internal" {
				t.Errorf("looked up %s as %s", host, network)
			}
			return ips, nil
		},
		func(ctx context.Context, network, to string) (net.Conn, error) {
			switch what[to] {
			case "answers":
				return new(net.Dialer).DialContext(ctx, network, address)
			case "refuses":
				return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
			case "unreachable":
				return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}
			}
			<-ctx.Done()
			return nil, ctx.Err()
		},
	}
}

// Of a host with several addresses one that answers is enough, and it is gone only where it is gone from all.
func TestPeerAddresses(t *testing.T) {
	lab := newPeerLab(t, selfOf(t, "lb-b", secretA))
	for _, tt := range []struct {
		name string
		does []string
		want engine.Reply
	}{
		{"one", []string{"answers"}, engine.Answered},
		{"the last", []string{"refuses", "unreachable", "answers"}, engine.Answered},
		{"after a silent one", []string{"silent", "answers"}, engine.Answered},
		{"all refuse", []string{"refuses", "refuses"}, engine.Refused},
		{"one is silent", []string{"refuses", "silent"}, engine.Silent},
		{"one is out of reach", []string{"unreachable", "refuses"}, engine.Silent},
		{"none", nil, engine.Silent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := clientOf(t, "lb-b.internal:8404", selfOf(t, "lb-a", secretA), PeerClientOptions{Timeout: time.Second})
			c.dialer = fakeDial(t, lab.address, tt.does...)
			if _, reply, err := c.Ask(t.Context()); reply != tt.want || (err == nil) != (reply == engine.Answered) {
				t.Errorf("got reply %v, error %v, want reply %v", reply, err, tt.want)
			}
		})
	}
}

// A resolver that is down says nothing about the peer, even where it refuses.
func TestPeerLookupFails(t *testing.T) {
	resolver := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}}
	c := clientOf(t, "lb-b.invalid:8404", selfOf(t, "lb-a", secretA), PeerClientOptions{})
	c.dialer.lookup = resolver.LookupNetIP
	var dns *net.DNSError
	if err := wantReply(t, c, engine.Silent); !errors.As(err, &dns) {
		t.Errorf("got %v, want an error of the resolver", err)
	}
}

// A peer may have an IPv6 address.
func TestPeerIPv6(t *testing.T) {
	lab := newPeerLab(t, selfOf(t, "lb-b", secretA))
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skipf("this needs the loopback address ::1: %v", err)
	}
	done := make(chan error)
	go func() { done <- lab.server.Serve(l) }()
	mustAsk(t, clientOf(t, l.Addr().String(), selfOf(t, "lb-a", secretA), PeerClientOptions{}))
	lab.stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
