package engine

import "strings"

// judge derives what this node is to the service from what it has read and
// heard.
func (s *step) judge() {
	if len(s.Targets) == 0 {
		s.Role, s.Provisional = Standby, 0
		return
	}
	if !s.resumed && s.heardAll() {
		s.resumed = true
	}
	if s.all() {
		s.Provisional, s.tentative = 0, 0
		s.judgeAll()
		return
	}
	home := s.holder(s.cfg, 0)
	s.judgeProvisional(home)
	superseded := home.who == me && s.superseded()
	if superseded {
		s.hint(s.home())
	}
	was := s.Role
	switch {
	case s.Provisional != 0:
		s.Role = Active
	case !s.resumed || !s.home().Known:
		s.Role = Starting
	case home.who == me && !superseded:
		s.Role = Active
	default:
		s.Role = Standby
	}
	switch {
	case was == Starting && s.Role == Active && !strings.HasPrefix(s.home().Reading.Lease.Nonce, s.cfg.Boot+"-"):
		s.tell(Tell{What: Resumed, Target: s.home().ID, To: s.cfg.Node, Epoch: s.Epoch})
	case was == Active && s.Role == Standby && home.who == me:
		s.tell(Tell{What: Yielded, Target: s.home().ID, From: s.cfg.Node, Epoch: s.Epoch})
	}
	if was != Active && s.Role == Active {
		s.activeAt = s.now
		for i := range s.Targets[1:] {
			s.hint(&s.Targets[1+i])
		}
	}
}

// superseded reports whether the lease that names this node may be an old one
// (R2): a peer, not known to be dead, holds the service under a higher epoch, or
// a higher one was heard of and the home has not been read since.
func (s *step) superseded() bool {
	return s.cfg.Targets[0].Kind == Record && // an address has no epoch: its association is the truth
		(s.rival() || s.Epoch > s.home().Reading.Lease.Epoch && s.home().ReadAt < s.epochAt)
}

// rival reports whether a peer, not known to be dead, says that it holds the
// service under a higher epoch than that of the home, and does not offer it.
func (s *step) rival() bool {
	for i := range s.Peers {
		p := &s.Peers[i]
		if p.Body.Active && p.Body.Epoch > s.home().Reading.Lease.Epoch && !p.Gone && p.Misses < 2*s.cfg.Fall && !s.offers(p.Body.Name) {
			return true
		}
	}
	return false
}

// defers reports whether a peer that answers, and has a target, says that it does
// not hold the service: because it knows of this node's claim, because it can't
// even read what it has, or because another one has the rest, and offers it. Its
// word has to be younger than its claim.
func (s *step) defers(p *PeerState, i int) bool {
	t := &s.Targets[i]
	if p.Body.Active || p.asked < t.claimSeen {
		return false
	}
	if p.Body.Hash == "" && !s.due(t.claimSeen+s.cfg.HoldDown) {
		return false // it was told nothing of the service under this name, as during a change of the definition
	}
	if s.Role != Active || i == 0 && s.Provisional == 0 {
		return !p.Body.Able || i == 0 && s.carrierOffers()
	}
	own := max(s.home().Reading.Lease.Epoch, s.Provisional)
	if s.cfg.Targets[0].Kind == Address || s.home().ReadAt >= s.epochAt {
		own = s.Epoch // whatever was higher came to nothing
	}
	return p.Body.Epoch <= own
}

// carrierOffers reports whether a peer that holds followers, and can't have the
// home, offers the service.
func (s *step) carrierOffers() bool {
	q := s.activePeer()
	return q != nil && q.Body.Provisional && q.Body.Hash == s.cfg.Hash && s.offers(q.Body.Name)
}

// judgeProvisional decides whether followers are held under a provisional epoch
// (R2): the home can't be used, and this node has got one of them.
func (s *step) judgeProvisional(home held) {
	if len(s.Targets) < 2 {
		s.Provisional, s.tentative = 0, 0 // what it had under it is none of the service's any more
		return
	}
	holds := false
	for i := 1; i < len(s.Targets); i++ {
		holds = holds || s.Targets[i].Known && s.holder(s.cfg, i).mine()
	}
	if s.Provisional == 0 {
		switch {
		case !holds || home.who == me:
		case s.tentative != 0:
			s.Provisional, s.tentative = s.tentative, 0
		case !s.home().Known && s.home().Failing && s.resumed && s.activePeer() == nil:
			s.Provisional = s.Epoch + 1
		}
		s.Epoch = max(s.Epoch, s.Provisional)
		return
	}
	lease := &s.home().Reading.Lease
	p := s.activePeer()
	if p == nil {
		s.Provisional = s.Epoch // whoever had a higher one has not got anything
	}
	switch {
	case home.who == me && lease.Epoch >= s.Provisional: // the home has been claimed
	case home.who == peer && lease.Epoch >= s.Provisional,
		p != nil && p.Body.Epoch > s.Provisional,
		!holds:
		s.tell(Tell{What: Yielded, Target: s.home().ID, From: s.cfg.Node, Epoch: s.Epoch})
	default:
		return
	}
	s.Provisional, s.tentative = 0, 0
}

// activePeer is a peer that answers and says that it holds the service: of
// several, that of the highest epoch.
func (s *step) activePeer() *PeerState {
	var best *PeerState
	for i := range s.Peers {
		if p := &s.Peers[i]; p.Up && p.Body.Active && (best == nil || p.Body.Epoch > best.Body.Epoch) {
			best = p
		}
	}
	return best
}
