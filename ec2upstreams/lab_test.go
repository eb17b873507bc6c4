package ec2upstreams

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/caddyevents/eventsconfig"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/standard"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
	_ "github.com/caddyserver/caddy/v2/modules/logging"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// lab is a fake cloud behind the real SDK, real backends, and a real Caddy in this process, which serves a unix socket.
type lab struct {
	*testing.T
	cloud  *awstest.Cloud
	aws    *awstest.Server
	dir    string
	client *http.Client

	mu   sync.Mutex
	logs []string
}

// newLab serves the cloud, and makes its address and keys the environment of this process.
func newLab(t *testing.T) *lab {
	t.Helper()
	cloud := awstest.New(awstest.Config{})
	server, err := awstest.Serve(cloud)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{T: t, cloud: cloud, aws: server, dir: t.TempDir()}
	for _, kv := range server.Env("") {
		k, v, _ := strings.Cut(kv, "=")
		t.Setenv(k, v)
	}
	socket := filepath.Join(l.dir, "http.sock")
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}
	l.client = &http.Client{Transport: transport, Timeout: 20 * time.Second}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// load runs a site with one reverse_proxy whose block is given.
func (l *lab) load(proxy string) {
	l.Helper()
	if err := l.tryLoad(proxy); err != nil {
		l.Fatal(err)
	}
}

func (l *lab) tryLoad(proxy string) error {
	l.Helper()
	return l.tryConfig(fmt.Sprintf(`
		http:// {
			bind unix/%s
			reverse_proxy {
				%s
			}
		}`, filepath.Join(l.dir, "http.sock"), proxy))
}

// tryConfig adapts sites and loads them, with the admin endpoint off and everything stored in the lab's folder.
func (l *lab) tryConfig(sites string) error {
	l.Helper()
	text := fmt.Sprintf(`{
		admin off
		persist_config off
		auto_https off
		storage file_system %s
		log {
			output file %s {
				mode 0600
			}
			level INFO
		}
	}
	%s`, filepath.Join(l.dir, "storage"), filepath.Join(l.dir, "log"), sites)
	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return err
	}
	for _, w := range warnings {
		if !strings.Contains(w.Message, "not formatted") {
			l.Errorf("adapting: %s", w.Message)
		}
	}
	return caddy.Load(adapted, true)
}

// logged returns the log's lines that hold all of the parts.
func (l *lab) logged(parts ...string) (lines []string) {
	raw, err := os.ReadFile(filepath.Join(l.dir, "log"))
	if err != nil {
		l.Fatal(err)
	}
next:
	for line := range strings.Lines(string(raw)) {
		for _, p := range parts {
			if !strings.Contains(line, p) {
				continue next
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// get asks once and returns who answered: the instance's id, or the status.
func (l *lab) get(path string, header ...string) string {
	l.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://lab"+path, nil)
	if err != nil {
		l.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := l.client.Do(req)
	if err != nil {
		l.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		l.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		return res.Status
	}
	return string(body)
}

// getMany asks n times and returns how often each one answered.
func (l *lab) getMany(n int) map[string]int {
	l.Helper()
	got := make(map[string]int)
	for range n {
		got[l.get("/")]++
	}
	return got
}

// eventually waits until cond holds, for a time that only a failure takes.
func (l *lab) eventually(what string, cond func() bool) {
	l.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			raw, _ := json.MarshalIndent(status(time.Now()), "", "  ")
			l.Fatalf("waited in vain for: %s\n%s\nlog:\n%s", what, raw, strings.Join(l.logged(), ""))
		}
	}
}

// serves waits until requests are answered by exactly these.
func (l *lab) serves(who ...string) {
	l.Helper()
	l.eventually("only "+strings.Join(who, " and ")+" to answer", func() bool {
		got := l.getMany(8 * len(who))
		for _, w := range who {
			if got[w] == 0 {
				return false
			}
		}
		return len(got) == len(who)
	})
}

// server is a real backend on an address of its own that answers with its instance's id.
type server struct {
	*httptest.Server
	id     string
	status atomic.Int32 // of /healthz, 0 is 200
	hits   atomic.Int64 // requests other than checks
	checks atomic.Int64
}

var nextHost atomic.Uint32

// listen gives every backend of the test process a loopback address of its own, all with the same port.
func (l *lab) listen(port string) net.Listener {
	l.Helper()
	n := nextHost.Add(1)
	ln, err := net.Listen("tcp", fmt.Sprintf("127.77.%d.%d:%s", n/250, n%250+1, port))
	if err != nil {
		l.Fatal(err)
	}
	return ln
}

// serve starts a backend on a listener for an instance.
func (l *lab) serve(ln net.Listener, id string) *server {
	b := &server{id: id}
	b.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			b.checks.Add(1)
			if s := b.status.Load(); s != 0 {
				w.WriteHeader(int(s))
			}
			return
		}
		b.hits.Add(1)
		fmt.Fprint(w, b.id)
	}))
	b.Listener.Close()
	b.Listener = ln
	b.Start()
	l.Cleanup(b.Close)
	return b
}

// launch starts a backend and its instance, with tags as key, value, …
func (l *lab) launch(tags ...string) *server {
	l.Helper()
	return l.launchIn("", tags...)
}

func (l *lab) launchIn(zone string, tags ...string) *server {
	l.Helper()
	ln := l.listen("0")
	host, port, _ := net.SplitHostPort(ln.Addr().String())
	spec := awstest.Launch{PrivateIP: host, Zone: zone, Tags: map[string]string{"Port": port}}
	for i := 0; i+1 < len(tags); i += 2 {
		spec.Tags[tags[i]] = tags[i+1]
	}
	id, err := l.cloud.Launch(spec)
	if err != nil {
		l.Fatal(err)
	}
	return l.serve(ln, id)
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}
