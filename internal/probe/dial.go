package probe

import (
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
)

// attempt is one check, as its dials see it. They run under a context of the transport's, detached from the check's,
// because the transport would keep a connection that comes late; a check wants nothing left behind.
type attempt struct {
	ctx   context.Context
	addr  string
	stage atomic.Int32
}

type attemptKey struct{}

const (
	stageDialing   = iota + 1 // waiting for a connection
	stageConnected            // got a new one
)

// connecting reports whether a check that failed was still waiting for a connection: "nothing there" and "there,
// but no answer" are different faults.
func (a *attempt) connecting() bool { return a.stage.Load() == stageDialing }

// dial connects to the checked address, whatever the URL of the request says.
func (c *HTTPChecker) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	a := ctx.Value(attemptKey{}).(*attempt)
	a.stage.Store(stageDialing)
	conn, err := c.dialer.DialContext(a.ctx, network, a.addr)
	if err != nil {
		return nil, err
	}
	a.stage.Store(stageConnected)
	return conn, nil
}

func (c *HTTPChecker) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	raw, err := c.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	a := ctx.Value(attemptKey{}).(*attempt)
	cfg := c.tls
	if cfg.ServerName == "" && !cfg.InsecureSkipVerify {
		cfg = cfg.Clone()
		cfg.ServerName, _, _ = net.SplitHostPort(a.addr)
	}
	conn := tls.Client(raw, cfg)
	if err := conn.HandshakeContext(a.ctx); err != nil {
		raw.Close()
		return nil, handshakeError{err}
	}
	return conn, nil
}
