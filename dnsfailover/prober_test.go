package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

const (
	probedKey    = "www.example.com"
	probedHolder = "lb2"
)

// probeConfig is a service, as edited.
func probeConfig(edit func(*Config, *ServiceConfig)) *Config {
	cfg := &Config{Services: []ServiceConfig{{Name: "www", Records: []ServiceRecord{{Name: probedKey}}}}}
	edit(cfg, &cfg.Services[0])
	return cfg
}

func mustProber(t *testing.T, cfg *Config, self Self, secrets ...PeerSecret) *prober {
	t.Helper()
	p, err := newProber(cfg, self, secrets)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// homeAt is a reading of the record, which the holder has written.
func homeAt(addrs string) engine.Reading {
	return engine.Reading{Exists: true, Addrs: addrs, Lease: engine.Lease{Holder: probedHolder}}
}

// probed compares the outcome of a probe with its status.
func probed(t *testing.T, p *prober, what string, ok, want bool, parts ...string) {
	t.Helper()
	if ok != want {
		t.Errorf("it passes: %v, want %v", ok, want)
	}
	for _, s := range p.status(probedKey) {
		if s.What != what {
			continue
		}
		if s.OK != (s.Error == "") || time.Since(s.Ended) > time.Minute {
			t.Errorf("status %+v", s)
		}
		for _, part := range parts {
			if !strings.Contains(s.Error, part) {
				t.Errorf("%q is not in %q", part, s.Error)
			}
		}
		if strings.ContainsAny(s.Error, "\r\n") {
			t.Errorf("not fit for a log line: %q", s.Error)
		}
		return
	}
	if len(parts) > 0 {
		t.Errorf("there is no status of the %s", what)
	}
}

// briefly is a context that ends a probe of what never answers. A loopback connection is made well within it.
func briefly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestWitnessByCertificate(t *testing.T) {
	status := http.StatusOK
	web := newWebLab(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(fieldMAC) != "" {
			t.Error("a node without secrets signs")
		}
		if r.Host != "example.com:"+r.URL.Query().Get("port") || r.URL.Path != "/healthz" {
			t.Errorf("asked for %s%s", r.Host, r.URL)
		}
		if status/100 == 3 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
	})
	url := "https://example.com:" + web.port + "/healthz?port=" + web.port
	p := mustProber(t, probeConfig(func(_ *Config, s *ServiceConfig) { s.Witness, s.WitnessCA = url, web.ca }), Self{})
	ask := func(addrs string) bool { return p.Witness(t.Context(), probedKey, homeAt(addrs)) }

	probed(t, p, "witness", ask("127.0.0.1"), true)
	// The first address is refused: nobody listens there.
	probed(t, p, "witness", ask("127.0.0.2,127.0.0.1"), true)
	probed(t, p, "witness", ask("127.0.0.2,127.0.0.3"), false, "asking 127.0.0.2:"+web.port, "127.0.0.3", "; ")
	probed(t, p, "witness", ask(""), false, "no address")
	for _, status = range []int{503, 404, 302} {
		probed(t, p, "witness", ask("127.0.0.1"), false, fmt.Sprintf("status %d, want 2xx", status))
	}
	status = http.StatusNoContent
	probed(t, p, "witness", ask("127.0.0.1"), true)
	for range 6 {
		if got := <-web.sni; got != "example.com" {
			t.Errorf("server name %q", got)
		}
	}
	if p.Witness(t.Context(), "other.example.com", homeAt("127.0.0.1")) {
		t.Error("a service that is not here passes")
	}
	web.Listener.Close()
	probed(t, p, "witness", ask("127.0.0.1"), false, "refused")
}

