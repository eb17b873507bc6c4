package awstest

import (
	"cmp"
	"slices"
	"time"
)

// machine is an instance with the rest of what the cloud knows of it. What is
// told of it is replaced at each change, never altered, so answers can share it.
type machine struct {
	*Instance
	domain *domain

	moving bool // on the way to next, which is reached at due
	next   State
	due    time.Time

	gone       time.Time // when a terminated one is no longer listed
	autoPublic bool      // gets a public address at each start
	kept       []string  // interfaces that outlive it
	past       []pastView
	hidden     int // how many answers leave it out

	options   MetadataOptions
	overrides map[string]string // metadata set by the test
	role      InstanceRole
	roleKeys  *identity // what the metadata service gives for the role
}

// pastView is what was told of an instance until it changed; nil before it was
// launched.
type pastView struct {
	view  *Instance
	until time.Time
}

// change replaces what is told of a machine as of the time at.
func (c *Cloud) change(m *machine, at time.Time, f func(*Instance)) {
	if delay := c.cfg.Consistency; delay > 0 {
		m.past = slices.DeleteFunc(m.past, func(p pastView) bool { return at.Sub(p.until) >= delay })
		m.past = append(m.past, pastView{m.Instance, at})
	}
	next := *m.Instance
	f(&next)
	m.Instance = &next
}

// view returns what an answer tells of a machine: the present, or with equal
// chance any past that is recent enough. It is nil if that is nothing.
func (c *Cloud) view(m *machine, now time.Time) *Instance {
	recent := m.past
	for len(recent) > 0 && now.Sub(recent[0].until) >= c.cfg.Consistency {
		recent = recent[1:]
	}
	if len(recent) > 0 {
		if n := c.rng.IntN(len(recent) + 1); n < len(recent) {
			return recent[n].view
		}
	}
	return m.Instance
}

// Hide leaves an instance out of the next n answers that would tell of it, as
// if it were not known yet everywhere. A listing of several pages counts as one.
func (c *Cloud) Hide(id string, n int) error {
	return c.operate(id, func(m *machine, _ time.Time) error {
		m.hidden = n
		return nil
	})
}

// Instance returns an instance as it is, seen late by nobody. It is not found
// when it never was, or an hour after it was terminated.
func (c *Cloud) Instance(id string) (Instance, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	m := c.machines[id]
	if m == nil {
		return Instance{}, false
	}
	return *m.Instance, true
}

// Instances returns every instance of every account and region, in the order
// of launch within each.
func (c *Cloud) Instances() []Instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	var all []Instance
	for _, p := range c.places() {
		for _, m := range c.domains[p].machines {
			all = append(all, *m.Instance)
		}
	}
	return all
}

// places returns the accounts and regions in a fixed order.
func (c *Cloud) places() []place {
	var all []place
	for p := range c.domains {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b place) int {
		return cmp.Compare(a.account+a.region, b.account+b.region)
	})
	return all
}
