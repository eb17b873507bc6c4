package probe

import (
	"context"
	"io"
	"net"
	"strconv"
	"testing"
	"time"
)

func TestTCP(t *testing.T) {
	open, _ := listen(t, func(conn *net.TCPConn) { io.Copy(io.Discard, conn) })
	refused := closedPort(t)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()

	for _, tc := range []struct {
		name  string
		ctx   context.Context
		addr  string
		kind  Kind
		parts []string
	}{
		{"somebody listens", t.Context(), open, "", nil},
		{"nobody listens", t.Context(), refused, KindRefused, []string{"connect " + refused + ": connection refused"}},
		{"no port", t.Context(), "127.0.0.1", KindOther, []string{"connect 127.0.0.1: ", "missing port"}},
		{"no address", t.Context(), "", KindOther, []string{"missing"}},
		{"control characters", t.Context(), "a\nb:1", KindOther, []string{"connect a b:1: "}},
		{"the caller gave up", canceled, open, KindCanceled, []string{"canceled"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			expect(t, TCP{Timeout: ample}.Check(tc.ctx, tc.addr), tc.kind, tc.parts...)
		})
	}
}

func TestTCPPort(t *testing.T) {
	open, _ := listen(t, func(conn *net.TCPConn) { io.Copy(io.Discard, conn) })
	_, digits, _ := net.SplitHostPort(open)
	port, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatal(err)
	}
	c := TCP{Port: port, Timeout: ample}
	refused := closedPort(t)
	expect(t, TCP{Timeout: ample}.Check(t.Context(), refused), KindRefused)
	expect(t, c.Check(t.Context(), refused), "")
	expect(t, c.Check(t.Context(), "127.0.0.1"), KindOther, "missing port")
}

func TestTCPTimeout(t *testing.T) {
	t.Parallel()
	hole := blackHole(t)
	err := TCP{Timeout: 50 * time.Millisecond}.Check(t.Context(), hole)
	expect(t, err, KindTimeout, "connect "+hole+": no answer within 50ms")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	expect(t, TCP{Timeout: ample}.Check(ctx, hole), KindTimeout, "no answer before the deadline of the check")
}

// The server sees an ordinary end of the connection, not a reset.
func TestTCPClosesPolitely(t *testing.T) {
	seen := make(chan error, 1)
	addr, _ := listen(t, func(conn *net.TCPConn) {
		_, err := conn.Read(make([]byte, 1))
		seen <- err
	})
	expect(t, TCP{}.Check(t.Context(), addr), "")
	if err := <-seen; err != io.EOF {
		t.Errorf("the server read %v, want EOF", err)
	}
}
