package ec2upstreams

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

// collector reads the pools when Prometheus asks. One value serves every configuration: Caddy makes a new registry for
// each, and the totals go on over reloads because the pools do.
type collector struct{}

var (
	queryLabels = []string{"query", "query_id"}
	poolLabels  = []string{"pool", "query"}

	pollsDesc = prometheus.NewDesc("caddy_ec2upstreams_polls_total",
		"Polls of EC2 by result: ok, or the class of the error.", append(queryLabels, "result"), nil)
	callsDesc = prometheus.NewDesc("caddy_ec2upstreams_api_calls_total",
		"DescribeInstances requests; a poll of n pages makes n.", queryLabels, nil)
	instancesDesc = prometheus.NewDesc("caddy_ec2upstreams_instances",
		"Instances in the last good fleet.", queryLabels, nil)
	ageDesc = prometheus.NewDesc("caddy_ec2upstreams_data_age_seconds",
		"Time since EC2 gave the fleet in use.", queryLabels, nil)
	backendsDesc = prometheus.NewDesc("caddy_ec2upstreams_backends",
		"Backends of a pool by state: usable, unhealthy, unproven, draining, other_zone, unfit.", append(poolLabels, "state"), nil)
	checksDesc = prometheus.NewDesc("caddy_ec2upstreams_checks_total",
		"Health checks by result: pass or fail.", append(poolLabels, "result"), nil)
)

// registerMetrics adds the collector to a configuration's registry, where another module may have put it before.
func registerMetrics(r prometheus.Registerer) error {
	err := r.Register(collector{})
	var already prometheus.AlreadyRegisteredError
	if err != nil && !errors.As(err, &already) {
		return fmt.Errorf("registering metrics: %w", err)
	}
	return nil
}

// Describe implements prometheus.Collector.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{pollsDesc, callsDesc, instancesDesc, ageDesc, backendsDesc, checksDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}

	seen := make(map[string]bool) // pools of one query share its poller
	for _, p := range startedPools() {
		query := p.settings.Query.String()
		if id := p.settings.Query.ID(); !seen[id] {
			seen[id] = true
			total, _ := p.handle.Counts()
			for result, n := range total.Polls {
				counter(pollsDesc, n, query, id, result)
			}
			counter(callsDesc, total.APICalls, query, id)
			if s := p.handle.State(); s.Origin != fleet.Unknown {
				gauge(instancesDesc, float64(len(s.Instances)), query, id)
				gauge(ageDesc, max(0, time.Since(s.AsOf).Seconds()), query, id)
			}
		}

		c := p.view.Load().counts
		for _, state := range []struct {
			name string
			n    int
		}{{"usable", c.usable}, {"unhealthy", c.unhealthy}, {"unproven", c.unproven}, {"draining", c.draining},
			{"other_zone", c.otherZone}, {"unfit", c.unfit}} {
			gauge(backendsDesc, float64(state.n), p.id, query, state.name)
		}
		passed, failed := p.checkCounts()
		counter(checksDesc, passed, p.id, query, "pass")
		counter(checksDesc, failed, p.id, query, "fail")
	}
}

var _ prometheus.Collector = collector{}
