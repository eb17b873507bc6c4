package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
	"unicode"
)

// Kind is what was wrong, for branching and for metrics.
type Kind string

// The kinds of failures.
const (
	KindRefused  Kind = "refused"  // the host answers and has nobody listening: the process is gone
	KindTimeout  Kind = "timeout"  // no answer, or not a whole one, in time
	KindReset    Kind = "reset"    // the connection was closed before the answer was complete
	KindTLS      Kind = "tls"      // no handshake, or a certificate that does not verify
	KindStatus   Kind = "status"   // an HTTP status other than the expected one
	KindBody     Kind = "body"     // an answer that does not match what is expected in it
	KindCanceled Kind = "canceled" // the caller gave up: it says nothing about the service
	KindOther    Kind = "other"    // no route, no such host, an answer that is not HTTP, an address that is none
)

// Failure is a check that did not pass, in words for whoever is called out at night.
type Failure struct {
	Kind   Kind
	Doing  string // what was tried, such as "GET http://10.0.1.5:8080/healthz" or "connect 10.0.1.5:8080"
	Detail string // what was seen, such as "status 503, want 2xx" or "connection refused"
	Err    error  // the cause, or nil where the answer itself is the cause
}

// Error is one line of printable text, of bounded length.
func (f *Failure) Error() string { return f.Doing + ": " + f.Detail }

// Unwrap gives access to the cause.
func (f *Failure) Unwrap() error { return f.Err }

// KindOf returns the kind of an error from a check: empty for nil, KindOther for an error that is no [*Failure].
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var f *Failure
	if errors.As(err, &f) {
		return f.Kind
	}
	return KindOther
}

// handshakeError marks an error of the TLS handshake, whatever its type.
type handshakeError struct{ error }

func (e handshakeError) Unwrap() error { return e.error }

// newFailure reads the error of a dial or of an exchange. The parent context is the caller's, which may end before the
// timeout does.
func newFailure(parent context.Context, doing string, timeout time.Duration, err error) *Failure {
	f := &Failure{Doing: doing, Err: err}
	var (
		network   net.Error
		handshake handshakeError
		alert     *net.OpError
	)
	switch {
	case errors.Is(parent.Err(), context.Canceled):
		f.Kind, f.Detail = KindCanceled, "canceled"
		f.Err = context.Canceled
	case errors.Is(err, syscall.ECONNREFUSED):
		f.Kind, f.Detail = KindRefused, "connection refused"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		f.Kind, f.Detail = KindTimeout, "no answer within "+timeout.String()
		// A dial ends with the deadline, which may be a moment before the context does.
		if end, ok := parent.Deadline(); ok && !time.Now().Before(end) {
			f.Detail = "no answer before the deadline of the check"
		}
	case errors.As(err, &handshake):
		f.Kind, f.Detail = KindTLS, tlsDetail(handshake.error)
	case errors.As(err, &alert) && alert.Op == "remote error": // crypto/tls says it like this, when the handshake is over here but not there
		f.Kind, f.Detail = KindTLS, tlsDetail(alert.Err)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		f.Kind, f.Detail = KindReset, "connection reset by the other side"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		f.Kind, f.Detail = KindReset, "connection closed before the answer was complete"
	default:
		f.Kind, f.Detail = KindOther, detail(err)
	}
	return f
}

// tlsDetail says it without the layers of prefixes that the handshake puts around it.
func tlsDetail(err error) string {
	var (
		cert   *tls.CertificateVerificationError
		record tls.RecordHeaderError
		host   x509.HostnameError
	)
	switch {
	case errors.As(err, &host):
		return "TLS: " + clip(host.Error(), 200)
	case errors.As(err, &cert):
		return "TLS: " + clip(cert.Err.Error(), 200)
	case errors.As(err, &record):
		return "TLS: the other side does not speak TLS"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		return "TLS: connection closed during the handshake"
	}
	return "TLS: " + clip(strings.TrimPrefix(err.Error(), "tls: "), 200)
}

// detail is the innermost part of a network error: the outer ones repeat the address.
func detail(err error) string {
	var (
		op    *net.OpError
		dns   *net.DNSError
		errno syscall.Errno
	)
	switch {
	case errors.As(err, &dns):
		return clip(fmt.Sprintf("%s: %s", dns.Name, dns.Err), 200)
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &op):
		err = op.Err
	}
	text := strings.TrimPrefix(err.Error(), "net/http: ")
	if strings.Contains(text, "readLoopPeekFailLocked") { // all that net/http says about a server that speaks first
		return "not HTTP: an answer came before the request"
	}
	return clip(strings.TrimPrefix(text, "HTTP/1.x transport connection broken: "), 200)
}

// clip makes text of unknown origin fit for a log line.
func clip(s string, limit int) string {
	more := ""
	if len(s) > limit {
		s, more = s[:limit], "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(s, "?")) + more
}
