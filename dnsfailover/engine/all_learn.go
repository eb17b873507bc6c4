package engine

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// member is what a node knows of another one in a record of [ModeAll].
type member struct {
	node      string
	joining   string
	nonce     string
	at        time.Duration // when it was first seen there
	isNew     bool          // it was seen to join
	answersAt int           // its answers at that time
}

// joining is the identity of a member's joining. After others have left, a process
// that starts anew may join with an epoch that it had before.
func (m *Member) joining() string {
	boot := m.Nonce[:max(strings.LastIndex(m.Nonce, "-"), 0)]
	return strconv.FormatUint(m.Epoch, 10) + " " + boot
}

// noJoining is that of a member whose lease somebody has deleted. It is no new one.
var noJoining = new(Member).joining()

// intent is what a write was for.
type intent struct {
	quit    bool
	removed []removal
}

// removal is what was taken out: a node, or addresses of nobody known.
type removal struct {
	node  string // or empty
	addrs string
	why   Why
}

// learnAll is learn in [ModeAll].
func (s *step) learnAll(i int, r Reading, sent time.Duration) {
	t := &s.Targets[i]
	first, before, was := !t.Known, t.members, s.seatOf(i) != nil
	s.takeIn(t, r, sent)
	if claim := t.Reading.Token; claim != t.claim {
		t.claim, t.claimSeen, t.failures = claim, s.now, 0
	}
	is := s.seatOf(i) != nil
	t.members = nil
	for _, o := range s.seats(i) {
		if o.kind != peersSeat || o.Node == "" {
			continue
		}
		m := member{o.Node, o.joining(), o.Nonce, s.now, !first, s.answersOf(o.Node)}
		if n := slices.IndexFunc(before, func(b member) bool { return b.node == o.Node && (b.joining == m.joining || m.joining == noJoining) }); n >= 0 {
			m = before[n]
			m.joining, m.nonce = o.joining(), o.Nonce
		}
		t.members = append(t.members, m)
	}
	if !first {
		s.changed(i, before, was, is)
	}
	if is || t.Reading.Refuse != "" {
		t.intent = intent{}
	}
	t.why = Why{}
}

// changed tells who has come and who has gone.
func (s *step) changed(i int, before []member, was, is bool) {
	t := &s.Targets[i]
	say := func(what What, from, to string, why Why) {
		s.tell(Tell{What: what, Target: t.ID, From: from, To: to, Epoch: s.Epoch, Why: why, Order: s.orderOf(why)})
	}
	switch {
	case is && !was:
		s.resumed = s.resumed || t.why.Code != NoReason // by its own write
		say(Joined, "", s.cfg.Node, t.why)
	case was && !is:
		quit, other := t.intent.quit, s.writer(i, before)
		if quit {
			s.withdrew(t.why)
		}
		if quit && other == "" {
			say(Withdrew, s.cfg.Node, "", t.why)
			break
		}
		say(Dropped, s.cfg.Node, other, Why{})
		// Who has done so may be as deaf as this node is: no silence counts for now (R7).
		for k := range t.members {
			m := &t.members[k]
			m.at, m.isNew, m.answersAt = s.now, true, s.answersOf(m.node)
		}
	}
	var removed []removal // by its own write
	if t.why.Code != NoReason && s.writer(i, before) == "" {
		removed = t.intent.removed
	}
	for _, b := range before {
		if slices.ContainsFunc(t.members, func(m member) bool { return m.node == b.node }) {
			continue
		}
		if n := slices.IndexFunc(removed, func(r removal) bool { return r.node == b.node }); n >= 0 {
			say(Removed, b.node, s.cfg.Node, removed[n].why)
		} else {
			say(Moved, b.node, "", Why{})
		}
	}
	for _, r := range removed {
		known := slices.ContainsFunc(before, func(b member) bool { return b.node == r.node })
		if !known && among(r.addrs, t.Reading.Addrs) == "" {
			say(Removed, cmp.Or(r.node, r.addrs), s.cfg.Node, r.why)
		}
	}
	for _, m := range t.members {
		if !slices.ContainsFunc(before, func(b member) bool { return b.node == m.node }) {
			say(Moved, "", m.node, Why{})
		}
	}
}

// writer is the node that has written last, as far as its nonce tells.
func (s *step) writer(i int, before []member) string {
	for _, m := range s.Targets[i].members {
		if n := slices.IndexFunc(before, func(b member) bool { return b.node == m.node }); n < 0 || before[n].nonce != m.nonce {
			return m.node
		}
	}
	return ""
}

// withdrew counts that this node has left a record of its own accord (R8).
func (s *step) withdrew(why Why) {
	switch why.Code {
	case CheckFails, PublicPathFails:
		since := s.Health.Failed
		if why.Code == PublicPathFails {
			since = s.public.since
		}
		switch {
		case s.moves.count > 0 && s.moves.last > since:
			s.moves.last = s.now // another record, and the same trouble
		case s.now-s.moves.last >= s.cfg.HoldDown:
			s.moves = moves{s.now, 1}
		default:
			s.moves = moves{s.now, s.moves.count + 1}
		}
		if why.Code == PublicPathFails && !s.Control.Armed {
			s.rejoinAt = s.now + s.cfg.HoldDown
		}
	case OperatorSays:
		if s.order.what == Release { // and no other order has come since
			s.order.on, s.order.until = true, s.now+takeoverTime
		}
	}
}

// claimedBy is a node in a record, to be judged.
func (s *step) claimedBy(i int, node string) claimed {
	c := claimed{node: node, at: s.now, isNew: true, speaks: true, sure: true, witness: &Probe{}}
	for _, m := range s.Targets[i].members {
		if m.node == node {
			c.at, c.isNew, c.answersAt = m.at, m.isNew, m.answersAt
		}
	}
	for k := range s.Members {
		if s.Members[k].Node == node {
			c.witness = &s.Members[k].Probe
			c.pending = !c.witness.Ended
		}
	}
	return c
}
