package sim

import (
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// told is what the world knows that a node was told by and of a peer.
type told struct {
	any      bool // at least one heartbeat ended since the start
	last     engine.Reply
	misses   int           // since the last answer
	missSent time.Duration // when the first of them was sent, by the world's clock
	body     engine.Body   // of the last answer
	heard    bool          // there was an answer
	answers  [3]time.Duration
	refused  [engine.Refusals]time.Duration
	gone     bool // refusals enough came at once, and no answer since
	met      bool // it has been heard, or timed out on, since the start
}

func (t *told) note(w *world, n *node, b *beat) {
	if t.any && t.last != b.reply {
		w.tracef(n.id, "heartbeat of %s: %s", nodeNames[b.to], replyNames[b.reply])
	}
	t.any, t.last = true, b.reply
	w.cover.Replies[b.reply]++
	switch b.reply {
	case engine.Answered:
		if t.heard && (t.body.Active != b.body.Active || t.body.Healthy != b.body.Healthy || t.body.Able != b.body.Able) {
			w.tracef(n.id, "hears that %s is active %t, healthy %t, able %t", nodeNames[b.to], b.body.Active, b.body.Healthy, b.body.Able)
		}
		t.misses, t.gone, t.refused = 0, false, [engine.Refusals]time.Duration{}
		t.body, t.heard = b.body, true
		t.answers[2], t.answers[1], t.answers[0] = t.answers[1], t.answers[0], w.now
	case engine.Mismatched:
		t.misses, t.gone, t.refused = 0, false, [engine.Refusals]time.Duration{}
	case engine.Silent, engine.Refused:
		if t.misses == 0 {
			t.missSent = b.at
		}
		t.misses++
		if b.reply == engine.Refused {
			copy(t.refused[1:], t.refused[:])
			t.refused[0] = n.clock()
			first := t.refused[engine.Refusals-1]
			t.gone = t.gone || first > 0 && n.clock()-first <= engine.RefusalWindow
		}
	}
	t.met = t.met || t.heard || t.gone || b.reply == engine.Mismatched || t.misses >= n.cfg.Fall
}

// answering reports whether the last heartbeat was answered.
func (t *told) answering() bool { return t.any && t.last == engine.Answered }

// answersSince reports whether count answers came since a time.
func (t *told) answersSince(at time.Duration, count int) bool {
	return count <= len(t.answers) && t.heard && t.answers[count-1] > at
}

var replyNames = [...]string{"answered", "silent", "refused", "another secret"}

// given is what a node was told of a target.
type given struct {
	known   bool
	reading engine.Reading // the last one
	last    int            // the claim in it, -1 if that is unknown
	asked   time.Duration  // when the call was decided that brought it, by the node's clock

	// The newest one: a stale reading may have come after it.
	newest engine.Reading
	index  int // of its version, -1 if that is unknown
	claim  int
	holder int
	before int // the last other node that was the holder in a reading

	stranger   string // the token of what is none of ours and was asked about
	strangerOK bool
	bad        time.Duration // since when it does not work

	// In mode all.
	roll      *roll         // who is in the newest reading; nil if that is unknown
	seen      [MaxNodes]int // the joins that it saw happen
	dropped   time.Duration // when another node last took it out; never if none did
	strangers []suspect
}

func (g *given) note(n *node, t *target, r engine.Reading) {
	index, claim, holder := t.find(r.Token), -1, t.holder(r)
	if index >= 0 {
		claim = t.versions[index].claim
	}
	if !g.known {
		g.before = nobody
	}
	stale := g.known && index >= 0 && index < g.index
	g.known, g.reading, g.last = true, r, claim
	if stale {
		return
	}
	if t.w.plan.All && index >= 0 {
		g.follow(n, t, index)
	}
	if g.newest.Token != "" && g.holder != holder && g.holder != nobody {
		g.before = g.holder
	}
	g.newest, g.index, g.claim, g.holder = r, index, claim, holder
}

func (g *given) strange(w *world, token string, ok bool) {
	if g.stranger != token || ok || g.strangerOK {
		g.bad = w.now
	}
	g.stranger, g.strangerOK = token, ok
}

// probes are the results of a node's witness and control probes.
type probes struct {
	claim   int           // the claim that the witness was last asked about
	armed   bool          // it has passed since that claim
	known   bool          // there is a result about that claim
	ok      bool          // the last one
	started time.Duration // of that, by the world's clock

	controlArmed, controlOK bool // it has passed since the start, and the last time
	controlFails            int  // in a row
}

// witnessed takes in what the witness said of a claim that was made at a time.
func (p *probes) witnessed(claim int, at time.Duration, ok bool, started time.Duration) {
	if p.known && started < p.started {
		return
	}
	if !p.known || p.claim != claim {
		p.claim, p.armed = claim, false
	}
	p.known, p.ok, p.started = true, ok, started
	p.armed = p.armed || ok && started >= at
}

func (p *probes) controlled(ok bool) {
	p.controlOK = ok
	p.controlArmed = p.controlArmed || ok
	p.controlFails++
	if ok {
		p.controlFails = 0
	}
}

// offered is the last offer that a node got.
type offered struct {
	engine.Offer
	on bool
	at time.Duration // by its own clock
}

// ordered is the last takeover that an operator asked of a node.
type ordered struct {
	on bool
	at time.Duration
}

// released is an operator's release, and the targets that the node has left since,
// as bits.
type released struct {
	ordered
	out uint8
}

// looks are the last readings of a target by a node.
type looks struct{ at [3]time.Duration }

func (l *looks) note(w *world, n *node, t *target) {
	l.at[2], l.at[1], l.at[0] = l.at[1], l.at[0], w.now
	w.cover.Reads++
	if !w.quiet || !w.able(n.id) {
		return
	}
	most := 1
	if t.last().holder == n.id || w.plan.All && w.keeper(t) == n.id {
		most = 2
	}
	if l.at[most] >= w.quietFrom && l.at[most] > 0 && w.now-l.at[most] < time.Minute {
		w.fail("I4", "%s reads %s again after %s, though nothing is wrong", nodeNames[n.id], t.id, stamp(w.now-l.at[1]))
	}
}
