package sim

import (
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// nonces are those that were written to a target.
type nonces map[string]bool

// add reports whether a nonce is new.
func (s *nonces) add(nonce string) bool {
	if *s == nil {
		*s = nonces{}
	}
	if (*s)[nonce] {
		return false
	}
	(*s)[nonce] = true
	return true
}

// landed looks at a write that has reached its target.
func (w *world) landed(c *call, before *version, outcome engine.Outcome, lost bool) {
	t, n := c.t, c.n
	if outcome != engine.Done {
		if outcome == engine.Conflict {
			w.cover.Refused++
			if w.plan.All {
				w.cover.All.Refused++
			}
			if lost {
				w.cover.LateRefused++
			}
		}
		w.tracef(n.id, "its %s of %s is refused: %s", opNames[c.op], t.id, outcome)
		return
	}
	now := t.last()
	if w.plan.All && now.reading.Token == before.reading.Token {
		return // it changes nothing
	}
	w.tracef(n.id, "its %s of %s lands: %s -> %s, epoch %d -> %d", opNames[c.op], t.id, w.holderName(t, before.reading), w.holderName(t, now.reading), before.reading.Lease.Epoch, now.reading.Lease.Epoch)
	w.cover.Causes[c.cause]++
	switch {
	case t.kind == engine.Record && !same(before.reading, c.from):
		w.fail("I1", "a swap of %s by %s landed on %q, and it had judged %q", t.id, nodeNames[n.id], before.reading.Token, c.from.Token)
	case t.kind == engine.Record && (!now.reading.Exists || now.reading.Addrs == ""):
		w.fail("I3", "%s is absent after a write of %s", t.id, nodeNames[n.id])
	case c.op == opFree && !same(before.reading, c.from):
		w.fail("I2", "%s removed association %q of %s, and had judged %q", nodeNames[n.id], before.reading.Token, t.id, c.from.Token)
	case c.op == opSwap && t.kind == engine.Address && before.reading.Exists:
		w.fail("I2", "%s took %s while %s had it", nodeNames[n.id], t.id, w.holderName(t, before.reading))
	}
	if lost {
		w.cover.Lost++
		n.lostToken = now.reading.Token
	}
	if w.plan.All {
		w.landedAll(c, before)
		return
	}
	if c.op == opSwap && t.index > 0 && n.given[0].holder != n.id {
		w.cover.Provisional++
	}
	if before.holder < 0 || before.holder == n.id {
		return
	}
	w.cover.Moves++
	switch c.cause {
	case engine.ByOffer:
		w.handedOver(c, before.holder)
	case engine.DeadSilent:
		// A node that has just started can't know how old the claim is that it finds.
		if t.silentAt >= 0 && w.changed <= t.silentAt && w.now-n.began >= w.plan.HoldDown && w.lossy == 0 && w.slow == [MaxNodes]int8{} && w.now-t.silentAt < w.plan.HoldDown {
			w.fail("I6", "silence has moved %s again after %s, and nothing has changed", t.id, stamp(w.now-t.silentAt))
		}
		t.silentAt = w.now
	}
}

// handedOver looks at a move by an offer.
func (w *world) handedOver(c *call, from int) {
	w.cover.HandOvers++
	if c.t.index > 0 || c.why.Why.Code != engine.Preferred || c.why.From != nodeNames[from] {
		return
	}
	n := w.nodes[from]
	if n.voluntaryAt > w.edited && n.voluntaryBoot == n.boot && w.now-n.voluntaryAt < w.plan.HoldDown {
		w.fail("R8", "%s has handed %s over again after %s, and need not: %s", nodeNames[from], c.t.id, stamp(w.now-n.voluntaryAt), c.why.Why)
	}
	n.voluntaryAt, n.voluntaryBoot = w.now, n.boot
}
