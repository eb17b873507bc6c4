package ec2upstreams

import (
	"fmt"
	"maps"
	"regexp"

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
	h, err := probe.HTTP{
		Scheme: c.Scheme, URI: c.URI, Port: c.Port, Method: c.Method, Header: maps.Clone(c.Headers), Body: c.RequestBody,
		Status: status, Expect: body, FollowRedirects: c.FollowRedirects, TLS: s.tls, Timeout: c.Timeout,
	}.New()
	if err != nil {
		return nil, fmt.Errorf("health check: %w", err)
	}
	return h, nil
}
