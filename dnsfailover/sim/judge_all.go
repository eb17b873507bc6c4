package sim

import (
	"slices"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// releaseTime is less than the time for which an operator's release is pursued.
const releaseTime = 9 * time.Second

// judged is what a write of mode all does, by what it was judged from and what it
// puts there.
type judged struct {
	before, after view

	joins, quits bool
	public       bool     // it quits for its public path alone
	removed      uint8    // other nodes that it takes out, as bits
	silent       uint8    // of them those that are silent, and not gone
	strangers    []string // addresses of none of ours that it takes out
}

// judgeAll looks at a write of mode all, at the moment of its decision.
func (w *world) judgeAll(n *node, t *target, from engine.Reading, cause engine.Cause, to *engine.Value) {
	name := nodeNames[n.id]
	if from.Refuse != "" {
		w.fail("R10", "%s writes %s, which is %s", name, t.id, from.Refuse)
		return
	}
	j := w.compare(n, t, &from, to)
	n.judged = j
	alone := j.quits && j.removed == 0 && len(j.strangers) == 0 // and nothing else
	forced := cause == engine.Forced
	if forced && (!n.order.on || w.now-n.order.at > orderTime) {
		w.fail("A11", "%s joins %s by force, and nobody told it to", name, t.id)
	}
	for p := range w.plan.Nodes {
		if p != n.id && !n.told[p].met && !forced {
			w.fail("A1", "%s writes %s before it has heard or timed out on %s", name, t.id, nodeNames[p])
		}
	}
	switch {
	case forced:
	case n.opPaused && (!j.quits || !n.leaving && (!n.release.on || w.now-n.release.at > orderTime)):
		w.fail("pause", "%s writes %s (%s) while it is paused", name, t.id, causeName(cause))
	case n.leaving && !j.quits:
		w.fail("R6", "%s writes %s (%s) while it is stopping", name, t.id, causeName(cause))
	case n.deniedAt >= 0 && w.now-n.deniedAt < time.Second:
		w.fail("R10", "%s writes %s (%s) just after it was denied something", name, t.id, causeName(cause))
	}
	if !alone && !forced {
		w.judgeDefinitions(n, t, &from, &j.before)
	}
	if (j.joins || j.removed != 0) && !forced && !n.healthy {
		if p := n.fitPeer(); p >= 0 {
			w.fail("I7", "%s writes %s (%s) and is not healthy, while %s is", name, t.id, causeName(cause), nodeNames[p])
		}
	}
	switch {
	case j.joins && !forced:
		w.judgeJoin(n, t, &from, &j)
	case j.quits:
		w.judgeQuit(n, t, &j)
	}
	for p := range w.plan.Nodes {
		if j.removed>>p&1 == 1 {
			w.judgeRemoval(n, t, &from, p)
		}
	}
	for _, a := range j.strangers {
		w.judgeForeign(n, t, a)
	}
	if from.Exists && j.before.in == 0 && !forced && len(j.strangers) < len(split(from.Addrs)) {
		w.fail("A7", "%s writes %s, which is none of ours and may work", name, t.id)
	}
}

// compare says what a write does, and fails if it does what no node may do.
func (w *world) compare(n *node, t *target, from *engine.Reading, to *engine.Value) judged {
	name := nodeNames[n.id]
	j := judged{before: t.view(from.Addrs, &from.Lease), after: t.view(to.Addrs, &to.Lease)}
	if !from.Exists {
		j.before = view{}
	}
	if to.Addrs == "" {
		w.fail("A6", "%s leaves %s empty", name, t.id)
		return j
	}
	old, now := entries(&from.Lease), to.Lease.List()
	if to.Lease != engine.LeaseOf(now) || to.Addrs != join(split(to.Addrs)) {
		w.fail("A2", "%s writes %s in a form of its own: %q, lease %+v", name, t.id, to.Addrs, to.Lease)
	}
	j.joins, j.quits = j.after.has(n.id) && !j.before.has(n.id), !j.after.has(n.id) && (j.before.has(n.id) || entry(old, name) != nil)
	w.judgeEntry(n, t, old, now, j.after.has(n.id))
	for p := range w.plan.Nodes {
		was, is := entry(old, nodeNames[p]), entry(now, nodeNames[p])
		switch {
		case p == n.id:
		case j.after.has(p) && !j.before.has(p):
			w.fail("A2", "%s adds %s to %s", name, nodeNames[p], t.id)
		case j.before.has(p) && !j.after.has(p):
			j.removed |= 1 << p
		case is != nil && (was == nil || *was != *is):
			w.fail("A2", "%s changes the lease of %s beside %s", name, nodeNames[p], t.id)
		case is == nil && was != nil && j.before.leased>>p&1 == 1 && from.Lease.Members != "":
			w.fail("A2", "%s drops the lease of %s beside %s", name, nodeNames[p], t.id)
		}
	}
	if from.Exists {
		j.strangers = slices.DeleteFunc(split(j.before.others), func(a string) bool { return slices.Contains(split(j.after.others), a) })
	}
	for _, a := range split(j.after.others) {
		if !slices.Contains(split(j.before.others), a) {
			w.fail("A2", "%s adds %s to %s", name, a, t.id)
		}
	}
	if to.TTL != n.cfg.Targets[t.index].TTL && (!from.Exists || to.TTL != from.TTL) {
		w.fail("A9", "%s writes %s with a TTL of %d", name, t.id, to.TTL)
	}
	mine, before := entry(now, name), entry(old, name)
	if mine != nil && before != nil && from.Exists && from.Addrs == to.Addrs && from.TTL == to.TTL && from.Lease.Members != "" && len(old) == len(now) {
		if a := *before; a.Nonce != mine.Nonce {
			if a.Nonce = mine.Nonce; a == *mine {
				w.fail("A9", "%s writes %s, and changes nothing", name, t.id)
			}
		}
	}
	return j
}

// judgeEntry looks at the lease of the writer itself.
func (w *world) judgeEntry(n *node, t *target, old, now []engine.Member, in bool) {
	name := nodeNames[n.id]
	was, is := entry(old, name), entry(now, name)
	var most uint64
	for i := range old {
		most = max(most, old[i].Epoch)
	}
	switch {
	case !in && is != nil:
		w.fail("A3", "%s is not in %s, and leaves its lease there", name, t.id)
	case !in:
	case is == nil || is.Addrs != t.addrsOf(n.id) || is.Instance != instances[n.id] || is.Hash != n.cfg.Hash:
		w.fail("A2", "%s writes itself into %s by the lease %+v", name, t.id, is)
	case is.Nonce == "" || !t.nonces.add(is.Nonce):
		w.fail("R1", "%s writes %s with nonce %q again", name, t.id, is.Nonce)
	case is.Epoch <= most && (was == nil || was.Epoch != is.Epoch):
		w.fail("R2", "%s writes %s with epoch %d, and there is %d", name, t.id, is.Epoch, most)
	}
}

// judgeDefinitions: as long as somebody who lives says another definition, in the
// record and by heartbeats, everybody's share is left alone (A8).
func (w *world) judgeDefinitions(n *node, t *target, from *engine.Reading, in *view) {
	mode := engine.ModeAll
	if from.Lease.Members == "" {
		mode = from.Lease.Mode
	}
	for _, m := range entries(&from.Lease) {
		p := indexOf(nodeNames[:], m.Node)
		if p < 0 || p == n.id || !in.has(p) || (m.Hash == n.cfg.Hash && mode == n.cfg.Mode) {
			continue
		}
		if td := &n.told[p]; td.answering() && td.body.Hash != n.cfg.Hash {
			w.fail("A8", "%s writes %s, in which %s, told another definition, lives", nodeNames[n.id], t.id, m.Node)
		}
	}
}

// fitPeer is a peer that answers as a candidate, or -1.
func (n *node) fitPeer() int {
	for p := range n.w.plan.Nodes {
		if td := &n.told[p]; p != n.id && td.answering() && td.body.Healthy && td.body.Able && !td.body.Leaving && !td.body.Paused && td.body.Hash == n.cfg.Hash {
			return p
		}
	}
	return -1
}

// judgeJoin looks at a node that adds itself (A2).
func (w *world) judgeJoin(n *node, t *target, from *engine.Reading, j *judged) {
	name := nodeNames[n.id]
	p, alone := &n.probes, j.after.in == 1<<n.id // which is better than nobody
	switch {
	case n.healthy && p.controlArmed && !p.controlOK && !alone:
		w.fail("A2", "%s joins %s, and its own armed control probe fails", name, t.id)
	case n.release.on && (w.now-n.release.at < releaseTime || n.release.out == 1<<len(w.targets)-1):
		w.fail("A11", "%s joins %s, and was told to leave it", name, t.id)
	case n.fromOut >= 0 && w.now-n.fromOut < n.cfg.HoldDown && !p.controlArmed && !alone:
		w.fail("A3", "%s joins %s again %s after it left for its public path", name, t.id, stamp(w.now-n.fromOut))
	case !from.Exists && !alone:
		w.fail("A2", "%s creates %s for others too", name, t.id)
	case !from.Exists && !w.was(n, t):
		for p := range w.plan.Nodes {
			if td := &n.told[p]; p != n.id && td.answering() && td.body.Active && td.body.Hash != n.cfg.Hash && n.st.Role != engine.Active {
				w.fail("R6", "%s creates %s, and %s, told another definition, says that it is active", name, t.id, nodeNames[p])
			}
		}
	}
}

// was reports whether a node was in a target when that last existed.
func (w *world) was(n *node, t *target) bool {
	for i := len(t.versions) - 1; i >= 0; i-- {
		if t.versions[i].reading.Exists {
			return t.versions[i].roll.has(n.id)
		}
	}
	return false
}

// judgeQuit looks at a node that takes itself out (A3): it needs a reason, and
// somebody else who serves.
func (w *world) judgeQuit(n *node, t *target, j *judged) {
	name := nodeNames[n.id]
	told := n.leaving || n.release.on && w.now-n.release.at <= orderTime
	n.judged.public = !told && n.healthy
	if n.judged.public && !w.publicFails(n) {
		w.fail("A3", "%s takes itself out of %s, and has no reason to", name, t.id)
		return
	}
	for id, p := range w.nodes {
		td := &n.told[id]
		if id == n.id || !j.after.has(id) || !td.answering() || !td.body.Healthy || td.body.Leaving {
			continue
		}
		// It may be ill of the same. A check that has just been started, or was stopped with its machine, says nothing.
		old := p.up && p.healthKnown && w.now-p.began > n.cfg.Interval && p.zero == p.passedZero && p.passedW < n.failedW
		if told || n.healthy || !old {
			return
		}
	}
	w.fail("A6", "%s takes itself out of %s, and nobody is left of whom it knows that he serves", name, t.id)
}

// publicFails reports whether a node has reason to believe that clients don't
// reach it: a peer says so, and its own probe, or everybody who answers.
func (w *world) publicFails(n *node) bool {
	some, every := false, true
	for p := range w.plan.Nodes {
		if td := &n.told[p]; p != n.id && td.answering() {
			says := slices.Contains(td.body.UnseenOf, nodeNames[n.id])
			some, every = some || says, every && says
		}
	}
	if n.probes.controlArmed {
		return some && n.probes.controlFails >= n.cfg.Fall
	}
	return some && every
}

// judgeForeign: what is none of ours is taken out only if it was seen not to
// work, for three times as long as a death takes to be noticed (A7).
func (w *world) judgeForeign(n *node, t *target, addr string) {
	least := 3 * time.Duration(2*n.cfg.Fall) * n.cfg.Interval
	switch since := n.given[t.index].failing(addr); {
	case since < 0:
		w.fail("A7", "%s takes %s out of %s, which works or was not asked", nodeNames[n.id], addr, t.id)
	case w.now-since < least-n.cfg.Interval:
		w.fail("A7", "%s takes %s out of %s after %s", nodeNames[n.id], addr, t.id, stamp(w.now-since))
	}
}
