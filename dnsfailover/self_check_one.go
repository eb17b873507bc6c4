package dnsfailover

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/probe"
)

// selfCheck is one check, and what is known by it.
type selfCheck struct {
	SelfCheck

	known, ok bool
	since     time.Time // when ok last changed
	err       error     // of the last check
	inARow    int       // checks that ended like the last one
	passed    time.Time // when the latest that passed began
	failed    time.Time // when the first failure of those that made it fail, or may yet, began
}

// fold takes a result in. The first one counts alone.
func (s *selfCheck) fold(err error, started, now time.Time) {
	if (err == nil) != (s.err == nil) {
		s.inARow = 0
	}
	s.inARow++
	s.err = err
	turn := !s.known
	if err == nil {
		s.passed = started
		turn = turn || !s.ok && s.inARow >= s.Rise
	} else {
		if s.inARow == 1 && (s.ok || !s.known) {
			s.failed = started
		}
		turn = turn || s.ok && s.inARow >= s.Fall
	}
	if turn {
		s.known, s.ok, s.since = true, err == nil, now
	}
}

// wait is how long after the beginning of the last check the next one begins: soon if the last one says something new.
func (s *selfCheck) wait() time.Duration {
	if s.ok != (s.err == nil) {
		return time.Duration(s.Interval) / 4
	}
	return time.Duration(s.Interval)
}

func (s *SelfCheck) name() string {
	if s.TCP != "" {
		return "tcp " + s.TCP
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return "unreadable URL"
	}
	return shownURL(u)
}

// ownChecker is what makes a check. The zero value has nothing to close.
type ownChecker struct {
	check func(context.Context) error
	end   func()
}

func (c ownChecker) close() {
	if c.end != nil {
		c.end()
	}
}

// openSelfCheck makes a checker. It reads the file of certificates.
func openSelfCheck(s *SelfCheck) (ownChecker, error) {
	timeout := time.Duration(s.Timeout)
	if s.TCP != "" {
		tcp := probe.TCP{Timeout: timeout}
		return ownChecker{check: func(ctx context.Context) error { return tcp.Check(ctx, s.TCP) }}, nil
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return ownChecker{}, fmt.Errorf("reading the URL of a check: %w", err)
	}
	roots, err := readRoots(s.TLSCA)
	if err != nil {
		return ownChecker{}, err
	}
	c, err := urlChecker(u, roots, timeout)
	if err != nil {
		return ownChecker{}, err
	}
	dial := cmp.Or(s.Dial, net.JoinHostPort("127.0.0.1", portOf(u)))
	return ownChecker{check: func(ctx context.Context) error { return c.Check(ctx, dial) }, end: c.Close}, nil
}

// urlChecker asks for a URL, at whatever address. Each time it makes a new connection, as a client does that arrives now: one that is kept
// goes on working when the listener is closed, or when its address belongs to somebody else.
func urlChecker(u *url.URL, roots *x509.CertPool, timeout time.Duration) (*probe.HTTPChecker, error) {
	h := probe.HTTP{Scheme: u.Scheme, URI: u.RequestURI(), Host: u.Host, Header: http.Header{"Connection": {"close"}}, Timeout: timeout}
	if u.Scheme == "https" {
		h.TLS = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	c, err := h.New()
	if err != nil {
		return nil, fmt.Errorf("checking %s: %w", shownURL(u), err)
	}
	return c, nil
}

// shownURL is a URL for people, without what may be secret: user, password and query.
func shownURL(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}

// portOf is the port of a URL.
func portOf(u *url.URL) string {
	byScheme := "443"
	if u.Scheme == "http" {
		byScheme = "80"
	}
	return cmp.Or(u.Port(), byScheme)
}

// readRoots reads the authorities that a file trusts. No file is nil, which is those of the system.
func readRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading tls_ca: %w: create it, readable to the user that runs Caddy", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("reading tls_ca: %s has no certificate in PEM form", file)
	}
	return roots, nil
}
