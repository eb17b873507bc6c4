package engine

import (
	"slices"
	"time"
)

// foldHeartbeat takes in how a heartbeat ended.
func (s *step) foldHeartbeat(e Heartbeat) {
	i := slices.IndexFunc(s.Peers, func(p PeerState) bool { return p.ID == e.Peer })
	if i < 0 {
		return // a peer of the configuration before
	}
	p := &s.Peers[i]
	switch e.Reply {
	case Answered:
		s.foldAnswer(p, e)
	case Mismatched:
		p.Up, p.Known, p.Gone, p.Alien, p.Misses, p.refused = false, true, false, true, 0, 0
	case Refused:
		s.miss(p, e.Sent)
		if p.refused == len(p.refusals) && s.now-p.refusals[0] <= RefusalWindow {
			p.Gone = true
		}
		copy(p.refusals[:], p.refusals[1:])
		p.refusals[len(p.refusals)-1] = s.now
		p.refused = min(p.refused+1, len(p.refusals))
	case Silent:
		s.miss(p, e.Sent)
		p.refused = 0
	}
}

// miss counts a heartbeat without an answer. Those that follow a refusal at
// once count as one: only refusals may decide so soon.
func (s *step) miss(p *PeerState, sent time.Duration) {
	p.Up, p.Alien = false, false
	if p.Misses == 0 {
		p.FirstMiss = sent
	} else if sent-p.lastMiss < s.cfg.Interval/2 {
		return
	}
	p.Misses++
	p.lastMiss = sent
}

func (s *step) foldAnswer(p *PeerState, e Heartbeat) {
	fit := p.Body.Healthy && p.Body.Able && !p.Body.Doubtful && p.Misses < s.cfg.Fall && !p.Gone
	p.Up, p.Known, p.Gone, p.Alien, p.Misses, p.refused = true, true, false, false, 0, 0
	p.Answers++
	wrote := e.Body.Writes != p.Body.Writes
	if e.Body.Hash != "" || p.Body.Name == "" {
		p.toldAt = s.now
	}
	p.Body, p.asked = e.Body, e.Sent
	if !fit {
		p.healthyAt = s.now
	}
	rose := e.Body.Epoch > s.Epoch
	if rose {
		if s.resumed {
			s.heard = e.Body.Epoch
		}
		s.Epoch, s.epochAt = e.Body.Epoch, s.now
	}
	switch {
	case len(s.Targets) == 0:
	case wrote, rose:
		// Somebody has claimed: see for oneself, and at once.
		for i := range s.Targets {
			t := &s.Targets[i]
			t.hintAt = min(t.hintAt, s.now)
			s.hint(t)
		}
	case e.Body.Missing && s.Role == Active:
		s.hint(s.home())
	}
}

// peer is the peer of a name, or nil. Two addresses may lead to one node, or
// have led to it: the one that answers counts.
func (s *step) peer(name string) (named *PeerState) {
	for i := range s.Peers {
		if p := &s.Peers[i]; p.Body.Name == name && name != "" && (named == nil || p.Up && !named.Up) {
			named = p
		}
	}
	return named
}

// maybe reports whether a peer is the node of that name, or may be as far as is
// known: it has not been heard yet, and no other is.
func (s *State) maybe(p *PeerState, name string) bool {
	if p.Body.Name != "" {
		return p.Body.Name == name
	}
	return !slices.ContainsFunc(s.Peers, func(q PeerState) bool { return q.Body.Name == name })
}

// anyOf reports whether there is a peer that may be the node of that name.
func (s *State) anyOf(name string) bool {
	for i := range s.Peers {
		if s.maybe(&s.Peers[i], name) {
			return true
		}
	}
	return false
}

// answersOf counts the answers of a node.
func (s *step) answersOf(name string) (n int) {
	for i := range s.Peers {
		if p := &s.Peers[i]; p.Body.Name == name {
			n += p.Answers
		}
	}
	return n
}

// doubled reports whether another machine answers under this node's name. Each
// would take the other's lease for its own.
func (s *step) doubled() bool {
	p := s.peer(s.cfg.Node)
	return p != nil && p.Up && p.Body.Instance != s.cfg.Instance
}

// heardAll reports whether every peer has been heard, or found silent, since
// this node began (R2).
func (s *step) heardAll() bool {
	for i := range s.Peers {
		if p := &s.Peers[i]; !p.Known && !p.Gone && p.Misses < s.cfg.Fall {
			return false
		}
	}
	return true
}

// living reports whether a peer counts as a candidate that may still act.
func (s *step) living(p *PeerState) bool {
	return p.Known && !p.Gone && !p.Alien && p.Misses < s.cfg.Fall
}

// untold reports whether a peer that answers has been told nothing of the service
// for so long that this is no change of the definition, nor a start.
func (s *step) untold(p *PeerState) bool {
	return p.Up && p.Body.Hash == "" && s.due(p.toldAt+s.cfg.HoldDown)
}

// ableNode reports whether a peer could take the service, whatever its health.
func (s *step) ableNode(p *PeerState) bool {
	return s.living(p) && p.Body.Able && !p.Body.Leaving && !p.Body.Paused && p.Body.Hash == s.cfg.Hash
}

// before reports whether one node comes before another among candidates (R6).
func (s *step) before(a, b string) bool {
	i, j := slices.Index(s.cfg.Prefer, a), slices.Index(s.cfg.Prefer, b)
	switch {
	case i >= 0 && j >= 0:
		return i < j
	case i >= 0 || j >= 0:
		return i >= 0
	}
	return a < b
}

// rank counts the candidates before this node, and the healthy ones in all.
// The node whose place is to be filled is none.
func (s *step) rank(holder string, healthyOnly bool) (before, healthy int) {
	for i := range s.Peers {
		p := &s.Peers[i]
		if p.Body.Name == holder || !s.ableNode(p) {
			continue
		}
		if p.Body.Healthy {
			healthy++
		} else if healthyOnly {
			continue
		}
		if s.before(p.Body.Name, s.cfg.Node) {
			before++
		}
	}
	return before, healthy
}
