package dnsfailover

import (
	"net/http"
	"sync/atomic"

	"go.uber.org/zap"
)

// Rejection is why a message on the heartbeat listener was refused.
type Rejection uint8

// The reasons.
const (
	// RejectedMalformed: it is no message of this protocol, or ends too early.
	RejectedMalformed Rejection = iota

	// RejectedVersion: it is of another version of the protocol.
	RejectedVersion

	// RejectedOversize: its body is larger than [MaxPeerOffer].
	RejectedOversize

	// RejectedForgery: none of its MACs is one under a secret of this node.
	RejectedForgery

	// RejectedReplay: it does not refer to the last answer on its connection, or, if it is an offer, does so too late.
	RejectedReplay

	// RejectedName: it is for a node of another name.
	RejectedName

	// RejectedPublic: it comes from a public address.
	RejectedPublic

	// RejectedCrowd: there were too many connections, and this one had shown least.
	RejectedCrowd

	rejections
)

// rejectionTexts are the names of the reasons, what to do about them, and the status that the sender is told.
var rejectionTexts = [rejections]struct {
	name, advice string
	status       int
}{
	RejectedMalformed: {"malformed", "something else than a peer reaches the heartbeat listener: restrict its security group", http.StatusBadRequest},
	RejectedVersion:   {"version", "run releases with the same protocol version on every node", http.StatusNotImplemented},
	RejectedOversize:  {"oversize", "something else than a peer reaches the heartbeat listener: restrict its security group", http.StatusRequestEntityTooLarge},
	RejectedForgery:   {"forgery", "check secret_file on both nodes", http.StatusUnauthorized},
	RejectedReplay:    {"replay", "nothing may stand between two nodes that shares or replays connections", http.StatusUnauthorized},
	RejectedName:      {"name", "it was for another node: its address may be this node's now", http.StatusMisdirectedRequest},
	RejectedPublic:    {"public", "let the nodes ask each other at private addresses", http.StatusForbidden},
	RejectedCrowd:     {"crowd", "somebody opens many connections to the heartbeat listener: restrict its security group", 0},
}

// String is the reason in one lower-case word, such as a metric's label.
func (r Rejection) String() string {
	if r >= rejections {
		return "unknown"
	}
	return rejectionTexts[r].name
}

// Rejected is how many messages were refused since the server was made, for each reason, those with none included.
func (s *PeerServer) Rejected() map[Rejection]uint64 {
	counts := make(map[Rejection]uint64, rejections)
	for r := range rejections {
		counts[r] = s.rejected[r].Load()
	}
	return counts
}

// count takes a refusal in, and logs it if none was for some time. What the message says of itself is not logged: anybody can
// send it.
func (s *PeerServer) count(why Rejection, l *link) {
	total := s.rejected[why].Add(1)
	if !s.sayNow(&s.logged[why]) {
		return
	}
	text := rejectionTexts[why]
	fields := []zap.Field{zap.String("reason", text.name), zap.Uint64("total", total), zap.String("advice", text.advice)}
	if l != nil {
		fields = append(fields, zap.Stringer("from", l.RemoteAddr()))
	}
	s.opts.Logger.Warn("message on the heartbeat listener refused", fields...)
}

// sayNow reports whether it is time for a line in the log, and notes that it is written.
func (s *PeerServer) sayNow(last *atomic.Int64) bool {
	now, before := int64(s.now().Sub(s.start)), last.Load()
	return (before == 0 || now-before >= int64(peerLogEvery)) && last.CompareAndSwap(before, now)
}
