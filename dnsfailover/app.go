package dnsfailover

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/caddy-dns/route53"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/libdns/libdns"
	"go.uber.org/zap"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App keeps the names of services on a load balancer that works: it checks this node and its peers, finds out who is active,
// and moves what points clients at the active one by compare-and-swap.
//
// Loading a configuration never fails because of the network, the AWS API, a missing permission or a secret: such errors
// are in the log and in the status, are tried again, and the node serves traffic all the same.
type App struct {
	Config

	ctx      caddy.Context
	log      *zap.Logger
	events   *caddyevents.App
	provider *route53.Provider   // nil if there is none
	other    libdns.RecordGetter // the provider if it is another one, or nil
	node     *node
	pooled   bool
	begin    sync.Once
	share    *share
	emitter  *emitter // nil before started
}

// nodes holds the one node of this process, over reloads.
var nodes = caddy.NewUsagePool()

const nodeKey = "node"

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "dnsfailover",
		New: func() caddy.Module { return new(App) },
	}
}

// Provision checks the configuration. It asks no network, and opens no file.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.log = ctx, ctx.Logger()
	if err := a.prepare(); err != nil {
		return err
	}
	if err := a.loadProvider(ctx); err != nil {
		return err
	}
	app, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("getting the events app: %w", err)
	}
	a.events = app.(*caddyevents.App)
	v, _, err := nodes.LoadOrNew(nodeKey, func() (caddy.Destructor, error) { return newNode(), nil })
	if err != nil {
		return fmt.Errorf("preparing failover: %w", err)
	}
	a.node, a.pooled = v.(*node), true
	a.share = &share{cfg: &a.Config, provider: a.provider, other: a.other, log: a.log, tell: a.decided}
	if a.PeersEC2 != nil {
		a.share.fleet = newFleetPeers(a.PeersEC2, a.log, ctx.Storage())
	}
	if err := a.registerMetrics(ctx); err != nil {
		return err
	}
	if err := a.events.On("started", handler(a.started)); err != nil {
		return err
	}
	return a.events.On("stopping", handler(a.detach))
}

// loadProvider takes the DNS provider in.
func (a *App) loadProvider(ctx caddy.Context) error {
	if a.DNSRaw == nil {
		return nil
	}
	v, err := ctx.LoadModule(a, "DNSRaw")
	if err != nil {
		return fmt.Errorf("dns: %w", err)
	}
	switch p := v.(type) {
	case *route53.Provider:
		a.provider = p
		return nil
	case libdns.RecordGetter:
		a.other = p
	default:
		return fmt.Errorf("dns: the provider %T can't list records: use one that can", v)
	}
	for i := range a.Services {
		for _, r := range a.Services[i].Records {
			// Whether the provider can do all that is needed shows here, and not when nobody looks.
			if _, err := NewLibDNS(LibDNSOptions{Provider: a.other, Zone: r.Zone, Name: r.Name}); err != nil {
				return fmt.Errorf("dns: %w", err)
			}
		}
	}
	return nil
}

// Start does nothing yet: as long as another app can fail to start, this configuration may never be in force.
func (a *App) Start() error { return nil }

// started puts the configuration in force, and returns at once. Other modules may emit an event of this name too.
func (a *App) started() {
	if caddy.Exiting() {
		return // a load that waited for the lock until everything had left
	}
	a.begin.Do(func() {
		a.emitter = startEmitter(a.ctx, a.events, a.log)
		a.node.attach(a.share)
		if a.other != nil {
			a.log.Warn("the DNS provider can't compare and swap, so what it holds is advisory: nodes that reach it, and not each other, "+
				"may both move a record, one after the other", zap.String("provider", fmt.Sprintf("%T", a.other)))
		}
		go a.warnOfSystemd()
	})
}

// warnOfSystemd says so if systemd would kill this process before it has handed over and served on.
func (a *App) warnOfSystemd() {
	linger := caddy.Duration(0)
	for i := range a.Services {
		linger = max(linger, a.Services[i].Linger)
	}
	need := time.Duration(a.HandOver + linger)
	if slices.ContainsFunc(a.Register, func(o OwnName) bool { return o.Deregister == "on_stop" }) {
		need += deregisterTime
	}
	if warning := checkStopTimeout(a.ctx, need); warning != "" {
		a.log.Warn(warning)
	}
}

// Stop takes the configuration back, if the event before it did not.
func (a *App) Stop() error {
	a.detach()
	return nil
}

// Cleanup gives back what Provision took; also of an app that was never started or stopped.
func (a *App) Cleanup() error {
	if !a.pooled {
		return nil
	}
	a.pooled = false
	a.detach()
	if _, err := nodes.Delete(nodeKey); err != nil {
		return fmt.Errorf("ending failover: %w", err)
	}
	return nil
}

// detach takes the configuration back. If no other one is in force it blocks for as long as the hand-over takes, and at the
// exit of the process, if something was handed over, for the linger.
func (a *App) detach() {
	a.begin.Do(func() {}) // it does not begin any more
	a.node.detach(a.share, caddy.Exiting())
	a.emitter.stop()
}

// handler is a handler of an event that has no data.
type handler func()

// Handle implements caddyevents.Handler.
func (h handler) Handle(_ context.Context, e caddy.Event) error {
	if e.Origin() == nil { // Caddy itself; a module's event of the same name is something else
		h()
	}
	return nil
}

// Interface guards
var (
	_ caddy.App           = (*App)(nil)
	_ caddy.Provisioner   = (*App)(nil)
	_ caddy.CleanerUpper  = (*App)(nil)
	_ caddyevents.Handler = handler(nil)
)
