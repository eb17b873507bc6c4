package probe

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

// tlsServer has a certificate for example.com and 127.0.0.1, signed by the authority that is returned.
func tlsServer(t *testing.T, cfg *tls.Config) (addr string, roots *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = quiet
	s.TLS = cfg
	s.StartTLS()
	t.Cleanup(s.Close)
	roots = x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s.Listener.Addr().String(), roots
}

func TestHTTPS(t *testing.T) {
	names := make(chan string, 10)
	addr, roots := tlsServer(t, &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		names <- hello.ServerName
		if !slices.Equal(hello.SupportedProtos, []string{"http/1.1"}) {
			t.Errorf("protocols offered: %q", hello.SupportedProtos)
		}
		return nil, nil
	}})
	for _, tc := range []struct {
		name string
		h    HTTP
		sni  string
		kind Kind
		part string
	}{
		{"by address", HTTP{TLS: &tls.Config{RootCAs: roots}}, "", "", ""},
		{"by name", HTTP{TLS: &tls.Config{RootCAs: roots}, Host: "example.com"}, "example.com", "", ""},
		{"by name and port", HTTP{TLS: &tls.Config{RootCAs: roots}, Host: "example.com:8443"}, "example.com", "", ""},
		{"by host header", HTTP{TLS: &tls.Config{RootCAs: roots}, Header: http.Header{"Host": {"example.com"}}}, "example.com", "", ""},
		{"by server name", HTTP{TLS: &tls.Config{RootCAs: roots, ServerName: "example.com"}, Host: "app.test"}, "example.com", "", ""},
		{"wrong name", HTTP{TLS: &tls.Config{RootCAs: roots}, Host: "app.test"}, "app.test", KindTLS, "GET https://" + addr + "/ as app.test: TLS: x509: certificate is valid for example.com, *.example.com, not app.test"},
		{"unknown authority", HTTP{}, "", KindTLS, "TLS: x509: certificate signed by unknown authority"},
		{"unverified", HTTP{TLS: &tls.Config{InsecureSkipVerify: true}}, "", "", ""},
		{"no common version", HTTP{TLS: &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS10, MinVersion: tls.VersionTLS10}}, "", KindTLS, "TLS: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.h.Scheme = "https"
			expect(t, checker(t, tc.h).Check(t.Context(), addr), tc.kind, tc.part)
			if got := <-names; got != tc.sni {
				t.Errorf("SNI name %q, want %q", got, tc.sni)
			}
		})
	}
	t.Run("kept alive", func(t *testing.T) {
		c := checker(t, HTTP{Scheme: "https", TLS: &tls.Config{RootCAs: roots}})
		for range 5 {
			expect(t, c.Check(t.Context(), addr), "")
		}
		if <-names; len(names) != 0 {
			t.Errorf("%d handshakes for five checks", len(names)+1)
		}
	})
}

func TestHTTPSFailures(t *testing.T) {
	mutual, roots := tlsServer(t, &tls.Config{ClientAuth: tls.RequireAnyClientCert})
	plain, _ := server(t, func(http.ResponseWriter, *http.Request) {})
	hangup, _ := listen(t, func(conn *net.TCPConn) { io.ReadFull(conn, make([]byte, 10)) })
	refused := closedPort(t)
	for _, tc := range []struct {
		name, addr string
		kind       Kind
		part       string
	}{
		{"client certificate wanted", mutual, KindTLS, "certificate required"},
		{"no TLS", plain, KindTLS, "TLS: the other side does not speak TLS"},
		{"hangs up", hangup, KindTLS, "TLS: connection closed during the handshake"},
		{"refused", refused, KindRefused, "connect " + refused + ": connection refused"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := checker(t, HTTP{Scheme: "https", TLS: &tls.Config{RootCAs: roots}})
			expect(t, c.Check(t.Context(), tc.addr), tc.kind, tc.part)
		})
	}
	t.Run("http to an https port", func(t *testing.T) {
		expect(t, checker(t, HTTP{}).Check(t.Context(), mutual), KindStatus, "status 400")
	})
}

// Whatever ends a handshake, the connection ends with it.
func TestHTTPSLeavesNothingOpen(t *testing.T) {
	for _, tc := range []struct {
		name, answer string
		timeout      time.Duration
		kind         Kind
	}{
		{"no answer", "", short, KindTimeout},
		{"no TLS", "HTTP/1.1 400 Bad Request\r\n\r\n", ample, KindTLS},
	} {
		t.Run(tc.name, func(t *testing.T) {
			closed := make(chan struct{})
			addr, _ := listen(t, func(conn *net.TCPConn) {
				defer close(closed)
				io.WriteString(conn, tc.answer)
				io.Copy(io.Discard, conn)
			})
			c := checker(t, HTTP{Scheme: "https", Timeout: tc.timeout})
			expect(t, c.Check(t.Context(), addr), tc.kind)
			select {
			case <-closed:
			case <-time.After(ample):
				t.Error("the connection is still open")
			}
		})
	}
}
