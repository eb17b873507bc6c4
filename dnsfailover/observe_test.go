package dnsfailover

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/standard"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
	_ "github.com/caddyserver/caddy/v2/modules/logging"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

func init() { caddy.RegisterModule(observedEvents{}) }

// observedEvents is a handler of events that keeps them.
type observedEvents struct{}

var observed struct {
	sync.Mutex
	names []string
	text  bytes.Buffer
}

func (observedEvents) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.dnsfailover_observed", New: func() caddy.Module { return new(observedEvents) }}
}

func (observedEvents) Handle(_ context.Context, e caddy.Event) error {
	observed.Lock()
	defer observed.Unlock()
	observed.names = append(observed.names, e.Name())
	return json.NewEncoder(&observed.text).Encode(e.Data)
}

var _ caddyevents.Handler = observedEvents{}

const observedSecret = "5ecret-of-the-heartbeats-5ecret"

// observedNode is a real Caddy in this process, as the only node that lives, and the fake cloud behind it.
type observedNode struct {
	*lab
	dir, http, heartbeat, peer string
	extra                      string // further options of failover
}

func newObservedNode(t *testing.T) *observedNode {
	t.Helper()
	o := &observedNode{lab: newLab(t), dir: t.TempDir(), http: freeAddress(t), heartbeat: freeAddress(t), peer: freeAddress(t)}
	if err := os.WriteFile(filepath.Join(o.dir, "secret"), []byte(observedSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OBSERVED_KEY", os.Getenv("AWS_SECRET_ACCESS_KEY"))
	observed.Lock()
	observed.names = nil
	observed.text.Reset()
	observed.Unlock()
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return o
}

// freeAddress is one of this machine where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// load runs a configuration; the service is that of failover_health.
func (o *observedNode) load(service string) error {
	health := fmt.Sprintf(`{"handler": "failover_health", "service": %q}`, service)
	failover := fmt.Sprintf(`"dnsfailover": {
		"node": "lb1", "instance": "i-1", "address": {"private": "127.0.0.1", "public": "192.0.2.1", "ipv6": "none"},
		"heartbeat": {"listen": %q, "interval": "100ms", "secret_files": [%q]}, "peers": [%q],
		"dns": {"name": "route53", "hosted_zone_id": %q, "region": "us-east-1", "access_key_id": %q, "secret_access_key": "{env.OBSERVED_KEY}"},
		"services": [{"name": "www", "records": [{"name": "lb.example.com"}]}] %s
	},`, o.heartbeat, filepath.Join(o.dir, "secret"), o.peer, o.zone, os.Getenv("AWS_ACCESS_KEY_ID"), o.extra)
	return o.loadApps(failover, health)
}

func (o *observedNode) loadApps(failover, handler string) error {
	return caddy.Load(fmt.Appendf(nil, `{
		"admin": {"disabled": true, "config": {"persist": false}},
		"storage": {"module": "file_system", "root": %q},
		"logging": {"logs": {"default": {"level": "DEBUG", "writer": {"output": "file", "filename": %q, "roll": false}, "encoder": {"format": "json"}}}},
		"apps": {
			%s
			"events": {"subscriptions": [{"events": ["dnsfailover_claimed", "dnsfailover_waiting"], "handlers": [{"handler": "dnsfailover_observed"}]}]},
			"tls": {"disable_storage_clean": true},
			"http": {"servers": {"one": {"listen": [%q], "automatic_https": {"disable": true}, "routes": [{"handle": [%s]}]}}}
		}
	}`, filepath.Join(o.dir, "storage"), filepath.Join(o.dir, "log"), failover, o.http, handler), true)
}

func (o *observedNode) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// eventually waits until cond holds, for a time that only a failure takes.
func (o *observedNode) eventually(what string, cond func() bool) {
	o.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			o.t.Fatalf("waited in vain for: %s\n%s\nlog:\n%s", what, o.admin(http.MethodGet, "status", ""), o.log())
		}
	}
}

