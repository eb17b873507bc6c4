package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// requestTime is how long an answer may take before it counts as a failure.
	requestTime = 10 * time.Second
	// keptFailures is how many of the first failures are kept.
	keptFailures = 20
)

// clients are who sends requests, and where.
type clients struct {
	url         string
	path        string // of the URL that a stage fills in; default /
	connections int
	rate        int // requests per second

	// patience is how long an answer may take before it counts as a failure. Default requestTime.
	patience time.Duration

	// names looks up the host of the URL. Nil leaves that to the system.
	names *resolver

	// once is for requests that nobody may repeat: they are sent by POST, and one that is cut off has failed.
	once bool
}

// traffic sends requests over several kept-alive connections at a steady rate, and counts who answers.
//
// It takes no for an answer, with one exception. When Caddy reloads, on Linux, its new configuration listens with a socket
// of its own (SO_REUSEPORT) before the old one closes, and the kernel resets connections that wait to be accepted by the
// old one. Such a connection is new and has not brought a byte; its request is sent again, once, and counted apart.
type traffic struct {
	clients
	client *http.Client
	gate   sync.RWMutex // held for reading by every request under way

	mu     sync.Mutex
	counts tally
	first  []string      // failures, with their times
	lost   []time.Time   // when each request began that has failed
	last   string        // the same, of the latest
	good   time.Time     // when the latest good answer came
	gap    time.Duration // the longest time between two of them, since it was asked for

	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// tally counts the requests that have ended.
type tally struct {
	sent   int
	failed int            // a connection error, a status of 500 or more, or a body that no backend has sent
	again  int            // sent a second time, see traffic
	by     map[string]int // answers by the name of the backend
	via    map[string]int // and by that of the load balancer
}

// since is what came on top of an earlier tally.
func (t tally) since(earlier tally) tally {
	d := tally{
		sent: t.sent - earlier.sent, failed: t.failed - earlier.failed, again: t.again - earlier.again,
		by: more(t.by, earlier.by), via: more(t.via, earlier.via),
	}
	return d
}

func more(now, earlier map[string]int) map[string]int {
	d := make(map[string]int)
	for name, n := range now {
		if n -= earlier[name]; n > 0 {
			d[name] = n
		}
	}
	return d
}

// per is the tally per second, of one that took the time d to come together. Failures are not divided: each is one too
// many.
func (t tally) per(d time.Duration) tally {
	rate := func(n int) int { return int(math.Round(float64(n) / d.Seconds())) }
	p := tally{sent: rate(t.sent), failed: t.failed, by: make(map[string]int), via: make(map[string]int)}
	for name, n := range t.by {
		p.by[name] = rate(n)
	}
	for name, n := range t.via {
		p.via[name] = rate(n)
	}
	return p
}

// startTraffic lets the clients begin.
func startTraffic(c clients) *traffic {
	ctx, cancel := context.WithCancel(context.Background())
	c.patience = cmp.Or(c.patience, requestTime)
	t := &traffic{
		clients: c,
		cancel:  cancel,
		client:  &http.Client{Timeout: c.patience, Transport: &http.Transport{MaxIdleConnsPerHost: c.connections}},
		good:    time.Now(),
	}
	t.counts.by, t.counts.via = make(map[string]int), make(map[string]int)
	every := time.Second * time.Duration(c.connections) / time.Duration(c.rate)
	for n := range c.connections {
		t.wg.Go(func() {
			if endsWithin(ctx, every*time.Duration(n)/time.Duration(c.connections)) { // not all at once
				return
			}
			tick := time.NewTicker(every)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					t.one()
				}
			}
		})
	}
	return t
}

// stop ends the traffic when the requests under way have their answers.
func (t *traffic) stop() {
	t.cancel()
	t.wg.Wait()
	t.client.CloseIdleConnections()
}

// pause waits for the requests under way and holds back new ones until resume.
func (t *traffic) pause() { t.gate.Lock() }

