package engine

import (
	"slices"
	"time"
)

// strangerTime is for how long something that is none of ours must have failed
// before it is displaced: three times the detection time.
func (c *Settings) strangerTime() time.Duration {
	return 3 * time.Duration(2*c.Fall) * c.Interval
}

// foldProbe takes in a probe, if it began after a time.
func (s *step) foldProbe(p *Probe, ok bool, started, since time.Duration) {
	p.asked = false
	if started < max(since, s.probesAt) {
		return // it was about the holder before
	}
	p.Ended, p.OK, p.Started = true, ok, started
	p.Armed = p.Armed || ok
	p.nextAt = p.sentAt + ProbeEvery
	if !ok && p.Armed {
		p.nextAt = p.sentAt + ProbeAgain
	}
}

// probe asks the witness, the control probe and what is none of ours.
func (s *step) probe() {
	h := s.holder(s.cfg, 0)
	suspect, first := s.suspects(h)
	if s.ask(&s.Control, suspect, first, s.public.told) {
		s.do(AskControl{})
	}
	if h.who == peer && s.ask(&s.Witness, suspect, first, false) {
		s.do(AskWitness{Reading: s.home().Reading})
	}
	for i := range s.Targets {
		s.askForeign(i)
	}
}

// suspects reports whether the holder of the home misses heartbeats, and since
// when.
func (s *step) suspects(h held) (suspect bool, first time.Duration) {
	if h.who != peer {
		return false, 0
	}
	for i := range s.Peers {
		p := &s.Peers[i]
		if s.maybe(p, h.name) && p.Misses > 0 && (!suspect || p.FirstMiss < first) {
			suspect, first = true, p.FirstMiss
		}
	}
	return suspect, first
}

// ask reports whether a probe is due: now and then, or at once and then often
// when it matters.
func (s *step) ask(p *Probe, suspect bool, first time.Duration, often bool) bool {
	if p.asked && !s.due(p.sentAt+CallTime) {
		return false
	}
	at := p.nextAt
	switch {
	case suspect && (!p.Ended || p.Started < first):
		at = s.now
	case suspect || often:
		at = min(at, p.sentAt+ProbeAgain)
	}
	if !s.due(at) {
		return false
	}
	p.asked, p.sentAt = true, s.now
	s.due(s.now + CallTime)
	return true
}

// note takes in whether peers that answer say that they do not reach the
// service (R5).
func (f *publicPath) note(s *step) {
	told := false
	if s.Role == Active {
		for i := range s.Peers {
			told = told || s.unseenBy(&s.Peers[i])
		}
	}
	switch {
	case !told:
		*f = publicPath{}
	case !f.told:
		*f = publicPath{told: true, since: s.now}
	}
}

// unseenBy reports whether a peer that answers says that it does not reach the
// service at this node.
func (s *step) unseenBy(p *PeerState) bool {
	return p.Up && (p.Body.Unseen || slices.Contains(p.Body.UnseenOf, s.cfg.Node))
}

func (s *step) countPublic(ok bool) {
	if ok {
		s.public.failed = 0
	} else if s.public.told {
		s.public.failed++
	}
}

// publicFails reports whether the holder believes what it was told of its
// public path: its own test fails too, or it has none and everybody says so.
func (s *step) publicFails() bool {
	f := &s.public
	switch {
	case !f.told:
		return false
	case s.Control.Armed:
		return f.failed >= s.cfg.Fall
	}
	for i := range s.Peers {
		if p := &s.Peers[i]; p.Up && !s.unseenBy(p) {
			return false
		}
	}
	return s.due(f.since + s.cfg.strangerTime())
}

// askForeign keeps asking whether what is none of ours works.
func (s *step) askForeign(i int) {
	t := &s.Targets[i]
	if s.holder(s.cfg, i).who != stranger {
		t.foreign = foreign{}
		return
	}
	f := &t.foreign
	if f.token != t.Reading.Token {
		*f = foreign{token: t.Reading.Token, nextAt: s.now}
	}
	if f.asked && !s.due(f.sentAt+CallTime) || !s.due(f.nextAt) {
		return
	}
	f.asked, f.sentAt = true, s.now
	s.due(s.now + CallTime)
	s.do(AskForeign{Target: t.ID, Reading: t.Reading})
}

func (s *step) foldForeign(e ForeignDone) {
	i := s.target(e.Target)
	if i < 0 || s.Targets[i].foreign.token != e.Token {
		return
	}
	s.Targets[i].foreign.fold(s.now, e.OK)
}

// fold takes in what was asked of something that is none of ours.
func (f *foreign) fold(now time.Duration, ok bool) {
	if !ok && (f.ok || !f.ended) {
		f.failing = now
	}
	f.asked, f.ended, f.ok = false, true, ok
	f.nextAt = f.sentAt + ProbeAgain
	if ok {
		f.nextAt = f.sentAt + ProbeEvery
	}
}

// causeStranger is about what points at none of ours.
func (s *step) causeStranger(f *foreign) (Cause, Why) {
	switch {
	case !f.ended:
		return NoCause, Why{Code: StrangerUnknown}
	case f.ok:
		return NoCause, Why{Code: StrangerWorks}
	case !s.due(f.failing + s.cfg.strangerTime()):
		return NoCause, Why{Code: StrangerUnknown}
	case s.Control.Armed && !s.Control.OK:
		return NoCause, Why{Code: ControlFails}
	}
	return Stranger, Why{Code: StrangerDown}
}
