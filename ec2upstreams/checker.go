package ec2upstreams

import (
	"context"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"

	"github.com/caddy-ec2/caddy-ec2/internal/probe"
)

// newChecker makes what checks the backends of a pool.
func newChecker(s *poolSettings) (probe.Checker, error) {
	c := &s.Check
	if c.TCP {
		return probe.TCP{Port: c.Port, Timeout: c.Timeout}, nil
	}
	status, err := probe.ParseStatus(c.Status)
	if err != nil {
		return nil, fmt.Errorf("health_%w", err)
	}
	var body *regexp.Regexp
	if c.Body != "" {
		if body, err = regexp.Compile(c.Body); err != nil {
			return nil, fmt.Errorf("health_body: %w", err)
		}
	}
	settings := probe.HTTP{
		Scheme: c.Scheme, URI: c.URI, Port: c.Port, Method: c.Method, Header: maps.Clone(c.Headers), Body: c.RequestBody,
		Status: status, Expect: body, FollowRedirects: c.FollowRedirects, TLS: s.tls, Timeout: c.Timeout,
	}
	h, err := settings.New()
	if err != nil {
		return nil, fmt.Errorf("health check: %w", err)
	}
	if len(s.plainPorts) == 0 {
		return h, nil
	}
	settings.Scheme, settings.TLS = "http", nil
	plain, err := settings.New()
	if err != nil {
		return nil, fmt.Errorf("health check: %w", err)
	}
	return &byPort{secure: h, plain: plain, port: c.Port, plainPorts: s.plainPorts}, nil
}

// byPort checks some ports without TLS.
type byPort struct {
	secure, plain *probe.HTTPChecker
	port          int // that is checked in place of the backend's, or 0
	plainPorts    []string
}

// Check implements probe.Checker.
func (c *byPort) Check(ctx context.Context, addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address %s: %w", addr, err)
	}
	if c.port != 0 {
		port = strconv.Itoa(c.port)
	}
	if slices.Contains(c.plainPorts, port) {
		return c.plain.Check(ctx, addr)
	}
	return c.secure.Check(ctx, addr)
}

// Close closes the kept-alive connections.
func (c *byPort) Close() {
	c.secure.Close()
	c.plain.Close()
}

var _ probe.Checker = (*byPort)(nil)
