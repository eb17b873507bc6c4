package dnsfailover

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

func init() {
	caddy.RegisterModule(new(Health))
}

// healthTime is for how long an answer is good for further requests. Anybody may ask, and the loop has better things to do than to
// answer each of them.
const healthTime = 50 * time.Millisecond

// Health is a handler that answers 200 on the node that holds the service, and 503 on the others, with a line of JSON that says
// who has it and why. It is for load balancers, monitoring, and the witness of another node, to which the answer is
// signed. It is no self_check: a standby would never be healthy, and so never take over.
type Health struct {
	// The service that is asked for. Default: all of them, and 200 only on a node that holds them all.
	Service string `json:"service,omitempty"`

	node     *node
	services []healthService

	mu    sync.Mutex
	asked time.Time // zero is never
	known LoopStatus
	who   PeerSelf // empty if the node is not set up
}

// healthService is a service by its name and by what it is to the engine.
type healthService struct{ name, key string }

// HealthAnswer is the body of an answer.
type HealthAnswer struct {
	// Active: this node holds what was asked for.
	Active bool `json:"active"`
	// Services are those that were asked for.
	Services []HealthAnswerService `json:"services"`
}

// HealthAnswerService is what this node is to a service.
type HealthAnswerService struct {
	Service string `json:"service"`
	Active  bool   `json:"active"`
	// Holder is the name of the node that has it, empty if that is not known, or nobody.
	Holder string `json:"holder,omitempty"`
	// Why says why this node does not have it.
	Why string `json:"why,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*Health) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.failover_health",
		New: func() caddy.Module { return new(Health) },
	}
}

// UnmarshalCaddyfile reads `failover_health [service]`.
func (h *Health) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		if h.Service = d.Val(); h.Service == "" {
			return d.Err(`failover_health: "" is no service: leave it out to ask for all`)
		}
	}
	if d.NextArg() {
		return d.Errf("failover_health: %q is one too many: it takes one service, or none for all", d.Val())
	}
	if d.NextBlock(0) {
		return d.Errf("failover_health: there is no option %s, it takes none", d.Val())
	}
	return nil
}

// Provision looks the service up in the configuration of failover.
func (h *Health) Provision(ctx caddy.Context) error {
	v, err := ctx.AppIfConfigured("dnsfailover")
	if errors.Is(err, caddy.ErrNotConfigured) {
		return errors.New("failover_health: failover is not configured: add the global option dnsfailover { }")
	}
	if err != nil {
		return fmt.Errorf("failover_health: %w", err)
	}
	return h.of(v.(*App))
}

// of makes it the handler of an app.
func (h *Health) of(a *App) error {
	var names []string
	h.node, h.services = a.node, nil
	for i := range a.Services {
		s := &a.Services[i]
		names = append(names, s.Name)
		if h.Service == "" || h.Service == s.Name {
			h.services = append(h.services, healthService{s.Name, s.key()})
		}
	}
	switch {
	case len(names) == 0:
		return errors.New("failover_health: dnsfailover has no service: add one, such as service www { record www.example.com }")
	case len(h.services) == 0:
		return fmt.Errorf("failover_health: dnsfailover has no service %q, only: %s", h.Service, strings.Join(names, ", "))
	}
	return nil
}

// ServeHTTP answers. No next handler is called.
func (h *Health) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return nil
	}
	known, who := h.look()
	services := h.services
	// A peer's question is about one service, and so is the answer that is signed.
	q, signed := healthQuestionIn(who.Secrets, r.Header)
	if signed {
		i := slices.IndexFunc(services, func(s healthService) bool { return s.key == q.service })
		if signed = i >= 0; signed {
			services = services[i : i+1]
		}
	}
	answer, status := answerHealth(services, known), http.StatusServiceUnavailable
	if answer.Active {
		status = http.StatusOK
	}
	if signed {
		signHealth(who.Secrets, q, who.Node, status, header)
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("answering failover_health: %w", err)
	}
	body = append(body, '\n')
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // the client may have gone
	}
	return nil
}

// look is what the node knows now, or knew a moment ago.
func (h *Health) look() (LoopStatus, PeerSelf) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.asked.IsZero() && time.Since(h.asked) < healthTime {
		return h.known, h.who
	}
	h.known, h.who, h.asked = LoopStatus{}, PeerSelf{}, time.Now()
	if s, ok := h.node.snapshot(); ok && s.setup != nil {
		h.known, h.who = s.setup.loop.Status(), s.setup.wanted().who
	}
	return h.known, h.who
}

// answerHealth says what a node is to services, as far as its loop knows.
func answerHealth(services []healthService, known LoopStatus) HealthAnswer {
	answer := HealthAnswer{Active: true}
	for _, one := range services {
		s, runs := known.Services[one.key]
		a := HealthAnswerService{Service: one.name, Active: runs && s.State.Role == engine.Active, Holder: shorten(s.Holder)}
		switch {
		case a.Active:
		case !runs:
			a.Why = "it does not run on this node"
		case s.Holder != "" && s.Holder != s.Settings.Node:
			a.Why = a.Holder + " has it"
		case s.State.Waiting.Code != engine.NoReason:
			a.Why = shorten(s.State.Waiting.String())
		default:
			a.Why = "this node does not know yet who has it"
		}
		answer.Active = answer.Active && a.Active
		answer.Services = append(answer.Services, a)
	}
	return answer
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Health)(nil)
	_ caddyfile.Unmarshaler       = (*Health)(nil)
	_ caddyhttp.MiddlewareHandler = (*Health)(nil)
)
