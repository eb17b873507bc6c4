package ec2upstreams

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/prometheus/client_golang/prometheus"
)

func TestAdminEndpoint(t *testing.T) {
	l := newLab(t)
	a := l.launch("Role", "web", "Name", "web-1")
	l.launch("Role", "web", "Port", "")
	l.load("dynamic ec2 {" + quick + "}")
	l.serves(a.id)
	l.eventually("a check", func() bool { return l.why("Role", a.id) == "in: healthy" })

	w := httptest.NewRecorder()
	l.must(servePools(w, httptest.NewRequest(http.MethodGet, "/ec2upstreams/pools", nil)))
	var got Status
	l.must(json.Unmarshal(w.Body.Bytes(), &got))
	if len(got.Pools) != 1 || len(got.Upstreams) != 1 {
		t.Fatalf("answer is %s", w.Body)
	}
	p := got.Pools[0]
	if p.Query != "tag:Role=web" || p.Summary != "2 found: 1 usable, 1 without a usable address or port" || p.Origin != "api" ||
		p.AgeSeconds < 0 || p.Poll.CallsPerMinute < 1 || p.Poll.Next.IsZero() || len(p.Backends) != 2 {
		t.Errorf("pool is %+v", p)
	}
	i := slices.IndexFunc(p.Backends, func(b BackendStatus) bool { return b.Instance == a.id })
	if b := p.Backends[i]; !b.In || b.Name != "web-1" || b.Zone != "eu-west-1a" || b.Checks == 0 || b.LastCheckMS <= 0 || b.PassesInARow == 0 {
		t.Errorf("backend is %+v", b)
	}
	if b := p.Backends[1-i]; b.In || b.Address != "" || b.Why != `tag Port is "", not a port from 1 to 65535` {
		t.Errorf("backend is %+v", b)
	}
	if got.Upstreams[0].Serving != "pool "+p.ID {
		t.Errorf("serving %q", got.Upstreams[0].Serving)
	}

	err := servePools(w, httptest.NewRequest(http.MethodPost, "/ec2upstreams/pools", nil))
	if e, ok := err.(caddy.APIError); !ok || e.HTTPStatus != http.StatusMethodNotAllowed {
		t.Errorf("POST gives %v", err)
	}
}

func TestMetrics(t *testing.T) {
	l := newLab(t)
	a, b := l.launch("Role", "web"), l.launch("Role", "web")
	b.status.Store(500)
	l.load("dynamic ec2 {" + quick + "}")
	l.load("dynamic ec2 {" + quick + "}\nheader_up X-Again 1") // a second registration
	l.serves(a.id)
	l.eventually("a check of each", func() bool {
		return l.why("Role", a.id) == "in: healthy" && strings.Contains(l.why("Role", b.id), "unhealthy")
	})

	r := prometheus.NewPedanticRegistry()
	l.must(registerMetrics(r))
	l.must(registerMetrics(r))
	families, err := r.Gather()
	l.must(err)
	got := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, p := range m.GetLabel() {
				if p.GetName() == "result" || p.GetName() == "state" {
					labels = append(labels, p.GetValue())
				}
			}
			got[f.GetName()+" "+strings.Join(labels, " ")] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	for name, ok := range map[string]func(float64) bool{
		"caddy_ec2upstreams_polls_total ok":     func(v float64) bool { return v >= 1 },
		"caddy_ec2upstreams_api_calls_total ":   func(v float64) bool { return v >= 1 },
		"caddy_ec2upstreams_instances ":         func(v float64) bool { return v == 2 },
		"caddy_ec2upstreams_data_age_seconds ":  func(v float64) bool { return v >= 0 && v < 60 },
		"caddy_ec2upstreams_backends usable":    func(v float64) bool { return v == 1 },
		"caddy_ec2upstreams_backends unhealthy": func(v float64) bool { return v == 1 },
		"caddy_ec2upstreams_backends draining":  func(v float64) bool { return v == 0 },
		"caddy_ec2upstreams_checks_total pass":  func(v float64) bool { return v >= 1 },
		"caddy_ec2upstreams_checks_total fail":  func(v float64) bool { return v >= 1 },
	} {
		if v, there := got[name]; !there || !ok(v) {
			t.Errorf("%s is %v (there: %v)", name, v, there)
		}
	}
}

// recorder is an event handler that remembers.
type recorder struct{}

var recorded = struct {
	sync.Mutex
	events []caddy.Event
}{}

func (recorder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.test_record", New: func() caddy.Module { return new(recorder) }}
}

func (*recorder) UnmarshalCaddyfile(d *caddyfile.Dispenser) error { d.Next(); return nil }

func (*recorder) Handle(_ context.Context, e caddy.Event) error {
	recorded.Lock()
	defer recorded.Unlock()
	recorded.events = append(recorded.events, e)
	return nil
}

func init() { caddy.RegisterModule(recorder{}) }

func TestEvents(t *testing.T) {
	l := newLab(t)
	l.events = "backend_down backend_up poll_failed poll_recovered fleet_shrunk serving_changed"
	a, b, c := l.launch("Role", "web"), l.launch("Role", "web"), l.launch("Role", "backup")
	l.load("dynamic ec2 {" + quick + "\nor {\ntag Role backup\n}\n}")
	l.serves(a.id, b.id)
	happened := func(name, key, value string) {
		t.Helper()
		l.eventually("event "+name, func() bool {
			recorded.Lock()
			defer recorded.Unlock()
			return slices.ContainsFunc(recorded.events, func(e caddy.Event) bool {
				return e.Name() == eventPrefix+name && strings.Contains(fmt.Sprint(e.Data[key]), value)
			})
		})
	}
	b.status.Store(500)
	happened("backend_down", "reason", "status 500")
	b.status.Store(0)
	happened("backend_up", "instance", b.id)
	restore := l.cloud.Outage("ec2")
	happened("poll_failed", "query", "tag:Role=web")
	restore()
	happened("poll_recovered", "query", "tag:Role=web")
	l.must(l.cloud.Terminate(a.id))
	l.must(l.cloud.Terminate(b.id))
	happened("fleet_shrunk", "to", "0")
	happened("serving_changed", "serving", "pool ")
	l.serves(c.id)
}
