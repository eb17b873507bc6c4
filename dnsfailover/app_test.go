package dnsfailover

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
	_ "github.com/caddyserver/caddy/v2/modules/logging"
)

// appLab is a Caddy in this process with the app alone, before the fake Route 53.
type appLab struct {
	*lab
	dir, listen string
}

func newAppLab(t *testing.T) *appLab {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // only for a free port
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	l := &appLab{newLab(t), t.TempDir(), ln.Addr().String()}
	t.Setenv("TEST_FAILOVER_SECRET", "a-secret-of-the-test-0123")
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// config is a node alone, with changes to the app, and other apps.
func (l *appLab) config(change func(app map[string]any), others ...string) []byte {
	l.t.Helper()
	app := map[string]any{
		"node": "lb1", "instance": "i-1",
		"address":   map[string]any{"private": "127.0.0.1", "public": "192.0.2.1", "ipv6": "none"},
		"heartbeat": map[string]any{"listen": l.listen, "interval": "100ms", "secrets": []string{"{env.TEST_FAILOVER_SECRET}"}},
		"dns":       map[string]any{"name": "route53", "hosted_zone_id": l.zone},
		"services": []map[string]any{{
			"name": "www", "records": []map[string]any{{"name": "lb.example.com", "ttl": "60s"}},
		}},
	}
	if change != nil {
		change(app)
	}
	apps := map[string]any{"dnsfailover": app}
	for _, name := range others {
		apps[name] = map[string]any{}
	}
	raw, err := json.Marshal(map[string]any{
		"admin":   map[string]any{"disabled": true, "config": map[string]any{"persist": false}},
		"logging": map[string]any{"logs": map[string]any{"default": map[string]any{"writer": map[string]any{"output": "file", "filename": l.log(), "mode": "0600", "roll": false}}}},
		"storage": map[string]any{"module": "file_system", "root": filepath.Join(l.dir, "storage")},
		"apps":    apps,
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return raw
}

func (l *appLab) log() string { return filepath.Join(l.dir, "log") }

func (l *appLab) load(raw []byte) {
	l.t.Helper()
	if err := caddy.Load(raw, true); err != nil {
		l.t.Fatal(err)
	}
}

// status is what the node knows; nil if no configuration is in force.
func (l *appLab) status() *snapshot {
	v, err := caddy.ActiveContext().AppIfConfigured("dnsfailover")
	if err != nil {
		return nil
	}
	s, ok := v.(*App).node.snapshot()
	if !ok {
		return nil
	}
	return &s
}

// active reports whether the node holds the service.
func (l *appLab) active() bool {
	s := l.status()
	return s != nil && s.setup != nil && s.setup.bodies()["lb.example.com"].Active
}

// until waits for what only a failure makes take long.
func (l *appLab) until(what string, cond func() bool) {
	l.t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			raw, _ := os.ReadFile(l.log())
			l.t.Fatalf("waited in vain for %s; log:\n%s", what, raw)
		}
	}
}

func (l *appLab) counts() (reads, writes int) {
	return l.cloud.Count("route53", list), l.cloud.Count("route53", change)
}

func TestValidationTouchesNothing(t *testing.T) {
	l := newAppLab(t)
	var cfg caddy.Config
	if err := json.Unmarshal(l.config(func(app map[string]any) {
		app["heartbeat"].(map[string]any)["secret_files"] = []string{"/does/not/exist"}
		delete(app, "instance")
	}), &cfg); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&cfg); err != nil {
		t.Fatal(err)
	}
	if r, w := l.counts(); r+w != 0 {
		t.Errorf("%d reads, %d writes", r, w)
	}
}

func TestReloadsMoveNothing(t *testing.T) {
	l := newAppLab(t)
	l.load(l.config(nil))
	l.until("the first claim", l.active)
	loop := l.status().setup.loop
	reads, writes := l.counts()
	if writes != 1 {
		t.Errorf("%d writes for the first claim", writes)
	}
	for i := range 10 {
		l.load(l.config(nil))
		if !l.active() {
			t.Fatalf("not active after reload %d", i+1)
		}
	}
	s := l.status()
	l.until("the last configuration", func() bool {
		return s.setup.wanted().share == s.setup.wanted().share && s.setup.wanted().share.cfg == l.status().cfg
	})
	if r, w := l.counts(); r != reads || w != writes {
		t.Errorf("ten reloads made %d reads and %d writes", r-reads, w-writes)
	}
	if l.status().setup.loop != loop {
		t.Error("the loop is another one")
	}
}

// failing is an app that does not start.
type failing struct{}

func (failing) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "test_failing", New: func() caddy.Module { return new(failing) }}
}
func (failing) Start() error { return fmt.Errorf("as it is told to") }
func (failing) Stop() error  { return nil }

func init() { caddy.RegisterModule(failing{}) }

