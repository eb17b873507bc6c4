package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// errPeerRefused is the error of a host that has no process at the port, wherever it is asked.
var errPeerRefused = errors.New("the host refuses the connection: nothing listens there")

// peerDialer connects to a peer.
type peerDialer struct {
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

func newPeerDialer() peerDialer {
	return peerDialer{net.DefaultResolver.LookupNetIP, new(net.Dialer).DialContext}
}

// connect looks a host up and tries its addresses one after another, each for its share of the time that is left: the standard
// dialer gives the first one two seconds, which a heartbeat does not have. It is an [errPeerRefused] only if every address
// refused: where one is silent, the process may live.
func (d peerDialer) connect(ctx context.Context, host, port string) (net.Conn, error) {
	ips, err := d.lookup(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var first error
	refused := 0
	for i, ip := range ips {
		conn, err := d.try(ctx, len(ips)-i, net.JoinHostPort(ip.Unmap().String(), port))
		if err == nil {
			return conn, nil
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			refused++
		}
		if first == nil {
			first = err
		}
	}
	switch {
	case first == nil:
		return nil, fmt.Errorf("%s has no address", host)
	case refused == len(ips):
		return nil, fmt.Errorf("%w: %w", errPeerRefused, first)
	case len(ips) > 1:
		return nil, fmt.Errorf("none of the %d addresses of %s: %w", len(ips), host, first)
	}
	return nil, first
}

// try dials one address, with as many to try, itself included, in the time that is left.
func (d peerDialer) try(ctx context.Context, left int, address string) (net.Conn, error) {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(left))
		defer cancel()
	}
	return d.dial(ctx, "tcp", address)
}
