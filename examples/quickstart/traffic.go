package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
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

// traffic sends requests over several kept-alive connections at a steady rate, and counts who answers.
//
// It takes no for an answer, with one exception. When Caddy reloads, on Linux, its new configuration listens with a socket
// of its own (SO_REUSEPORT) before the old one closes, and the kernel resets connections that wait to be accepted by the
// old one. Such a connection is new and has not brought a byte; its request is sent again, once, and counted apart.
type traffic struct {
	url    string
	client *http.Client
	gate   sync.RWMutex // held for reading by every request under way

	mu     sync.Mutex
	counts tally
	first  []string // failures, with their times
	last   string   // the same, of the latest

	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// tally counts the requests that have ended.
type tally struct {
	sent   int
	failed int            // a connection error, a status of 500 or more, or a body that no backend has sent
	again  int            // sent a second time, see traffic
	by     map[string]int // answers by the name of the backend
}

// since is what came on top of an earlier tally.
func (t tally) since(earlier tally) tally {
	d := tally{
		sent: t.sent - earlier.sent, failed: t.failed - earlier.failed, again: t.again - earlier.again, by: make(map[string]int),
	}
	for name, n := range t.by {
		if n -= earlier.by[name]; n > 0 {
			d.by[name] = n
		}
	}
	return d
}

// per is the tally per second, of one that took the time d to come together. Failures are not divided: each is one too
// many.
func (t tally) per(d time.Duration) tally {
	rate := func(n int) int { return int(math.Round(float64(n) / d.Seconds())) }
	p := tally{sent: rate(t.sent), failed: t.failed, by: make(map[string]int)}
	for name, n := range t.by {
		p.by[name] = rate(n)
	}
	return p
}

// startTraffic sends requests to the URL, as many a second as rate says, over at most the given number of connections.
func startTraffic(url string, connections, rate int) *traffic {
	ctx, cancel := context.WithCancel(context.Background())
	t := &traffic{
		url:    url,
		cancel: cancel,
		client: &http.Client{Timeout: requestTime, Transport: &http.Transport{MaxIdleConnsPerHost: connections}},
	}
	t.counts.by = make(map[string]int)
	every := time.Second * time.Duration(connections) / time.Duration(rate)
	for range connections {
		t.wg.Go(func() {
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
	c.by = maps.Clone(c.by)
	return c
}

// failures describes the first ones.
func (t *traffic) failures() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.first)
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
	name, unaccepted, err := t.get()
	again := unaccepted
	if again {
		name, _, err = t.get()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.sent++
	if again {
		t.counts.again++
	}
	if err == nil {
		t.counts.by[name]++
		return
	}
	t.counts.failed++
	t.last = fmt.Sprintf("%s after %d ms: %v", began.Format("15:04:05.000"), time.Since(began).Milliseconds(), err)
	if len(t.first) < keptFailures {
		t.first = append(t.first, t.last)
	}
}

// get returns the name of the backend that answers a request. The connection was unaccepted if it was reset while it was
// new, before the first byte came back.
func (t *traffic) get() (name string, unaccepted bool, err error) {
	var old, answered atomic.Bool // they are set by goroutines of the client
	trace := &httptrace.ClientTrace{
		GotConn:              func(c httptrace.GotConnInfo) { old.Store(c.Reused) },
		GotFirstResponseByte: func() { answered.Store(true) },
	}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), trace), http.MethodGet, t.url, nil)
	if err != nil {
		return "", false, err
	}
	resp, err := t.client.Do(req)
	if err != nil {
		cut := errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF)
		return "", cut && !old.Load() && !answered.Load(), err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", false, fmt.Errorf("reading the body: %w", err)
	}
	if resp.StatusCode >= http.StatusInternalServerError {
		return "", false, fmt.Errorf("status %s", resp.Status)
	}
	name, err = answeredBy(string(body))
	return name, false, err
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
