package engine

import (
	"slices"
	"strings"
	"time"
)

// MemberProbe is the witness of one node in the home record of [ModeAll].
type MemberProbe struct {
	Node string
	Probe

	joining string        // that it is about
	since   time.Duration // when that was seen
}

// strangerAt is what is known of addresses of nobody known.
type strangerAt struct {
	addrs string
	foreign
}

// probeAll is probe in [ModeAll]: each other node in the home is asked at its own
// addresses.
func (s *step) probeAll() {
	s.alignMembers()
	any, since := false, Never
	for k := range s.Members {
		m := &s.Members[k]
		suspect, first := s.suspects(held{peer, m.Node})
		if suspect {
			any, since = true, min(since, first)
		}
		if s.ask(&m.Probe, suspect, first, false) {
			s.do(AskWitness{Reading: s.part(m.Node), Member: m.Node})
		}
	}
	if s.ask(&s.Control, any, since, s.public.told) {
		s.do(AskControl{})
	}
	for i := range s.Targets {
		s.askStrangers(i)
	}
}

// alignMembers makes the probes those of the nodes in the home record.
func (s *step) alignMembers() {
	probes := make([]MemberProbe, 0, len(s.home().members))
	for _, m := range s.home().members {
		n := slices.IndexFunc(s.Members, func(p MemberProbe) bool {
			return p.Node == m.node && (p.joining == m.joining || p.joining == noJoining || m.joining == noJoining)
		})
		if n >= 0 {
			probes = append(probes, s.Members[n])
			probes[len(probes)-1].joining = m.joining
		} else {
			probes = append(probes, MemberProbe{Node: m.node, joining: m.joining, since: s.now, Probe: Probe{nextAt: s.now}})
		}
	}
	s.Members = probes
}

// part is the home record as if it held the addresses of one node alone.
func (s *step) part(node string) Reading {
	r := s.home().Reading
	r.Lease.Holder = node // who is to answer there
	for _, o := range s.seats(0) {
		if o.kind == peersSeat && o.Node == node {
			r.Addrs = o.here
		}
	}
	return r
}

func (s *step) foldMember(e WitnessDone) {
	for k := range s.Members {
		if m := &s.Members[k]; m.Node == e.Member {
			s.foldProbe(&m.Probe, e.OK, e.Started, m.since)
		}
	}
}

// askStrangers keeps asking whether the addresses of nobody known work.
func (s *step) askStrangers(i int) {
	t := &s.Targets[i]
	var known []strangerAt
	for _, o := range s.seats(i) {
		if o.kind != nobodysSeat {
			continue
		}
		f := strangerAt{o.here, foreign{nextAt: s.now}}
		if n := slices.IndexFunc(t.strangers, func(f strangerAt) bool { return f.addrs == o.here }); n >= 0 {
			f = t.strangers[n]
		}
		known = append(known, f)
	}
	t.strangers = known
	for k := range t.strangers {
		f := &t.strangers[k]
		if f.asked && !s.due(f.sentAt+CallTime) || !s.due(f.nextAt) {
			continue
		}
		f.asked, f.sentAt = true, s.now
		s.due(s.now + CallTime)
		r := t.Reading
		r.Addrs, r.Token = f.addrs, r.Token+"#"+f.addrs
		s.do(AskForeign{Target: t.ID, Reading: r})
	}
}

// foldStranger takes in what was asked of such an address. It is about the
// address, whatever else the record holds by now.
func (s *step) foldStranger(e ForeignDone) {
	i := s.target(e.Target)
	if i < 0 {
		return
	}
	t := &s.Targets[i]
	addrs := e.Token[strings.LastIndex(e.Token, "#")+1:]
	t.strangers = slices.Clone(t.strangers)
	for k := range t.strangers {
		if f := &t.strangers[k]; f.addrs == addrs {
			f.fold(s.now, e.OK)
		}
	}
}
