package dnsfailover

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/google/go-cmp/cmp"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

func TestHealthDirective(t *testing.T) {
	for text, want := range map[string]string{
		"failover_health":     "",
		"failover_health www": "www",
	} {
		var h Health
		if err := h.UnmarshalCaddyfile(caddyfile.NewTestDispenser(text)); err != nil || h.Service != want {
			t.Errorf("%s: %q, %v", text, h.Service, err)
		}
	}
	for text, want := range map[string]string{
		"failover_health www api":           `"api" is one too many`,
		`failover_health ""`:                `"" is no service`,
		"failover_health www {\nfoo bar\n}": "there is no option foo",
	} {
		err := new(Health).UnmarshalCaddyfile(caddyfile.NewTestDispenser(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error is %v, want %q", text, err, want)
		}
	}
}

func TestHealthServices(t *testing.T) {
	app := &App{Config: *viewPair(t).snapshot.cfg}
	var all Health
	if err := all.of(app); err != nil || len(all.services) != 2 {
		t.Errorf("%v, %v", all.services, err)
	}
	one := Health{Service: "api"}
	if err := one.of(app); err != nil || len(one.services) != 1 || one.services[0].key != "api.example.com" {
		t.Errorf("%v, %v", one.services, err)
	}
	if err := (&Health{Service: "apis"}).of(app); err == nil || err.Error() != `failover_health: dnsfailover has no service "apis", only: www, api` {
		t.Error(err)
	}
	if err := new(Health).of(new(App)); err == nil || !strings.Contains(err.Error(), "dnsfailover has no service: add one") {
		t.Error(err)
	}
}

// healthOf is a handler with what its node is supposed to know for the time of a test.
func healthOf(t *testing.T, service string) *Health {
	t.Helper()
	v := viewPair(t)
	h := &Health{Service: service, known: v.loop, who: v.wanted.who, asked: time.Now().Add(time.Hour)}
	if err := h.of(&App{Config: *v.snapshot.cfg, node: newNode()}); err != nil {
		t.Fatal(err)
	}
	return h
}

func askHealth(t *testing.T, h *Health, method string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "https://www.example.com/healthz", nil)
	if header != nil {
		r.Header = header
	}
	w := httptest.NewRecorder()
	if err := h.ServeHTTP(w, r, nil); err != nil {
		t.Fatal(err)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control is %q", got)
	}
	return w
}

func TestHealthAnswers(t *testing.T) {
	unread := func(h *Health) {
		s := h.known.Services["lb.example.com"]
		s.Holder, s.State.Role, s.State.Waiting = "", engine.Starting, engine.Why{}
		h.known.Services["lb.example.com"] = s
	}
	for _, tc := range []struct {
		name, service string
		edit          func(*Health)
		status        int
		want          HealthAnswer
	}{
		{"the node that has it", "api", nil, 200, HealthAnswer{true, []HealthAnswerService{{Service: "api", Active: true, Holder: "lb1"}}}},
		{"another has it", "www", nil, 503, HealthAnswer{false, []HealthAnswerService{{Service: "www", Holder: "lb2", Why: "lb2 has it"}}}},
		{"one of two", "", nil, 503, HealthAnswer{false, []HealthAnswerService{
			{Service: "www", Holder: "lb2", Why: "lb2 has it"}, {Service: "api", Active: true, Holder: "lb1"},
		}}},
		{"a service of a configuration before", "api", func(h *Health) { delete(h.known.Services, "api.example.com") }, 503,
			HealthAnswer{false, []HealthAnswerService{{Service: "api", Why: "it does not run on this node"}}}},
		{"a node that has just started", "www", unread, 503,
			HealthAnswer{false, []HealthAnswerService{{Service: "www", Why: "this node does not know yet who has it"}}}},
		{"a node that waits", "www", func(h *Health) {
			unread(h)
			s := h.known.Services["lb.example.com"]
			s.State.Waiting = engine.Why{Code: engine.IsPaused}
			h.known.Services["lb.example.com"] = s
		}, 503, HealthAnswer{false, []HealthAnswerService{{Service: "www", Why: "this node is paused"}}}},
		{"a node that is not set up", "www", func(h *Health) { h.asked = time.Time{} }, 503,
			HealthAnswer{false, []HealthAnswerService{{Service: "www", Why: "it does not run on this node"}}}},
	} {
		h := healthOf(t, tc.service)
		if tc.edit != nil {
			tc.edit(h)
		}
		w := askHealth(t, h, http.MethodGet, nil)
		var got HealthAnswer
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v: %s", tc.name, err, w.Body)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" || w.Code != tc.status {
			t.Errorf("%s: status %d; - is expected, + came:\n%s", tc.name, w.Code, diff)
		}
		if w.Header().Get(fieldMAC) != "" || w.Header().Get(fieldFrom) != "" {
			t.Errorf("%s: signed for nobody", tc.name)
		}
	}
}

func TestHealthMethods(t *testing.T) {
	h := healthOf(t, "api")
	get, head := askHealth(t, h, http.MethodGet, nil), askHealth(t, h, http.MethodHead, nil)
	if head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("Content-Length") != get.Header().Get("Content-Length") {
		t.Errorf("HEAD is answered with %d, %v, %q", head.Code, head.Header(), head.Body)
	}
	if w := askHealth(t, h, http.MethodPost, nil); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST is answered with %d, %v", w.Code, w.Header())
	}
}

// A peer gets its answer signed, about the service that it asks for alone; others get none.
func TestHealthIsSignedForPeers(t *testing.T) {
	stranger, err := NewPeerSecret([]byte("another-secret-of-somebody"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, service, about string
		secrets              []PeerSecret // nil: those of the node
		status               int
		signed               bool
	}{
		{"the holder", "api", "api.example.com", nil, 200, true},
		{"another", "www", "lb.example.com", nil, 503, true},
		{"one of all", "", "api.example.com", nil, 200, true},
		{"one that it is not for", "www", "api.example.com", nil, 503, false},
		{"a stranger", "api", "api.example.com", []PeerSecret{stranger}, 200, false},
	} {
		h := healthOf(t, tc.service)
		q, err := newHealthQuestion(rand.Reader, tc.about)
		if err != nil {
			t.Fatal(err)
		}
		secrets := tc.secrets
		if secrets == nil {
			secrets = h.who.Secrets
		}
		header := http.Header{}
		q.ask(secrets, header)
		w := askHealth(t, h, http.MethodGet, header)
		if w.Code != tc.status {
			t.Errorf("%s: status %d, want %d", tc.name, w.Code, tc.status)
		}
		node, err := verifyHealth(h.who.Secrets, q, w.Code, w.Header())
		if (err == nil) != tc.signed || tc.signed && node != "lb1" {
			t.Errorf("%s: signed by %q, %v", tc.name, node, err)
		}
		if !tc.signed && w.Header().Get(fieldMAC) != "" {
			t.Errorf("%s: there is a signature", tc.name)
		}
	}
}
