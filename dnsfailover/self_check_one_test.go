package dnsfailover

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// webLab is an https server for example.com, with a certificate of an authority in a file.
type webLab struct {
	*httptest.Server
	ca   string
	port string
	sni  chan string
}

func newWebLab(t *testing.T, handler http.HandlerFunc) *webLab {
	t.Helper()
	w := &webLab{sni: make(chan string, 100)}
	w.Server = httptest.NewUnstartedServer(handler)
	w.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes are meant to fail
	w.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		select {
		case w.sni <- hello.ServerName:
		default: // nobody counts so many
		}
		return nil, nil
	}}
	w.StartTLS()
	t.Cleanup(w.Close)
	_, w.port, _ = net.SplitHostPort(w.Listener.Addr().String())
	w.ca = filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, w.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.Certificate().Raw}))
	return w
}

func writeFile(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// silentPort is a port where the kernel takes connections for a process that never looks at them.
func silentPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// deadPort is a port that nobody listens on.
func deadPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func TestSelfCheckOne(t *testing.T) {
	seen := make(chan string, 100)
	web := newWebLab(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Host + r.URL.RequestURI()
		if r.URL.Path == "/ill" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	ca := func(text string) string {
		name := filepath.Join(t.TempDir(), "ca.pem")
		writeFile(t, name, []byte(text))
		return name
	}
	here := "127.0.0.1:" + web.port
	const ample, short = time.Minute, 50 * time.Millisecond
	for _, tc := range []struct {
		name    string
		s       SelfCheck
		timeout time.Duration
		want    string // part of the error; empty: none
	}{
		{"https", SelfCheck{URL: "https://example.com/healthz?full=1", Dial: here, TLSCA: web.ca}, ample, ""},
		{"the port of the URL", SelfCheck{URL: "https://example.com:" + web.port, TLSCA: web.ca}, ample, ""},
		{"status", SelfCheck{URL: "https://example.com/ill?token=1", Dial: here, TLSCA: web.ca}, ample, "/ill as example.com: status 503, want 2xx"},
		{"another name", SelfCheck{URL: "https://www.example.net/", Dial: here, TLSCA: web.ca}, ample, "certificate is valid for example.com"},
		{"unknown authority", SelfCheck{URL: "https://example.com/", Dial: here}, ample, "unknown authority"},
		{"no file", SelfCheck{URL: "https://example.com/", Dial: here, TLSCA: "/nonexistent/ca.pem"}, ample, "reading tls_ca: open /nonexistent/ca.pem"},
		{"no certificate in it", SelfCheck{URL: "https://example.com/", Dial: here, TLSCA: ca("no")}, ample, "no certificate in PEM form"},
		{"closed", SelfCheck{URL: "http://example.com/", Dial: "127.0.0.1:" + deadPort(t)}, ample, "connection refused"},
		{"silent", SelfCheck{URL: "http://example.com/", Dial: "127.0.0.1:" + silentPort(t)}, short, "no answer within 50ms"},
		{"tcp", SelfCheck{TCP: here}, ample, ""},
		{"tcp, closed", SelfCheck{TCP: "127.0.0.1:" + deadPort(t)}, ample, "connection refused"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.s.Timeout = caddy.Duration(tc.timeout)
			c, err := openSelfCheck(&tc.s)
			if err == nil {
				defer c.close()
				err = c.check(t.Context())
			}
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "token") {
				t.Errorf("the query shows: %v", err)
			}
		})
	}
	for _, want := range []string{"example.com/healthz?full=1", "example.com:" + web.port + "/"} {
		if got := <-seen; got != want {
			t.Errorf("asked for %s, want %s", got, want)
		}
		if got := <-web.sni; got != "example.com" {
			t.Errorf("server name %s", got)
		}
	}
}

// Every check makes its own connection, as a client does: one that was made before the listener was closed would go on to work.
func TestSelfCheckSeesClosedListener(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer web.Close()
	c, err := openSelfCheck(&SelfCheck{
		URL: "http://example.com/", Dial: web.Listener.Addr().String(), Timeout: caddy.Duration(time.Minute),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.check(t.Context()); err != nil {
		t.Fatal(err)
	}
	web.Listener.Close()
	if err := c.check(t.Context()); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("after the listener was closed: %v", err)
	}
}

func TestSelfCheckName(t *testing.T) {
	for want, s := range map[string]SelfCheck{
		"tcp 127.0.0.1:443":           {TCP: "127.0.0.1:443"},
		"https://example.com/healthz": {URL: "https://me:secret@example.com/healthz?token=1"},
	} {
		if got := s.name(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// From the configuration to the report, with a file that only comes later.
func TestSelfChecksForReal(t *testing.T) {
	web := newWebLab(t, func(http.ResponseWriter, *http.Request) {})
	file := filepath.Join(t.TempDir(), "ca.pem")
	every := caddy.Duration(100 * time.Millisecond)
	cfg := checkConfig(SelfCheck{
		URL: "https://example.com/", Dial: "127.0.0.1:" + web.port, TLSCA: file, Interval: every, Timeout: caddy.Duration(time.Minute), Fall: 2, Rise: 2,
	})
	reports := make(chan bool)
	ctx, cancel := context.WithCancel(t.Context())
	c := newSelfChecks(cfg, func(ok bool, _ time.Time) {
		select {
		case reports <- ok:
		case <-ctx.Done():
		}
	})
	done := make(chan struct{})
	go func() { defer close(done); c.run(ctx) }()
	defer func() { cancel(); <-done }()
	if <-reports {
		t.Error("it passes without its file")
	}
	if s := c.status()[0]; !strings.Contains(s.Error, file) {
		t.Errorf("status %+v", s)
	}
	text, err := os.ReadFile(web.ca)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, text)
	for !<-reports {
	}
	web.Close()
	for <-reports {
	}
}
