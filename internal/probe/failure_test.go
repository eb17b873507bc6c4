package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Errors that a test on a loopback address cannot bring about.
func TestNewFailure(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for _, tc := range []struct {
		name string
		err  error
		kind Kind
		want string
	}{
		{"no route", dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), KindOther, "no route to host"},
		{"network unreachable", dial(os.NewSyscallError("connect", syscall.ENETUNREACH)), KindOther, "network is unreachable"},
		{"no more ports", dial(os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)), KindOther, "cannot assign requested address"},
		{"no such host", dial(&net.DNSError{Err: "no such host", Name: "app.test", IsNotFound: true}), KindOther, "app.test: no such host"},
		{"slow name server", dial(&net.DNSError{Err: "i/o timeout", Name: "app.test", IsTimeout: true}), KindTimeout, "no answer within 2s"},
		{"refused", dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), KindRefused, "connection refused"},
		{"kernel gave up", dial(os.NewSyscallError("connect", syscall.ETIMEDOUT)), KindTimeout, "no answer within 2s"},
		{"reset", &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, KindReset, "connection reset by the other side"},
		{"broken pipe", &net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}, KindReset, "connection reset by the other side"},
		{"end", fmt.Errorf("reading: %w", io.EOF), KindReset, "connection closed before the answer was complete"},
		{"server speaks first", errors.New("readLoopPeekFailLocked: %!w(<nil>)"), KindOther, "not HTTP: an answer came before the request"},
		{"odd address", &net.OpError{Op: "dial", Err: &net.AddrError{Err: "missing port in address", Addr: "a"}}, KindOther, "address a: missing port in address"},
		{"long", &url.Error{Op: "Get", URL: "x", Err: errors.New(strings.Repeat("ä\n", 500))}, KindOther, strings.Repeat("ä ", 50)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := newFailure(t.Context(), "connect a", 2*time.Second, tc.err)
			expect(t, err, tc.kind, tc.want)
			if !errors.Is(err, tc.err) {
				t.Error("the cause is lost")
			}
		})
	}
}

// A caller who gives up must not be told that the service is down, whatever the network said meanwhile.
func TestNewFailureCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := newFailure(ctx, "connect a", time.Second, io.EOF)
	expect(t, err, KindCanceled, "connect a: canceled")
	if !errors.Is(err, context.Canceled) {
		t.Error("context.Canceled is lost")
	}
}

func TestKindOf(t *testing.T) {
	expect(t, nil, "")
	expect(t, errors.New("of another package"), KindOther)
	if got := KindOf(errors.Join(errors.New("wrapped"), &Failure{Kind: KindReset})); got != KindReset {
		t.Errorf("a wrapped failure is %q", got)
	}
}
