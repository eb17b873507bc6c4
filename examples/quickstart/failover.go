package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// standing is the answer of Caddy's admin endpoint /dnsfailover/status, as far as it is used here.
type standing struct {
	Node     string `json:"node"`
	Problems []struct {
		About string `json:"about"`
		Error string `json:"error"`
	} `json:"problems"`
	Services []struct {
		Role    string `json:"role"`
		Holder  string `json:"holder"`
		Epoch   uint64 `json:"epoch"`
		Healthy bool   `json:"healthy"`
		Waiting string `json:"waiting"`
		Witness struct {
			Armed bool `json:"armed"`
		} `json:"witness"`
	} `json:"services"`
	Peers []struct {
		Up     bool   `json:"up"`
		Reply  string `json:"reply"`
		Misses int    `json:"misses"`
	} `json:"peers"`
}

// statusURL is where the admin endpoint tells of the failover.
func (c *caddy) statusURL() string { return c.admin("/dnsfailover/status") }

// standing asks the admin endpoint.
func (c *caddy) standing() (st standing, err error) {
	resp, err := c.client.Get(c.statusURL())
	if err != nil {
		return st, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return st, err
	}
	if resp.StatusCode != http.StatusOK {
		return st, fmt.Errorf("the admin endpoint answers %s: %s", resp.Status, raw)
	}
	return st, json.Unmarshal(raw, &st)
}

// role is what it is for the one service that there is, and why it is not active.
func (st standing) role() (role, why string) {
	switch {
	case len(st.Services) > 0:
		return st.Services[0].Role, st.Services[0].Waiting
	case len(st.Problems) > 0:
		return "not set up", st.Problems[0].About + ": " + st.Problems[0].Error
	}
	return "not set up", ""
}

// holder is who has the name, as this one knows it.
func (st standing) holder() string {
	if len(st.Services) == 0 {
		return ""
	}
	return st.Services[0].Holder
}

// epoch counts the moves that it knows of.
func (st standing) epoch() uint64 {
	if len(st.Services) == 0 {
		return 0
	}
	return st.Services[0].Epoch
}

// healthy: its own checks pass.
func (st standing) healthy() bool { return len(st.Services) > 0 && st.Services[0].Healthy }

// armed: its witness has seen the holder work.
func (st standing) armed() bool { return len(st.Services) > 0 && st.Services[0].Witness.Armed }

// hears: the other one answers.
func (st standing) hears() bool { return len(st.Peers) == 1 && st.Peers[0].Up }

// reply is how the other one answers.
func (st standing) reply() string {
	if len(st.Peers) == 0 {
		return "there is none"
	}
	return st.Peers[0].Reply
}

// String is all of it in one line.
func (st standing) String() string {
	role, why := st.role()
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", st.Node, role)
	if why != "" {
		fmt.Fprintf(&b, " (%s)", why)
	}
	if len(st.Services) > 0 {
		fmt.Fprintf(&b, ", holder %q, epoch %d, healthy %v, witness armed %v", st.holder(), st.epoch(), st.healthy(), st.armed())
	}
	for _, p := range st.Peers {
		fmt.Fprintf(&b, ", the other one: %s", p.Reply)
	}
	for _, p := range st.Problems {
		fmt.Fprintf(&b, ", problem: %s: %s", p.About, p.Error)
	}
	return b.String()
}

// looks are what each load balancer says of itself, by name. Those that can't say anything are passed over.
func (s *stage) looks() map[string]standing {
	found := make(map[string]standing)
	for _, lb := range s.lbs {
		if is := lb.condition(); is == running || is == deaf {
			if st, err := lb.standing(); err == nil {
				found[lb.name] = st
			}
		}
	}
	return found
}

// pools are the backends as the first load balancer knows them that can say so.
func (s *stage) pools() (p pools, err error) {
	err = errors.New("no load balancer runs")
	for _, lb := range s.lbs {
		if is := lb.condition(); is == running || is == deaf {
			if p, err = lb.pools(); err == nil {
				return p, nil
			}
		}
	}
	return p, err
}

// inALine is a load balancer in a line: whether it has the name, what was done to it, and what it says of itself.
func inALine(lb *caddy, looks map[string]standing, h held) string {
	var also []string
	switch is := lb.condition(); is {
	case running:
	case deaf:
		also = append(also, "its site is closed")
	default:
		also = append(also, string(is))
	}
	has := lb.name == h.at
	if st, ok := looks[lb.name]; ok {
		role, why := st.role()
		if why != "" {
			role += ": " + why
		}
		if !has || role != "active" {
			also = append(also, role)
		}
	}
	text := strings.Join(also, ", ")
	if !has {
		return text
	}
	if text != "" {
		text = ", but " + text
	}
	return fmt.Sprintf("has %s, epoch %d%s", siteName, h.epoch, text)
}
