package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// pools is the answer of Caddy's admin endpoint /ec2upstreams/pools, as far as it is used here.
type pools struct {
	Upstreams []struct {
		Pools   []string `json:"pools"` // ids, in the order of the fallback
		Static  []string `json:"static"`
		Serving string   `json:"serving"`
	} `json:"upstreams"`
	Pools []pool `json:"pools"`
}

// pool is the backends of one query.
type pool struct {
	ID      string `json:"id"`
	Query   string `json:"query"`
	Summary string `json:"summary"`
	Origin  string `json:"origin"`
	Poll    struct {
		Next           time.Time `json:"next"` // when EC2 is asked again
		Error          string    `json:"error"`
		FailuresInARow int       `json:"failures_in_a_row"`
		CallsPerMinute int       `json:"calls_per_minute"`
	} `json:"poll"`
	Backends []row `json:"backends"`
}

// row is one instance in a pool.
type row struct {
	Instance string `json:"instance"`
	Name     string `json:"name"`
	Address  string `json:"address"`
	In       bool   `json:"in"`
	Why      string `json:"why"`
}

// poolsURL is where the admin endpoint tells of the backends.
func (c *caddy) poolsURL() string { return c.admin("/ec2upstreams/pools") }

// pools asks the admin endpoint.
func (c *caddy) pools() (p pools, err error) {
	resp, err := c.client.Get(c.poolsURL())
	if err != nil {
		return p, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return p, err
	}
	if resp.StatusCode != http.StatusOK {
		return p, fmt.Errorf("the admin endpoint answers %s: %s", resp.Status, raw)
	}
	return p, json.Unmarshal(raw, &p)
}

// String is all of it, a line for each pool and each instance.
func (p pools) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "serving: %s\n", p.serving())
	for _, q := range p.ordered() {
		fmt.Fprintf(&b, "%s: %s, from the %s, %d polls failed in a row %s\n", q.Query, q.Summary, q.Origin, q.Poll.FailuresInARow, q.Poll.Error)
		for _, r := range q.Backends {
			state := "out"
			if r.In {
				state = "in"
			}
			fmt.Fprintf(&b, "    %-10s %s %s %s: %s\n", r.called(), r.Instance, r.Address, state, r.Why)
		}
	}
	return b.String()
}

// ordered returns the pools in the order of the fallback, and in each the instances by name.
func (p pools) ordered() []pool {
	list := p.Pools
	if len(p.Upstreams) > 0 {
		list = nil
		for _, id := range p.Upstreams[0].Pools {
			for _, q := range p.Pools {
				if q.ID == id {
					list = append(list, q)
				}
			}
		}
	}
	for _, q := range list {
		slices.SortFunc(q.Backends, func(a, b row) int {
			// The shorter one first puts web-9 before web-10.
			return cmp.Or(cmp.Compare(len(a.called()), len(b.called())), cmp.Compare(a.called(), b.called()))
		})
	}
	return list
}

// serving names what serves now, by its query if it is a pool.
func (p pools) serving() string {
	if len(p.Upstreams) == 0 {
		return "nothing"
	}
	s := p.Upstreams[0].Serving
	for _, q := range p.Pools {
		if s == "pool "+q.ID {
			return q.Query
		}
		s = strings.ReplaceAll(s, "pool "+q.ID, q.Query)
	}
	return s
}

// of returns the pool of the instances with the role.
func (p pools) of(role string) pool {
	for _, q := range p.Pools {
		if q.Query == query(role) {
			return q
		}
	}
	return pool{}
}

// query is how Caddy spells the question for a role.
func query(role string) string { return "tag:Role=" + role }

// find returns the row of an instance, by its id.
func (p pools) find(id string) (row, bool) {
	for _, q := range p.Pools {
		for _, r := range q.Backends {
			if r.Instance == id {
				return r, true
			}
		}
	}
	return row{}, false
}

// called is the instance's name, or its id if it has none.
func (r row) called() string {
	if r.Name == "" {
		return r.Instance
	}
	return r.Name
}
