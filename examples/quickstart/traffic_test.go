package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAnsweredBy(t *testing.T) {
	tests := []struct {
		name, body, want string
		wrong            bool
	}{
		{"an instance", "web-1 i-0123456789abcdef0\n", "web-1", false},
		{"the static one", "static-1 static\n", "static-1", false},
		{"empty", "", "", true},
		{"cut short", "web-1 i-0123456789abcdef0", "", true},
		{"cut shorter", "web-1", "", true},
		{"no name", " i-0123456789abcdef0\n", "", true},
		{"no id", "web-1 \n", "", true},
		{"two answers in one", "web-1 i-0123456789abcdef0\nweb-2 i-0123456789abcdef1\n", "", true},
		{"a page of something else", "<html>\n", "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := answeredBy(tt.body)
			if got != tt.want || (err != nil) != tt.wrong {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

// await waits for a condition of a test whose goroutines are real.
func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestTrafficCounts(t *testing.T) {
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch i := n.Add(1); i % 5 {
		case 0:
			http.Error(w, "no upstreams", http.StatusServiceUnavailable)
		case 1:
			fmt.Fprintln(w, "something else")
		case 2: // half an answer
			w.Header().Set("Content-Length", "100")
			fmt.Fprintln(w, "web-1 i-0123456789abcdef0")
		case 3:
			fmt.Fprintln(w, "web-1 i-0123456789abcdef0")
		default:
			fmt.Fprintln(w, "web-2 i-0123456789abcdef1")
		}
	}))
	defer srv.Close()
	tr := startTraffic(clients{url: srv.URL, connections: 1, rate: 2000})
	await(t, "100 requests", func() bool { return tr.now().sent >= 100 })
	tr.stop()
	got, served := tr.now(), int(n.Load())
	want := tally{sent: served, by: make(map[string]int), via: make(map[string]int)}
	for i := 1; i <= served; i++ {
		switch i % 5 {
		case 3:
			want.by["web-1"]++
		case 4:
			want.by["web-2"]++
		default:
			want.failed++
		}
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(tally{})); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	first := tr.failures()
	if len(first) != keptFailures {
		t.Fatalf("%d failures were kept: %q", len(first), first)
	}
	for i, part := range []string{"wrong body", "reading the body: unexpected EOF", "status 503"} {
		if !strings.Contains(first[i], part) {
			t.Errorf("failure %d is %q, want %q", i, first[i], part)
		}
	}
	if last := tr.lastFailure(); last == "" || slices.Contains(first, last) {
		t.Errorf("the last failure is %q", last)
	}
}

func TestRefusedConnectionsAreFailures(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	tr := startTraffic(clients{url: srv.URL, connections: 2, rate: 2000})
	await(t, "a request", func() bool { return tr.now().sent > 0 })
	tr.stop()
	if got := tr.now(); got.failed != got.sent || got.again != 0 {
		t.Errorf("%+v", got)
	}
}

// TestUnacceptedConnection resets new connections, as a listener does that closes before it has accepted them.
func TestUnacceptedConnection(t *testing.T) {
	for _, tt := range []struct {
		name   string
		resets int64
		want   tally
	}{
		{"once", 1, tally{sent: 1, again: 1, by: map[string]int{"web-1": 1}}},
		{"twice in a row", 2, tally{sent: 1, again: 1, failed: 1, by: map[string]int{}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var accepted atomic.Int64
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprintln(w, "web-1 i-0123456789abcdef0")
			}))
			srv.Config.ConnState = func(c net.Conn, s http.ConnState) {
				if s == http.StateNew && accepted.Add(1) <= tt.resets {
					reset(c)
				}
			}
			srv.Start()
			defer srv.Close()
			tr := &traffic{clients: clients{url: srv.URL}, client: srv.Client(), counts: tally{by: make(map[string]int)}}
			tr.one()
			if d := cmp.Diff(tt.want, tr.now(), cmp.AllowUnexported(tally{})); d != "" {
				t.Errorf("(-want +got)\n%s%q", d, tr.failures())
			}
		})
	}
}

// A request that nobody may repeat has failed when its connection is reset, whether that was new or not.
func TestRequestsThatAreSentOnce(t *testing.T) {
	var n atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			t.Errorf("sent by %s", r.Method)
		}
		if n.Add(1) != 1 { // the first one leaves a connection for the second
			panic(http.ErrAbortHandler)
		}
		fmt.Fprintln(w, "web-1 i-0123456789abcdef0")
	}))
	defer srv.Close()
	tr := &traffic{
		clients: clients{url: srv.URL, once: true}, client: srv.Client(), counts: tally{by: make(map[string]int), via: make(map[string]int)},
	}
	began := time.Now()
	for range 3 {
		tr.one()
	}
	want := tally{sent: 3, failed: 2, by: map[string]int{"web-1": 1}, via: map[string]int{}}
	if d := cmp.Diff(want, tr.now(), cmp.AllowUnexported(tally{})); d != "" {
		t.Errorf("(-want +got)\n%s%q", d, tr.failures())
	}
	if got := n.Load(); got != 3 {
		t.Errorf("%d requests arrived", got)
	}
	for _, tt := range []struct {
		at   time.Time
		few  int
		want int
	}{{began, 0, 0}, {time.Now(), 0, 2}, {time.Now(), 1, 1}, {time.Now(), 2, 0}, {tr.lost[1], 0, 1}} {
		if got := tr.lostBefore(tt.at, tt.few); got != tt.want {
			t.Errorf("%d of those after the first %d began before %s, want %d", got, tt.few, tt.at, tt.want)
		}
	}
}