func TestWitnessRefuses(t *testing.T) {
	web := newWebLab(t, func(http.ResponseWriter, *http.Request) {})
	for _, tc := range []struct {
		name, url, ca string
		part          string
	}{
		{"unknown authority", "https://example.com:" + web.port, "", "unknown authority"},
		{"another name", "https://www.example.net:" + web.port, web.ca, "valid for example.com"},
		{"no file", "https://example.com:" + web.port, "/nonexistent/ca.pem", "open /nonexistent/ca.pem"},
		{"no TLS", "http://example.com:" + web.port, "", "status 400"},
		{"silent", "https://example.com:" + silentPort(t), web.ca, "deadline exceeded"},
		{"silent without TLS", "http://example.com:" + silentPort(t), "", "deadline exceeded"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := mustProber(t, probeConfig(func(_ *Config, s *ServiceConfig) { s.Witness, s.WitnessCA = tc.url, tc.ca }), Self{}, healthSecrets(t, healthA)...)
			ctx := t.Context()
			if strings.HasPrefix(tc.name, "silent") {
				ctx = briefly(t)
			}
			probed(t, p, "witness", p.Witness(ctx, probedKey, homeAt("127.0.0.1")), false, tc.part)
		})
	}
	// A body that never ends is dropped at its bound.
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	p := mustProber(t, probeConfig(func(_ *Config, s *ServiceConfig) { s.Witness = endless.URL }), Self{})
	probed(t, p, "witness", p.Witness(t.Context(), probedKey, homeAt("127.0.0.1")), true)
}

// A certificate that nobody knows is as good as any, if the answer is signed by the holder.
func TestWitnessSigned(t *testing.T) {
	node, status, secrets := probedHolder, http.StatusOK, healthSecrets(t, healthB, healthA)
	var replay http.Header
	web := newWebLab(t, func(w http.ResponseWriter, r *http.Request) {
		if q, ok := healthQuestionIn(secrets, r.Header); ok && replay == nil {
			if q.service != probedKey {
				t.Errorf("asked about %s", q.service)
			}
			signHealth(secrets, q, node, status, w.Header())
		}
		for k, v := range replay {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
	})
	p := mustProber(t, probeConfig(func(_ *Config, s *ServiceConfig) { s.Witness = "https://www.example.net:" + web.port }), Self{}, healthSecrets(t, healthA)...)
	home := homeAt("127.0.0.1")
	ask := func() bool { return p.Witness(t.Context(), probedKey, home) }

	probed(t, p, "witness", ask(), true)
	node = "lb3"
	probed(t, p, "witness", ask(), false, "signed by the node lb3, and not by lb2")
	home.Lease = engine.Lease{}
	probed(t, p, "witness", ask(), true) // nobody knows who should answer
	status = http.StatusServiceUnavailable
	probed(t, p, "witness", ask(), false, "status 503")
	status, secrets = http.StatusOK, healthSecrets(t, healthB)
	probed(t, p, "witness", ask(), false, "the answer is not signed", "tls_ca")

	replay = http.Header{}
	old := healthQuestion{probedKey, healthNonce}
	signHealth(healthSecrets(t, healthA), old, "lb3", status, replay)
	probed(t, p, "witness", ask(), false, "signed with none of this node's secrets, or was an answer to something else")
}

func TestControl(t *testing.T) {
	status := http.StatusOK
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer web.Close()
	by := func(reference string, self Self, witness string) *prober {
		return mustProber(t, probeConfig(func(c *Config, s *ServiceConfig) { c.Reference, s.Witness = reference, witness }), self)
	}
	ctx := t.Context()
	if p := by("", Self{}, web.URL); p.Control(ctx, probedKey) || len(p.status(probedKey)) != 0 {
		t.Error("without a reference it passes")
	}

	p := by(web.URL, Self{}, "")
	for _, status = range []int{200, 302, 404, 503} {
		probed(t, p, "reference", p.Control(ctx, probedKey), true)
	}
	p = by("http://127.0.0.1:"+deadPort(t), Self{}, "")
	probed(t, p, "reference", p.Control(ctx, probedKey), false, "refused")
	p = by("http://127.0.0.1:"+silentPort(t), Self{}, "")
	probed(t, p, "reference", p.Control(briefly(t), probedKey), false, "no answer")
	secure := newWebLab(t, func(http.ResponseWriter, *http.Request) {})
	p = by("https://127.0.0.1:"+secure.port, Self{}, "")
	probed(t, p, "reference", p.Control(ctx, probedKey), false, "unknown authority")

	here := Self{Public: netip.MustParseAddr("127.0.0.1"), IPv6: netip.MustParseAddr("::1")}
	p = by("own_address", here, strings.Replace(web.URL, "127.0.0.1", "example.com", 1))
	probed(t, p, "reference", p.Control(ctx, probedKey), true)
	p = by("own_address", here, "https://example.com:"+deadPort(t))
	probed(t, p, "reference", p.Control(ctx, probedKey), false, "connect 127.0.0.1:", "refused")
	if port := p.publicPort("other.example.com"); port != "443" {
		t.Errorf("without a witness it asks port %s", port)
	}
	if p := by("own_address", Self{IPv6: here.IPv6}, ""); p.own != here.IPv6 {
		t.Errorf("with IPv6 alone it asks %s", p.own)
	}
	if by("own_address", Self{}, "").Control(ctx, probedKey) {
		t.Error("without an address it passes")
	}
}

func TestForeign(t *testing.T) {
	status := http.StatusOK
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Host, "example.com:") {
			t.Errorf("asked for %s", r.Host)
		}
		w.WriteHeader(status)
	}))
	defer web.Close()
	secure := newWebLab(t, func(http.ResponseWriter, *http.Request) {})
	_, port, _ := net.SplitHostPort(web.Listener.Addr().String())
	url := "http://example.com:" + port
	many := strings.Repeat("127.0.0.2,", maxAsked) + "127.0.0.2"
	for _, tc := range []struct {
		name, check, addrs string
		status             int
		want               bool
		part               string // of the error
	}{
		{"no check", "", "127.0.0.2", 200, true, ""},
		{"works", url, "127.0.0.1", 200, true, ""},
		{"one of two works", url, "127.0.0.2,127.0.0.1", 200, true, ""},
		{"none works", url, "127.0.0.2,127.0.0.3", 200, false, "refused"},
		{"status", url, "127.0.0.1", 500, false, "status 500"},
		{"certificate", "https://example.com:" + secure.port, "127.0.0.1", 200, false, "unknown authority"},
		{"silent", "http://example.com:" + silentPort(t), "127.0.0.1", 200, false, "no answer"},
		{"tcp", "tcp :" + port, "127.0.0.2,127.0.0.1", 500, true, ""},
		{"tcp, a frozen host", "tcp :" + silentPort(t), "127.0.0.1", 200, true, ""},
		{"tcp, refused", "tcp :" + deadPort(t), "127.0.0.1", 200, false, "refused"},
		{"no addresses, as of an alias", "tcp :" + deadPort(t), "", 200, true, ""},
		{"too many", "tcp :" + deadPort(t), many, 200, true, "17 addresses are too many"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status = tc.status
			p := mustProber(t, probeConfig(func(_ *Config, s *ServiceConfig) { s.ForeignCheck = tc.check }), Self{})
			ctx := t.Context()
			if tc.name == "silent" {
				ctx = briefly(t)
			}
			ok := p.Foreign(ctx, probedKey, "www.example.com", engine.Reading{Addrs: tc.addrs})
			probed(t, p, "www.example.com", ok, tc.want, strings.Fields(tc.part)...)
		})
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	p := mustProber(t, probeConfig(func(_ *Config, s *ServiceConfig) { s.ForeignCheck = "tcp :" + deadPort(t) }), Self{})
	if !p.Foreign(canceled, probedKey, probedKey, engine.Reading{Addrs: "127.0.0.1"}) {
		t.Error("what was given up was seen to fail")
	}
}

