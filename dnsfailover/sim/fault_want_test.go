package sim

import (
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// node is one by its name.
func (p *faultPlay) node(name string) *node { return p.nodes[indexOf(nodeNames[:], name)] }

// holderAt is who has a target at some time.
func (p *faultPlay) holderAt(target int, at time.Duration) string {
	t := p.targets[target]
	name := "nobody"
	for i := range t.versions {
		if v := &t.versions[i]; v.at <= at || i == 0 {
			name = p.holderName(t, v.reading)
		}
	}
	return name
}

// holds wants a node to have a target at some time, and from then on.
func (p *faultPlay) holds(target int, name string, from time.Duration) {
	p.holdsUntil(target, name, from, engine.Never)
}

// holdsUntil wants a node to have a target from some time until another.
func (p *faultPlay) holdsUntil(target int, name string, from, until time.Duration) {
	t := p.targets[target]
	if h := p.holderAt(target, from); h != name {
		p.badf("at %s %s is with %s, not with %s", stamp(from), t.id, h, name)
	}
	for i := range t.versions {
		if v := &t.versions[i]; v.at > from && v.at < until && p.holderName(t, v.reading) != name {
			p.badf("at %s %s is with %s, not with %s any more", stamp(v.at), t.id, p.holderName(t, v.reading), name)
		}
	}
}

// moves wants a target to go to a node within a time from the fault, and to stay
// there.
func (p *faultPlay) moves(target int, name string, within time.Duration) {
	p.holds(target, name, faultAt+within)
}

// stays wants a target to be with lb1 all the time.
func (p *faultPlay) stays(target int) { p.holds(target, nodeNames[0], 0) }

// writes wants so many calls that write in all, tried by a node.
func (p *faultPlay) writes(name string, count int) {
	n := 0
	for _, w := range p.tried {
		if w.node == name {
			n++
		}
	}
	if n != count {
		p.badf("%s tries %d writes, not %d", name, n, count)
	}
}

// writesInAll wants so many in all, by whomever.
func (p *faultPlay) writesInAll(count int) {
	if n := len(p.tried); n != count {
		p.badf("%d writes are tried, not %d", n, count)
	}
}

// writesAtMost wants no more than so many in all.
func (p *faultPlay) writesAtMost(count int) {
	if n := len(p.tried); n > count {
		p.badf("%d writes are tried, and %d are enough", n, count)
	}
}

// heardFirst wants nobody to write before it has heard, or timed out on, all
// others.
func (p *faultPlay) heardFirst() {
	for _, w := range p.tried {
		if w.unheard {
			p.badf("%s writes at %s and has not heard everybody", w.node, stamp(w.at))
		}
	}
}

// triedOf are the calls that would write a target, from some time to another.
func (p *faultPlay) triedOf(target int, from, until time.Duration) (n int) {
	for _, w := range p.tried {
		if w.target == p.targets[target].id && w.at >= from && w.at < until {
			n++
		}
	}
	return n
}

// changes wants a target to have been changed so often since the start.
func (p *faultPlay) changes(target, count int) {
	if n := len(p.targets[target].versions) - 1; n != count {
		p.badf("%s is changed %d times, not %d", p.targets[target].id, n, count)
	}
}

// epoch wants the home's lease to have an epoch at the end.
func (p *faultPlay) epoch(want uint64) {
	if e := p.targets[0].now().Lease.Epoch; e != want {
		p.badf("the epoch is %d, not %d", e, want)
	}
}

// cause wants all writes of a node to have one cause.
func (p *faultPlay) cause(name string, want engine.Cause) {
	for _, w := range p.tried {
		if w.node == name && w.cause != want {
			p.badf("%s writes %s because of %q, not of %q", name, w.target, causeName(w.cause), causeName(want))
		}
	}
}

// agree wants every node that lives to know the holder at the end, and no other
// to take itself for it.
func (p *faultPlay) agree(name string) {
	for _, n := range p.nodes {
		if !n.up || n.frozen > 0 {
			continue
		}
		if h := n.st.Holder(&n.cfg); h != name {
			p.badf("%s takes %q for the holder, not %s", nodeNames[n.id], h, name)
		}
		if active := n.st.Role == engine.Active; active != (nodeNames[n.id] == name) {
			p.badf("%s is %s", nodeNames[n.id], n.st.Role)
		}
	}
}

// passive wants a node not to take itself for the holder from some time on.
func (p *faultPlay) passive(name string, from time.Duration) {
	role := engine.Starting
	for _, r := range p.roles {
		if r.node != name {
			continue
		}
		if r.at <= from {
			role = r.role
		} else if r.role == engine.Active {
			p.badf("%s is active at %s", name, stamp(r.at))
		}
	}
	if role == engine.Active {
		p.badf("%s is still active at %s", name, stamp(from))
	}
}

// active wants a node to take itself for the holder at some time, which is now.
func (p *faultPlay) active(name string) {
	if r := p.node(name).st.Role; r != engine.Active {
		p.badf("at %s %s is %s", stamp(p.now), name, r)
	}
}

// ended wants the process of a node to have ended, now.
func (p *faultPlay) ended(name string) {
	if p.node(name).up {
		p.badf("at %s %s still runs", stamp(p.now), name)
	}
}

// waits wants a node to say why it does not claim, now.
func (p *faultPlay) waits(name string, codes ...engine.WhyCode) {
	got := p.node(name).st.Waiting
	for _, c := range codes {
		if got.Code == c {
			return
		}
	}
	p.badf("at %s %s says that it waits for %q", stamp(p.now), name, got)
}
