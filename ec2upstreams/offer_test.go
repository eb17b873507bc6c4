package ec2upstreams

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

func observed() (*zap.Logger, *observer.ObservedLogs) {
	core, logs := observer.New(zapcore.DebugLevel)
	return zap.New(core), logs
}

// A retry goes elsewhere. That another reverse_proxy, such as a forward_auth, used the same address before is no retry.
func TestOnlyARetryAvoidsABackend(t *testing.T) {
	u := &Upstreams{Subset: 2, SubsetBy: "{sid}", mark: "test"}
	p := newPicker(sameWeight(5), pickHash)
	repl := caddy.NewReplacer()
	repl.Set("sid", "session-1")
	r := httptest.NewRequest("GET", "/", nil)
	ctx := context.WithValue(r.Context(), caddy.ReplacerCtxKey, repl)
	r = r.WithContext(context.WithValue(ctx, caddyhttp.VarsCtxKey, make(map[string]any)))

	home := func() string {
		var out [1]string
		p.byKey(out[:], "session-1", "")
		return out[0]
	}()
	repl.Set("http.reverse_proxy.upstream.hostport", home) // by the other proxy
	if got := u.offer(r, p); len(got) != 2 || got[0].Dial != home {
		t.Errorf("first attempt: %v, want %s first", got, home)
	}
	if got := u.offer(r, p); len(got) != 2 || got[1].Dial != home {
		t.Errorf("retry: %v, want %s last", got, home)
	}
}

// When the newest configuration goes, as after a failed load, the options of the one before are in force again.
func TestOptionsOfTheConfigurationInForce(t *testing.T) {
	f := newFixed(0)
	p := newPool(testSettings(pickAll), f, nil, nil)
	defer p.Destruct()
	user := func(name string) *user {
		log, _ := observed()
		return &user{Options: fleet.Options{Logger: log.Named(name)}.WithDefaults(), changed: func() {}}
	}
	old, failed := user("old"), user("failed")
	p.attach(old)
	p.attach(failed)
	p.detach(failed)
	if got := f.options().Logger.Name(); got != "old" {
		t.Errorf("the options are those of %q, want old", got)
	}
}
