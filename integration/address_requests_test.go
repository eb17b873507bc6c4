//go:build linux

package integration

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Requests of [TestElasticIPMeasureRequests].
const (
	eipEvery    = 10 * time.Millisecond  // 100 a second
	eipAnswer   = 100 * time.Millisecond // how long each takes, so that ten are always in flight
	eipPatience = 10 * time.Second
)

// TestElasticIPMeasureRequests counts the requests that fail because of a move, of 100 a second through the Elastic IP, each of them over
// a connection of its own, tried once, and answered after 100 ms:
//
//	FAILOVER_MEASURE=5 go test ./integration -run '^TestElasticIPMeasureRequests$' -v -timeout 30m
//
// Those that were in flight are apart from the new ones, and the time until the address has moved from the gap after that, in which AWS does
// not forward packets to the new holder yet. The fake has them wait then, as packets that are sent again do.
func TestElasticIPMeasureRequests(t *testing.T) {
	runs, err := strconv.Atoi(os.Getenv(measureEnv))
	if err != nil || runs < 1 {
		t.Skipf("set %s to the number of runs", measureEnv)
	}
	var table strings.Builder
	fmt.Fprint(&table, "\n| what | gap | the address moved after (median) | failed in flight | failed of the new ones until the move | and in the gap "+
		"| longest wait there | failed later | runs |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, f := range []eipStop{{"killed", false, (*node).kill}, {"web service stops", false, (*node).closeListener}, {"planned stop", true, (*node).term}} {
		for _, gap := range []time.Duration{0, time.Second} {
			var all []eipRequests
			for i := range runs {
				t.Run(fmt.Sprintf("%s/%s/%d", strings.ReplaceAll(f.name, " ", "_"), gap, i+1), func(t *testing.T) {
					t.Run("lab", func(t *testing.T) { all = append(all, f.count(t, gap)) }) // which ends before the next one begins
				})
			}
			if len(all) > 0 {
				fmt.Fprintf(&table, "| %s | %s | %s |\n", f.name, gap, eipSum(all))
			}
		}
	}
	t.Log(table.String())
}

// eipStop is how the holder goes. One that serves until the address is taken from it is planned.
type eipStop struct {
	name    string
	planned bool
	run     func(*node) time.Time
}

// eipRequest is one request.
type eipRequest struct {
	from, to time.Time
	err      error
}

// eipShare is how many of some requests failed.
type eipShare struct{ failed, of int }

func (s *eipShare) add(r eipRequest) {
	s.of++
	if r.err != nil {
		s.failed++
	}
}

func (s *eipShare) plus(other eipShare) {
	s.failed += other.failed
	s.of += other.of
}

func (s eipShare) String() string { return fmt.Sprintf("%d of %d", s.failed, s.of) }

// eipRequests is what became of the requests around one move.
type eipRequests struct {
	moved, waited              time.Duration
	flying, before, gap, later eipShare
}

// eipSum is the second half of a line of the table.
func eipSum(all []eipRequests) string {
	var sum eipRequests
	var moved []time.Duration
	for _, r := range all {
		moved = append(moved, r.moved)
		sum.waited = max(sum.waited, r.waited)
		sum.flying.plus(r.flying)
		sum.before.plus(r.before)
		sum.gap.plus(r.gap)
		sum.later.plus(r.later)
	}
	slices.Sort(moved)
	return fmt.Sprintf("%s | %s | %s | %s | %s | %s | %d", moved[len(moved)/2].Round(time.Millisecond),
		sum.flying, sum.before, sum.gap, sum.waited.Round(time.Millisecond), sum.later, len(all))
}

// count lets the holder go while clients ask.
func (f *eipStop) count(t *testing.T, gap time.Duration) (sum eipRequests) {
	e := newEIP(t, 2, eipOptions{gap: gap})
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := time.NewTimer(eipAnswer)
		defer answer.Stop()
		select {
		case <-answer.C:
			fmt.Fprint(w, "here")
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(backend.Close)
	e.each(func(c *conf) {
		c.heartbeat = ""
		c.site = "respond /healthz ok\nreverse_proxy " + strings.TrimPrefix(backend.URL, "http://")
	})
	e.start()
	lb1, lb2 := e.nodes[0], e.nodes[1]
	e.witnessed(lb2)
	all := e.traffic(func(begun func() int) {
		e.eventually("three hundred requests", func() bool { return begun() >= 300 })
		fault := f.run(lb1)
		sum.moved = e.moved(lb2, fault, within)
		e.throughout(gap+2*time.Second, "the new holder has the address", func() bool { return e.has(lb2) })
	})
	at := e.calls(associate)[1].Time
	cut := at.Add(-sum.moved)
	if f.planned {
		cut = e.calls(disassociate)[0].Time
	}
	for _, r := range all {
		switch {
		case r.to.Before(cut):
			if r.err != nil {
				t.Errorf("a request failed before the fault: %v", r.err)
			}
		case r.from.Before(cut):
			sum.flying.add(r)
		case r.from.Before(at):
			sum.before.add(r)
		case r.from.Before(at.Add(gap)):
			sum.gap.add(r)
			sum.waited = max(sum.waited, r.to.Sub(r.from)-eipAnswer)
		default:
			sum.later.add(r)
		}
	}
	return sum
}

// traffic asks all the time while something is done, and returns all that was asked.
func (e *eipLab) traffic(while func(begun func() int)) (all []eipRequest) {
	e.Helper()
	client := &http.Client{Timeout: eipPatience, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: e.certs.roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, e.at)
		},
	}}
	defer client.CloseIdleConnections()
	ask := func() error {
		resp, err := client.Get("https://" + net.JoinHostPort(recordName, e.port))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if _, err = io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("status %s", resp.Status)
		}
		return err
	}
	var (
		mu    sync.Mutex
		begun int
		wg    sync.WaitGroup
		end   = make(chan struct{})
	)
	wg.Go(func() {
		tick := time.NewTicker(eipEvery)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
			}
			mu.Lock()
			begun++
			mu.Unlock()
			wg.Go(func() {
				r := eipRequest{from: time.Now()}
				r.err = ask()
				r.to = time.Now()
				mu.Lock()
				defer mu.Unlock()
				all = append(all, r)
			})
		}
	})
	func() {
		defer wg.Wait()
		defer close(end)
		while(func() int {
			mu.Lock()
			defer mu.Unlock()
			return begun
		})
	}()
	return all
}
