//go:build linux

package ec2upstreams

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

var benchRounds = flag.Int("rounds", 25, "rounds of BenchmarkProxy: each variant has one turn in a round")

const (
	benchClients  = 32   // connections at once
	benchRequests = 1000 // in a turn
)

// proxyVariant is a Caddy and its backends, each in a process of their own, and what was measured.
type proxyVariant struct {
	name  string
	n     int    // backends of ours, 0 if there are none
	warm  int    // requests after which there is a connection to nearly every backend that gets any
	proxy string // the block of reverse_proxy, with PORT for the backends' port

	caddy   caddyProcess
	clients []*benchClient
	rate    []float64     // requests/s of each round
	cpu     time.Duration // of Caddy's process, in all rounds
}

// proxyVariants are what BenchmarkProxy compares; the first one is what the others are compared with. 24h keeps polls
// and checks out of the measurement: what they cost is measured by other benchmarks.
func proxyVariants(resolver string) []*proxyVariant {
	static := func(n int, policy string) *proxyVariant {
		v := &proxyVariant{name: fmt.Sprintf("static/%d", n), warm: n, proxy: "lb_policy " + policy + "\nto"}
		for i := range n {
			v.proxy += " " + benchAddress(i) + ":PORT"
		}
		return v
	}
	ours := func(mode string, n, warm int, options string) *proxyVariant {
		return &proxyVariant{name: fmt.Sprintf("%s/%d", mode, n), n: n, warm: warm, proxy: fmt.Sprintf(`
			dynamic ec2 {
				tag First%d yes
				port PORT
				refresh 24h
				health_interval 24h
				%s`, n, options)}
	}
	return []*proxyVariant{
		static(10, "least_conn"),
		// Round robin looks at one upstream of the list: what this costs more than 10 is the price of 10,000 connections,
		// and the lowest there is, since it uses them in the order of their memory.
		static(10000, "round_robin"),
		{name: "dynamic_a/10", proxy: `
			lb_policy least_conn
			dynamic a {
				name backends.example.
				port PORT
				versions ipv4
				resolvers ` + resolver + `
			}`},
		ours("all", 10, 0, "}\nlb_policy least_conn"),
		ours("all", 1000, 8000, "}\nlb_policy least_conn"),
		ours("subset", 10, 0, "subset 2\n}\nlb_policy least_conn"),
		ours("subset", 1000, 8000, "subset 2\n}\nlb_policy least_conn"),
		ours("subset", 10000, 80000, "subset 2\n}\nlb_policy least_conn"),
		ours("subset_by", 10000, 8*len(benchSessions), "subset 2 by {http.request.header.X-Session}\n}\nlb_policy first"),
	}
}

// BenchmarkProxy is the whole way of a request: client, Caddy, backend, over kept-alive TCP connections. Every variant
// is a Caddy process of its own, they take turns, and the ratio to static/10 is taken within each round. -rounds makes it
// longer and steadier.
func BenchmarkProxy(b *testing.B) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur < 11000 {
		b.Skipf("needs 11000 open files, the limit is %d", files.Cur)
	}
	cloud, aws := newBenchCloud(b)
	for i := range 10000 {
		tags := map[string]string{"First10000": "yes"}
		if i < 1000 {
			tags["First1000"] = "yes"
		}
		if i < 10 {
			tags["First10"] = "yes"
		}
		if _, err := cloud.Launch(awstest.Launch{PrivateIP: benchAddress(i), Tags: tags}); err != nil {
			b.Fatal(err)
		}
	}
	variants := proxyVariants(serveDNS(b, 10))
	for _, v := range variants {
		v.start(b, aws)
	}
	for range max(*benchRounds, 1) {
		for _, i := range rand.Perm(len(variants)) {
			variants[i].measure()
		}
	}
	reportProxies(b, variants)
}

// start runs the variant until nothing is left to be set up. However slow the machine, no connection is to be made anew
// because it idled for the default of two minutes.
func (v *proxyVariant) start(b *testing.B, aws *awstest.Server) {
	b.Helper()
	backends := strconv.Itoa(startBackends(b))
	port := freePort(b)
	v.caddy = startCaddy(b, aws, fmt.Sprintf(`http://:%s {
		bind %s
		reverse_proxy {
			transport http {
				keepalive 10m
			}
			%s
		}
	}`, port, benchHost, strings.ReplaceAll(v.proxy, "PORT", backends)))
	v.caddy.await("the backends of "+v.name, func(r caddyReport) bool {
		return r.Usable == v.n && r.Passed >= uint64(v.n)
	})
	for range benchClients {
		v.clients = append(v.clients, dialBench(b, benchHost+":"+port))
	}
	v.ask(max(benchRequests, v.warm))
}

