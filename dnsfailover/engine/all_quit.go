package engine

// whyQuit says why this node should not be in a record, if so, and whether it may
// leave now: somebody else in it serves.
func (s *step) whyQuit(i int, seats []seat) (Why, bool) {
	own := ownSeat(seats)
	if own == nil || !own.leased || own.Mode != ModeAll {
		return Why{}, false
	}
	why := s.whyOut()
	return why, why.Code != NoReason && s.relief(why, seats)
}

// whyOut says why this node should be in no record, if so.
func (s *step) whyOut() Why {
	switch {
	case s.Leaving:
		return Why{Code: Stopping}
	case s.order.on && s.order.what == Release:
		return Why{Code: OperatorSays}
	case s.Paused:
		return Why{}
	case s.order.on:
		return Why{} // an operator wants it there
	case s.Health.Known && !s.Health.OK:
		return Why{Code: CheckFails}
	case s.publicFails():
		return Why{Code: PublicPathFails}
	}
	return Why{}
}

// relief reports whether another node in a record serves. One that may be ill of
// what this node is ill of has to have passed its own check since.
func (s *step) relief(why Why, seats []seat) bool {
	for k := range seats {
		if seats[k].kind != peersSeat || !seats[k].leased {
			continue
		}
		p := s.peer(seats[k].Node)
		switch {
		case p == nil || !p.Up || !s.living(p) || !p.Body.Healthy || p.Body.Leaving:
		case why.Code == CheckFails && p.asked-p.Body.Checked <= s.Health.Failed:
		case why.Code == PublicPathFails && s.sees(p.Body.Name) != nil && s.sees(p.Body.Name).fails():
		default:
			return true
		}
	}
	return false
}

// sees is the witness of a node in the home record, or nil.
func (s *step) sees(node string) *Probe {
	for k := range s.Members {
		if s.Members[k].Node == node {
			return &s.Members[k].Probe
		}
	}
	return nil
}

// reached reports whether clients reach a node in the home record, as far as its
// witness tells.
func (s *step) reached(node string) bool {
	p := s.sees(node)
	return p != nil && p.Armed && p.OK
}

// endOrder ends an operator's order in its time. A node that is released and out of
// all records is paused, and so stays out.
func (s *step) endOrder() {
	if !s.order.on {
		return
	}
	out, open := s.order.what == Release, false
	for i := range s.Targets {
		t := &s.Targets[i]
		out = out && s.seatOf(i) == nil
		open = open || t.intent.quit && (t.unsure || t.busy == swapping)
	}
	s.Paused = s.Paused || out
	s.order.on = !out && (!s.due(s.order.until) || s.order.what == Release && open) // what was sent may have been carried out
}

// keepIn ends a release that is under way, and would pause this node again.
func (s *step) keepIn() {
	if !s.all() {
		return
	}
	s.order.on = s.order.on && s.order.what != Release
	for i := range s.Targets {
		if t := &s.Targets[i]; t.why.Code == OperatorSays {
			t.why = Why{}
		}
	}
}

// forcedAll reports whether an operator wants this node in a record where it is
// not. That is decided on a reading that is younger than the order.
func (s *step) forcedAll(t *TargetState, own *seat) bool {
	if !s.order.on || s.order.what != Takeover || own != nil {
		return false
	}
	if t.ReadAt < s.order.at {
		s.hint(t)
		return false
	}
	return true
}

// leaveAll says when a stopping node may go: it is in no record, or nobody else
// serves.
func (s *step) leaveAll() {
	if !s.Leaving || s.left {
		return
	}
	for i := range s.Targets {
		if b := s.Targets[i].busy; b == swapping || b == freeing {
			return // it may yet be carried out
		}
		if _, may := s.whyQuit(i, s.seats(i)); may && s.able() {
			return
		}
	}
	s.left = true
	s.do(Left{})
}
