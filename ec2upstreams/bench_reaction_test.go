//go:build linux

package ec2upstreams

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

// reactionSubjects is how many backends have the same thing happen to them, one after another over one poll interval: so
// each of them finds the poll and its checks at another moment.
const reactionSubjects = 12

// reaction is something that happens to backends of a site, and how long it takes until requests show it.
type reaction struct {
	name     string
	appears  bool // it is about the first request, not the last
	happens  func(*awstest.Cloud, *reactionBackend) error
	steady   []*reactionBackend // backends that nothing happens to
	subjects []*reactionBackend
	addr     string // where Caddy serves the site
	took     []float64

	mu    sync.Mutex
	asked map[string]askedTimes // by backend's address
	total int                   // requests so far
}

type askedTimes struct {
	served time.Time // the first good answer came in
	last   time.Time // the last request was sent
	count  int       // requests to the whole site until then
}

type reactionBackend struct {
	*tinyServer
	id string // of its instance, "" before it is launched
}

// launch makes an instance of the server.
func (r *reactionBackend) launch(cloud *awstest.Cloud, role string) (err error) {
	host, port, _ := net.SplitHostPort(r.l.Addr().String())
	r.id, err = cloud.Launch(awstest.Launch{PrivateIP: host, Tags: map[string]string{"Role": role, "Port": port}})
	return err
}

func reactions() []*reaction {
	return []*reaction{
		{name: "running-to-first", appears: true, happens: func(c *awstest.Cloud, r *reactionBackend) error {
			return r.launch(c, "running-to-first")
		}},
		{name: "dead-to-last", happens: func(c *awstest.Cloud, r *reactionBackend) error {
			r.close()
			return c.Terminate(r.id)
		}},
		{name: "failing-to-last", happens: func(_ *awstest.Cloud, r *reactionBackend) error {
			r.say(tinyFailure)
			return nil
		}},
		// An instance that is shutting down and still answers: only the poll tells, and its confirmation, for which others
		// of the same pool may have asked already.
		{name: "terminated-to-last", happens: func(c *awstest.Cloud, r *reactionBackend) error {
			return c.Terminate(r.id)
		}},
	}
}

// BenchmarkReaction is how long a change takes to show, with default settings (refresh 10s, health_interval 2s): from the
// moment an instance runs to the first request it serves, and from its end, or its first failing answer, to the last
// request that is sent to it. Requests come every 2 ms, so a backend is asked about every 30 ms.
func BenchmarkReaction(b *testing.B) {
	cloud, aws := newBenchCloud(b)
	all := reactions()
	var sites strings.Builder
	host, usable := 0, 0
	for _, r := range all {
		r.asked = make(map[string]askedTimes)
		for i := range 4 + reactionSubjects {
			backend := &reactionBackend{tinyServer: serveTiny(b, benchAddress(host)+":0")}
			host++
			if i < 4 {
				r.steady = append(r.steady, backend)
			} else if r.subjects = append(r.subjects, backend); r.appears {
				continue
			}
			usable++
			if err := backend.launch(cloud, r.name); err != nil {
				b.Fatal(err)
			}
		}
		port := freePort(b)
		r.addr = benchHost + ":" + port
		fmt.Fprintf(&sites, `http://:%s {
			bind %s
			reverse_proxy {
				dynamic ec2 {
					tag Role %s
					port tag Port
					health_uri /healthz
				}
				header_down X-Asked {http.reverse_proxy.upstream.hostport}
			}
			handle_errors {
				header X-Asked {http.reverse_proxy.upstream.hostport}
				respond 502
			}
		}
		`, port, benchHost, r.name)
	}
	caddy := startCaddy(b, aws, sites.String())
	caddy.await("all backends", func(r caddyReport) bool { return r.Usable == usable && r.Passed >= uint64(usable) })

	stop := make(chan struct{})
	var clients, faults sync.WaitGroup
	for _, r := range all {
		client := dialBench(b, r.addr)
		clients.Go(func() { r.ask(b, client, stop) })
		faults.Go(func() { r.run(b, cloud) })
	}
	faults.Wait()
	close(stop)
	clients.Wait()
	for _, r := range all {
		b.Run(r.name, func(b *testing.B) {
			if len(r.took) == 0 {
				b.Fatal("nothing was measured")
			}
			b.ReportMetric(0, "ns/op") // all is measured already
			b.ReportMetric(slices.Min(r.took), "min-s")
			b.ReportMetric(median(r.took), "median-s")
			b.ReportMetric(slices.Max(r.took), "max-s")
		})
	}
}

// ask makes requests until stop, and notes which backend each of them went to.
func (r *reaction) ask(b *testing.B, client *benchClient, stop <-chan struct{}) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-stop:
			return
		}
		sent := time.Now()
		status, header, err := client.ask()
		if err != nil {
			b.Errorf("%s: %v", r.name, err)
			return
		}
		backend := header.Get("X-Asked")
		r.mu.Lock()
		r.total++
		a := r.asked[backend]
		a.last, a.count = sent, r.total
		if a.served.IsZero() && status == http.StatusOK {
			a.served = time.Now()
		}
		r.asked[backend] = a
		r.mu.Unlock()
	}
}

// run lets it happen to one subject after another, and waits for each of them to be noticed.
func (r *reaction) run(b *testing.B, cloud *awstest.Cloud) {
	happened := make(map[*reactionBackend]time.Time)
	next := time.NewTicker(fleet.DefaultRefresh / reactionSubjects)
	defer next.Stop()
	for _, i := range rand.Perm(len(r.subjects)) {
		<-next.C
		s := r.subjects[i]
		happened[s] = time.Now()
		if err := r.happens(cloud, s); err != nil {
			b.Errorf("%s: %v", r.name, err)
			return
		}
	}
	deadline := time.After(time.Minute)
	for len(happened) > 0 {
		select {
		case <-next.C:
		case <-deadline:
			b.Errorf("%s: %d of %d subjects were not noticed", r.name, len(happened), len(r.subjects))
			return
		}
		for s, at := range happened {
			if seen, ok := r.seen(s); ok {
				r.took = append(r.took, max(0, seen.Sub(at).Seconds()))
				delete(happened, s)
			}
		}
	}
}

// seen is when the first request was served, or the last one sent. It reports false while that can't be told: a backend in
// use is asked once in 16 requests on average, and so at least once in 500 unless it got out of use.
func (r *reaction) seen(s *reactionBackend) (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.asked[s.l.Addr().String()]
	if r.appears {
		return a.served, !a.served.IsZero()
	}
	return a.last, !a.last.IsZero() && r.total-a.count > 500
}
