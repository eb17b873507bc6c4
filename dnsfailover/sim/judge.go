package sim

import (
	"slices"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// orderTime is how long an operator's takeover may be acted upon.
const orderTime = 2 * time.Minute

// judge looks at a write at the moment of its decision, by what the node has
// been told.
func (w *world) judge(n *node, t *target, from engine.Reading, cause engine.Cause, o op, to *engine.Value) {
	w.mutations++
	w.writers |= 1 << n.id
	g, home := &n.given[t.index], &n.given[0]
	name := nodeNames[n.id]
	if w.quiet && w.able(n.id) { // one that is denied something tries again, now and then
		w.fail(w.quietName(), "%s wants to %s %s (%s), though nothing is wrong", name, opNames[o], t.id, causeName(cause))
		return
	}
	if !g.known || !same(g.reading, from) && !same(g.newest, from) {
		w.fail("R1", "%s writes %s from %q, and was last told %q", name, t.id, from.Token, g.reading.Token)
		return
	}
	if n.sleptIn == n.boot && g.asked < n.slept {
		w.fail("sleep", "%s writes %s and has not read it since it woke up", name, t.id)
		return
	}
	if w.plan.All {
		w.judgeAll(n, t, from, cause, to)
		return
	}
	if address := t.kind == engine.Address; o == opFree && (!address || !from.Exists) || o == opSwap && address && from.Exists {
		w.fail("I2", "%s wants to %s %s, which %s has", name, opNames[o], t.id, w.holderName(t, from))
		return
	}
	if o == opSwap && t.kind == engine.Record {
		w.judgeValue(n, t, from, to)
	}
	holder := t.holder(from)
	own := home.known && home.holder == n.id
	if v := w.targets[0].version(home.newest.Token); own && cause != engine.Forced && (v == nil || v.boot != n.boot) {
		for p := range w.plan.Nodes {
			if p != n.id && !n.told[p].met {
				w.fail("R2", "%s writes %s, which names it, before it has heard or timed out on %s", name, t.id, nodeNames[p])
				return
			}
		}
	}
	if holder == n.id {
		return
	}
	if from.Refuse != "" {
		w.fail("R10", "%s writes %s, which is %s", name, t.id, from.Refuse)
		return
	}
	if cause == engine.Forced {
		if !n.order.on || w.now-n.order.at > orderTime {
			w.fail("R3", "%s takes %s by force, and nobody told it to", name, t.id)
		}
		return
	}
	unknown := cause == engine.Stranger && holder >= 0 && !n.told[holder].heard // it does not know whose instance or address this is
	if holder == stranger || unknown {
		w.judgeStranger(n, t, from, cause)
		return
	}
	if t.index > 0 && own {
		w.judgeFollower(n, t, from, holder)
		return
	}
	w.judgeClaim(n, t, from, cause, holder)
}

// quietName is the invariant that forbids writes now.
func (w *world) quietName() string {
	if len(w.plan.Faults) == 0 {
		return "I4"
	}
	return "I5"
}

// same reports whether two readings say the same.
func same(a, b engine.Reading) bool {
	a.Raw, b.Raw = nil, nil
	return a == b
}

// judgeValue looks at what shall be written.
func (w *world) judgeValue(n *node, t *target, from engine.Reading, to *engine.Value) {
	name := nodeNames[n.id]
	switch l := to.Lease; {
	case to.Addrs != t.addrsOf(n.id) || l.Holder != name || l.Addrs != to.Addrs:
		w.fail("R3", "%s writes %s for %s with %q, not for itself", name, t.id, l.Holder, to.Addrs)
	case l.Epoch < from.Lease.Epoch || l.Epoch == from.Lease.Epoch && from.Lease.Holder != name && t.index == 0:
		w.fail("R2", "%s writes %s with epoch %d over %d of %s", name, t.id, l.Epoch, from.Lease.Epoch, from.Lease.Holder)
	case l.Nonce == "" || l.Nonce == from.Lease.Nonce || !t.nonces.add(l.Nonce):
		w.fail("R1", "%s writes %s with nonce %q again", name, t.id, l.Nonce)
	}
}

// judgeStranger: what is none of ours is taken only if it was seen not to work,
// for three times as long as a death takes to be noticed.
func (w *world) judgeStranger(n *node, t *target, from engine.Reading, cause engine.Cause) {
	g := &n.given[t.index]
	least := 3 * time.Duration(n.cfg.Fall) * n.cfg.Interval
	switch {
	case cause != engine.Stranger:
		w.fail("R4", "%s takes %s from a stranger with cause %q", nodeNames[n.id], t.id, causeName(cause))
	case g.stranger != from.Token || g.strangerOK:
		w.fail("R4", "%s takes %s from a stranger that works, or was not asked", nodeNames[n.id], t.id)
	case w.now-g.bad < least-n.cfg.Interval:
		w.fail("R4", "%s takes %s from a stranger after %s", nodeNames[n.id], t.id, stamp(w.now-g.bad))
	}
}

// judgeFollower: the holder of the home takes the other targets, but not from a
// healthy node that took them under a higher epoch, unless that one offers them.
func (w *world) judgeFollower(n *node, t *target, from engine.Reading, holder int) {
	if holder < 0 || n.offer.on && n.offer.From == nodeNames[holder] && n.clock()-n.offer.at <= engine.OfferTime {
		return
	}
	td := &n.told[holder]
	var epoch uint64
	if v := t.version(from.Token); v != nil && !td.answersSince(v.claimAt, 1) {
		epoch = from.Lease.Epoch // it has not said since whether it is active
	}
	if td.heard && td.body.Active {
		epoch = max(epoch, td.body.Epoch)
	}
	if td.answering() && td.body.Healthy && epoch > n.given[0].reading.Lease.Epoch {
		w.fail("R2", "%s takes %s back from %s, which answers, is healthy and has epoch %d", nodeNames[n.id], t.id, nodeNames[holder], epoch)
	}
}

// judgeClaim looks at the claim of what nobody, or another node, has.
func (w *world) judgeClaim(n *node, t *target, from engine.Reading, cause engine.Cause, holder int) {
	name := nodeNames[n.id]
	switch {
	case n.opPaused:
		w.fail("pause", "%s claims %s (%s) while it is paused", name, t.id, causeName(cause))
		return
	case n.leaving:
		w.fail("R6", "%s claims %s (%s) while it is stopping", name, t.id, causeName(cause))
		return
	case n.deniedAt >= 0 && w.now-n.deniedAt < time.Second:
		w.fail("R10", "%s claims %s (%s) just after it was denied something", name, t.id, causeName(cause))
		return
	}
	if !n.healthy {
		for p := range w.plan.Nodes {
			td := &n.told[p]
			if p != n.id && td.answering() && td.body.Healthy && td.body.Able && !td.body.Leaving && !td.body.Paused && td.body.Hash == n.cfg.Hash {
				w.fail("I7", "%s claims %s (%s) and is not healthy, while %s is", name, t.id, causeName(cause), nodeNames[p])
				return
			}
		}
	}
	if holder == nobody && t.index == 0 && t.kind == engine.Record && cause == engine.Absent {
		w.judgeAbsent(n, t)
	}
	if holder == nobody || !t.plain(from) {
		return
	}
	td := &n.told[holder]
	if cause == engine.ByOffer && td.answering() && td.body.Hash != n.cfg.Hash {
		w.fail("R3", "%s takes %s by an offer of %s, which was told another definition", name, t.id, nodeNames[holder])
		return
	}
	if cause != engine.ByOffer && td.answering() && td.body.Active && td.body.Healthy {
		w.fail("R5", "%s takes %s (%s) from %s, which answers, is active and healthy", name, t.id, causeName(cause), nodeNames[holder])
		return
	}
	switch cause {
	case engine.ByOffer:
		if !n.offer.on || n.offer.From != nodeNames[holder] && t.index == 0 || n.clock()-n.offer.at > engine.OfferTime+engine.WriteTime {
			w.fail("R3", "%s takes %s by an offer of %s that it does not have", name, t.id, nodeNames[holder])
		}
	case engine.DeadSilent:
		w.judgeSilence(n, t, from, holder)
	case engine.DeadGone:
		if !td.gone {
			w.fail("R4", "%s says that %s is gone, which did not refuse three times at once", name, nodeNames[holder])
		} else if p := &n.probes; w.witnessed(n, holder) && p.ok && p.started >= td.missSent {
			w.fail("R4", "%s says that %s is gone, and the armed witness has passed since", name, nodeNames[holder])
		}
	case engine.Deferred:
		if !td.answering() || td.body.Active {
			w.fail("R4", "%s says that %s defers, which does not", name, nodeNames[holder])
		} else if v := t.version(from.Token); v != nil && !td.answersSince(v.claimAt, 1) {
			w.fail("R4", "%s says that %s defers, by a word from before its claim", name, nodeNames[holder])
		}
	default:
		w.fail("R4", "%s takes %s from %s with cause %q", name, t.id, nodeNames[holder], causeName(cause))
	}
}

// judgeAbsent: what is absent is left to a node that says that it has it, if that
// one was told something else.
func (w *world) judgeAbsent(n *node, t *target) {
	for i := len(t.versions) - 1; i >= 0 && t.versions[i].holder != stranger; i-- {
		if t.versions[i].holder == n.id {
			return // it puts back what it had
		} else if t.versions[i].holder != nobody {
			break
		}
	}
	for p := range w.plan.Nodes {
		if td := &n.told[p]; p != n.id && td.answering() && td.body.Active && td.body.Hash != n.cfg.Hash && n.st.Role != engine.Active {
			w.fail("R6", "%s claims %s, which is absent, and %s, told another definition, says that it is active", nodeNames[n.id], t.id, nodeNames[p])
		}
	}
}

// witnessed reports whether the witness counts: it has passed since the claim
// of the home's holder, who is the one that is judged, and whom clients come to
// as far as the node knows.
func (w *world) witnessed(n *node, holder int) bool {
	for _, t := range w.targets {
		if g := &n.given[t.index]; t.kind == engine.Address && g.known && (g.holder != holder || t.holder(g.reading) != holder) {
			return false
		}
	}
	home := &n.given[0]
	return n.probes.armed && home.known && n.probes.claim == home.claim && home.holder == holder
}

// judgeSilence looks at a claim because the holder is silent.
func (w *world) judgeSilence(n *node, t *target, from engine.Reading, holder int) {
	name, other := nodeNames[n.id], nodeNames[holder]
	td, p, g := &n.told[holder], &n.probes, &n.given[t.index]
	least := 2 * n.cfg.Fall
	if home := &n.given[0]; p.armed && home.known && (p.claim == home.claim || p.claim == home.last) {
		least = n.cfg.Fall
	}
	if w.witnessed(n, holder) && p.ok && p.started >= td.missSent {
		w.fail("R4", "%s says that %s is silent, and the armed witness passes", name, other)
		return
	}
	v := t.version(from.Token)
	switch {
	case td.misses < least:
		w.fail("R4", "%s says that %s is silent after %d of %d misses", name, other, td.misses, least)
	case p.controlArmed && !p.controlOK:
		w.fail("R4", "%s says that %s is silent, and its own armed control probe fails", name, other)
	case v != nil && v.claimAt >= 0 && v.claimer && w.now < v.claimAt+engine.Settle && (t.index == 0 || t.kind == engine.Address):
		w.fail("R9", "%s says that %s is silent %s after its claim", name, other, stamp(w.now-v.claimAt))
	case v != nil && v.claimAt >= 0 && v.claimer && w.now < v.claimAt+n.cfg.HoldDown && n.began < v.claimAt &&
		g.before != nobody && g.before != holder && !td.answersSince(v.claimAt, n.cfg.Rise) && (!td.answersSince(v.claimAt, 1) || td.body.Healthy):
		w.fail("I6", "%s has not heard %s since its claim %s ago, and takes %s on its silence", name, other, stamp(w.now-v.claimAt), t.id)
	}
	for third := range w.plan.Nodes {
		if x := &n.told[third]; third != n.id && third != holder && x.answering() && slices.Contains(x.body.Hears, other) {
			w.fail("R4", "%s says that %s is silent, and %s hears it", name, other, nodeNames[third])
		}
	}
}
