package ec2upstreams

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

func init() {
	caddy.RegisterModule(new(Upstreams))
}

// Upstreams finds backends by EC2 tag, Auto Scaling group or any DescribeInstances filter, checks them, and offers
// those that work. New instances get requests by themselves and gone ones stop getting them, without a reload.
//
// The health checks of the reverse_proxy itself do not run on dynamic upstreams; those of `health` here do.
type Upstreams struct {
	Pool

	// How many backends to offer for a request, 1 to 16, instead of all usable ones. The cost of a request is then
	// the same for 10 backends as for 10,000, and weights and slow start work. Combine it with
	// `lb_policy least_conn`. Default: 0, all.
	Subset int `json:"subset,omitempty"`
	// Choose the subset by the value of this placeholder, such as `{http.request.cookie.session}`: equal values get
	// the same backends while they work, on every load balancer. Requests without a value are spread at random.
	// Combine it with `lb_policy first`. Default: at random for each request.
	SubsetBy string `json:"subset_by,omitempty"`
	// Whether unhealthy backends get requests when no backend, no fallback and no static address is left.
	// Default: true.
	FailOpen *bool `json:"fail_open,omitempty"`
	// What serves, in this order, when nothing above it is healthy.
	Or []Fallback `json:"or,omitempty"`

	pools    []*pool
	joined   []string // keys of the pools that this module holds a reference to
	static   []string
	failOpen bool
	mark     string // request variable: this module was asked before for this request

	ctx    caddy.Context
	logger *zap.Logger
	events *emitter
	app    *caddyevents.App
	users  []*user

	begin     sync.Once
	servingMu sync.Mutex
	serving   string // what requests were last known to get, "" before anything is
}

// CaddyModule returns the Caddy module information.
func (*Upstreams) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.upstreams.ec2",
		New: func() caddy.Module { return new(Upstreams) },
	}
}

var (
	// pools holds the pools in use, by key, over reloads.
	pools = caddy.NewUsagePool()
	// running are the modules of started configurations, for the admin endpoint.
	running = struct {
		sync.Mutex
		modules map[*Upstreams]bool
	}{modules: make(map[*Upstreams]bool)}
)

// Provision checks the configuration and takes part in its pools. Nothing is asked of any network before the
// configuration has started.
func (u *Upstreams) Provision(ctx caddy.Context) error {
	u.ctx, u.logger = ctx, ctx.Logger()
	u.mark = fmt.Sprintf("ec2upstreams.%p", u)
	u.failOpen = u.FailOpen == nil || *u.FailOpen
	if err := u.expand(caddy.NewReplacer()); err != nil {
		return err
	}
	tiers, err := u.tiers()
	if err != nil {
		return err
	}
	if err := u.fitHandler(ctx, tiers); err != nil {
		return err
	}

	for _, t := range tiers {
		if t.static != nil {
			u.static = t.static
			continue
		}
		checker, err := newChecker(&t.settings)
		if err != nil {
			return fmt.Errorf("preparing the checks of %s: %w", t.settings.Query, err)
		}
		key := t.settings.key()
		down := knownDown(t.settings.Query)
		v, _, err := pools.LoadOrNew(key, func() (caddy.Destructor, error) {
			p := newPool(t.settings, fleet.Join(t.settings.Query), checker, zoneFinder(t.settings.Query.Source))
			p.knownDown = down
			return p, nil
		})
		if err != nil {
			return fmt.Errorf("preparing the pool of %s: %w", t.settings.Query, err)
		}
		u.joined = append(u.joined, key)
		p := v.(*pool)
		u.pools = append(u.pools, p)
		u.users = append(u.users, &user{
			Options: fleet.Options{Refresh: t.refresh, Logger: u.logger, Store: ctx.Storage(), Nodes: nodeNames, Event: u.emit},
			checker: checker,
			changed: u.watch,
		})
	}

	if err := registerMetrics(ctx.GetMetricsRegistry()); err != nil {
		return err
	}
	app, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("getting the events app: %w", err)
	}
	u.app = app.(*caddyevents.App)
	return u.app.On("started", startHandler{u})
}

// startHandler starts a module when its configuration has started.
type startHandler struct{ *Upstreams }

func (h startHandler) Handle(context.Context, caddy.Event) error {
	h.begin.Do(h.start) // other modules may emit an event of this name too
	return nil
}

func (u *Upstreams) start() {
	running.Lock()
	running.modules[u] = true
	running.Unlock()
	u.events = startEmitter(u.ctx, u.app)
	for i, p := range u.pools {
		p.attach(u.users[i])
	}
	u.watch()
}

// Cleanup gives back what Provision took; also of a module that was never started or only half provisioned.
func (u *Upstreams) Cleanup() error {
	running.Lock()
	delete(running.modules, u)
	running.Unlock()
	for i, p := range u.pools {
		p.detach(u.users[i])
		if c, ok := u.users[i].checker.(interface{ Close() }); ok {
			c.Close()
		}
	}
	u.events.stop()
	var err error
	for _, key := range u.joined {
		if _, e := pools.Delete(key); e != nil {
			err = e
		}
	}
	u.joined = nil // the rest stays: requests of this configuration may still be under way
	return err
}

