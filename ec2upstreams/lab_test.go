package ec2upstreams

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
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

// lab is a fake cloud behind the real SDK, real backends, and a real Caddy in this process.
type lab struct {
	*testing.T
	cloud  *awstest.Cloud
	aws    *awstest.Server
	dir    string
	addr   string // where Caddy listens
	client *http.Client
	events string // names of events to record
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
	ln := l.listen("0") // only for a free port
	l.addr = ln.Addr().String()
	l.must(ln.Close())
	transport := &http.Transport{
		MaxIdleConnsPerHost: 16,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", l.addr)
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
		http://%s {
			bind %s
			reverse_proxy {
				%s
			}
		}`, l.port(), l.host(), proxy))
}

func (l *lab) host() string { host, _, _ := net.SplitHostPort(l.addr); return host }
func (l *lab) port() string { _, port, _ := net.SplitHostPort(l.addr); return ":" + port }

// tryConfig adapts sites and loads them, with the admin endpoint off and everything stored in the lab's folder.
func (l *lab) tryConfig(sites string) error {
	l.Helper()
	var events strings.Builder
	if l.events != "" {
		events.WriteString("events {\n")
	}
	for _, name := range strings.Fields(l.events) {
		fmt.Fprintf(&events, "on %s%s test_record\n", eventPrefix, name)
	}
	if l.events != "" {
		events.WriteString("}\n")
	}
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
		%s
	}
	%s`, filepath.Join(l.dir, "storage"), filepath.Join(l.dir, "log"), events.String(), sites)
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

func (l *lab) request(path string) *http.Request {
	req, err := http.NewRequest(http.MethodGet, "http://lab"+path, nil)
	if err != nil {
		panic(err)
	}
	return req
}

// do tries again when the connection is lost without an answer: Caddy itself, with static upstreams too, loses fresh
// connections during a reload, because the kernel resets those that wait in the queue of the old socket.
func (l *lab) do(req *http.Request) (res *http.Response, err error) {
	for range 6 {
		if res, err = l.client.Do(req); err == nil {
			return res, nil
		}
	}
	return nil, err
}

// get asks once and returns who answered: the instance's id, or the status.
func (l *lab) get(path string, header ...string) string {
	l.Helper()
	req := l.request(path)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := l.do(req)
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
		got := l.getMany(24 + 8*len(who)) // enough for chance to leave nobody out
		for _, w := range who {
			if got[w] == 0 {
				return false
			}
		}
		return len(got) == len(who)
	})
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// underLoad sends requests from a few clients at once while f runs, and fails the test for each one that fails.
func (l *lab) underLoad(f func()) {
	l.Helper()
	var wg sync.WaitGroup
	var sent atomic.Int64
	var mu sync.Mutex
	failed := make(map[string]int)
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			tick := time.NewTicker(2 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-stop:
					return
				case <-tick.C:
				}
				var got string
				if res, err := l.do(l.request("/")); err != nil {
					got = err.Error()
				} else {
					body, err := io.ReadAll(res.Body)
					res.Body.Close()
					if res.StatusCode == http.StatusOK && err == nil && strings.HasPrefix(string(body), "i-") {
						sent.Add(1)
						continue
					}
					got = fmt.Sprint(res.Status, " ", err)
				}
				mu.Lock()
				failed[got]++
				mu.Unlock()
			}
		})
	}
	some := func(n int64) {
		for until := sent.Load() + n; sent.Load() < until; {
			mu.Lock()
			bad := len(failed)
			mu.Unlock()
			if bad > 0 {
				return
			}
			runtime.Gosched()
		}
	}
	some(20)
	f()
	some(20)
	close(stop)
	wg.Wait()
	if len(failed) > 0 || sent.Load() == 0 {
		l.Errorf("%d requests went well, these did not: %v\nlog:\n%s", sent.Load(), failed, strings.Join(l.logged(), ""))
	}
}

// pool returns the status of the only pool whose query holds the text.
func (l *lab) pool(query string) PoolStatus {
	l.Helper()
	for _, p := range status(time.Now()).Pools {
		if strings.Contains(p.Query, query) {
			return p
		}
	}
	return PoolStatus{}
}

// why says where an instance stands in the pool whose query holds the text.
func (l *lab) why(query, id string) string {
	for _, b := range l.pool(query).Backends {
		if b.Instance == id {
			if b.In {
				return "in: " + b.Why
			}
			return "out: " + b.Why
		}
	}
	return "not found"
}

// polls waits until EC2 was asked n more times.
func (l *lab) polls(n int) {
	l.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := l.cloud.Await(ctx, "ec2", "DescribeInstances", l.cloud.Count("ec2", "DescribeInstances")+n); err != nil {
		l.Fatal(err)
	}
}

func (l *lab) glob(pattern string) []string {
	l.Helper()
	files, err := filepath.Glob(filepath.Join(l.dir, pattern))
	l.must(err)
	return files
}
