package ec2upstreams

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func init() {
	caddy.RegisterModule(instantTransport{})
}

// instantTransport answers every request at once, without a network, so that the proxy's own share is what is left.
type instantTransport struct{}

func (instantTransport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.transport.bench_instant",
		New: func() caddy.Module { return new(instantTransport) },
	}
}

func (instantTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"text/plain"}}, Body: http.NoBody, Request: r,
	}, nil
}

// devNull is a client that reads nothing.
type devNull struct {
	header http.Header
	status int
}

func (w *devNull) Header() http.Header         { return w.header }
func (w *devNull) Write(p []byte) (int, error) { return len(p), nil }
func (w *devNull) WriteHeader(status int)      { w.status = status }

// benchProxy is a reverse_proxy with n upstreams.
type benchProxy struct {
	name string
	n    int
	mode *benchMode // nil if it is not ours
}

// benchProxies are what ours is compared with, and ours in each mode and size.
func benchProxies() []benchProxy {
	list := []benchProxy{{name: "static/10", n: 10}, {name: "static/1000", n: 1000}, {name: "dynamic_a/10", n: 10}}
	for i := range benchModes {
		for _, n := range []int{10, 100, 1000, 10000} {
			list = append(list, benchProxy{fmt.Sprintf("%s/%d", benchModes[i].name, n), n, &benchModes[i]})
		}
	}
	return list
}

// provision makes the handler as Caddy makes it of a configuration, and starts nothing: no poll, no check. resolver is
// the DNS server that dynamic_a asks.
func (p benchProxy) provision(b *testing.B, resolver string) *reverseproxy.Handler {
	b.Helper()
	policy := "least_conn"
	config := map[string]any{"transport": map[string]any{"protocol": "bench_instant"}}
	switch {
	case p.mode != nil:
		policy = p.mode.policy
		config["dynamic_upstreams"] = caddyconfig.JSONModuleObject(p.mode.config(), "source", "ec2", nil)
	case p.name == "dynamic_a/10":
		config["dynamic_upstreams"] = map[string]any{
			"source": "a", "name": "backends.example.", "port": "8080", "versions": map[string]any{"ipv4": true},
			"resolver": map[string]any{"addresses": []string{resolver}},
		}
	default:
		var upstreams []map[string]any
		for i := range p.n {
			upstreams = append(upstreams, map[string]any{"dial": benchAddress(i) + ":8080"})
		}
		config["upstreams"] = upstreams
	}
	config["load_balancing"] = map[string]any{"selection_policy": map[string]any{"policy": policy}}

	base, err := caddy.ProvisionContext(&caddy.Config{
		Admin:   &caddy.AdminConfig{Disabled: true},
		Logging: &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{Level: "ERROR"}}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(base)
	b.Cleanup(cancel)
	module, err := ctx.LoadModuleByID("http.handlers.reverse_proxy", caddyconfig.JSON(config, nil))
	if err != nil {
		b.Fatal(err)
	}
	h := module.(*reverseproxy.Handler)
	if u, ok := h.DynamicUpstreams.(*Upstreams); ok {
		pool := u.pools[0]
		pool.view.Store(buildView(&pool.settings, healthyBackends(p.n, &pool.settings), "", time.Now()))
	}
	return h
}

// proxied is a client of one handler: it makes requests as Caddy's server does.
type proxied struct {
	*testing.B
	h      *reverseproxy.Handler
	server *caddyhttp.Server
	client *devNull
	plain  *http.Request
	n      int // requests so far
}

func newProxied(b *testing.B, p benchProxy, resolver string) *proxied {
	b.Helper()
	q := &proxied{b, p.provision(b, resolver), new(caddyhttp.Server), &devNull{header: make(http.Header)}, benchRequest(), 0}
	if q.h.DynamicUpstreams != nil {
		want := p.n
		if p.mode != nil && p.mode.subset > 0 {
			want = p.mode.subset
		}
		r := caddyhttp.PrepareRequest(q.plain, caddy.NewReplacer(), q.client, q.server)
		if list, err := q.h.DynamicUpstreams.GetUpstreams(r); err != nil || len(list) != want {
			b.Fatalf("%d upstreams, error %v; want %d", len(list), err, want)
		}
	}
	return q
}

// ask makes n requests, each of another session than the last.
func (q *proxied) ask(n int) {
	for range n {
		q.n++
		q.plain.Header["X-Session"][0] = benchSessions[q.n%len(benchSessions)]
		r := caddyhttp.PrepareRequest(q.plain, caddy.NewReplacer(), q.client, q.server)
		if err := q.h.ServeHTTP(q.client, r, nil); err != nil || q.client.status != http.StatusOK {
			q.Fatal(q.client.status, err)
		}
		clear(q.client.header)
	}
}

// BenchmarkUpstreams is a request inside Caddy's own reverse_proxy, with a transport that answers at once: what the
// proxy does for each upstream it is offered, and what a request costs whatever is offered.
//
// time-of-static is the cost of a request over that with 10 static upstreams. Both are measured in turns, a few
// milliseconds each, and the median of the turns counts, so that a busy machine slows both alike.
func BenchmarkUpstreams(b *testing.B) {
	const turn = 50 // requests
	resolver := serveDNS(b, 10)
	for _, p := range benchProxies() {
		b.Run(p.name, func(b *testing.B) {
			static := newProxied(b, benchProxies()[0], resolver)
			q := newProxied(b, p, resolver)
			var ratios []float64
			b.ReportAllocs()
			began := b.Elapsed()
			for i := 1; b.Loop(); i++ {
				q.ask(1)
				if i%turn > 0 {
					continue
				}
				b.StopTimer()
				ours := b.Elapsed() - began
				start := time.Now()
				static.ask(turn)
				ratios = append(ratios, float64(ours)/float64(time.Since(start)))
				began = b.Elapsed()
				b.StartTimer()
			}
			if len(ratios) > 0 {
				b.ReportMetric(median(ratios), "time-of-static")
			}
		})
	}
}

// median is the middle one of values, which it sorts.
func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}
