//go:build linux

package ec2upstreams

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// BenchmarkChecks1000 is what checking 1,000 backends every 2 seconds takes of a processor: all of Caddy's process, while
// it does nothing else. Polls are kept out of it; BenchmarkRefresh10000 of internal/fleet is about them.
func BenchmarkChecks1000(b *testing.B) {
	const (
		backends = 1000
		seconds  = 6
	)
	cloud, aws := newBenchCloud(b)
	for i := range backends {
		if _, err := cloud.Launch(awstest.Launch{PrivateIP: benchAddress(i), Tags: map[string]string{"Role": "bench"}}); err != nil {
			b.Fatal(err)
		}
	}
	for _, kind := range []struct{ name, option string }{
		{"http", "health_uri /healthz"},
		{"tcp", "health_tcp"},
	} {
		b.Run(kind.name, func(b *testing.B) {
			caddy := startCaddy(b, aws, fmt.Sprintf(`http://:%s {
				bind %s
				reverse_proxy {
					dynamic ec2 {
						tag Role bench
						port %d
						refresh 24h
						health_interval 2s
						%s
					}
				}
			}`, freePort(b), benchHost, startBackends(b), kind.option))
			// The second round of checks is the first that is spread over the interval and has its connections.
			before := caddy.await("two rounds of checks", func(r caddyReport) bool { return r.Passed >= 2*backends })
			began := time.Now()
			after := caddy.await("further rounds", func(caddyReport) bool { return time.Since(began) >= seconds*time.Second })
			took := time.Since(began)

			checks := after.Passed - before.Passed
			if after.Failed > 0 || after.Usable != backends {
				b.Errorf("checks fail: %+v", after)
			}
			cpu := after.CPU - before.CPU
			b.ReportMetric(0, "ns/op") // the time it ran says nothing
			b.ReportMetric(cpu.Seconds()/took.Seconds(), "core-share")
			b.ReportMetric(float64(checks)/took.Seconds(), "checks/s")
			b.ReportMetric(float64(cpu.Microseconds())/float64(checks), "cpu-µs/check")
		})
	}
}
