package probe

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkCheck is the cost of a check that passes, the server's share included: both ends run in this process.
func BenchmarkCheck(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	defer s.Close()
	addr := s.Listener.Addr().String()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()

	kept, err := HTTP{URI: "/healthz"}.New()
	if err != nil {
		b.Fatal(err)
	}
	defer kept.Close()
	fresh, err := HTTP{URI: "/healthz", Header: http.Header{"Connection": {"close"}}}.New()
	if err != nil {
		b.Fatal(err)
	}
	defer fresh.Close()

	for _, bc := range []struct {
		name string
		c    Checker
		addr string
	}{
		{"tcp", TCP{}, l.Addr().String()},
		{"http-kept-alive", kept, addr},
		{"http-new-connection", fresh, addr},
	} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := bc.c.Check(b.Context(), bc.addr); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
