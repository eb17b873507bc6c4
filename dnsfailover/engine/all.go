package engine

import (
	"slices"
	"time"
)

// all reports whether the records hold every fit node.
func (s *step) all() bool { return s.cfg.Mode == ModeAll && len(s.Targets) > 0 }

// judgeAll derives what this node is to a service in [ModeAll]. Active is a node
// that is in the home record.
func (s *step) judgeAll() {
	was := s.Role
	in := s.home().Known && s.seatOf(0) != nil
	switch {
	case !s.resumed || !s.home().Known:
		s.Role = Starting
	case in:
		s.Role = Active
	default:
		s.Role = Standby
	}
	if was == Starting && s.Role == Active && s.writes == 0 {
		s.tell(Tell{What: Resumed, Target: s.home().ID, To: s.cfg.Node, Epoch: s.Epoch})
	}
}

// actAll is act in [ModeAll]. Every record is tended on its own.
func (s *step) actAll() {
	s.noteHealthy()
	s.endOrder()
	for i := range s.Targets {
		s.tend(i)
	}
	s.leaveAll()
	s.look()
	s.probeAll()
	s.sayWaiting()
}

// noteHealthy notes since when nobody is healthy (R6).
func (s *step) noteHealthy() {
	if _, healthy := s.rank("", true); s.fit() || healthy > 0 {
		s.none = false
	} else if !s.none {
		s.none, s.noneSince = true, s.now
	}
}

// fit reports whether this node's own checks pass.
func (s *step) fit() bool { return s.Health.Known && s.Health.OK }

// lastResort reports whether nobody has been healthy for so long that a node
// that is not is better than none.
func (s *step) lastResort() bool { return s.none && s.due(s.noneSince+LastResort) }

// change is what becomes of a record: the parts for which this node has a reason
// now, and its turn.
type change struct {
	cause  Cause // of the first part
	why    Why
	quit   bool   // this node leaves; otherwise it is in the record then, as it is now
	remove []seat // and these are not
}

// tend brings a record to where it should be, as far as this node has the right
// and the turn to do so.
func (s *step) tend(i int) {
	t := &s.Targets[i]
	switch {
	case !t.Known || t.Failing && !t.Reading.Exists:
		s.wait(Why{Code: NotRead}) // an error says nothing, also not that it is still absent
		return
	case t.Reading.Refuse != "":
		s.wait(Why{CannotWrite, t.Reading.Refuse})
		return
	}
	seats := s.seats(i)
	gone, doomed := s.doomed(i, seats)
	var c change
	if why, may := s.whyQuit(i, seats); may {
		c = change{cause: Quit, why: why, quit: true}
	} else if s.forcedAll(t, ownSeat(seats)) {
		c = change{cause: Forced, why: Why{Code: OperatorSays}}
	}
	waits := s.unfree()
	if c.cause == NoCause {
		if waits.Code == NoReason {
			waits = s.barred(seats)
		}
		s.amend(&c, i, seats, gone, doomed, waits)
	} else if waits.Code != NoReason {
		s.wait(waits)
		return
	}
	if c.cause != NoCause && s.ready(t, s.now, false) {
		s.put(i, seats, c)
	}
}

// unfree says why this node may write nothing at all now.
func (s *step) unfree() Why {
	switch {
	case !s.resumed:
		return Why{Code: PeersUnheard}
	case s.doubled():
		return Why{SameName, s.cfg.Node}
	case !s.able():
		return Why{Code: IsDenied}
	}
	return Why{}
}

// barred says why it may write nothing but what it has to.
func (s *step) barred(seats []seat) Why {
	switch {
	case s.Paused:
		return Why{Code: IsPaused}
	case s.Leaving:
		return Why{Code: IsLeaving}
	}
	if name := s.otherDefinition(seats); name != "" {
		return Why{OtherDefinition, name}
	}
	return Why{}
}

