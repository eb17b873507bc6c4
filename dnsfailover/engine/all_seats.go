package engine

import (
	"slices"
	"strings"
)

// seatKind is whose addresses in a record are.
type seatKind uint8

const (
	mySeat      seatKind = iota
	peersSeat            // of another node, which may live
	nobodysSeat          // of none of ours
	emptySeat            // a lease that stands for no address, and goes with the next write: of addresses that somebody has taken away, or that are another part's
)

// seat is a part of a record in [ModeAll]: the addresses of a node, or one that
// belongs to nobody known, and then has no name.
type seat struct {
	Member
	here   string // those of its addresses that the record holds
	kind   seatKind
	leased bool
	Mode   string // of the lease

	dead    bool // cause and why say so
	cause   Cause
	why     Why
	foreign foreign // what is known of nobody's
}

func ownSeat(seats []seat) *seat {
	if k := slices.IndexFunc(seats, func(o seat) bool { return o.kind == mySeat }); k >= 0 {
		return &seats[k]
	}
	return nil
}

// seatOf is this node's part of a record, or nil.
func (s *step) seatOf(i int) *seat { return ownSeat(s.seats(i)) }

// seats are the parts of a record, those with a lease first. They are found once
// after what has happened was taken in.
func (s *step) seats(i int) []seat {
	if !s.folded {
		return s.findSeats(i)
	}
	if s.found == nil {
		s.found = make([][]seat, len(s.Targets))
	}
	if s.found[i] == nil {
		s.found[i] = s.findSeats(i)
	}
	return s.found[i]
}

func (s *step) findSeats(i int) []seat {
	t, c := &s.Targets[i], &s.cfg.Targets[i]
	r := &t.Reading
	if !t.Known || !r.Exists || r.Refuse != "" {
		return nil
	}
	var seats []seat
	left := r.Addrs
	members := t.list
	if members == nil && r.Lease.Holder != "" {
		l := &r.Lease
		members = []Member{{l.Holder, l.Instance, l.Epoch, l.Nonce, l.Hash, l.Addrs}}
	}
	named := slices.ContainsFunc(members, func(m Member) bool { return m.Node == s.cfg.Node })
	for _, m := range members {
		former := m.Instance == s.cfg.Instance && m.Addrs == c.Addrs && !s.anyOf(m.Node) // under the name that this node had before
		o := seat{Member: m, here: among(m.Addrs, r.Addrs), kind: nobodysSeat, leased: true, Mode: r.Lease.Mode}
		switch {
		case o.here == "":
			o.kind = emptySeat
		case m.Node == s.cfg.Node, former && !named && ownSeat(seats) == nil:
			o.kind = mySeat
		case former:
			o.kind = emptySeat // one node has one part, whatever it was called
		case s.anyOf(m.Node):
			o.kind = peersSeat
		}
		left = without(left, m.Addrs)
		seats = append(seats, o)
	}
	for k := range seats {
		if o := &seats[k]; o.kind == nobodysSeat && without(o.here, ours(seats)) == "" {
			o.kind = emptySeat // whoever it was, the addresses are a node's by now
		}
	}
	if left == "" {
		return seats
	}
	if mine := among(left, c.Addrs); mine != "" && ownSeat(seats) == nil {
		seats = append(seats, seat{Member: Member{Node: s.cfg.Node, Addrs: mine}, here: mine, kind: mySeat})
		left = without(left, mine)
	}
	for k := range s.Peers {
		b := &s.Peers[k].Body
		theirs := among(left, b.Addrs)
		if i > 0 || b.Name == "" || theirs == "" {
			continue
		}
		left = without(left, theirs)
		if slices.ContainsFunc(seats, func(o seat) bool { return o.kind == peersSeat && o.Node == b.Name }) {
			// What it had before, or has now: it puts that right itself.
			seats = append(seats, seat{Member: Member{Addrs: theirs}, here: theirs, kind: peersSeat})
			continue
		}
		seats = append(seats, seat{Member: Member{Node: b.Name, Instance: b.Instance, Addrs: theirs}, here: theirs, kind: peersSeat})
	}
	if left == "" {
		return seats
	}
	for a := range strings.SplitSeq(left, ",") {
		seats = append(seats, seat{Member: Member{Addrs: a}, here: a, kind: nobodysSeat})
	}
	return seats
}

// ours are the addresses of nodes among those of a lease.
func ours(seats []seat) string {
	var all []string
	for _, o := range seats {
		if o.kind == mySeat || o.kind == peersSeat {
			all = append(all, o.here)
		}
	}
	return union(all...)
}

// doomed are the parts of a record that are to be taken out: of the dead (R4),
// and what is none of ours and does not work. Their names together are their
// identity.
func (s *step) doomed(i int, seats []seat) (gone []int, names string) {
	t := &s.Targets[i]
	for k := range seats {
		o := &seats[k]
		switch {
		case o.kind == peersSeat && o.Node != "":
			o.cause, o.why = s.judgeDeath(s.claimedBy(i, o.Node))
			if p := s.peer(o.Node); p != nil && s.untold(p) && !s.reached(o.Node) {
				o.cause, o.why = Deferred, Why{HolderDefers, o.Node}
			}
			if o.cause == NoCause {
				s.wait(o.why)
			}
		case o.kind == nobodysSeat:
			if n := slices.IndexFunc(t.strangers, func(f strangerAt) bool { return f.addrs == o.here }); n >= 0 {
				o.foreign = t.strangers[n].foreign
			}
			o.cause, o.why = s.causeStranger(&o.foreign)
		}
		if o.dead = o.cause != NoCause; o.dead {
			gone, names = append(gone, k), names+" "+o.Node+"="+o.Addrs
		}
	}
	return gone, names
}
