//go:build linux

package integration

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"
)

// edgeReceiver takes lines as rsyslog does, by UDP or TCP at one address, and can be away.
type edgeReceiver struct {
	network, addr string

	mu    sync.Mutex
	got   map[int]time.Time
	close func()
}

var edgeNumber = regexp.MustCompile(`GET /(\d+) HTTP`)

func (r *edgeReceiver) read(from io.Reader) {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		if m := edgeNumber.FindSubmatch(lines.Bytes()); m != nil {
			n, _ := strconv.Atoi(string(m[1]))
			r.mu.Lock()
			r.got[n] = time.Now()
			r.mu.Unlock()
		}
	}
}

// start makes it receive, at the same address as before.
func (r *edgeReceiver) start() error {
	var wg sync.WaitGroup
	if r.network == "udp" {
		conn, err := net.ListenPacket("udp", cmp.Or(r.addr, "127.0.0.1:0"))
		if err != nil {
			return err
		}
		r.addr = conn.LocalAddr().String()
		wg.Go(func() { r.read(conn.(*net.UDPConn)) })
		r.close = func() { conn.Close(); wg.Wait() }
		return nil
	}
	ln, err := net.Listen("tcp", cmp.Or(r.addr, "127.0.0.1:0"))
	if err != nil {
		return err
	}
	r.addr = ln.Addr().String()
	var conns []net.Conn
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			r.mu.Lock()
			conns = append(conns, conn)
			r.mu.Unlock()
			wg.Go(func() { r.read(conn) })
		}
	})
	r.close = func() {
		ln.Close()
		r.mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		r.mu.Unlock()
		wg.Wait()
	}
	return nil
}

// received is how many lines there are from number first on, and when the first of them came.
func (r *edgeReceiver) received(first int) (n int, since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, at := range r.got {
		if i >= first {
			n++
			if since.IsZero() || at.Before(since) {
				since = at
			}
		}
	}
	return n, since
}

// edgeAwayEnv is how long the receiver is away; the manual's figures are of a minute.
const edgeAwayEnv = "EDGE_AWAY"

// TestReceiverIsAway is about what is lost while a receiver is away for some time: by UDP all lines of that time and no others; by TCP
// a line or two, while the others go to the standard error, that is, to the journal, until Caddy dials anew, which it does every 10 s.
//
//	EDGE_AWAY=1m go test ./integration -run '^TestReceiverIsAway$' -v
func TestReceiverIsAway(t *testing.T) {
	t.Parallel()
	away := 3 * time.Second
	if text := os.Getenv(edgeAwayEnv); text != "" {
		var err error
		if away, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			r := &edgeReceiver{network: network, got: map[int]time.Time{}}
			if err := r.start(); err != nil {
				t.Fatal(err)
			}
			defer func() { r.close() }()
			s := newEdgeShipper(t, "net "+network+"/"+r.addr+" {\ndial_timeout 1s\nsoft_start\n}")
			client := &http.Client{Transport: &http.Transport{}, Timeout: patience}
			defer client.CloseIdleConnections()
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			sent := 0
			// send goes on until the end, at most 200 requests a second.
			send := func(until func() bool) {
				t.Helper()
				s.eventually("the requests", func() bool {
					for range 100 {
						if until() {
							return true
						}
						<-tick.C
						resp, err := client.Get(fmt.Sprintf("http://%s/%d", s.addr, sent))
						if err != nil {
							t.Fatalf("request %d: %v", sent, err)
						}
						resp.Body.Close()
						sent++
					}
					return false
				})
			}
			span := func(d time.Duration) func() bool {
				end := time.Now().Add(d)
				return func() bool { return time.Now().After(end) }
			}
			send(span(time.Second))
			s.eventually("all lines", func() bool { n, _ := r.received(0); return n == sent })
			r.close()
			gone := sent
			for end := time.Now().Add(away); time.Now().Before(end); {
				send(span(min(time.Second, time.Until(end))))
			}
			if err := r.start(); err != nil {
				t.Fatal(err)
			}
			back, returned := sent, time.Now()
			send(func() bool { n, _ := r.received(back); return n > 0 })
			_, resumed := r.received(back)
			again := sent
			send(span(time.Second))
			s.eventually("the lines since it receives again", func() bool { n, _ := r.received(again); return n == sent-again })

			text, err := os.ReadFile(s.file("out"))
			s.must(err)
			all, _ := r.received(0)
			printed := 0
			r.mu.Lock()
			for line := range bytes.Lines(text) {
				if m := edgeNumber.FindSubmatch(line); m != nil {
					if n, _ := strconv.Atoi(string(m[1])); r.got[n].IsZero() {
						printed++
					}
				}
			}
			r.mu.Unlock()
			lost := sent - all - printed
			t.Logf("%d lines, %d of them while the receiver was away for %s; it had lines again %s after it was back; %d lines are lost, %d are in the journal alone",
				sent, back-gone, away, resumed.Sub(returned).Round(time.Millisecond), lost, printed)
			switch network {
			case "udp":
				if lost < (back-gone)/2 || lost > again-gone || resumed.Sub(returned) > time.Second {
					t.Errorf("%d lost, resumed after %s", lost, resumed.Sub(returned))
				}
			case "tcp":
				if lost > 5 || printed < (back-gone)/2 || resumed.Sub(returned) > 11*time.Second {
					t.Errorf("%d lost, %d printed, resumed after %s", lost, printed, resumed.Sub(returned))
				}
			}
		})
	}
}
