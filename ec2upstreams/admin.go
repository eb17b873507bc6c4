package ec2upstreams

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
)

func init() {
	caddy.RegisterModule(Admin{})
}

// Admin is the admin endpoint GET /ec2upstreams/pools: for each pool what EC2 said and when, and for each instance
// whether it gets requests and why.
type Admin struct{}

// CaddyModule returns the Caddy module information.
func (Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.ec2upstreams",
		New: func() caddy.Module { return new(Admin) },
	}
}

// Routes returns the endpoint's route.
func (Admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/ec2upstreams/pools", Handler: caddy.AdminHandlerFunc(servePools)}}
}

// Status is the answer of /ec2upstreams/pools.
type Status struct {
	// Every `dynamic ec2` in the running configuration.
	Upstreams []UpstreamsStatus `json:"upstreams"`
	// Every pool they use; equal ones are one pool.
	Pools []PoolStatus `json:"pools"`
}

// UpstreamsStatus is one `dynamic ec2`: its order of fallback, and what serves now.
type UpstreamsStatus struct {
	Pools    []string `json:"pools"` // ids, in order
	Static   []string `json:"static,omitempty"`
	Serving  string   `json:"serving"`
	Subset   int      `json:"subset,omitempty"`
	SubsetBy string   `json:"subset_by,omitempty"`
}

func servePools(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("method %s is not allowed here, use GET", r.Method)}
	}
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(status(time.Now()))
}

func status(now time.Time) Status {
	out := Status{Upstreams: []UpstreamsStatus{}, Pools: []PoolStatus{}}
	running.Lock()
	for u := range running.modules {
		s := UpstreamsStatus{Static: u.static, Serving: u.servingNow(), Subset: u.Subset, SubsetBy: u.SubsetBy}
		for _, p := range u.pools {
			s.Pools = append(s.Pools, p.id)
		}
		out.Upstreams = append(out.Upstreams, s)
	}
	running.Unlock()
	slices.SortFunc(out.Upstreams, func(a, b UpstreamsStatus) int {
		return cmp.Or(slices.Compare(a.Pools, b.Pools), cmp.Compare(a.Subset, b.Subset), cmp.Compare(a.SubsetBy, b.SubsetBy))
	})
	for _, p := range startedPools() {
		out.Pools = append(out.Pools, p.explain(now))
	}
	return out
}

// startedPools are the pools of running configurations, in the order of their ids.
func startedPools() []*pool {
	var list []*pool
	pools.Range(func(_, v any) bool {
		if p, ok := v.(*pool); ok && p.started() {
			list = append(list, p)
		}
		return true
	})
	slices.SortFunc(list, func(a, b *pool) int { return cmp.Compare(a.id, b.id) })
	return list
}

// Interface guards
var _ caddy.AdminRouter = Admin{}