func TestSeenToFail(t *testing.T) {
	dial := func(errno syscall.Errno) error {
		return fmt.Errorf("asking: %w", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errno)})
	}
	for _, tc := range []struct {
		name string
		err  error
		want bool
	}{
		{"refused", dial(syscall.ECONNREFUSED), true},
		{"no such host", dial(syscall.EHOSTUNREACH), true},
		{"no answer", context.DeadlineExceeded, true},
		{"anything", errors.New("anything"), true},
		{"no network here", dial(syscall.ENETUNREACH), false},
		{"no file left here", dial(syscall.EMFILE), false},
		{"forbidden here", dial(syscall.EPERM), false},
		{"no ping here", fmt.Errorf("ping: %w", errNoPing), false},
		{"given up", context.Canceled, false},
	} {
		if got := seenToFail(tc.err); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestNewProberErrors(t *testing.T) {
	for name, edit := range map[string]func(*Config, *ServiceConfig){
		"reference":     func(c *Config, _ *ServiceConfig) { c.Reference = "https://[::1" },
		"witness":       func(_ *Config, s *ServiceConfig) { s.Witness = "https://[::1" },
		"foreign_check": func(_ *Config, s *ServiceConfig) { s.ForeignCheck = "tcp :x" },
	} {
		if _, err := newProber(probeConfig(edit), Self{}, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