func (t *traffic) resume() { t.gate.Unlock() }

// settle waits until every request has ended that began before, so that what is counted from here on began later.
func (t *traffic) settle() {
	t.pause()
	t.resume()
}

// now returns the counts so far.
func (t *traffic) now() tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts
	c.by, c.via = maps.Clone(c.by), maps.Clone(c.via)
	return c
}

// longest is the longest time without a good answer since the last call, or since the beginning.
func (t *traffic) longest() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	gap := t.gap
	t.gap = 0
	return gap
}

// failures describes the first ones.
func (t *traffic) failures() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.first)
}

// lostBefore is how many of the failures, but for the first few, are of requests that began before a moment.
func (t *traffic) lostBefore(at time.Time, few int) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, began := range t.lost[few:] {
		if began.Before(at) {
			n++
		}
	}
	return n
}

// lastFailure describes the latest one.
func (t *traffic) lastFailure() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// one sends a request and counts its outcome.
func (t *traffic) one() {
	t.gate.RLock()
	defer t.gate.RUnlock()
	began := time.Now()
	got, unaccepted, err := t.get()
	again := unaccepted && !t.once
	if again {
		got, _, err = t.get()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.sent++
	if again {
		t.counts.again++
	}
	if err == nil {
		t.counts.by[got.backend]++
		if got.balancer != "" {
			t.counts.via[got.balancer]++
		}
		t.noteGood(time.Now())
		return
	}
	t.counts.failed++
	t.lost = append(t.lost, began)
	t.last = fmt.Sprintf("%s after %d ms: %v", began.Format("15:04:05.000"), time.Since(began).Milliseconds(), err)
	if len(t.first) < keptFailures {
		t.first = append(t.first, t.last)
	}
}

// noteGood takes in that a good answer came. The lock is held.
func (t *traffic) noteGood(at time.Time) { t.gap, t.good = max(t.gap, at.Sub(t.good)), at }

// reply is who has answered a request.
type reply struct {
	backend, balancer string
}

// get returns who answers a request. The connection was unaccepted if it was reset while it was new, before the first byte came
// back.
func (t *traffic) get() (got reply, unaccepted bool, err error) {
	var old, answered atomic.Bool // they are set by goroutines of the client
	trace := &httptrace.ClientTrace{
		GotConn:              func(c httptrace.GotConnInfo) { old.Store(c.Reused) },
		GotFirstResponseByte: func() { answered.Store(true) },
	}
	method := http.MethodGet
	if t.once {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), trace), method, t.url, nil)
	if err != nil {
		return got, false, err
	}
	if t.names != nil {
		address, err := t.names.lookUp(req.Context())
		if err != nil {
			return got, false, err
		}
		// As curl --resolve does. Connections are kept by address, so those to the old one are left when the name moves.
		req.Host, req.URL.Host = req.URL.Host, net.JoinHostPort(address, req.URL.Port())
	}
	resp, err := t.client.Do(req)
	if err != nil {
		cut := errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF)
		return got, cut && !old.Load() && !answered.Load(), err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return got, false, fmt.Errorf("reading the body: %w", err)
	}
	if resp.StatusCode >= http.StatusInternalServerError {
		return got, false, fmt.Errorf("status %s", resp.Status)
	}
	got.balancer = resp.Header.Get("X-Load-Balancer")
	got.backend, err = answeredBy(string(body))
	return got, false, err
}

// answeredBy reads the name of the backend out of a body, which must be all that a backend sends.
func answeredBy(body string) (string, error) {
	line, ok := strings.CutSuffix(body, "\n")
	name, id, two := strings.Cut(line, " ")
	if !ok || !two || name == "" || !strings.HasPrefix(id, "i-") && id != "static" || strings.ContainsAny(id, " \n") {
		return "", fmt.Errorf("wrong body %.80q", body)
	}
	return name, nil
}
