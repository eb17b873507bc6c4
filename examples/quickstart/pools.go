package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
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
		Error          string `json:"error"`
		FailuresInARow int    `json:"failures_in_a_row"`
		CallsPerMinute int    `json:"calls_per_minute"`
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

// poolsURL is where the admin endpoint is.
func poolsURL(p ports) string { return "http://" + local(p.admin) + "/ec2upstreams/pools" }

// pools asks the admin endpoint.
func (c *caddy) pools() (pools, error) {
	var p pools
	raw, err := c.poolsText()
	if err == nil {
		err = json.Unmarshal(raw, &p)
	}
	return p, err
}

func (c *caddy) poolsText() ([]byte, error) {
	resp, err := c.client.Get(poolsURL(c.ports))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the admin endpoint answers %s: %s", resp.Status, raw)
	}
	return raw, nil
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
