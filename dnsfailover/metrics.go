package dnsfailover

import (
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// collector reads the node when Prometheus asks. One value serves every configuration: Caddy makes a new registry for each,
// and the totals go on over reloads because the node does.
//
// Labels are names and addresses of the configuration, and words of ours: nobody outside can make new ones.
type collector struct{}

var (
	serviceLabel = []string{"service"}

	problemDesc = prometheus.NewDesc("caddy_dnsfailover_problem",
		"Whether this node is not set up as configured: the status says why.", nil, nil)
	activeDesc = prometheus.NewDesc("caddy_dnsfailover_active",
		"Whether this node holds the service.", serviceLabel, nil)
	epochDesc = prometheus.NewDesc("caddy_dnsfailover_epoch",
		"Number of the latest move of the service.", serviceLabel, nil)
	healthyDesc = prometheus.NewDesc("caddy_dnsfailover_healthy",
		"Whether this node's own checks pass.", serviceLabel, nil)
	peerDesc = prometheus.NewDesc("caddy_dnsfailover_peer_up",
		"Whether the peer answered its latest heartbeat.", []string{"peer"}, nil)
	targetAgeDesc = prometheus.NewDesc("caddy_dnsfailover_target_reading_age_seconds",
		"Time since the target was read.", []string{"service", "target"}, nil)
	targetFailsDesc = prometheus.NewDesc("caddy_dnsfailover_target_failing",
		"Whether the latest call on the target failed, other than by being slower than somebody.", []string{"service", "target"}, nil)
	decisionsDesc = prometheus.NewDesc("caddy_dnsfailover_decisions_total",
		"Decisions by kind.", []string{"service", "decision"}, nil)
	rejectedDesc = prometheus.NewDesc("caddy_dnsfailover_rejected_messages_total",
		"Messages that the heartbeat listener refused, by reason.", []string{"reason"}, nil)
	droppedDesc = prometheus.NewDesc("caddy_dnsfailover_dropped_notes_total",
		"Decisions and log lines that were not said because the log or a handler of events was too slow.", nil, nil)
)

// registerMetrics adds the collector to a configuration's registry.
func (*App) registerMetrics(ctx caddy.Context) error {
	return registerCollector(ctx.GetMetricsRegistry())
}

func registerCollector(r prometheus.Registerer) error {
	err := r.Register(collector{})
	var already prometheus.AlreadyRegisteredError
	if err != nil && !errors.As(err, &already) {
		return fmt.Errorf("registering metrics: %w", err)
	}
	return nil
}

// Describe implements prometheus.Collector.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{problemDesc, activeDesc, epochDesc, healthyDesc, peerDesc, targetAgeDesc, targetFailsDesc,
		decisionsDesc, rejectedDesc, droppedDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. It finds nothing as long as no configuration is in force.
func (collector) Collect(ch chan<- prometheus.Metric) {
	n := currentNode()
	if n == nil {
		return
	}
	if s, ok := n.status(); ok {
		s.collect(func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, kind, value, labels...)
		})
	}
}

// collect makes metrics of a status.
func (s *Status) collect(metric func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string)) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metric(d, prometheus.GaugeValue, value, labels...)
	}
	flag := func(d *prometheus.Desc, on bool, labels ...string) {
		if on {
			gauge(d, 1, labels...)
		} else {
			gauge(d, 0, labels...)
		}
	}
	counter := func(d *prometheus.Desc, n uint64, labels ...string) {
		metric(d, prometheus.CounterValue, float64(n), labels...)
	}

	flag(problemDesc, !s.AsConfigured)
	for i := range s.Services {
		c := &s.Services[i]
		flag(activeDesc, c.Role == "active", c.Name)
		gauge(epochDesc, float64(c.Epoch), c.Name)
		flag(healthyDesc, c.Healthy, c.Name)
		for _, t := range c.Targets {
			if t.Age >= 0 {
				gauge(targetAgeDesc, t.Age, c.Name, t.Name)
			}
			flag(targetFailsDesc, t.Error != "" && t.Outcome != "conflict", c.Name, t.Name)
		}
		for kind, n := range decisions.get(c.Name) {
			counter(decisionsDesc, n, c.Name, decisionTexts[kind].name)
		}
	}
	for _, p := range s.Peers {
		flag(peerDesc, p.Up, p.Address)
	}
	for reason, n := range s.Rejected {
		counter(rejectedDesc, n, reason)
	}
	counter(droppedDesc, s.Dropped)
}

var _ prometheus.Collector = collector{}
