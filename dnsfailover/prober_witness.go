package dnsfailover

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
)

const (
	witnessAgent = "caddy-ec2-witness/1"
	maxWitness   = 64 << 10 // of the body, and of the header, in bytes
)

// witness asks for a service as its clients do.
type witness struct {
	url     *url.URL
	roots   *x509.CertPool // nil for those of the system
	noRoots error          // why they are not known
	service string
	holder  string // the node that should answer, or empty if nobody knows
	secrets []PeerSecret
}

// ask returns nil if the service works at an address, and the one who answers is it: the certificate is for the URL's host,
// or the answer is signed by the holder. An http URL is asked for without either, since it was chosen.
//
// The connection is a new one each time. A client that arrives now makes one, too: it would not get through where a
// listener is closed, or where the address has gone to somebody else, while a connection that was kept still does. A host
// that is frozen is found in either way, by the deadline of ctx: its kernel takes the connection, and nobody answers.
func (w *witness) ask(ctx context.Context, addr netip.Addr) error {
	at := net.JoinHostPort(addr.String(), portOf(w.url))
	fail := func(err error) error { return fmt.Errorf("asking %s for %s: %w", at, shownURL(w.url), err) }
	q, err := newHealthQuestion(rand.Reader, w.service)
	if err != nil {
		return fail(err)
	}
	dialer := net.Dialer{KeepAlive: -1}
	conn, err := dialer.DialContext(ctx, "tcp", at)
	if err != nil {
		return fail(err)
	}
	defer conn.Close()
	var unknown error // why the certificate can't be believed
	if w.url.Scheme == "https" {
		secure := tls.Client(conn, w.tls(&unknown))
		if err := secure.HandshakeContext(ctx); err != nil {
			return fail(err)
		}
		conn = secure
	}
	status, header, err := w.get(ctx, conn, &q)
	if err != nil {
		return fail(err)
	}
	if status/100 != 2 {
		return fail(fmt.Errorf("status %d, want 2xx", status))
	}
	if unknown == nil {
		return nil
	}
	node, err := verifyHealth(w.secrets, q, status, header)
	switch {
	case err != nil:
		return fail(fmt.Errorf("%w; and %w: name its authority with tls_ca, or have failover_health answer there", unknown, err))
	case w.holder != "" && node != w.holder:
		return fail(fmt.Errorf("it is signed by the node %s, and not by %s, which has the service", node, w.holder))
	}
	return nil
}

// get sends the request and reads the whole answer, whose body is dropped.
func (w *witness) get(ctx context.Context, conn net.Conn, q *healthQuestion) (int, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url.String(), nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("User-Agent", witnessAgent)
	if len(w.secrets) > 0 {
		q.ask(w.secrets, req.Header)
	}
	// The transport gets a connection that is made already: it would go on with its own dialling after ctx.
	dial := func(context.Context, string, string) (net.Conn, error) { return conn, nil }
	t := &http.Transport{
		DialContext: dial, DialTLSContext: dial,
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxWitness,
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxWitness+1)); err != nil {
		return 0, nil, fmt.Errorf("reading the answer, of which %d bytes came: %w", n, err)
	}
	return resp.StatusCode, resp.Header, nil
}

// tls verifies the certificate as any client does, but only notes what is wrong with it.
func (w *witness) tls(unknown *error) *tls.Config {
	host := w.url.Hostname()
	return &tls.Config{
		ServerName: host, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12,
		InsecureSkipVerify: true, // what follows verifies
		VerifyConnection: func(cs tls.ConnectionState) error {
			*unknown = w.verify(cs, host)
			return nil
		},
	}
}

func (w *witness) verify(cs tls.ConnectionState, host string) error {
	switch {
	case w.noRoots != nil:
		return w.noRoots
	case len(cs.PeerCertificates) == 0:
		return errors.New("there is no certificate")
	}
	opts := x509.VerifyOptions{Roots: w.roots, DNSName: host, Intermediates: x509.NewCertPool()}
	for _, c := range cs.PeerCertificates[1:] {
		opts.Intermediates.AddCert(c)
	}
	_, err := cs.PeerCertificates[0].Verify(opts)
	return err
}
