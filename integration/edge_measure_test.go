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

// TestLogCost measures what an access log costs the real binary as a proxy of three servers, when it is the only log: requests per second
// and processor time for a request, beside no log and Caddy's own formats. The rounds are interleaved, and medians are shown.
//
//	LOG_MEASURE=9 go test ./integration -run '^TestLogCost$' -v
//
// Nothing else should run on the machine.
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
	formats := []string{"none", "combined", "json", "console"}
	costs := map[string][]edgeCost{}
	for round := range rounds {
		for i := range formats {
			format := formats[(i+round)%len(formats)]
			costs[format] = append(costs[format], edgeCostOf(t, format, backends))
		}
	}
	// Ratios are those within a round, since the machine may be quicker in another one.
	median := func(format string, of func(c, none edgeCost) float64) float64 {
		var all []float64
		for i, c := range costs[format] {
			all = append(all, of(c, costs["none"][i]))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	for _, format := range formats {
		t.Logf("%-9s %6.0f requests/s (%.2f of no log), %.1f µs for a request (%.2f)", format,
			median(format, func(c, _ edgeCost) float64 { return c.rate }),
			median(format, func(c, none edgeCost) float64 { return c.rate / none.rate }),
			median(format, func(c, _ edgeCost) float64 { return float64(c.cpu.Nanoseconds()) / 1e3 }),
			median(format, func(c, none edgeCost) float64 { return float64(c.cpu) / float64(none.cpu) }))
	}
}

// edgeCostOf runs a server for one round.
func edgeCostOf(t *testing.T, format string, backends []string) (cost edgeCost) {
	t.Run(format, func(t *testing.T) {
		s := newEdgeServer(t)
		port := s.ports(1)[0]
		log := ""
		if format != "none" {
			log = fmt.Sprintf("log {\noutput file %s {\nroll_disabled\n}\nformat %s\n}", s.file("access.log"), format)
		}
		s.run(fmt.Sprintf("log {\noutput stderr\nexclude http.log.access\n}\n}\nhttp://:%s {\n%s\nreverse_proxy %s\n}\n", port, log, strings.Join(backends, " ")), "127.0.0.1:"+port)
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
