package engine

import (
	"slices"
	"time"
)

// Step takes a node from one moment to the next: what happened (event), what
// the node was told (cfg) and what it remembers (st) give what it remembers from
// now on, and what is to be done. It is a function of its arguments alone and
// changes none of them. Time must not go backwards.
func Step(now time.Duration, cfg *Settings, st State, event Event) (State, []Action) {
	next := st.clone()
	s := step{now: now, cfg: cfg, State: &next}
	s.align()
	s.awake()
	s.fold(event)
	s.folded = true
	s.judge()
	s.act()
	next.Last = now
	return next, s.out
}

// step is one call of Step.
type step struct {
	now time.Duration
	cfg *Settings
	*State
	out   []Action
	waits Why // why it does not claim, in this step

	folded bool     // the event has been taken in
	found  [][]seat // in [ModeAll], what the targets hold since
}

func (s *step) do(a Action)        { s.out = append(s.out, a) }
func (s *step) tell(t Tell)        { s.do(t) }
func (s *step) home() *TargetState { return &s.Targets[0] }

// due reports whether a time has come. If not, the node wakes up then.
func (s *step) due(at time.Duration) bool {
	if s.now >= at {
		return true
	}
	s.Wake = min(s.Wake, at)
	return false
}

// align makes the state one of the peers and targets in the settings.
func (s *step) align() {
	if !s.Begun {
		s.Begun, s.Began, s.Last, s.Wake = true, s.now, s.now, s.now
	}
	if s.probes != s.cfg.Probes {
		s.Witness, s.Control, s.public, s.Members = Probe{}, Probe{}, publicPath{}, nil
		s.probes, s.probesAt = s.cfg.Probes, s.now
	}
	same := len(s.Peers) == len(s.cfg.Peers) && len(s.Targets) == len(s.cfg.Targets)
	for i := 0; same && i < len(s.Peers); i++ {
		same = s.Peers[i].ID == s.cfg.Peers[i]
	}
	for i := 0; same && i < len(s.Targets); i++ {
		same = s.Targets[i].ID == s.cfg.Targets[i].ID
	}
	if same {
		return
	}
	peers := make([]PeerState, len(s.cfg.Peers))
	for i, id := range s.cfg.Peers {
		peers[i].ID = id
		if n := slices.IndexFunc(s.Peers, func(p PeerState) bool { return p.ID == id }); n >= 0 {
			peers[i] = s.Peers[n]
		}
	}
	targets := make([]TargetState, len(s.cfg.Targets))
	for i, c := range s.cfg.Targets {
		targets[i] = TargetState{ID: c.ID, converge: true}
		if n := slices.IndexFunc(s.Targets, func(t TargetState) bool { return t.ID == c.ID }); n >= 0 {
			targets[i] = s.Targets[n]
		}
	}
	if len(s.Targets) > 0 && (len(targets) == 0 || targets[0].ID != s.Targets[0].ID) {
		// Another home: what is known of the holder is about the one before.
		s.Members = nil
		s.Witness, s.former, s.offer, s.offered, s.offering = Probe{}, Lease{}, offerIn{}, given{}, offerOut{}
	}
	s.Peers, s.Targets = peers, targets
}

// awake notices that the process has not run for a while: it was stopped, or
// its machine was. What it knew is old then. Silence heard while deaf is none,
// and nothing is written before it has been read again.
func (s *step) awake() {
	latest := s.Wake
	if len(s.Peers) > 0 {
		latest = min(latest, s.Last+2*s.cfg.Interval)
	}
	if latest == Never || s.now <= latest+2*s.cfg.Interval {
		return
	}
	s.tell(Tell{What: Slept})
	for i := range s.Peers {
		p := &s.Peers[i]
		p.Up, p.Known, p.Gone, p.Alien, p.Misses, p.refused = false, false, false, false, 0, 0
	}
	for i := range s.Targets {
		t := &s.Targets[i]
		t.verdict, t.foreign, t.purge, t.strangers = verdict{}, foreign{}, verdict{}, nil
		s.distrust(t)
	}
	s.Witness.Ended, s.Control.Ended, s.Control.nextAt = false, false, s.now
	for i := range s.Members {
		s.Members[i].Ended = false
	}
	s.offer, s.offering, s.offered, s.resumed, s.none = offerIn{}, offerOut{}, given{}, false, false
}

// fold takes an event into the state.
func (s *step) fold(event Event) {
	switch e := event.(type) {
	case Tick:
	case Heartbeat:
		s.foldHeartbeat(e)
	case Health:
		s.foldHealth(e)
	case ReadDone:
		s.foldRead(e)
	case SwapDone:
		s.foldWrite(e.Target, e.Call, e.Outcome, e.Reading)
	case FreeDone:
		s.foldWrite(e.Target, e.Call, e.Outcome, e.Reading)
	case WitnessDone:
		switch {
		case len(s.Targets) == 0:
		case s.all():
			s.foldMember(e)
		default:
			s.foldProbe(&s.Witness, e.OK, e.Started, s.home().claimSeen)
		}
	case ControlDone:
		s.foldProbe(&s.Control, e.OK, e.Started, s.Began)
		s.countPublic(e.OK)
	case ForeignDone:
		if s.all() {
			s.foldStranger(e)
			return
		}
		s.foldForeign(e)
	case Offered:
		if s.all() {
			return // nobody gives away what everybody has
		}
		if len(s.Targets) > 0 && s.cfg.Targets[0].Kind == Address && s.holder(s.cfg, 0).who == me {
			return // it was about the claim before, of which an address keeps no epoch
		}
		if e.Offer != s.offer.Offer {
			s.tell(Tell{What: Accepted, From: e.Offer.From, To: s.cfg.Node, Epoch: e.Offer.Epoch, Why: e.Offer.Why})
		}
		s.offer = offerIn{e.Offer, s.now + OfferTime}
	case Command:
		s.foldCommand(e)
	case Reloaded:
		for i := range s.Targets {
			t := &s.Targets[i]
			t.converge, t.Denied, t.denials, t.hintAt = true, false, 0, s.now
			s.hint(t)
		}
	}
}

func (s *step) foldHealth(e Health) {
	h := &s.Health
	switch {
	case e.OK:
		h.Started = e.Started
	case h.OK || !h.Known:
		h.Failed = e.Started
	}
	h.Known, h.OK = true, e.OK
}

// act does what the judged state asks for. The order matters: a claim uses a
// reading before it is thrown away for a new one.
func (s *step) act() {
	s.Wake = Never
	if len(s.Targets) == 0 {
		s.leave()
		return
	}
	s.expire()
	s.public.note(s)
	if s.all() {
		s.actAll()
		return
	}
	s.claimHome()
	for i := 1; i < len(s.Targets); i++ {
		s.follow(i)
	}
	s.makeOffers()
	s.leave()
	s.look()
	s.probe()
	s.sayWaiting()
}
