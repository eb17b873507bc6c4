package sim

import (
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// beat is a heartbeat under way.
type beat struct {
	from, to int
	reply    engine.Reply
	sent     time.Duration // by the clock of the one who asks
	at       time.Duration
	body     engine.Body
}

// quickAgain is when a refused heartbeat is repeated.
const quickAgain = 60 * time.Millisecond

func (w *world) take() int32 {
	if last := len(w.free) - 1; last >= 0 {
		i := w.free[last]
		w.free = w.free[:last]
		return i
	}
	w.beats = append(w.beats, beat{})
	return int32(len(w.beats) - 1)
}

func (w *world) drop(i int32) {
	w.beats[i] = beat{}
	w.free = append(w.free, i)
}

// hop is how long a message between nodes takes, and whether it comes at all.
func (w *world) hop(from, to int) (time.Duration, bool) {
	d := w.between(200*time.Microsecond, 3*time.Millisecond)
	if w.slow[from] > 0 || w.slow[to] > 0 {
		d += w.between(0, w.plan.Interval/2)
	}
	if w.cut[from][to] > 0 || w.lossy > 0 && w.chance(40) {
		return d, false
	}
	return d, true
}

// ask sends a heartbeat to a peer.
func (n *node) ask(peer int) {
	w := n.w
	i := w.take()
	w.beats[i] = beat{from: n.id, to: peer, sent: n.clock(), at: w.now}
	d, ok := w.hop(n.id, peer)
	if !ok {
		w.silence(i, n.boot)
		return
	}
	w.queue.push(event{at: w.now + d, kind: evAsked, ref: i, boot: n.boot})
}

// silence ends a heartbeat by its time-out.
func (w *world) silence(i, boot int32) {
	b := &w.beats[i]
	b.reply = engine.Silent
	w.queue.push(event{at: max(w.now, b.at+w.plan.Interval/2), kind: evReply, node: int8(b.from), ref: i, boot: boot})
}

// asked is a heartbeat at the host of the one who is asked.
func (w *world) asked(e *event) {
	b := &w.beats[e.ref]
	n := w.nodes[b.to]
	d, ok := w.hop(b.to, b.from)
	switch {
	case !ok || !n.hostUp || n.vm > 0 || n.up && n.frozen > 0:
		w.silence(e.ref, e.boot)
		return
	case !n.up:
		b.reply = engine.Refused
	case n.secret != w.nodes[b.from].secret:
		b.reply = engine.Mismatched
	case w.now+d > b.at+w.plan.Interval/2:
		w.silence(e.ref, e.boot)
		return
	default:
		b.reply = engine.Answered
		b.body = n.st.Body(n.clock(), &n.cfg)
	}
	w.queue.push(event{at: w.now + d, kind: evReply, node: int8(b.from), ref: e.ref, boot: e.boot})
}

// replied tells the engine how a heartbeat ended, and does what the loop has to
// do about a refusal.
func (n *node) replied(i int32) {
	w := n.w
	b := w.beats[i]
	w.drop(i)
	if b.reply == engine.Answered && n.clock() > b.sent+n.cfg.Interval/2+time.Second && w.chance(50) {
		b.reply, b.body = engine.Silent, engine.Body{} // it was frozen, and both the answer and the time-out were there
	}
	n.told[b.to].note(w, n, &b)
	ev := engine.Heartbeat{Peer: peerIDs[b.to], Reply: b.reply, Sent: b.sent, Body: b.body}
	w.mix(uint64(b.reply) + 1)
	boot := n.boot
	n.deliver(ev)
	if b.reply != engine.Refused {
		n.series[b.to] = 0
		return
	}
	if n.series[b.to]++; n.series[b.to] >= engine.Refusals {
		n.series[b.to] = 0
		return
	}
	if n.up && n.boot == boot {
		n.inProcess(quickAgain, func() { n.ask(b.to) })
	}
}

// sendOffer brings an offer to a peer, if the network does.
func (n *node) sendOffer(a engine.SendOffer) {
	w := n.w
	to := indexOf(peerIDs[:], a.Peer)
	if to < 0 {
		w.fail("action", "%s offers to %q, which is no peer", nodeNames[n.id], a.Peer)
		return
	}
	if w.plan.All {
		w.fail("action", "%s offers what every node has", nodeNames[n.id])
		return
	}
	w.cover.Whys[a.Offer.Why.Code]++
	w.tracef(n.id, "offers %s the service: %s", nodeNames[to], a.Offer.Why)
	// A peer that has just been started has no check to speak of, and one whose machine stood still takes an old one for a new one.
	if p := w.nodes[to]; a.Offer.Why.Code == engine.CheckFails && p.up && p.healthKnown && w.now-p.began > n.cfg.Interval && p.zero == p.passedZero && p.passedW < n.failedW {
		w.fail("R3", "%s offers to %s, whose checks have not passed since its own failed", nodeNames[n.id], nodeNames[to])
		return
	}
	d, ok := w.hop(n.id, to)
	if !ok {
		return
	}
	from, sent := n.secret, w.now
	w.after(d, func() {
		p := w.nodes[to]
		if !p.up || !p.hostUp || p.vm > 0 || p.secret != from {
			return
		}
		p.inProcess(0, func() {
			if w.now-sent > engine.OfferTime {
				return // it had been frozen, and the protocol lets nobody take so old an offer
			}
			w.change()
			p.offer = offered{on: true, Offer: a.Offer, at: p.clock()}
			w.tracef(to, "gets an offer from %s", a.Offer.From)
			p.deliver(engine.Offered{Offer: a.Offer})
		})
	})
}

// served reports whether clients reach the service at a node, and how fast they
// know if they do not.
func (w *world) served(id int) (ok bool, quick bool) {
	n := w.nodes[id]
	if !n.hostUp || n.frozen > 0 || w.noPublic[id] > 0 {
		return false, false
	}
	return n.up && n.sick == 0, true
}

const (
	probeTime = 1500 * time.Millisecond // of a probe that nobody answers
	rtt       = 20 * time.Millisecond
)

// askWitness asks for the service at what the reading of the home says.
func (n *node) askWitness(a engine.AskWitness) {
	w := n.w
	started := n.clock()
	at, version := w.now, w.targets[0].version(a.Reading.Token)
	member := indexOf(nodeNames[:], a.Member)
	if w.plan.All && (member < 0 || member == n.id || a.Reading.Addrs != nodeAddrs[member]) {
		w.fail("action", "%s asks for %q at %q", nodeNames[n.id], a.Member, a.Reading.Addrs)
		return
	}
	d := w.between(rtt/4, rtt)
	w.after(d, func() {
		ok, quick := false, false
		if id := w.clientsReach(a.Reading); w.plan.Witness && id >= 0 && w.noEgress[n.id] == 0 {
			ok, quick = w.served(id)
		}
		wait := d
		if !ok && !quick {
			wait = probeTime
		}
		n.inProcess(wait, func() {
			w.mix(2)
			switch {
			case version == nil:
			case !w.plan.All:
				n.probes.witnessed(version.claim, version.claimAt, ok, at)
			case version.roll.has(member):
				j := &version.roll.joins[member]
				n.members[member].witnessed(j.id, j.at, ok, at)
			}
			if !ok && w.plan.Witness {
				w.cover.WitnessFailed++
			}
			n.deliver(engine.WitnessDone{OK: ok, Started: started, Member: a.Member})
		})
	})
}

// clientsReach is the node that clients of a reading of the home come to, or -1.
func (w *world) clientsReach(r engine.Reading) int {
	t := w.targets[0]
	if t.kind == engine.Record && !t.shared {
		return indexOf(nodeAddrs[:], r.Addrs)
	}
	for _, t := range w.targets {
		if t.kind == engine.Address {
			return indexOf(instances[:], t.now().Instance)
		}
	}
	return -1
}

// askControl asks for the node's own public address, from itself.
func (n *node) askControl() {
	w := n.w
	started := n.clock()
	w.after(rtt, func() {
		ok := w.plan.Control && w.noEgress[n.id] == 0 && w.noPublic[n.id] == 0
		wait := rtt
		if !ok {
			wait = probeTime
		}
		n.inProcess(wait, func() {
			w.mix(3)
			n.probes.controlled(ok)
			if !ok && w.plan.Control {
				w.cover.ControlFailed++
			}
			n.deliver(engine.ControlDone{OK: ok, Started: started})
		})
	})
}

// askForeign asks whether something that is none of ours works.
func (n *node) askForeign(a engine.AskForeign) {
	w := n.w
	t := w.find(a.Target)
	if t == nil {
		w.fail("action", "%s asks about %q, which is no target", nodeNames[n.id], a.Target)
		return
	}
	w.after(rtt, func() {
		works := w.worksAt(t.holder(a.Reading))
		if w.plan.All {
			works = w.anyWorks(a.Reading.Addrs)
		}
		ok := !w.plan.Foreign || works && w.noEgress[n.id] == 0
		wait := rtt
		if !ok {
			wait = probeTime
		}
		n.inProcess(wait, func() {
			w.mix(4)
			w.cover.ForeignAsked++
			if w.plan.All {
				n.given[t.index].suspect(w.now, a.Reading.Addrs, ok)
			} else {
				n.given[t.index].strange(w, a.Reading.Token, ok)
			}
			n.deliver(engine.ForeignDone{Target: a.Target, Token: a.Reading.Token, OK: ok})
		})
	})
}

func indexOf(list []string, s string) int {
	for i, x := range list {
		if x == s {
			return i
		}
	}
	return -1
}
