package combinedlog

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/standard"
	_ "github.com/caddyserver/caddy/v2/modules/caddypki"
	_ "github.com/caddyserver/caddy/v2/modules/caddytls/standardstek"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"

	"github.com/caddy-ec2/caddy-ec2/internal/logtest"
)

// site is Caddy in this process, with an access log of ours.
type site struct {
	*testing.T
	plain, secure string // addresses without and with TLS
	log           string // the file
	read          int    // how much of it was read
	gone          chan struct{}
	waiting       chan struct{}
}

// newSite starts it with a configuration of the format, and with options of the servers.
func newSite(t *testing.T, format, servers string) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{T: t, plain: free(t), secure: free(t), log: filepath.Join(dir, "access.log"), waiting: make(chan struct{}, 1), gone: make(chan struct{}, 1)}
	certificate(t, dir)
	backend := httptest.NewServer(http.HandlerFunc(s.backend))
	t.Cleanup(backend.Close)
	text := fmt.Sprintf(`{
	admin off
	persist_config off
	auto_https off
	storage file_system %[1]s/storage
	log {
		output discard
	}
	servers {
		%[2]s
	}
}
(site) {
	log {
		output file %[5]s {
			mode 0600
			roll_disabled
		}
		format %[6]s
	}
	log_append node "lb \"1\""
	handle /hello* {
		respond "hello" 200
	}
	handle /nothing {
		vars a b
	}
	handle /abort {
		abort
	}
	handle /user {
		vars http.auth.user.id "someone else"
		respond "hello" 200
	}
	handle /backend/* {
		reverse_proxy %[7]s
	}
	handle /files/* {
		root * {$WWW:.}
		file_server
	}
	handle {
		respond 404
	}
}
http://%[3]s {
	import site
}
https://%[4]s {
	tls %[1]s/cert.pem %[1]s/key.pem
	import site
}
`, dir, servers, s.plain, s.secure, s.log, format, backend.Listener.Addr())
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(adapted, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return s
}

// backend answers in the ways that a log has to tell.
func (s *site) backend(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/backend/large":
		part := make([]byte, 1<<20)
		for range 20 {
			w.Write(part)
		}
	case "/backend/wait":
		s.waiting <- struct{}{}
		<-r.Context().Done()
		s.gone <- struct{}{}
	case "/backend/fails":
		w.WriteHeader(http.StatusServiceUnavailable)
	case "/backend/socket":
		logtest.Upgrade(s, w)
	}
}

// lines waits until the log has so many more lines, and returns them.
func (s *site) lines(n int) []string {
	s.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		text, err := os.ReadFile(s.log)
		if err != nil {
			s.Fatal(err)
		}
		if lines := strings.SplitAfter(string(text[s.read:]), "\n"); len(lines) > n {
			s.read = len(text)
			if lines[n] != "" {
				s.Fatalf("more than %d lines: %q", n, lines)
			}
			return lines[:n]
		}
		select {
		case <-tick.C:
		case <-deadline:
			s.Fatalf("the log has not %d more lines: %q", n, text[s.read:])
		}
	}
}

// raw sends bytes over a connection of its own, and returns the answer and the address it came from.
func (s *site) raw(request string) (answer string) {
	s.Helper()
	c, err := net.Dial("tcp", s.plain)
	if err != nil {
		s.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, request)
	b, _ := io.ReadAll(c)
	return string(b)
}

// upgrade makes a connection something other than HTTP, and sends a line over it and back.
func (s *site) upgrade(path, line string) {
	s.Helper()
	c, err := net.Dial("tcp", s.plain)
	if err != nil {
		s.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", path, s.plain)
	r := bufio.NewReader(c)
	answer, err := http.ReadResponse(r, nil)
	if err == nil {
		defer answer.Body.Close()
	}
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		s.Fatalf("answer %+v, error %v", answer, err)
	}
	io.WriteString(c, line+"\n")
	if got, err := r.ReadString('\n'); err != nil || got != line+"\n" {
		s.Fatalf("got %q, error %v", got, err)
	}
}

// free returns an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// anyCertificate is for clients of these tests.
var anyCertificate = &tls.Config{InsecureSkipVerify: true, ServerName: "www.example.com"}

// certificate writes cert.pem and key.pem.
func certificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"www.example.com"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
