package engine

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// who is the kind of node that has a target.
type who uint8

const (
	nobody   who = iota
	me           // this node
	bare         // this node, by its address, but without a lease
	peer         // another node, of that name
	stranger     // none of ours
	fixed        // a kind of target that is never written
)

// held says who has a target.
type held struct {
	who  who
	name string // of a peer, or this node's own
}

func (h held) mine() bool { return h.who == me || h.who == bare }

// holder reads out of a target's reading who has it.
func (st *State) holder(cfg *Settings, i int) held {
	t, c := &st.Targets[i], &cfg.Targets[i]
	r := &t.Reading
	switch {
	case !t.Known:
		return held{}
	case r.Refuse != "":
		return held{who: fixed, name: r.Refuse}
	case !r.Exists:
		return held{}
	case c.Kind == Address:
		if r.Instance == cfg.Instance {
			return held{me, cfg.Node}
		}
		for j := range st.Peers {
			if b := &st.Peers[j].Body; b.Name != "" && b.Instance == r.Instance {
				return held{peer, b.Name}
			}
		}
		// Its holder may be one that has not been heard since this node started.
		for _, l := range []*Lease{&st.Targets[0].Reading.Lease, &st.former} {
			if l.Holder != "" && l.Holder != cfg.Node && l.Instance == r.Instance && st.anyOf(l.Holder) {
				return held{peer, l.Holder}
			}
		}
		return held{who: stranger}
	case r.Lease.Holder == "":
		return st.unleased(cfg, c, r)
	case r.Addrs != r.Lease.Addrs:
		return held{who: stranger} // edited by somebody
	case r.Lease.Holder == cfg.Node:
		return held{me, cfg.Node}
	}
	if st.anyOf(r.Lease.Holder) {
		return held{peer, r.Lease.Holder}
	}
	if r.Lease.Instance == cfg.Instance && r.Addrs == c.Addrs {
		return held{bare, cfg.Node} // under the name that it had before
	}
	return held{who: stranger} // of a node that is no peer
}

// unleased says whose a record without a lease is: that of the node to which it
// points. If it points to the service's own address, it is nobody's.
func (st *State) unleased(cfg *Settings, c *Target, r *Reading) held {
	if r.Addrs == c.Addrs {
		if c.Shared {
			return held{}
		}
		return held{bare, cfg.Node}
	}
	for i := range st.Peers {
		if b := &st.Peers[i].Body; b.Name != "" && b.Addrs == r.Addrs {
			return held{peer, b.Name}
		}
	}
	return held{who: stranger}
}

// claimOf is the identity of the claim that a reading shows. Writes that only
// bring values up to date leave it as it is.
func claimOf(kind Kind, r *Reading) string {
	switch {
	case !r.Exists:
		return "none"
	case kind == Record && r.Lease.Holder != "" && r.Addrs == r.Lease.Addrs:
		return r.Lease.Holder + " " + strconv.FormatUint(r.Lease.Epoch, 10)
	case kind == Record:
		return "at " + r.Addrs
	}
	return r.Token
}

// learn takes in what a target holds now.
func (s *step) learn(i int, r Reading, sent time.Duration) {
	if s.all() {
		s.learnAll(i, r, sent)
		return
	}
	t, c := &s.Targets[i], &s.cfg.Targets[i]
	before := s.holder(s.cfg, i)
	had := i == 0 && c.Kind == Record && before.mine() && !s.superseded()
	first := !t.Known
	if l := t.Reading.Lease; i == 0 && l.Holder != r.Lease.Holder {
		s.former = l
	}
	s.takeIn(t, r, sent)
	defer func() { t.why = Why{} }()
	claim := claimOf(c.Kind, &r)
	if claim == t.claim {
		return
	}
	t.claim, t.claimSeen, t.claimNew = claim, s.now, !first || r.Lease.Epoch != 0 && r.Lease.Epoch == s.heard
	t.failures = 0
	if had && !r.Exists && s.offered.to == "" {
		t.freed = true // somebody has deleted it: it is put back at once
	}
	now := s.holder(s.cfg, i)
	t.answersAt = s.answersOf(now.name)
	if i == 0 {
		s.Witness.Armed, s.Witness.Ended, s.Witness.nextAt = false, false, s.now
	}
	if !first && now != before {
		s.moved(i, before, now)
	}
}

// takeIn makes a reading the last one.
func (s *step) takeIn(t *TargetState, r Reading, sent time.Duration) {
	if r.Token != t.Reading.Token || !t.Known {
		t.list = r.Lease.List()
		t.verdict, t.refused = verdict{}, 0
		t.freed = t.busy == freeing
	}
	t.Reading, t.Known, t.ReadAt = r, true, sent
	t.Failing, t.contrary = false, ""
	t.unsure = t.unsure && sent < t.unsureAt
	s.Epoch = max(s.Epoch, r.Lease.Epoch)
}

