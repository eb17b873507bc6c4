//go:build linux

package integration

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

const (
	// clientEvery is how often each of the clients asks, and clients how many of them there are.
	clientEvery = 80 * time.Millisecond
	clients     = 4

	// tries is how often a connection may be lost without a byte.
	tries = 3

	// patience is how long a client waits for an answer.
	patience = 3 * time.Second
)

// crowd are clients that look the name up at the DNS server of the lab, keep the answer for its TTL as resolvers do, and
// ask whoever it names over a connection of its own. They go on all the time, and count.
//
// A connection that dies without a byte may be tried again: when a configuration is loaded, Linux resets those that wait in the
// queue of the listener before, whatever Caddy does. With one load after another that can happen more than once.
type crowd struct {
	lab    *lab
	http   *http.Client
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	addr   string // the answer of the DNS
	until  time.Time
	sent   int
	again  int
	by     map[string]int
	failed []failure
}

type failure struct {
	at  time.Time // when the request began
	to  string
	err error
}

// clients starts them, if they do not run.
func (l *lab) clients() *crowd {
	if l.crowd == nil {
		l.crowd = l.startClients()
	}
	return l.crowd
}

func (l *lab) startClients() *crowd {
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{lab: l, cancel: cancel, by: make(map[string]int)}
	c.http = &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: l.certs.roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, ctx.Value(dialKey{}).(string))
		},
	}}
	for range clients {
		c.wg.Go(func() {
			tick := time.NewTicker(clientEvery)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					c.one(ctx)
				}
			}
		})
	}
	return c
}

func (c *crowd) stop() {
	c.cancel()
	c.wg.Wait()
	c.http.CloseIdleConnections()
}

func (c *crowd) one(ctx context.Context) {
	began := time.Now()
	to, err := c.resolve(ctx)
	var who string
	var fresh bool
	for n := 0; err == nil && n < tries; n++ {
		var lost bool
		if who, lost, err = c.get(ctx, to, "/"); !lost {
			break
		}
		fresh = true
		if n < tries-1 {
			err = nil
		}
	}
	if ctx.Err() != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent++
	if fresh {
		c.again++
	}
	if err != nil {
		c.failed = append(c.failed, failure{began, to, err})
		return
	}
	c.by[who]++
}

// resolve looks the name up, and keeps the answer for its TTL.
func (c *crowd) resolve(ctx context.Context) (string, error) {
	if c.lab.at != "" {
		return c.lab.at, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.until) {
		return c.addr, nil
	}
	q := new(dns.Msg).SetQuestion(recordName+".", dns.TypeA)
	r, _, err := (&dns.Client{Timeout: patience}).ExchangeContext(ctx, q, c.lab.names)
	if err != nil {
		return "", err
	}
	if n := len(r.Answer); n == 0 || n > 1 && !c.lab.many {
		return "", fmt.Errorf("the DNS says %s, and has %d answers", dns.RcodeToString[r.Rcode], n)
	}
	first := r.Answer[rand.N(len(r.Answer))]
	a, ok := first.(*dns.A)
	if !ok {
		return "", fmt.Errorf("the DNS has no A, but %s", first)
	}
	c.addr, c.until = net.JoinHostPort(a.A.String(), c.lab.port), time.Now().Add(time.Duration(a.Hdr.Ttl)*time.Second)
	return c.addr, nil
}

// dialKey is the key in a request's context of where to connect.
type dialKey struct{}

// get asks once, and returns who answered. The connection is fresh if it was lost before a byte came back.
func (c *crowd) get(ctx context.Context, to, path string) (who string, fresh bool, err error) {
	var answered atomic.Bool
	ctx = httptrace.WithClientTrace(context.WithValue(ctx, dialKey{}, to), &httptrace.ClientTrace{
		GotFirstResponseByte: func() { answered.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+net.JoinHostPort(recordName, c.lab.port)+path, nil)
	if err != nil {
		return "", false, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		cut := errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.EOF)
		return "", cut && !answered.Load(), err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s", resp.Status)
	}
	return string(body), false, err
}

// tally is what the clients have counted so far.
type tally struct {
	sent, again int
	by          map[string]int
	failed      []failure
}

func (c *crowd) now() tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	return tally{c.sent, c.again, maps.Clone(c.by), c.failed[:len(c.failed):len(c.failed)]}
}
