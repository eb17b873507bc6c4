package engine

import (
	"slices"
	"time"
)

// takeoverTime is how long an operator's order is pursued.
const takeoverTime = 10 * time.Second

func (s *step) foldCommand(e Command) {
	switch e.What {
	case Takeover, Release:
		s.order = order{true, e.What, s.now, s.now + takeoverTime, e.Reason}
		for i := range s.Targets {
			t := &s.Targets[i]
			t.hintAt = s.now
			s.hint(t)
		}
	case Pause:
		s.Paused = true
	case Resume:
		s.Paused = false
		s.keepIn()
	case Stop:
		s.Leaving = true
	}
}

// forced reports whether an operator wants this node to have a target now. That
// is decided on a reading that is younger than the order.
func (s *step) forced(i int, h held) bool {
	t := &s.Targets[i]
	if !s.order.on || s.order.what != Takeover || i > 0 && s.home().Denied {
		return false
	}
	if !s.due(s.order.until) {
		if h.who == me || h.who == fixed {
			return false
		}
		if t.ReadAt < s.order.at {
			s.hint(t)
			return false
		}
		return true
	}
	s.order.on = false
	return false
}

// orderOf is the operator's reason, if it was an operator who wanted something.
func (s *step) orderOf(why Why) string {
	if why.Code != OperatorSays {
		return ""
	}
	return s.order.reason
}

// makeOffers lets a holder that should not be one find another (R3).
func (s *step) makeOffers() {
	why := s.whyOffer()
	if why.Code == NoReason || s.Role != Active {
		s.offering = offerOut{}
		return
	}
	o := &s.offering
	if !o.on || o.why != why {
		*o = offerOut{on: true, why: why, nextAt: s.now}
	}
	to := s.taker(why, o.tries/2)
	if to == nil {
		return
	}
	h := s.home()
	if h.unsure && !h.Denied || h.busy == swapping || h.busy == freeing || !s.due(o.nextAt) {
		return
	}
	o.tries++
	s.offered = given{to.Body.Name, s.now + OfferTime}
	o.nextAt = s.now + min(time.Second<<min(o.tries-1, 4), 10*time.Second)
	if o.to != to.ID && o.tries <= 2*len(s.Peers) {
		s.tell(Tell{What: Offering, Target: s.home().ID, From: s.cfg.Node, To: to.Body.Name, Epoch: s.Epoch, Why: why, Order: s.orderOf(why)})
	}
	o.to = to.ID
	s.do(SendOffer{Peer: to.ID, Offer: Offer{From: s.cfg.Node, Epoch: s.Epoch, Why: why}})
	h.hintAt = max(h.hintAt, s.now+time.Second)
	s.hint(h)
}

// whyOffer says why this node should not hold the service, if so.
func (s *step) whyOffer() Why {
	if s.order.on && s.order.what == Release && s.due(s.order.until) {
		s.order.on = false
	}
	switch {
	case s.Leaving:
		return Why{Code: Stopping}
	case s.order.on && s.order.what == Release:
		return Why{Code: OperatorSays}
	case s.Paused:
		return Why{}
	case s.doubtful(s.now, s.cfg):
		return Why{Code: IsDenied}
	case s.Health.Known && !s.Health.OK:
		if !s.due(s.moves.last + s.penalty()) {
			return Why{}
		}
		return Why{Code: CheckFails}
	case s.publicFails():
		if s.moves.count > 0 && !s.due(s.moves.last+s.cfg.HoldDown) {
			return Why{}
		}
		return Why{Code: PublicPathFails}
	}
	return s.whyFailback()
}

// penalty is the least time from one hand-over to the next, but for a stop and
// an operator (R8). It is none at first, and grows with every one that follows
// the one before within hold_down: a node that flaps is slowed down.
func (s *step) penalty() time.Duration {
	n := s.moves.count
	if n < 3 {
		return 0
	}
	return min(BackoffMin<<min(n, 16), s.cfg.HoldDown)
}

// whyFailback names a preferred node that has been healthy for long enough.
func (s *step) whyFailback() Why {
	if s.cfg.Failback == 0 {
		return Why{}
	}
	var best *PeerState
	for _, name := range s.cfg.Prefer {
		if name == s.cfg.Node {
			break
		}
		if p := s.peer(name); p != nil && p.Up && s.ableNode(p) && !p.Body.Doubtful && p.Body.Healthy {
			best = p
			break
		}
	}
	if best == nil || !s.due(best.healthyAt+s.cfg.Failback) ||
		s.home().claimNew && !s.due(s.home().claimSeen+s.cfg.HoldDown) {
		return Why{}
	}
	return Why{Preferred, best.Body.Name}
}

// taker is the peer to offer to: the best one first, then the next ones, and
// last those that are in doubt. One that may be ill of what this node is ill of
// has to have passed its own check since.
func (s *step) taker(why Why, n int) *PeerState {
	var fit []*PeerState
	for i := range s.Peers {
		p := &s.Peers[i]
		switch {
		case !p.Up || !s.ableNode(p) || !p.Body.Healthy:
		case why.Code == Preferred && p.Body.Name != why.Node:
		case why.Code == IsDenied && p.Body.Doubtful:
		case why.Code == CheckFails && p.asked-p.Body.Checked <= s.Health.Failed:
		default:
			fit = append(fit, p)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	slices.SortFunc(fit, func(a, b *PeerState) int {
		first := s.before(a.Body.Name, b.Body.Name)
		if a.Body.Doubtful != b.Body.Doubtful {
			first = b.Body.Doubtful
		}
		if first {
			return -1
		}
		return 1
	})
	return fit[n%len(fit)]
}

// leave says when a stopping node may go: it has nothing, or nobody wants it.
func (s *step) leave() {
	if !s.Leaving || s.left {
		return
	}
	for i := range s.Targets {
		if b := s.Targets[i].busy; b == swapping || b == freeing {
			return // it may yet get what it has asked for
		}
	}
	for i := range s.Peers {
		if p := &s.Peers[i]; s.Role == Active && s.ableNode(p) && p.Body.Healthy {
			return
		}
	}
	s.left = true
	s.do(Left{})
}
