//go:build linux

package integration

import (
	"bufio"
	"bytes"
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
	"sync/atomic"
	"testing"
	"time"
)

// edgeMeasureEnv is the number of rounds in which TestLogCost measures.
const edgeMeasureEnv = "LOG_MEASURE"

// The requests of TestLogCost: on how many connections, and for how long in a round.
const (
	edgeConns = 32
	edgeRound = 4 * time.Second
)

// edgeCost is what a round has given.
type edgeCost struct {
	rate float64       // requests in a second
	cpu  time.Duration // of the server for a request
}

// edgeSetup are the logs of a server: its own, and that of requests.
type edgeSetup struct {
	name     string
	own      string // format of the server's own log, empty for Caddy's choice
	requests string // format of the log of requests, empty for none
	queue    bool   // the log of requests is written through a queue
}

// The first one is what the others are compared with.
var edgeSetups = []edgeSetup{
	{"no log", "", "", false},
	{"combined", "combined", "combined", false},
	{"combined, queue", "combined", "combined", true},
	{"combined, own log json", "json", "combined", false},
	{"json", "json", "json", false},
	{"console", "console", "console", false},
}

// TestLogCost measures what a log of requests costs the real binary as a proxy of three servers: requests per second and processor
// time for a request, beside no such log and Caddy's own formats. The rounds are interleaved, and medians are shown.
//
//	LOG_MEASURE=9 go test ./integration -run '^TestLogCost$' -v
//
// Nothing else should run on the machine. The format of the server's own log matters too: Caddy has each log prepare the fields of a
// request, also one that leaves requests out.
func TestLogCost(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv(edgeMeasureEnv))
	if err != nil || rounds < 1 {
		t.Skipf("set %s to the number of rounds", edgeMeasureEnv)
	}
	var backends []string
	for range 3 {
		b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
		defer b.Close()
		backends = append(backends, b.Listener.Addr().String())
	}
	costs := make([][]edgeCost, len(edgeSetups))
	for round := range rounds {
		for i := range edgeSetups {
			k := (i + round) % len(edgeSetups)
			costs[k] = append(costs[k], edgeCostOf(t, edgeSetups[k], backends))
		}
	}
	for k, setup := range edgeSetups {
		// Ratios are those within a round, since the machine may be quicker in another one.
		median := func(of func(c, none edgeCost) float64) float64 {
			var all []float64
			for i, c := range costs[k] {
				all = append(all, of(c, costs[0][i]))
			}
			slices.Sort(all)
			return all[len(all)/2]
		}
		t.Logf("%-22s %6.0f requests/s (%.2f of no log), %5.1f µs for a request (%.2f)", setup.name,
			median(func(c, _ edgeCost) float64 { return c.rate }),
			median(func(c, none edgeCost) float64 { return c.rate / none.rate }),
			median(func(c, _ edgeCost) float64 { return float64(c.cpu.Nanoseconds()) / 1e3 }),
			median(func(c, none edgeCost) float64 { return float64(c.cpu) / float64(none.cpu) }))
	}
}

// edgeCostOf runs a server for one round.
func edgeCostOf(t *testing.T, setup edgeSetup, backends []string) (cost edgeCost) {
	t.Run(setup.name, func(t *testing.T) {
		s := newEdgeServer(t)
		port := s.ports(1)[0]
		own, requests := "", ""
		if setup.own != "" {
			own = "format " + setup.own
		}
		if setup.requests != "" {
			output := fmt.Sprintf("file %s {\nroll_disabled\n}", s.file("access.log"))
			if setup.queue {
				output = "queue {\nto " + output + "\n}"
			}
			requests = fmt.Sprintf("log {\noutput %s\nformat %s\n}", output, setup.requests)
		}
		s.run(fmt.Sprintf("log {\noutput stderr\n%s\nexclude http.log.access\n}\n}\nhttp://:%s {\n%s\nreverse_proxy %s\n}\n",
			own, port, requests, strings.Join(backends, " ")), "127.0.0.1:"+port)
		s.load("127.0.0.1:"+port, time.Second) // to warm up
		before := s.cpu()
		began := time.Now()
		n := s.load("127.0.0.1:"+port, edgeRound)
		cost = edgeCost{rate: float64(n) / time.Since(began).Seconds(), cpu: (s.cpu() - before) / time.Duration(n)}
	})
	return cost
}

// cpu is the processor time that the server has used.
func (s *edgeServer) cpu() time.Duration {
	s.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	s.must(err)
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	var ticks int
	for _, f := range fields[11:13] { // in user mode, and in the kernel
		n, err := strconv.Atoi(string(f))
		s.must(err)
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}

// load sends requests as a browser sends them, on all connections, one after the other on each, and returns how many.
func (s *edgeServer) load(addr string, d time.Duration) int {
	s.Helper()
	request := []byte("GET /articles/2026/11/some-words-about-something?page=2 HTTP/1.1\r\nHost: www.example.com\r\nReferer: https://www.example.com/articles/2026/\r\n" +
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\nAccept: text/html,*/*;q=0.8\r\n" +
		"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\nCookie: session=0123456789abcdef\r\n\r\n")
	var n atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	for range edgeConns {
		wg.Go(func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				s.Error(err)
				return
			}
			defer c.Close()
			in := bufio.NewReader(c)
			for time.Now().Before(end) {
				if _, err := c.Write(request); err != nil {
					s.Error(err)
					return
				}
				for line := []byte(nil); len(line) != 2; { // the header ends with an empty line
					if line, err = in.ReadSlice('\n'); err != nil {
						s.Error(err)
						return
					}
				}
				if _, err := in.Discard(len("hello")); err != nil {
					s.Error(err)
					return
				}
				n.Add(1)
			}
		})
	}
	wg.Wait()
	return int(n.Load())
}
