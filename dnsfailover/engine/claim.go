package engine

import (
	"strconv"
	"time"
)

// stuck reports whether the home can't be read or written at present. Where it is
// refused for now it will soon be allowed: that takes a few times.
func (s *step) stuck() bool {
	t := s.home()
	return t.Failing && (t.misreads > t.throttled || t.throttled > 2) || t.failures >= 2
}

// claimHome writes the home if there is a cause.
func (s *step) claimHome() {
	if !s.home().Known {
		s.wait(Why{Code: NotRead})
		return
	}
	cause, why := s.cause(0)
	if cause == NoCause {
		s.home().verdict = verdict{}
		s.wait(why)
		return
	}
	s.pursue(0, cause, why)
}

// cause says what entitles this node to write a target at its present reading,
// or why nothing does.
func (s *step) cause(i int) (Cause, Why) {
	t := &s.Targets[i]
	h := s.holder(s.cfg, i)
	if s.forced(i, h) {
		return Forced, Why{Code: OperatorSays}
	}
	switch h.who {
	case nobody:
		return s.causeNobody(t)
	case me:
		if s.stale(i) {
			return Own, Why{Code: IsOwn}
		}
	case bare:
		return Adopt, Why{Code: IsOwn}
	case peer:
		return s.causePeer(h.name, i)
	case stranger:
		if !s.resumed {
			return NoCause, Why{Code: PeersUnheard} // it may be one of theirs
		}
		if t.foreign.token != t.Reading.Token {
			return NoCause, Why{Code: StrangerUnknown}
		}
		return s.causeStranger(&t.foreign)
	case fixed:
		return NoCause, Why{CannotWrite, h.name}
	}
	return NoCause, Why{}
}

// causeNobody is about a target that is absent, or free. A node that says that
// it is the active one puts it back itself, if it lives.
func (s *step) causeNobody(t *TargetState) (Cause, Why) {
	if t.Failing {
		return NoCause, Why{Code: NotRead} // an error says nothing, also not that it is still absent
	}
	if t == s.home() && t.ReadAt < s.epochAt {
		s.hint(t) // somebody has claimed since
		return NoCause, Why{Code: NotRead}
	}
	if s.Role == Active || s.own(t) {
		return Absent, Why{Code: TargetAbsent}
	}
	if s.offered.to != "" && !s.due(s.offered.until) {
		return NoCause, Why{LeftToActive, s.offered.to} // it has been freed by the one to whom it was offered
	}
	for i := range s.Peers {
		p := &s.Peers[i]
		switch {
		case !p.Up || !p.Body.Active && !s.holdsFollower(p.Body.Name):
		case p.Body.Hash != s.cfg.Hash:
			return NoCause, Why{OtherDefinition, p.Body.Name}
		case !s.due(t.claimSeen + YieldTime):
			return NoCause, Why{LeftToActive, p.Body.Name}
		case t.ReadAt < t.claimSeen+YieldTime:
			s.hint(t) // it may be there by now
			return NoCause, Why{Code: NotRead}
		}
	}
	return Absent, Why{Code: TargetAbsent}
}

// own reports whether this node has just freed a target itself, or seen deleted
// what it had.
func (s *step) own(t *TargetState) bool { return t.freed && s.now < t.claimSeen+YieldTime }

func (s *step) holdsFollower(name string) bool {
	for i := 1; i < len(s.Targets); i++ {
		if h := s.holder(s.cfg, i); h.who == peer && h.name == name {
			return true
		}
	}
	return false
}

func (s *step) causePeer(name string, i int) (Cause, Why) {
	p := s.peer(name)
	if p != nil && p.Up {
		switch {
		case s.offers(name) && p.Body.Hash == s.cfg.Hash:
			return ByOffer, Why{HolderOffers, name}
		case s.defers(p, i):
			return Deferred, Why{HolderDefers, name}
		}
	}
	if i == 0 && s.cfg.Targets[0].Kind == Record {
		if q := s.activePeer(); q != nil && q.Body.Epoch > s.home().Reading.Lease.Epoch && !s.offers(q.Body.Name) {
			return NoCause, Why{LeftToActive, q.Body.Name}
		}
	}
	return s.dead(name, i)
}

// offers reports whether an offer of a node may still be acted upon: there has
// been no claim since, but by this node itself.
func (s *step) offers(name string) bool {
	if s.offer.From != name || s.now >= s.offer.until {
		return false
	}
	epoch := s.home().Reading.Lease.Epoch
	if s.cfg.Targets[0].Kind == Address {
		epoch = s.Epoch
	}
	if s.holder(s.cfg, 0).who == me {
		return epoch <= s.offer.Epoch+1
	}
	return epoch <= s.offer.Epoch
}

// stale reports whether what this node has written is not what it would write
// now. TTL and definition are compared once for each configuration that was
// loaded, so that somebody's edit of them stays.
func (s *step) stale(i int) bool {
	t, c := &s.Targets[i], &s.cfg.Targets[i]
	if c.Kind != Record || s.Role != Active {
		return false
	}
	r := &t.Reading
	if r.Addrs != c.Addrs {
		return true
	}
	if t.converge && r.TTL == c.TTL && r.Lease.Hash == s.cfg.Hash && r.Lease.Mode == s.cfg.Mode {
		t.converge = false
	}
	return t.converge
}

