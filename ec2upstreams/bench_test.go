package ec2upstreams

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

// benchMode is a way to offer backends, and the lb_policy that goes with it.
type benchMode struct {
	name     string
	subset   int
	subsetBy string
	policy   string
}

var benchModes = []benchMode{
	{"all", 0, "", "least_conn"},
	{"subset", 2, "", "least_conn"},
	{"subset_by", 2, "{http.request.header.X-Session}", "first"},
}

// config is the module as a user configures it for this mode. A subset has weights, which it alone can have.
func (m benchMode) config() *Upstreams {
	u := &Upstreams{Subset: m.subset, SubsetBy: m.subsetBy}
	u.Tags = map[string][]string{"Role": {"bench"}}
	u.Port = 8080
	if m.subset > 0 {
		u.WeightTag = "Weight"
	}
	return u
}

// settings are those of the pool that the mode's configuration makes.
func (m benchMode) settings(tb testing.TB) *poolSettings {
	tb.Helper()
	u := m.config()
	tiers, err := u.tiers()
	if err != nil {
		tb.Fatal(err)
	}
	return &tiers[0].settings
}

// offering returns a module whose pool has n healthy backends, without a poll or a check.
func (m benchMode) offering(tb testing.TB, n int) *Upstreams {
	tb.Helper()
	s := m.settings(tb)
	p := newPool(*s, nil, nil, nil)
	p.view.Store(buildView(s, healthyBackends(n, s), "", time.Now()))
	return &Upstreams{Subset: m.subset, SubsetBy: m.subsetBy, pools: []*pool{p}, mark: "ec2upstreams.bench"}
}

// healthyBackends are n backends of different weights, 100 on average, that have passed their checks.
func healthyBackends(n int, s *poolSettings) []*backend {
	list := make([]*backend, n)
	for i := range list {
		in := &fleet.Instance{
			ID:          fmt.Sprintf("i-%017x", i),
			PrivateIPv4: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}),
			Tags:        map[string]string{"Weight": strconv.Itoa(50 + i%101)},
		}
		list[i] = &backend{inst: in, target: resolve(in, s), health: health{status: healthy}, slot: -1}
	}
	return list
}

// benchSessions are values of the header that subset_by looks at: one client's requests are not another's.
var benchSessions = func() (list [1024]string) {
	for i := range list {
		list[i] = fmt.Sprintf("session-%04d", i)
	}
	return list
}()

// benchRequest is a request as it comes from a client. Its session is set by changing Header["X-Session"][0].
func benchRequest() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://bench.example/path?query=1", nil)
	r.Header = http.Header{
		"Accept":     {"*/*"},
		"User-Agent": {"bench/1"},
		"X-Session":  {benchSessions[0]},
	}
	return r
}

// BenchmarkGetUpstreams is what this module adds to a request: reading the view and making the upstreams.
func BenchmarkGetUpstreams(b *testing.B) {
	for _, m := range benchModes {
		for _, n := range []int{10, 100, 1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", m.name, n), func(b *testing.B) {
				u := m.offering(b, n)
				r := caddyhttp.PrepareRequest(benchRequest(), caddy.NewReplacer(), httptest.NewRecorder(), new(caddyhttp.Server))
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					r.Header["X-Session"][0] = benchSessions[i%len(benchSessions)]
					caddyhttp.SetVar(r.Context(), u.mark, nil) // a first attempt
					list, err := u.GetUpstreams(r)
					if err != nil || len(list) == 0 {
						b.Fatal(len(list), err)
					}
				}
			})
		}
	}
}

// TestGetUpstreamsAllocations holds what makes a subset worth having: its cost does not grow with the fleet.
func TestGetUpstreamsAllocations(t *testing.T) {
	allocations := func(m benchMode, n int) float64 {
		u := m.offering(t, n)
		r := caddyhttp.PrepareRequest(benchRequest(), caddy.NewReplacer(), httptest.NewRecorder(), new(caddyhttp.Server))
		want := n
		if m.subset > 0 {
			want = m.subset
		}
		return testing.AllocsPerRun(200, func() {
			caddyhttp.SetVar(r.Context(), u.mark, nil)
			if list, err := u.GetUpstreams(r); err != nil || len(list) != want {
				t.Fatalf("%d upstreams, error %v; want %d", len(list), err, want)
			}
		})
	}
	for _, m := range benchModes {
		t.Run(m.name, func(t *testing.T) {
			few, many := allocations(m, 10), allocations(m, 10000)
			if m.subset == 0 && few != 2 {
				t.Errorf("%v allocations, want 2: the list and the values in it", few)
			}
			if many > few {
				t.Errorf("%v allocations with 10000 backends, %v with 10", many, few)
			}
		})
	}
}

// BenchmarkRebuild is the making of a view, which every change of a backend costs.
func BenchmarkRebuild(b *testing.B) {
	for _, m := range benchModes {
		for _, n := range []int{10, 100, 1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", m.name, n), func(b *testing.B) {
				s := m.settings(b)
				backends := healthyBackends(n, s)
				now := time.Now()
				b.ReportAllocs()
				for b.Loop() {
					if v := buildView(s, backends, "", now); v.use.len() != n {
						b.Fatal(v.counts)
					}
				}
			})
		}
	}
}
