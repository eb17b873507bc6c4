package sim

import (
	"slices"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// judgeRemoval looks at a node that takes another one out of a record of mode all
// (A4): that one is dead, as far as the first can know.
func (w *world) judgeRemoval(n *node, t *target, from *engine.Reading, id int) {
	name, other := nodeNames[n.id], nodeNames[id]
	td, p, g := &n.told[id], &n.probes, &n.given[t.index]
	if entry(entries(&from.Lease), other) == nil && (!td.heard || t.index > 0) {
		w.judgeForeign(n, t, nodeAddrs[id]) // it does not know whose address this is: peers tell what they have in the home
		return
	}
	if td.answering() {
		w.fail("R5", "%s takes %s out of %s, which answers", name, other, t.id)
		return
	}
	m, home := &n.members[id], n.given[0].roll
	armed := m.armed && home.has(id) && m.claim == home.joins[id].id
	if armed && m.ok && m.started >= td.missSent {
		w.fail("R4", "%s takes %s out of %s, and the armed witness has passed since", name, other, t.id)
		return
	}
	if td.gone {
		return
	}
	n.judged.silent |= 1 << id
	least := 2 * n.cfg.Fall
	if m.armed {
		least = n.cfg.Fall
	}
	var j joining
	if v := t.version(from.Token); v != nil && v.roll.has(id) {
		j = v.roll.joins[id]
	}
	joined := j.own && j.at >= 0
	switch {
	case td.misses < least:
		w.fail("R4", "%s takes %s out of %s after %d of %d misses", name, other, t.id, td.misses, least)
	case p.controlArmed && !p.controlOK:
		w.fail("R4", "%s takes %s out of %s for its silence, and its own armed control probe fails", name, other, t.id)
	case joined && w.now < j.at+engine.Settle:
		w.fail("R9", "%s takes %s out of %s for its silence %s after it joined", name, other, t.id, stamp(w.now-j.at))
	case joined && g.seen[id] == j.id && w.now < j.at+n.cfg.HoldDown && !td.answersSince(j.at, n.cfg.Rise):
		w.fail("I6", "%s has not heard %s since it joined %s ago, and takes it out of %s for its silence", name, other, stamp(w.now-j.at), t.id)
	case g.dropped >= 0 && w.now < g.dropped+n.cfg.HoldDown && !td.answersSince(g.dropped, n.cfg.Rise):
		w.fail("I6", "%s was taken out of %s %s ago, has not heard %s since, and takes it out for its silence", name, t.id, stamp(w.now-g.dropped), other)
	}
	for third := range w.plan.Nodes {
		if x := &n.told[third]; third != n.id && third != id && x.answering() && slices.Contains(x.body.Hears, other) {
			w.fail("R4", "%s takes %s out of %s for its silence, and %s hears it", name, other, t.id, nodeNames[third])
		}
	}
}

// landedAll looks at a write of mode all that has reached its target.
func (w *world) landedAll(c *call, before *version) {
	t, n, j, now := c.t, c.n, &c.judged, c.t.last()
	x := &w.cover.All
	if j.joins {
		x.Joins++
	}
	if j.quits {
		x.Quits++
		if n.release.on && w.now-n.release.at < releaseTime {
			n.release.out |= 1 << t.index
		}
		if j.public {
			x.PublicQuits++
			n.fromOut = w.now
		}
	}
	if before.reading.Exists && before.reading.Lease.Holder != "" && before.reading.Lease.Members == "" {
		x.Conversions++
	}
	x.Strangers += len(j.strangers)
	if j.joins && j.removed != 0 {
		x.Both++
	}
	for id := range w.plan.Nodes {
		switch {
		case j.removed>>id&1 == 0:
		case j.silent>>id&1 == 0:
			x.Gone++
		default:
			x.Silent++
			// A node that has just started can't know how old the joining is that it finds.
			if at := t.silent[id]; at >= 0 && w.changed <= at && w.now-n.began >= w.plan.HoldDown && w.lossy == 0 && w.slow == [MaxNodes]int8{} && w.now-at < w.plan.HoldDown {
				w.fail("I6", "silence has taken %s out of %s again after %s, and nothing has changed", nodeNames[id], t.id, stamp(w.now-at))
			}
			t.silent[id] = w.now
			if w.nodes[id].up && w.nodes[id].frozen == 0 && !w.nodes[id].leaving {
				x.Dropped++
			}
		}
	}
	if now.roll.in == 0 {
		w.fail("A6", "%s is left with none of ours by %s", t.id, nodeNames[n.id])
	}
}