// pursue writes a target when this node's turn has come.
func (s *step) pursue(i int, cause Cause, why Why) {
	t := &s.Targets[i]
	if !t.verdict.on || t.verdict.token != t.Reading.Token {
		t.verdict = verdict{true, t.Reading.Token, s.now}
	}
	at, later, waits := s.turn(i, cause)
	if waits.Code != NoReason {
		s.wait(waits)
	}
	if s.ready(t, at, later) {
		s.write(i, cause, why)
	}
}

// ready reports whether a target can be written now, at the turn of this node.
func (s *step) ready(t *TargetState, at time.Duration, later bool) bool {
	if at == Never || !s.due(at) {
		return false
	}
	if later && t.ReadAt < at {
		s.hint(t) // those who come first may have been there
		return false
	}
	switch {
	case t.busy != idle:
		return false
	case t.unsure, t.contrary != "":
		s.hint(t)
		return false
	case !s.due(t.retryAt):
		s.wait(Why{Code: BackingOff})
		return false
	}
	return true
}

// turn is when this node may act on a cause (R6), or Never and why. Later says
// that others come first.
func (s *step) turn(i int, cause Cause) (at time.Duration, later bool, waits Why) {
	t := &s.Targets[i]
	switch {
	case cause == Forced:
		return s.now, false, Why{}
	case s.Paused:
		return Never, false, Why{Code: IsPaused}
	case s.Leaving:
		return Never, false, Why{Code: IsLeaving}
	case !s.able():
		return Never, false, Why{Code: IsDenied}
	case s.doubled():
		return Never, false, Why{SameName, s.cfg.Node}
	case cause == Own || cause == Adopt:
		if !s.resumed {
			return Never, false, Why{Code: PeersUnheard}
		}
		return s.now, false, Why{}
	}
	holder := ""
	if cause == DeadSilent || cause == DeadGone {
		holder = s.holder(s.cfg, i).name
	}
	before, healthy := s.rank(holder, true)
	fit := s.Health.Known && s.Health.OK
	if fit || healthy > 0 {
		s.none = false
	}
	switch {
	case fit && cause == ByOffer:
		return s.now, false, Why{}
	case cause == ByOffer:
		return Never, false, Why{Code: IsUnhealthy}
	case !s.resumed:
		return Never, false, Why{Code: PeersUnheard}
	case s.Role == Active && (fit || healthy == 0), fit && s.own(t):
		return s.now, false, Why{}
	case fit:
		return t.verdict.at + time.Duration(before)*Stagger, before > 0, Why{}
	case healthy > 0:
		return Never, false, Why{Code: IsUnhealthy}
	}
	// Nobody is healthy. An unhealthy node is better than none.
	if !s.none {
		s.none, s.noneSince = true, s.now
	}
	before, _ = s.rank(holder, false)
	return max(t.verdict.at, s.noneSince) + LastResort + time.Duration(before)*Stagger, before > 0, Why{Code: IsUnhealthy}
}

// write emits the write of a target from exactly the reading that was judged.
func (s *step) write(i int, cause Cause, why Why) {
	t, c := &s.Targets[i], &s.cfg.Targets[i]
	t.why = why
	if h := s.holder(s.cfg, i); h.who == peer {
		t.taken = h.name
	} else if !t.freed {
		t.taken = ""
	}
	if s.Role != Active && i > 0 {
		s.tentative = s.Epoch + 1
	}
	if i == 0 {
		s.buried = buried{}
		if cause == DeadSilent || cause == DeadGone {
			s.buried = buried{t.taken, s.answersOf(t.taken)}
		}
	}
	if c.Kind == Address && t.Reading.Exists {
		s.do(Free{Target: t.ID, Call: s.call(t, freeing), From: t.Reading, Cause: cause, Deadline: s.now + WriteTime})
		return
	}
	s.nonces++
	s.do(Swap{
		Target: t.ID, Call: s.call(t, swapping), From: t.Reading, Cause: cause, Deadline: s.now + WriteTime,
		To: Value{Addrs: c.Addrs, TTL: c.TTL, Lease: Lease{
			Epoch: s.epochFor(i, cause), Holder: s.cfg.Node, Instance: s.cfg.Instance, Nonce: s.nonce(),
			Addrs: c.Addrs, Hash: s.cfg.Hash, Mode: s.cfg.Mode,
		}},
	})
}

// epochFor is the epoch of a write: a move counts, keeping up to date does not.
func (s *step) epochFor(i int, cause Cause) uint64 {
	lease := s.Targets[i].Reading.Lease.Epoch
	switch {
	case cause == Own:
		return max(lease, 1)
	case i > 0 && s.Role == Active:
		return max(s.Epoch, lease)
	case s.Provisional > lease:
		return s.Provisional
	}
	return max(s.Epoch, lease) + 1
}

// nonce is that of the last write.
func (s *step) nonce() string {
	return s.cfg.Boot + "-" + strconv.FormatUint(s.nonces, 10)
}

// wait notes why this node does not claim. The first reason of a step counts.
func (s *step) wait(why Why) {
	if !s.waits.Code.news() {
		s.waits = why
	}
}

// sayWaiting tells why this node does not claim, if that is news.
func (s *step) sayWaiting() {
	s.Waiting = s.waits
	if s.waits.Code.news() && s.waits != s.toldWait {
		s.toldWait = s.waits
		s.tell(Tell{What: Waiting, Target: s.home().ID, Why: s.waits, Epoch: s.Epoch})
	}
	if c := s.waits.Code; c == NoReason || c == HolderAnswers {
		s.toldWait = Why{}
	}
}