func TestFailedReloadChangesNothing(t *testing.T) {
	l := newAppLab(t)
	l.load(l.config(nil))
	l.until("the first claim", l.active)
	_, writes := l.counts()
	other := l.config(func(app map[string]any) {
		app["services"].([]map[string]any)[0]["records"].([]map[string]any)[0]["ttl"] = "30s"
	}, "test_failing")
	if err := caddy.Load(other, true); err == nil {
		t.Fatal("it has loaded")
	}
	if !l.active() {
		t.Error("not active any more")
	}
	if _, w := l.counts(); w != writes {
		t.Errorf("%d writes", w-writes)
	}
}

func TestRemovalLeavesTheName(t *testing.T) {
	l := newAppLab(t)
	l.load(l.config(nil))
	l.until("the first claim", l.active)
	_, writes := l.counts()
	l.load([]byte(`{"admin": {"disabled": true, "config": {"persist": false}}}`))
	if l.status() != nil {
		t.Error("a node is left")
	}
	if _, w := l.counts(); w != writes {
		t.Errorf("%d writes", w-writes)
	}
	l.load(l.config(nil))
	l.until("the service again", l.active)
	if _, w := l.counts(); w != writes {
		t.Errorf("%d writes to resume", w-writes)
	}
}

func TestWhatCannotBeSetUpIsReportedAndTriedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		change func(app map[string]any)
		about  string
	}{
		"no secret": {func(app map[string]any) {
			app["heartbeat"].(map[string]any)["secrets"] = []string{"{env.TEST_FAILOVER_LATER}"}
		}, "secret"},
		"the listener is taken": {func(app map[string]any) {
			app["heartbeat"].(map[string]any)["listen"] = "10.255.255.254:8404"
		}, "heartbeat"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newAppLab(t)
			l.load(l.config(c.change))
			l.until("the problem", func() bool { return l.status().problem != nil })
			if p := l.status().problem; p.About != c.about || p.Error == "" {
				t.Errorf("problem %+v", p)
			}
			if r, w := l.counts(); r+w != 0 {
				t.Errorf("%d reads, %d writes of a node that its peers do not hear", r, w)
			}
			l.load(l.config(nil))
			l.until("the claim", l.active)
			l.until("the end of the problem", func() bool { return l.status().problem == nil })
			raw, err := os.ReadFile(l.log())
			if err != nil || !strings.Contains(string(raw), "tried again") || strings.Contains(string(raw), "a-secret-of-the-test") {
				t.Errorf("log (%v):\n%s", err, raw)
			}
		})
	}
}

func TestHeartbeatListenerMoves(t *testing.T) {
	l := newAppLab(t)
	l.load(l.config(nil))
	l.until("the first claim", l.active)
	_, port, _ := net.SplitHostPort(l.listen)
	for _, listen := range []string{"0.0.0.0:" + port, l.listen} {
		l.load(l.config(func(app map[string]any) { app["heartbeat"].(map[string]any)["listen"] = listen }))
		l.until("the listener at "+listen, func() bool {
			s := l.status()
			return s.problem == nil && s.setup.wanted().share.cfg == s.cfg
		})
		c, err := net.Dial("tcp", l.listen)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	if _, w := l.counts(); w != 1 {
		t.Errorf("%d writes", w)
	}
}

func TestWhatRunsGoesOnUntilTheNextOneCan(t *testing.T) {
	l := newAppLab(t)
	l.load(l.config(nil))
	l.until("the first claim", l.active)
	l.load(l.config(func(app map[string]any) {
		app["node"] = "lb9"
		app["heartbeat"].(map[string]any)["listen"] = "10.255.255.254:8404"
	}))
	l.until("the problem", func() bool { return l.status().problem != nil })
	if !l.active() {
		t.Error("the node that worked is gone")
	}
	l.load(l.config(func(app map[string]any) { app["node"] = "lb9" }))
	l.until("the new name", func() bool { s := l.status(); return l.active() && s.setup.wanted().self.Node == "lb9" })
}

func TestANodeAloneNeedsNoPeers(t *testing.T) {
	l := newAppLab(t)
	l.load(l.config(func(app map[string]any) {
		app["address"].(map[string]any)["private"] = "127.84.4.1"
		delete(app["heartbeat"].(map[string]any), "listen")
	}))
	l.until("the claim", l.active)
}

// meddler is an app that emits an event of Caddy's name.
type meddler struct{ emit func() }

func (meddler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "test_meddler", New: func() caddy.Module { return new(meddler) }}
}

func (m *meddler) Provision(ctx caddy.Context) error {
	app, err := ctx.App("events")
	m.emit = func() { app.(*caddyevents.App).Emit(ctx, "stopping", nil) }
	return err
}

func (m *meddler) Start() error { m.emit(); return nil }
func (m *meddler) Stop() error  { return nil }

func init() { caddy.RegisterModule(meddler{}) }

func TestEventsOfOthersEndNothing(t *testing.T) {
	l := newAppLab(t)
	l.load(l.config(nil, "test_meddler"))
	l.until("the claim", l.active)
}