// otherDefinition names a node in a record that lives, or may, and was told
// another definition.
func (s *step) otherDefinition(seats []seat) string {
	for k := range seats {
		o := &seats[k]
		if o.kind != peersSeat {
			continue
		}
		hash := o.Hash // one that does not answer was told what its lease says
		if p := s.peer(o.Node); p != nil && s.untold(p) {
			continue // it takes out nothing, nor adds anything
		} else if p != nil && p.Up {
			hash = p.Body.Hash
		} else if !o.leased || o.dead {
			continue
		}
		if hash != s.cfg.Hash {
			return o.Node
		}
	}
	for k := range s.Peers {
		if p := &s.Peers[k]; seats == nil && p.Up && p.Body.Active && p.Body.Hash != s.cfg.Hash {
			return p.Body.Name
		}
	}
	return ""
}

// amend finds out what this node has to add, to take out and to bring up to date,
// unless it has to wait.
func (s *step) amend(c *change, i int, seats []seat, gone []int, doomed string, waits Why) {
	t := &s.Targets[i]
	own := ownSeat(seats)
	mine := func(cause Cause, why Why, at time.Duration, later bool) bool {
		switch {
		case !s.due(at):
			return false
		case waits.Code != NoReason:
			s.wait(waits)
			return false
		case later && t.ReadAt < at:
			s.hint(t) // those who come first may have been there
			return false
		case c.cause == NoCause:
			c.cause, c.why = cause, why
		}
		return true
	}
	if own == nil {
		why := s.notYet(t, seats, gone)
		if why.Code == NoReason {
			why = waits
		}
		if why.Code != NoReason {
			t.verdict = verdict{} // its turn comes anew
			s.wait(why)
			return
		}
		cause, why := Join, Why{Code: IsFit}
		if len(seats) == 0 {
			cause, why = Absent, Why{Code: TargetAbsent}
		}
		at, later := s.turnToJoin(t, seats)
		if !mine(cause, why, at, later) {
			return
		}
	}
	if len(gone) == 0 {
		t.purge = verdict{}
	}
	if len(gone) > 0 && (s.fit() || s.lastResort()) {
		first := &seats[gone[0]]
		if at, later := s.turnToPurge(t, seats, gone, doomed); mine(first.cause, first.why, at, later) {
			for _, k := range gone {
				c.remove = append(c.remove, seats[k])
			}
		}
	}
	if own != nil && s.staleAll(i, seats, own) {
		cause := Own
		if !own.leased || own.Node != s.cfg.Node {
			cause = Adopt
		}
		mine(cause, Why{Code: IsOwn}, s.now, false)
	}
}

// notYet says why this node does not join, as long as it should not.
func (s *step) notYet(t *TargetState, seats []seat, gone []int) Why {
	living, strangers := 0, 0
	for k := range seats {
		switch {
		case slices.Contains(gone, k):
		case seats[k].kind == peersSeat:
			living++
		case seats[k].kind == nobodysSeat:
			strangers++
		}
	}
	leased := slices.ContainsFunc(seats, func(o seat) bool { return o.kind == peersSeat })
	switch {
	case strangers > 0 && !leased:
		return seats[slices.IndexFunc(seats, func(o seat) bool { return o.kind == nobodysSeat && !o.dead })].why // it is somebody else's
	case !s.fit() && (living > 0 || !s.lastResort()):
		return Why{Code: IsUnhealthy}
	case s.order.on && s.order.what == Release:
		return Why{Code: BackingOff} // until it is out of all records
	case living == 0:
		return Why{} // better this node than none
	case s.Control.Armed && !s.Control.Ended:
		return Why{Code: ControlPending}
	case s.Control.Armed && !s.Control.OK:
		return Why{Code: ControlFails}
	case !s.due(s.rejoinAt), s.moves.count > 0 && !s.due(s.moves.last+s.penalty()):
		return Why{Code: BackingOff}
	}
	return Why{}
}

// turnToJoin is when this node may join: those that come first and are not in the
// record either may be about to.
func (s *step) turnToJoin(t *TargetState, seats []seat) (at time.Duration, later bool) {
	if !t.verdict.on || t.verdict.token != t.Reading.Token {
		t.verdict = verdict{true, t.Reading.Token, s.now}
	}
	before := 0
	for k := range s.Peers {
		p := &s.Peers[k]
		in := slices.ContainsFunc(seats, func(o seat) bool { return o.kind == peersSeat && o.Node == p.Body.Name })
		if !in && s.ableNode(p) && (p.Body.Healthy || !s.fit()) && s.before(p.Body.Name, s.cfg.Node) {
			before++
		}
	}
	return t.verdict.at + time.Duration(before)*Stagger, before > 0
}

