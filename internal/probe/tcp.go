package probe

import (
	"context"
	"net"
	"strconv"
	"time"
)

// TCP checks that a connection can be made, and closes it.
//
// It says that the host lives and that somebody listens: the kernel completes a connection even for a process that
// hangs, as long as its queue has room. It closes in the ordinary way (FIN). A reset (SO_LINGER 0) would leave no
// TIME_WAIT entry here, but many servers log it as an error at every check, and one that accepts late never sees the
// connection at all. The entries are harmless: a port pair is blocked only against the same backend, 30 of them at a check every 2 s.
type TCP struct {
	// Port is dialled in place of the address's own. Zero: the address's own.
	Port int
	// Timeout bounds a check, name resolution included. Zero: [DefaultTimeout].
	Timeout time.Duration
}

// Check connects to addr.
func (t TCP) Check(ctx context.Context, addr string) error {
	timeout := t.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	if t.Port != 0 {
		if host, _, err := net.SplitHostPort(addr); err == nil {
			addr = net.JoinHostPort(host, strconv.Itoa(t.Port))
		}
	}
	// Without TCP keep-alive, which would be set up for a connection that is closed at once.
	dialer := net.Dialer{Timeout: timeout, KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return newFailure(ctx, "connect "+clip(addr, 200), timeout, err)
	}
	conn.Close()
	return nil
}

var _ Checker = TCP{}
