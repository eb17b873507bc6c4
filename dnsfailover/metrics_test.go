package dnsfailover

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// scriptedMetrics are the metrics of a status, under the collector's descriptions.
type scriptedMetrics struct {
	collector
	status Status
}

func (c scriptedMetrics) Collect(ch chan<- prometheus.Metric) {
	c.status.collect(func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	})
}

// metricsPage is what Prometheus gets to see.
func metricsPage(t *testing.T, r *prometheus.Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("the page is %d: %s", w.Code, w.Body)
	}
	problems, err := promlint.New(strings.NewReader(w.Body.String())).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("the linter says %v, %v", problems, err)
	}
	return w.Body.String()
}

func TestMetricsOfAStatus(t *testing.T) {
	decisions.add("www", engine.Claimed)
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(scriptedMetrics{status: viewPair(t).status()}); err != nil {
		t.Fatal(err)
	}
	lines := slices.Collect(strings.Lines(metricsPage(t, r)))
	for _, want := range []string{
		"caddy_dnsfailover_problem 0",
		`caddy_dnsfailover_active{service="www"} 0`,
		`caddy_dnsfailover_active{service="api"} 1`,
		`caddy_dnsfailover_epoch{service="www"} 7`,
		`caddy_dnsfailover_healthy{service="www"} 1`,
		`caddy_dnsfailover_peer_up{peer="lb2.internal:8404"} 1`,
		`caddy_dnsfailover_peer_up{peer="10.0.3.7:8404"} 0`,
		`caddy_dnsfailover_target_reading_age_seconds{service="www",target="lb.example.com"} 2.5`,
		`caddy_dnsfailover_target_failing{service="www",target="lb.example.com"} 0`,
		`caddy_dnsfailover_target_failing{service="api",target="api.example.com"} 1`,
		`caddy_dnsfailover_rejected_messages_total{reason="forgery"} 3`,
		"caddy_dnsfailover_dropped_notes_total 2",
	} {
		if !slices.Contains(lines, want+"\n") {
			t.Errorf("there is no line %s", want)
		}
	}
	const waiting = `caddy_dnsfailover_decisions_total{decision="waiting",service="www"} ` // what other tests have decided counts, too
	if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, waiting) }) {
		t.Errorf("there is no line %s", waiting)
	}
	if t.Failed() {
		t.Log(strings.Join(lines, ""))
	}
}

func TestMetricsWithoutASetup(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	if err := r.Register(scriptedMetrics{status: (&view{snapshot: snapshot{problem: &Problem{About: "identity"}}}).status()}); err != nil {
		t.Fatal(err)
	}
	if page := metricsPage(t, r); !strings.Contains(page, "caddy_dnsfailover_problem 1\n") {
		t.Errorf("the page is %s", page)
	}
}
