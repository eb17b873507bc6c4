package dnsfailover

import (
	"fmt"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// problems are those that a status shows, with the next step.
func (v *view) problems(s *Status) (all []StatusProblem) {
	add := func(about, format string, args ...any) {
		all = append(all, StatusProblem{About: about, Error: fmt.Sprintf(format, args...)})
	}
	if err := v.wanted.self.Stale; err != nil {
		add("identity", "the addresses are those of an earlier look, because this one failed: %s", shorten(err.Error()))
	}
	if text := v.wanted.share.fleet.problem(v.wanted.self.Instance); text != "" {
		add("peers", "%s", shorten(text))
	}
	for i := range s.Peers {
		p := &s.Peers[i]
		switch sameName, sameInstance := p.Name == s.Node, p.Instance == s.Instance; {
		case v.mismatched(p.Address):
			add("peers", "%s", p.Error)
		case !p.Up:
		case sameName && sameInstance:
			add("peers", "%s is this node itself, and counts as a node of its own: remove it from peers", p.Address)
		case sameName:
			add("peers", "another machine, %s, answers at %s under this node's name, %s, and neither of them moves anything: give each node its own name with the option node",
				p.Instance, p.Address, p.Name)
		case sameInstance:
			add("peers", "%s answers at %s with this node's instance id, %s: a cloned machine needs an id of its own, with the option instance",
				p.Name, p.Address, p.Instance)
		default:
			v.twins(s.Peers[:i], p, add)
		}
	}
	for i := range s.Services {
		v.serviceProblems(s, &s.Services[i], add)
	}
	if v.reap != "" {
		add("register", "%s", shorten(v.reap))
	}
	for _, o := range s.OwnNames {
		if o.Error != "" {
			all = append(all, StatusProblem{About: "register " + o.Name, Error: o.Error, Since: o.Since})
		}
	}
	return all
}

// twins looks for an earlier peer that has the name of another one.
func (v *view) twins(earlier []StatusPeer, p *StatusPeer, add func(about, format string, args ...any)) {
	for i := range earlier {
		if e := &earlier[i]; e.Up && e.Name == p.Name && e.Instance != p.Instance {
			add("peers", "two machines, %s at %s and %s at %s, answer under the name %s: give each node its own name with the option node",
				e.Instance, e.Address, p.Instance, p.Address, p.Name)
		}
	}
}

func (v *view) serviceProblems(s *Status, c *StatusService, add func(about, format string, args ...any)) {
	about := "service " + c.Name
	for _, t := range c.Targets {
		switch {
		case t.Untouchable != "" && t.Kind == "address":
			add(about, "the Elastic IP %s is never moved: %s; take another one", t.Name, t.Untouchable)
		case t.Untouchable != "":
			add(about, "the record %s is never overwritten: %s; delete it, or name another one", t.Name, t.Untouchable)
		case t.Denied && t.Error != "":
			add(about, "%s", t.Error)
		case t.Age < 0 && t.Error != "": // nor does it know who has the service
			add(about, "%s; this node takes nothing over before %s can be read: check what it was told of it, such as a key, and the way there", t.Error, t.Name)
		}
	}
	for _, p := range c.Peers {
		heard := v.loop.Peers[p.Address]
		if heard.Asked && heard.Reply == engine.Answered && p.Name != s.Node && !p.SameDefinition {
			add(about, "%s was told other records of this service, or none: give both nodes the same, in the same order, and reload", p.Name)
		}
	}
}

func (v *view) mismatched(address string) bool {
	p := v.loop.Peers[address]
	return p.Asked && p.Reply == engine.Mismatched
}