// measure takes one turn.
func (v *proxyVariant) measure() {
	before := v.caddy.report()
	took := v.ask(benchRequests)
	after := v.caddy.report()
	v.rate = append(v.rate, benchRequests/took.Seconds())
	v.cpu += after.CPU - before.CPU
}

// ask makes n requests, by all clients, and returns how long that took.
func (v *proxyVariant) ask(n int) time.Duration {
	v.caddy.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	began := time.Now()
	for _, c := range v.clients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				status, _, err := c.ask()
				if err == nil && status != http.StatusOK {
					err = errors.New(http.StatusText(status))
				}
				if err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	if err := failed.Load(); err != nil {
		v.caddy.fatal("%s: %v", v.name, *err)
	}
	return took
}

// benchClient is one kept-alive connection.
type benchClient struct {
	conn net.Conn
	r    *bufio.Reader
	buf  []byte
}

func dialBench(b *testing.B, addr string) *benchClient {
	b.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	return &benchClient{conn: conn, r: bufio.NewReader(conn)}
}

// ask makes one request of a random session and reads the answer, body and all.
func (c *benchClient) ask() (status int, header http.Header, err error) {
	session := benchSessions[rand.IntN(len(benchSessions))]
	c.buf = fmt.Appendf(c.buf[:0], "GET / HTTP/1.1\r\nHost: bench.example\r\nX-Session: %s\r\n\r\n", session)
	if _, err := c.conn.Write(c.buf); err != nil {
		return 0, nil, err
	}
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Header, err
}

// reportProxies tells how each variant did against the first. The rate is the median of the rounds; the processor time
// is that of all rounds together, since garbage collections come less than once in a turn.
func reportProxies(b *testing.B, variants []*proxyVariant) {
	static := variants[0]
	ratio := make(map[string]float64) // of requests/s, to static
	cpu := make(map[string]float64)   // µs/request
	fmt.Printf("\n%d rounds of %d requests over %d connections; the rates are medians, with minimum and maximum\n",
		len(static.rate), benchRequests, benchClients)
	fmt.Printf("%-16s %10s   %-30s %14s   %s\n", "", "requests/s", "of "+static.name, "CPU µs/request", "of "+static.name)
	for _, v := range variants {
		ratios := make([]float64, len(v.rate))
		for i := range ratios {
			ratios[i] = v.rate[i] / static.rate[i]
		}
		ratio[v.name], cpu[v.name] = median(ratios), v.cpuPerRequest()
		fmt.Printf("%-16s %10.0f   %.2f (%.2f to %.2f)%12s %14.1f   %.2f\n",
			v.name, median(slices.Clone(v.rate)), median(ratios), ratios[0], ratios[len(ratios)-1], "", v.cpuPerRequest(), v.cpuPerRequest()/static.cpuPerRequest())
	}
	for _, goal := range []struct {
		name, other string
		want        float64
	}{
		{"subset/10000", "static/10", 0.97},
		{"subset/10000", "all/1000", 3},
		{"all/10", "dynamic_a/10", 1},
	} {
		got, verdict := ratio[goal.name]/ratio[goal.other], "missed"
		if got >= goal.want {
			verdict = "met"
		}
		fmt.Printf("goal: the rate of %s is at least %.2f times that of %s: %.2f, %s (%.2f by processor time)\n",
			goal.name, goal.want, goal.other, got, verdict, cpu[goal.other]/cpu[goal.name])
	}
	fmt.Println()
	for _, v := range variants {
		b.Run(v.name, func(b *testing.B) {
			b.ReportMetric(0, "ns/op") // all is measured already
			b.ReportMetric(median(slices.Clone(v.rate)), "requests/s")
			b.ReportMetric(ratio[v.name], "rate-of-static")
			b.ReportMetric(v.cpuPerRequest(), "cpu-µs/request")
			b.ReportMetric(v.cpuPerRequest()/static.cpuPerRequest(), "cpu-of-static")
		})
	}
}

// cpuPerRequest is in microseconds.
func (v *proxyVariant) cpuPerRequest() float64 {
	return float64(v.cpu) / float64(time.Microsecond) / float64(len(v.rate)*benchRequests)
}
