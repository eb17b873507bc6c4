package engine

// follow brings a target other than the home to where the service is (R2, R10).
func (s *step) follow(i int) {
	t := &s.Targets[i]
	if !t.Known || !s.mayFollow(i) {
		t.verdict = verdict{}
		return
	}
	cause, why := s.cause(i)
	if cause == NoCause {
		t.verdict = verdict{}
		return
	}
	if h := s.home(); cause != Absent && s.Role == Active && h.ReadAt < t.claimSeen && !s.own(t) && !s.stuck() {
		// It has moved since the home was read: perhaps so has the home.
		s.hint(h)
		return
	}
	if cause == Absent {
		if why = (Why{Code: FollowsHome}); t.ReadAt < s.activeAt && s.Role == Active {
			s.hint(t) // it was not there a while ago
			return
		}
	}
	s.pursue(i, cause, why)
}

// mayFollow reports whether this node may have a follower: it holds the home, or
// the home can't be used and would be this node's to claim.
func (s *step) mayFollow(i int) bool {
	switch {
	case s.Role == Active:
		return true
	case !s.stuck():
		return false
	case !s.home().Known:
		// Nothing is known of the home: then whoever says that it is active is.
		return s.activePeer() == nil
	}
	if s.holder(s.cfg, 0).who == me {
		return !s.rival() && s.resumed
	}
	cause, _ := s.cause(0)
	if cause == NoCause && s.holder(s.cfg, 0).who == nobody && s.activePeer() == nil {
		return true // it was absent when it was last read
	}
	return cause != NoCause
}