// GetUpstreams returns the backends for one attempt of a request, freshly allocated as reverse_proxy demands. It
// reads what the pools published and nothing else.
func (u *Upstreams) GetUpstreams(r *http.Request) ([]*reverseproxy.Upstream, error) {
	for _, p := range u.pools {
		if v := p.current(r.Context()); v.use.len() > 0 {
			return u.offer(r, v.use), nil
		}
	}
	if len(u.static) > 0 {
		return upstreams(u.static), nil
	}
	if u.failOpen {
		for _, p := range u.pools {
			if v := p.view.Load(); v.last.len() > 0 {
				return u.offer(r, v.last), nil
			}
		}
	}
	return nil, fmt.Errorf("no usable backend: %s", u.summary())
}

// offer is all backends, or the chosen few.
func (u *Upstreams) offer(r *http.Request, p *picker) []*reverseproxy.Upstream {
	if u.Subset == 0 {
		return upstreams(p.dials)
	}
	repl, _ := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	// On a retry reverse_proxy has set a placeholder to the backend that failed. The mark tells a retry from a first
	// attempt after another reverse_proxy, such as a forward_auth.
	var avoid string
	if caddyhttp.GetVar(r.Context(), u.mark) != nil && repl != nil {
		avoid, _ = repl.GetString("http.reverse_proxy.upstream.hostport")
	}
	caddyhttp.SetVar(r.Context(), u.mark, true)

	var dials [maxSubset]string
	n := 0
	if u.SubsetBy != "" && repl != nil {
		if key := repl.ReplaceAll(u.SubsetBy, ""); key != "" {
			n = p.byKey(dials[:u.Subset], key, avoid)
			return upstreams(dials[:n])
		}
	}
	n = p.random(dials[:u.Subset], avoid)
	return upstreams(dials[:n])
}

// upstreams makes fresh values: one allocation for all of them and one for the list.
func upstreams(dials []string) []*reverseproxy.Upstream {
	values := make([]reverseproxy.Upstream, len(dials))
	list := make([]*reverseproxy.Upstream, len(dials))
	for i, d := range dials {
		values[i].Dial = d
		list[i] = &values[i]
	}
	return list
}

// summary says where each pool stands, for the error of a request that finds nothing.
func (u *Upstreams) summary() string {
	var parts []string
	for _, p := range u.pools {
		s := p.handle.State()
		part := fmt.Sprintf("pool %s (%s): %s", p.id, p.settings.Query, p.view.Load().counts)
		if s.Err != nil {
			part += "; " + s.Err.Error()
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ") + "; see /ec2upstreams/pools of the admin API"
}

// watch says once when something else than before begins to serve; at first, when it is not the first pool.
func (u *Upstreams) watch() {
	u.servingMu.Lock()
	defer u.servingMu.Unlock()
	for _, p := range u.pools {
		select {
		case <-p.ready:
		default:
			return // it is too early to tell
		}
	}
	now := u.servingNow()
	was, best := u.serving, "pool "+u.pools[0].id
	u.serving = now
	if was == now || was == "" && now == best {
		return
	}
	level := zap.WarnLevel
	if now == best {
		level = zap.InfoLevel
	}
	u.logger.Log(level, "requests are served from elsewhere now", zap.String("serving", now), zap.String("state", u.summary()))
	u.emit("serving_changed", map[string]any{"serving": now})
}

// servingNow names what a request would get.
func (u *Upstreams) servingNow() string {
	for _, p := range u.pools {
		if p.view.Load().use.len() > 0 {
			return "pool " + p.id
		}
	}
	if len(u.static) > 0 {
		return "static " + strings.Join(u.static, " ")
	}
	if u.failOpen {
		for _, p := range u.pools {
			if p.view.Load().last.len() > 0 {
				return "unhealthy backends of pool " + p.id
			}
		}
	}
	return "nothing"
}

// zoneFinder asks for this node's availability zone: the name, or for instances of another account, where the same
// name is another place, the id.
func zoneFinder(src awsconf.Source) func(context.Context) string {
	return func(ctx context.Context) string {
		id, err := awsconf.This.Get(ctx)
		if err != nil {
			return ""
		}
		if src.RoleARN != "" || src.Profile != "" {
			return id.ZoneID
		}
		return id.Zone
	}
}

// nodeNames tells load balancers that share a storage apart: by the instance id where there is one, and by the host's
// name, which is there when the metadata service is not.
func nodeNames(ctx context.Context) (names []string) {
	if id, err := awsconf.This.Get(ctx); err == nil {
		names = append(names, id.InstanceID)
	}
	if host, err := os.Hostname(); err == nil {
		names = append(names, "host-"+host)
	}
	return names
}

// knownDown are the addresses that fail the checks of a running pool of the same query: a reload that changes how
// they are checked does not take them for healthy.
func knownDown(q fleet.Query) map[string]bool {
	down := make(map[string]bool)
	for _, p := range startedPools() {
		if p.settings.Query.Key() == q.Key() {
			p.addDown(down)
		}
	}
	return down
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Upstreams)(nil)
	_ caddy.CleanerUpper          = (*Upstreams)(nil)
	_ reverseproxy.UpstreamSource = (*Upstreams)(nil)
	_ caddyevents.Handler         = startHandler{}
)