func TestPauseWaitsAndHoldsBack(t *testing.T) {
	arrived, answer := make(chan bool, 100), make(chan bool)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- true
		<-answer
		fmt.Fprintln(w, "web-1 i-0123456789abcdef0")
	}))
	defer srv.Close()
	tr := startTraffic(clients{url: srv.URL, connections: 1, rate: 2000})
	defer tr.stop()
	<-arrived
	paused := make(chan bool)
	go func() {
		tr.pause()
		close(paused)
	}()
	for tr.gate.TryRLock() { // until it is asked for
		tr.gate.RUnlock()
		runtime.Gosched()
	}
	select {
	case <-paused:
		t.Fatal("the pause began with a request under way")
	case answer <- true:
	}
	<-paused
	if got := tr.now(); got.sent != 1 || len(arrived) != 0 {
		t.Errorf("in the pause %d requests have ended and %d have arrived, want 1 and 0", got.sent, len(arrived))
	}
	tr.resume()
	<-arrived
	close(answer)
}

func TestTallyArithmetic(t *testing.T) {
	before := tally{sent: 10, failed: 1, again: 1, by: map[string]int{"web-1": 5, "web-2": 4}, via: map[string]int{"lb1": 9}}
	after := tally{sent: 40, failed: 3, again: 1, by: map[string]int{"web-1": 5, "web-2": 20, "web-3": 12}, via: map[string]int{"lb1": 9, "lb2": 28}}
	diff := after.since(before)
	want := tally{sent: 30, failed: 2, by: map[string]int{"web-2": 16, "web-3": 12}, via: map[string]int{"lb2": 28}}
	if d := cmp.Diff(want, diff, cmp.AllowUnexported(tally{})); d != "" {
		t.Errorf("since (-want +got)\n%s", d)
	}
	want = tally{sent: 20, failed: 2, by: map[string]int{"web-2": 11, "web-3": 8}, via: map[string]int{"lb2": 19}}
	if d := cmp.Diff(want, diff.per(1500*time.Millisecond), cmp.AllowUnexported(tally{})); d != "" {
		t.Errorf("per second (-want +got)\n%s", d)
	}
}

func TestTrafficFollowsTheName(t *testing.T) {
	w := newTestWorld(t)
	answers := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if host, _, _ := strings.Cut(r.Host, ":"); host != siteName {
				t.Errorf("%s is asked for %s", name, r.Host)
			}
			w.Header().Set("X-Load-Balancer", name)
			fmt.Fprintln(w, "web-1 i-0123456789abcdef0")
		}
	}
	first := httptest.NewServer(answers("lb1"))
	defer first.Close()
	_, port, _ := strings.Cut(first.Listener.Addr().String(), ":")
	ln, err := net.Listen("tcp", "127.0.0.2:"+port)
	if err != nil {
		t.Skipf("this needs the loopback address 127.0.0.2: %v", err)
	}
	second := httptest.NewUnstartedServer(answers("lb2"))
	second.Listener.Close()
	second.Listener = ln
	second.Start()
	defer second.Close()

	point(t, w, "127.0.0.1", "", 0)
	names := &resolver{server: w.dns.Addr(), name: siteName}
	tr := &traffic{clients: clients{url: "http://" + siteName + ":" + port + "/", names: names}, client: &http.Client{}}
	defer tr.client.CloseIdleConnections()
	for _, want := range []string{"lb1", "lb2"} {
		got, _, err := tr.get()
		if err != nil || got != (reply{"web-1", want}) {
			t.Errorf("%+v, %v, want %s", got, err, want)
		}
		point(t, w, "127.0.0.2", "", 0)
		names.until = time.Time{}
	}
}

func TestLongestTimeWithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &traffic{good: time.Now()}
		for _, d := range []time.Duration{time.Second, 3 * time.Second, 2 * time.Second} {
			time.Sleep(d)
			tr.mu.Lock()
			tr.noteGood(time.Now())
			tr.mu.Unlock()
		}
		if got := tr.longest(); got != 3*time.Second {
			t.Errorf("%s, want 3s", got)
		}
		if got := tr.longest(); got != 0 {
			t.Errorf("%s afterwards", got)
		}
	})
}
