//go:build linux

package integration

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// edgeChallenges is what examples/iam/certificates.json allows for the record, and all that answering a challenge needs.
var edgeChallenges = awstest.ChangePolicy{
	Names:   []string{"_acme-challenge." + recordName},
	Types:   []string{"TXT"},
	Actions: []awstest.ChangeAction{awstest.Create, awstest.Upsert, awstest.Delete},
}

// edgeAuthority is a certificate authority in this process: Pebble, which Let's Encrypt made for tests. It looks challenges up at the
// DNS server of the lab.
type edgeAuthority struct {
	url   string // of the directory
	file  string // the certificate of its own API
	root  []byte // PEM, of what it certifies
	roots *x509.CertPool

	inner http.Handler
	mu    sync.Mutex
	gate  chan struct{} // closed while challenges are looked at
	asked chan struct{} // gets one for each challenge that is to be looked at
	made  int           // certificates that were asked for
}

// edgePebble makes Pebble quick and strict: without that it waits, refuses, and trusts what it has looked at before, all at random.
var edgePebble = sync.OnceFunc(func() {
	os.Setenv("PEBBLE_VA_NOSLEEP", "1")
	os.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	os.Setenv("PEBBLE_AUTHZREUSE", "0")
})

// newEdgeAuthority makes one whose certificates are valid for so long.
func newEdgeAuthority(t *testing.T, dns, tlsPort, file string, valid time.Duration) *edgeAuthority {
	t.Helper()
	edgePebble()
	quiet := log.New(io.Discard, "", 0)
	port, err := strconv.Atoi(tlsPort)
	if err != nil {
		t.Fatal(err)
	}
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: uint64(valid / time.Second)}})
	front := wfe.New(quiet, store, va.New(quiet, 0, port, false, dns, store), issuer, []string{"pebble.test"}, false, false, 0, 0)
	a := &edgeAuthority{file: file, roots: x509.NewCertPool(), inner: front.Handler(), gate: make(chan struct{}), asked: make(chan struct{}, 100)}
	close(a.gate)
	a.root = issuer.GetRootCert(0).PEM()
	a.roots.AppendCertsFromPEM(a.root)

	srv := httptest.NewTLSServer(a)
	t.Cleanup(srv.Close)
	t.Cleanup(a.open)
	a.url = srv.URL + wfe.DirectoryPath
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(file, own, 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// ServeHTTP is Pebble's API, apart from what says when to renew: it would choose a moment at random.
func (a *edgeAuthority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == wfe.DirectoryPath:
		rec := httptest.NewRecorder()
		a.inner.ServeHTTP(rec, r)
		var dir map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &dir); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		delete(dir, "renewalInfo")
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(dir)
		return
	case strings.HasPrefix(r.URL.Path, "/chalZ/"):
		body, err := io.ReadAll(r.Body) // only then is it noticed that the client has gone
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		a.mu.Lock()
		gate := a.gate
		a.mu.Unlock()
		a.asked <- struct{}{}
		select {
		case <-gate:
		case <-r.Context().Done():
			return
		}
	case strings.HasPrefix(r.URL.Path, "/finalize-order/"):
		a.mu.Lock()
		a.made++
		a.mu.Unlock()
	}
	a.inner.ServeHTTP(w, r)
}

// shut makes the authority look at no challenge, until it is opened. Who asks it to waits.
func (a *edgeAuthority) shut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gate = make(chan struct{})
	for len(a.asked) > 0 {
		<-a.asked
	}
}

func (a *edgeAuthority) open() {
	a.mu.Lock()
	defer a.mu.Unlock()
	select {
	case <-a.gate:
	default:
		close(a.gate)
	}
}

func (a *edgeAuthority) certificates() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.made
}