func (o *observedNode) log() string {
	text, err := os.ReadFile(filepath.Join(o.dir, "log"))
	o.must(err)
	return string(text)
}

// admin asks the endpoint, and returns its body or its error.
func (o *observedNode) admin(method, path, form string) string {
	o.t.Helper()
	for _, route := range (Admin{}).Routes() {
		if route.Pattern != "/dnsfailover/"+path {
			continue
		}
		r := httptest.NewRequest(method, route.Pattern, strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		if err := route.Handler.ServeHTTP(w, r); err != nil {
			return err.Error()
		}
		return w.Body.String()
	}
	o.t.Fatalf("there is no %s", path)
	return ""
}

func (o *observedNode) status() (s Status) {
	o.t.Helper()
	_, s, err := currentStatus()
	o.must(err)
	return s
}

func (o *observedNode) active() bool {
	s := o.status()
	return len(s.Services) == 1 && s.Services[0].Role == "active"
}

// health asks the handler over the network.
func (o *observedNode) health() (int, string) {
	o.t.Helper()
	resp, err := http.Get("http://" + o.http + "/")
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	o.must(err)
	return resp.StatusCode, string(body)
}

func TestObserved(t *testing.T) {
	o := newObservedNode(t)
	if got := o.admin(http.MethodGet, "status", ""); !strings.Contains(got, "failover is not configured here") {
		t.Errorf("without a configuration the status is %s", got)
	}
	o.must(o.load(""))
	o.eventually("the service to be claimed", o.active)
	s := o.status()
	www := &s.Services[0]
	if www.Holder != "lb1" || www.Epoch != 1 || !www.Healthy || www.Targets[0].Holds != "192.0.2.1" || www.Targets[0].Zone != o.zone ||
		s.Peers[0].Reply != "its host refuses the connection" || len(s.Problems) != 0 || !s.AsConfigured {
		t.Errorf("the status is %+v", s)
	}
	o.eventually("a 200", func() bool { code, _ := o.health(); return code == http.StatusOK })
	o.eventually("an event", func() bool {
		observed.Lock()
		defer observed.Unlock()
		return strings.Contains(strings.Join(observed.names, " "), "dnsfailover_claimed")
	})
	if !strings.Contains(o.log(), `"decision":"claimed","service":"www","target":"lb.example.com","epoch":1,"to":"lb1","reason":"nobody has it"`) {
		t.Errorf("the claim is not in the log:\n%s", o.log())
	}

	if got := o.admin(http.MethodPost, "pause", "reason=maintenance"); !strings.Contains(got, `"paused": true`) {
		t.Errorf("the answer to pause is %s", got)
	}
	if !strings.Contains(o.log(), `"msg":"an operator's order","order":"pause","service":"www","reason":"maintenance"`) {
		t.Errorf("the order is not in the log:\n%s", o.log())
	}
	if got := o.admin(http.MethodPost, "resume", "service=www"); !strings.Contains(got, `"paused": false`) {
		t.Errorf("the answer to resume is %s", got)
	}
	if got := o.admin(http.MethodPost, "pause", "service=api"); !strings.Contains(got, "only: www") {
		t.Errorf("the answer to an order for another service is %s", got)
	}
}

// Over reloads everything is still there; a service that is asked for and not there is an error; without failover there is none.
func TestObservedOverReloads(t *testing.T) {
	o := newObservedNode(t)
	others := decisions.get("www")[0] // those of other tests
	o.must(o.load("www"))
	o.eventually("the service to be claimed, and that to be counted", func() bool { return o.active() && decisions.get("www")[0] > others })
	before := decisions.get("www")
	o.calls()
	for i := range 3 {
		o.extra = fmt.Sprintf(`, "hand_over": "%ds"`, i+1)
		o.must(o.load("www"))
		o.eventually("the new configuration to run", func() bool { s := o.status(); return s.AsConfigured && s.Services[0].Role == "active" })
		r := prometheus.NewPedanticRegistry()
		o.must(registerCollector(r))
		o.must(registerCollector(r))
		page := metricsPage(t, r)
		for _, want := range []string{
			`caddy_dnsfailover_active{service="www"} 1`, "caddy_dnsfailover_problem 0", `caddy_dnsfailover_rejected_messages_total{reason="forgery"} 0`,
			fmt.Sprintf(`caddy_dnsfailover_peer_up{peer=%q} 0`, o.peer),
			fmt.Sprintf(`caddy_dnsfailover_decisions_total{decision="claimed",service="www"} %d`, before[0]),
		} {
			if !strings.Contains(page, want+"\n") {
				t.Errorf("there is no line %s in\n%s", want, page)
			}
		}
		if code, body := o.health(); code != http.StatusOK {
			t.Errorf("after a reload failover_health answers %d, %s", code, body)
		}
	}
	if n := o.calls()[1]; n != 0 {
		t.Errorf("%d changes were made by reloads", n)
	}
	if err := o.load("wwww"); err == nil || !strings.Contains(err.Error(), `dnsfailover has no service "wwww", only: www`) {
		t.Errorf("the error about an unknown service is %v", err)
	}
	if err := o.loadApps("", `{"handler": "failover_health"}`); err == nil || !strings.Contains(err.Error(), "failover is not configured") {
		t.Errorf("the error about failover_health alone is %v", err)
	}
	if !o.active() {
		t.Error("a configuration that failed has changed something")
	}
	o.must(o.loadApps("", `{"handler": "static_response"}`))
	if got := o.admin(http.MethodGet, "status", ""); !strings.Contains(got, "failover is not configured here") {
		t.Errorf("without failover the status is %s", got)
	}
}

// What can't be set up is a problem that says what to do, and nothing else.
func TestObservedProblem(t *testing.T) {
	o := newObservedNode(t)
	o.must(os.Remove(filepath.Join(o.dir, "secret")))
	o.must(o.load(""))
	o.eventually("the problem", func() bool { return len(o.status().Problems) == 1 })
	s := o.status()
	if p := s.Problems[0]; p.About != "secret" || !strings.Contains(p.Error, "create it") || p.Since.IsZero() || s.AsConfigured || s.Node != "" {
		t.Errorf("the status is %+v", s)
	}
	if got := o.admin(http.MethodPost, "takeover", ""); !strings.Contains(got, "not set up yet: secret: ") {
		t.Errorf("the answer to an order is %s", got)
	}
	if code, body := o.health(); code != http.StatusServiceUnavailable {
		t.Errorf("failover_health answers %d, %s", code, body)
	}
	r := prometheus.NewPedanticRegistry()
	o.must(registerCollector(r))
	if page := metricsPage(t, r); !strings.Contains(page, "caddy_dnsfailover_problem 1\n") {
		t.Errorf("the metrics are\n%s", page)
	}
}

// Secrets show nowhere.
func TestObservedSecrets(t *testing.T) {
	o := newObservedNode(t)
	o.must(o.load("www"))
	o.eventually("the service to be claimed", o.active)
	remove := o.fault(list, 0, awstest.Fault{Code: "AccessDenied"})
	o.admin(http.MethodPost, "takeover", "reason=so+that+it+reads")
	o.eventually("an error of a target", func() bool { return o.status().Services[0].Targets[0].Error != "" })
	outputs := map[string]string{"status": o.admin(http.MethodGet, "status", "")}
	r := prometheus.NewPedanticRegistry()
	o.must(registerCollector(r))
	outputs["metrics"] = metricsPage(t, r)
	_, outputs["health"] = o.health()
	remove()
	o.must(o.load(""))
	observed.Lock()
	outputs["events"] = observed.text.String()
	observed.Unlock()
	outputs["log"] = o.log()
	for name, text := range outputs {
		if text == "" {
			t.Errorf("%s: there is nothing to search", name)
		}
		for _, secret := range []string{observedSecret, observedSecret[:16], os.Getenv("AWS_SECRET_ACCESS_KEY")} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: a secret shows in\n%s", name, text)
			}
		}
	}
}