// turnToPurge is when this node may take others out: those in the record that
// come first, and live, may be about to.
func (s *step) turnToPurge(t *TargetState, seats []seat, gone []int, doomed string) (at time.Duration, later bool) {
	if token := t.Reading.Token + doomed; !t.purge.on || t.purge.token != token {
		t.purge = verdict{true, token, s.now}
	}
	before := 0
	for k := range seats {
		o := &seats[k]
		if o.kind != peersSeat || slices.Contains(gone, k) || !s.before(o.Node, s.cfg.Node) {
			continue
		}
		if p := s.peer(o.Node); p != nil && s.ableNode(p) && (p.Body.Healthy || !s.fit()) {
			before++
		}
	}
	return t.purge.at + time.Duration(before)*Stagger, before > 0
}

// keeps reports whether this node is the one that looks at a target more often,
// and keeps its TTL.
func (s *step) keeps(i int) bool {
	if !s.all() {
		return s.holder(s.cfg, i).mine()
	}
	seats := s.seats(i)
	if ownSeat(seats) == nil {
		return false
	}
	return !slices.ContainsFunc(seats, func(o seat) bool {
		if o.kind != peersSeat || !s.before(o.Node, s.cfg.Node) {
			return false
		}
		p := s.peer(o.Node)
		return p != nil && s.ableNode(p)
	})
}

// staleAll reports whether this node's own part of a record is not what it would
// write now. TTL and definition are compared once for each configuration.
func (s *step) staleAll(i int, seats []seat, own *seat) bool {
	t, c := &s.Targets[i], &s.cfg.Targets[i]
	if !own.leased || own.Node != s.cfg.Node || own.Addrs != c.Addrs || own.Instance != s.cfg.Instance || own.Mode != ModeAll || own.here != own.Addrs {
		return true
	}
	for k := range seats {
		if seats[k].kind == peersSeat && !seats[k].leased {
			return false // it adopts its own part itself
		}
	}
	if own.Hash == s.cfg.Hash && (t.Reading.TTL == c.TTL || !s.keeps(i)) {
		t.converge = false
	}
	return t.converge
}

// put writes a record from exactly the reading that was judged.
func (s *step) put(i int, seats []seat, ch change) {
	t, c := &s.Targets[i], &s.cfg.Targets[i]
	own := ownSeat(seats)
	t.why, t.intent = ch.why, intent{quit: ch.quit}
	for _, o := range ch.remove {
		t.intent.removed = append(t.intent.removed, removal{o.Node, o.here, o.why})
	}
	var members []Member
	var addrs []string
	for k := range seats {
		o := &seats[k]
		if o == own || o.kind == emptySeat || slices.ContainsFunc(ch.remove, func(r seat) bool { return r.kind == o.kind && r.Node == o.Node && r.Addrs == o.Addrs }) {
			continue
		}
		if o.leased {
			members = append(members, o.Member)
		}
		addrs = append(addrs, o.here) // what somebody has taken away stays away
	}
	ttl := t.Reading.TTL
	if alone := len(members) == 0; !t.Reading.Exists || t.converge && (alone || own != nil && s.keeps(i)) {
		ttl = c.TTL
	}
	if !ch.quit {
		s.nonces++
		me := Member{Node: s.cfg.Node, Instance: s.cfg.Instance, Nonce: s.nonce(), Hash: s.cfg.Hash, Addrs: c.Addrs}
		if me.Epoch = max(s.Epoch, t.Reading.Lease.Epoch) + 1; own != nil && own.leased && own.Node == s.cfg.Node {
			me.Epoch = own.Epoch
		}
		members, addrs = append(members, me), append(addrs, c.Addrs)
	}
	s.do(Swap{
		Target: t.ID, Call: s.call(t, swapping), From: t.Reading, Cause: ch.cause, Deadline: s.now + WriteTime,
		To: Value{Addrs: union(addrs...), TTL: ttl, Lease: LeaseOf(members)},
	})
}