// moved tells of a change of holder, and what it means to this node.
func (s *step) moved(i int, from, to held) {
	t := &s.Targets[i]
	say := Tell{What: Moved, Target: t.ID, From: from.name, To: to.name}
	switch {
	case to.mine() && !from.mine() && t.why.Code != NoReason:
		// By its own write, even if its reply was lost.
		switch {
		case i > 0:
			s.Epoch = max(s.Epoch, s.tentative)
		case s.cfg.Targets[0].Kind == Address:
			s.Epoch++ // an association has no number, and nodes count
		}
		s.resumed = true
		say.What, say.From, say.Why, say.Order = Claimed, t.taken, t.why, s.orderOf(t.why)
	case to.mine() == from.mine() && to.mine(), to.who == nobody && t.freed:
		return
	case from.mine():
		say.What = Lost
		s.order.on = s.order.on && i > 0 // it has been carried out
		if i == 0 && s.offered.to == to.name && to.name != "" {
			if s.now-s.moves.last >= s.cfg.HoldDown {
				s.moves.count = 0
			}
			s.moves = moves{s.now, s.moves.count + 1}
			s.offered, s.offering = given{}, offerOut{}
		}
	}
	say.Epoch = s.Epoch
	s.tell(say)
	if i == 0 {
		// The others follow.
		for i := range s.Targets[1:] {
			s.hint(&s.Targets[1+i])
		}
	}
}

// witnesses says how far the witness is about a node. Where the home points at
// an Elastic IP, it asks whoever has that one: this very node or another, and
// then its word is none about the holder of the home; or somebody unknown, and
// then it may speak for the holder, but not against it.
func (s *step) witnesses(h string) (speaks, sure bool) {
	for i := 1; i < len(s.Targets) && s.cfg.Targets[0].Shared; i++ {
		if s.cfg.Targets[i].Kind != Address {
			continue
		}
		switch f := s.holder(s.cfg, i); {
		case s.Targets[i].contrary != "":
			return true, false
		case f.who == peer && f.name == h:
		case f.mine() || f.who == peer:
			return false, false
		default:
			return true, false
		}
	}
	return true, true
}

// claimed is a node that is judged, by what it has claimed.
type claimed struct {
	node      string
	at        time.Duration // when that was first seen
	isNew     bool          // it was seen to happen
	answersAt int           // answers of the node at that time
	witness   *Probe        // of what it has claimed
	pending   bool          // the witness has not answered yet
	speaks    bool          // the witness may speak for the node
	sure      bool          // and against it
}

// dead judges the holder of a target (R4).
func (s *step) dead(h string, i int) (Cause, Why) {
	t := &s.Targets[i]
	speaks, sure := s.witnesses(h)
	c := claimed{node: h, at: t.claimSeen, isNew: t.claimNew, answersAt: t.answersAt, witness: &s.Witness, speaks: speaks, sure: sure}
	if b := s.buried; i > 0 && s.Role == Active && b.node == h && b.answers == s.answersOf(h) {
		// The witness was heard when the home was taken, and asks at this node since.
		c.witness, c.speaks, c.sure = &Probe{Armed: true, Ended: true, Started: s.now}, true, true
	}
	return s.judgeDeath(c)
}

// judgeDeath says whether a node that has claimed something is dead (R4).
func (s *step) judgeDeath(c claimed) (Cause, Why) {
	h := c.node
	gone, misses, first := true, math.MaxInt, Never
	for i := range s.Peers {
		p := &s.Peers[i]
		if !s.maybe(p, h) {
			continue
		}
		if p.Up {
			return NoCause, Why{HolderAnswers, h}
		}
		if p.Alien {
			return NoCause, Why{HolderMismatched, h}
		}
		gone = gone && p.Gone
		misses, first = min(misses, p.Misses), min(first, p.FirstMiss)
	}
	if c.witness.Armed && c.speaks {
		switch {
		case misses == 0 || !c.witness.Ended || c.witness.Started < first:
			return NoCause, Why{WitnessPending, h}
		case c.witness.OK:
			return NoCause, Why{WitnessPasses, h}
		}
	}
	if gone {
		return DeadGone, Why{HolderGone, h}
	}
	if c.pending {
		return NoCause, Why{WitnessPending, h}
	}
	need := s.cfg.Fall
	if !c.witness.Armed || !c.sure {
		need *= 2
	}
	if misses < need {
		return NoCause, Why{NotSilentYet, h}
	}
	if !s.due(s.cfg.settleTime(c.at, need)) {
		return NoCause, Why{Settling, h}
	}
	if c.isNew && s.answersOf(h)-c.answersAt < s.cfg.Rise && !s.due(c.at+s.cfg.HoldDown) {
		return NoCause, Why{HoldingDown, h}
	}
	if s.Control.Armed {
		switch {
		case !s.Control.Ended || s.Control.Started < first:
			return NoCause, Why{ControlPending, h}
		case !s.Control.OK:
			return NoCause, Why{ControlFails, h}
		}
	}
	for i := range s.Peers {
		if q := &s.Peers[i]; q.answers(s.cfg) && q.Body.Name != h && slices.Contains(q.Body.Hears, h) {
			return NoCause, Why{PeerHearsHolder, q.Body.Name}
		}
	}
	return DeadSilent, Why{HolderSilent, h}
}
