package sim

import (
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// modeOne is [engine.Settings.Mode] of a service of which one node is active.
const modeOne = "one"

// view is whom a record of mode all leads clients to.
type view struct {
	in     uint8 // nodes whose addresses it holds, as bits
	leased uint8 // of them those that have a lease that says so
	others string
}

func (v *view) has(id int) bool { return v.in>>id&1 == 1 }

// first is the first node that is in, or who else is.
func (v *view) first() int {
	switch {
	case v.in != 0:
		return bits.TrailingZeros8(v.in)
	case v.others != "":
		return stranger
	}
	return nobody
}

func (v *view) String() string {
	names := split(v.others)
	for id := range MaxNodes {
		if v.has(id) {
			names = append(names, nodeNames[id])
		}
	}
	return "{" + strings.Join(names, " ") + "}"
}

// view is whom clients of some addresses come to.
func (t *target) view(addrs string, l *engine.Lease) (v view) {
	var others []string
	for _, a := range split(addrs) {
		if id := t.known(indexOf(nodeAddrs[:], a)); id >= 0 {
			v.in |= 1 << id
		} else {
			others = append(others, a)
		}
	}
	v.others = join(others)
	for _, m := range entries(l) {
		if id := t.known(indexOf(nodeNames[:], m.Node)); id >= 0 && m.Addrs == nodeAddrs[id] {
			v.leased |= 1 << id & v.in
		}
	}
	return v
}

// entries are the leases beside a record: of mode all, or the one of mode one.
func entries(l *engine.Lease) []engine.Member {
	if l.Members == "" && l.Holder != "" {
		return []engine.Member{{Node: l.Holder, Instance: l.Instance, Epoch: l.Epoch, Nonce: l.Nonce, Hash: l.Hash, Addrs: l.Addrs}}
	}
	return l.List()
}

// entry is that of a node, or nil.
func entry(all []engine.Member, name string) *engine.Member {
	if i := slices.IndexFunc(all, func(m engine.Member) bool { return m.Node == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

// split and join are about lists of addresses as a record holds them.
func split(addrs string) []string {
	if addrs == "" {
		return nil
	}
	return strings.Split(addrs, ",")
}

func join(addrs []string) string {
	slices.Sort(addrs) // all have numbers of the same length
	return strings.Join(slices.Compact(addrs), ",")
}

// roll is a view, and how everybody came in.
type roll struct {
	view
	joins [MaxNodes]joining
}

func (x *roll) has(id int) bool { return x != nil && x.view.has(id) }

// joining is how a node came into a record.
type joining struct {
	id    int           // counts those of the target, from 1
	epoch uint64        // of its lease; 0 if it has none
	at    time.Duration // never if it was in at the start
	own   bool          // by a write of its own
}

// enroll is the roll of what the target holds from now on.
func (t *target) enroll(r *engine.Reading, by int) *roll {
	x := &roll{}
	if !r.Exists || r.Refuse != "" {
		return x
	}
	x.view = t.view(r.Addrs, &r.Lease)
	leases := entries(&r.Lease)
	for id := range t.w.plan.Nodes {
		if !x.has(id) {
			continue
		}
		var epoch uint64
		if m := entry(leases, nodeNames[id]); m != nil && x.leased>>id&1 == 1 {
			epoch = m.Epoch
		}
		j := t.joining(id, epoch)
		if j.id == 0 {
			t.joins++
			j = joining{id: t.joins, at: t.w.now, own: by == id}
			if len(t.versions) == 0 {
				j.at = never
			}
		}
		j.epoch = epoch
		x.joins[id] = j
	}
	return x
}

// joining is the one that a node with a lease of some epoch is in by already: an
// edit that was taken back makes no new one, nor does a lease that was lost.
func (t *target) joining(id int, epoch uint64) joining {
	for i := len(t.versions) - 1; i >= 0; i-- {
		x := t.versions[i].roll
		if !x.has(id) {
			continue
		}
		j := x.joins[id]
		if j.epoch == epoch || i == len(t.versions)-1 && (j.epoch == 0 || epoch == 0) {
			return j
		}
	}
	return joining{}
}

// joined is a record that all nodes are in, by leases of an earlier life.
func (t *target) joined() (addrs string, l engine.Lease) {
	var all []engine.Member
	for id := range t.w.plan.Nodes {
		n := nodeNames[id]
		all = append(all, engine.Member{Node: n, Instance: instances[id], Epoch: uint64(3 + id), Nonce: n + ".0-" + strconv.Itoa(id), Hash: "h0", Addrs: t.addrsOf(id)})
	}
	l = engine.LeaseOf(all)
	return l.Addrs, l
}

// someMember is a node that is in the home, or node 0.
func (w *world) someMember() int {
	x := w.targets[0].last().roll
	for range 50 {
		if id := w.rng.IntN(w.plan.Nodes); x.has(id) {
			return id
		}
	}
	return 0
}

// keeper is the first node in a record that may write it: the one that looks at
// it more often than the others.
func (w *world) keeper(t *target) int {
	for id, n := range w.nodes {
		if t.last().roll.has(id) && n.up && w.able(id) && !n.opPaused {
			return id
		}
	}
	return nobody
}

// expectAll notes what the clean kill of a node should lead to at a target: one
// write by the first of the others, if all of them are in by then. Where the
// provider throttles, the first may have to wait.
func (w *world) expectAll(t *target, killed int) {
	x := t.last().roll
	for id, n := range w.nodes {
		if n.up && !x.has(id) || t.backend != nil {
			w.ranked = nobody
		}
	}
	if x.has(killed) {
		w.expected++
	}
}

// follow takes in who is in what a node has read.
func (g *given) follow(n *node, t *target, index int) {
	old, now := g.roll, t.versions[index].roll
	first := g.index // of the reading before
	g.roll = now
	if old == nil {
		return
	}
	for id := range t.w.plan.Nodes {
		if now.has(id) && now.joins[id].id != old.joins[id].id {
			g.seen[id] = now.joins[id].id
		}
	}
	for i := first + 1; i <= index; i++ {
		v := &t.versions[i]
		if t.versions[i-1].roll.has(n.id) && !v.roll.has(n.id) && v.by >= 0 && v.by != n.id {
			g.dropped = v.at
		}
	}
}

// suspect is what a node knows of addresses that are none of ours.
type suspect struct {
	addrs string
	ok    bool
	since time.Duration // that they don't work
}

// suspect takes in whether some addresses work.
func (g *given) suspect(now time.Duration, addrs string, ok bool) {
	i := slices.IndexFunc(g.strangers, func(s suspect) bool { return s.addrs == addrs })
	switch {
	case i < 0:
		g.strangers = append(g.strangers, suspect{addrs, ok, now})
	case ok || g.strangers[i].ok:
		g.strangers[i].ok, g.strangers[i].since = ok, now
	}
}

// failing is since when an address has been known not to work; never if it is
// not. Of addresses that were asked together not one worked.
func (g *given) failing(addr string) time.Duration {
	since := never
	for _, s := range g.strangers {
		if !slices.Contains(split(s.addrs), addr) {
			continue
		}
		if s.ok {
			return never
		}
		since = max(since, s.since)
	}
	return since
}

// anyWorks reports whether clients are served at one of some addresses.
func (w *world) anyWorks(addrs string) bool {
	return slices.ContainsFunc(split(addrs), func(a string) bool {
		return w.worksAt(w.targets[0].known(indexOf(nodeAddrs[:], a)))
	})
}
