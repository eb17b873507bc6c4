package dnsfailover

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"github.com/caddy-ec2/caddy-ec2/internal/probe"
)

// foreignCheck finds out whether something that is none of ours works at an address.
type foreignCheck func(ctx context.Context, addr netip.Addr) error

// newForeignCheck reads a foreign_check: an https or http URL, `tcp :PORT`, or `ping`.
func newForeignCheck(text string) (foreignCheck, error) {
	if text == "ping" {
		return func(ctx context.Context, addr netip.Addr) error { return ping(ctx, addr, listenICMP) }, nil
	}
	if port, ok := strings.CutPrefix(text, "tcp :"); ok {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return nil, fmt.Errorf("%q has no port: write it as tcp :443", text)
		}
		return func(ctx context.Context, addr netip.Addr) error {
			return probe.TCP{Timeout: probeBound}.Check(ctx, net.JoinHostPort(addr.String(), port))
		}, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	c, err := urlChecker(u, nil, probeBound)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, addr netip.Addr) error {
		return c.Check(ctx, net.JoinHostPort(addr.String(), portOf(u)))
	}, nil
}

// errNoPing is the error of a process that may not ping. It says nothing about the other side.
var errNoPing = errors.New("this process may not ping: allow its group with sysctl net.ipv4.ping_group_range='0 2147483647', or use tcp :PORT")

// pingAgain is how long an echo is waited for before another is asked for: packets get lost.
const pingAgain = 400 * time.Millisecond

// listenICMP opens what needs no privilege, only a group that the kernel was told to allow.
func listenICMP(network, address string) (net.PacketConn, error) {
	conn, err := icmp.ListenPacket(network, address)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", errNoPing, err)
	}
	return conn, nil
}

// ping asks a host for an echo. Only its kernel has to live for that.
func ping(ctx context.Context, addr netip.Addr, listen func(network, address string) (net.PacketConn, error)) error {
	network, local, protocol := "udp4", "0.0.0.0", 1
	var request, reply icmp.Type = ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply
	if addr.Is6() {
		network, local, protocol, request, reply = "udp6", "::", 58, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
	}
	conn, err := listen(network, local)
	if err != nil {
		return fmt.Errorf("ping %s: %w", addr, err)
	}
	end := func() { _ = conn.Close() } // whatever was sent, nobody reads the answer
	defer end()
	defer context.AfterFunc(ctx, end)()

	data := make([]byte, nonceBytes)
	_, _ = rand.Read(data) // it never fails
	for seq := 1; ; seq++ {
		// The kernel puts in an identifier of its own.
		m := icmp.Message{Type: request, Body: &icmp.Echo{Seq: seq, Data: data}}
		packet, err := m.Marshal(nil)
		if err == nil {
			_, err = conn.WriteTo(packet, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		}
		if err == nil {
			err = awaitEcho(conn, protocol, reply, data)
		}
		var slow net.Error
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("ping %s: %d without an answer: %w", addr, seq, ctx.Err())
		case !errors.As(err, &slow) || !slow.Timeout():
			return fmt.Errorf("ping %s: %w", addr, err)
		}
	}
}

// awaitEcho reads until the echo comes, or it is time to ask again.
func awaitEcho(conn net.PacketConn, protocol int, reply icmp.Type, data []byte) error {
	if err := conn.SetReadDeadline(time.Now().Add(pingAgain)); err != nil {
		return err
	}
	buf := make([]byte, 1500)
	for {
		n, _, err := conn.ReadFrom(buf)
		if err != nil {
			return err
		}
		m, err := icmp.ParseMessage(protocol, buf[:n])
		if err != nil || m.Type != reply {
			continue // somebody else's
		}
		if echo, ok := m.Body.(*icmp.Echo); ok && bytes.Equal(echo.Data, data) {
			return nil
		}
	}
}
