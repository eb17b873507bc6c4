package engine

import "time"

// Action is something for the loop to do. All but SendOffer, Tell and Left end
// in an event; that of a Read, Swap or Free bears its Call.
type Action interface{ action() }

// Read reads a target.
type Read struct {
	Target string
	Call   uint64
}

// Swap writes a target, if it holds exactly what From says, and not otherwise.
// An address must be free. A process that can't send it before Deadline must
// not send it; that is Busy.
type Swap struct {
	Target   string
	Call     uint64
	From     Reading
	To       Value
	Cause    Cause
	Deadline time.Duration
}

// Free takes an address from the association of From, and from no other.
type Free struct {
	Target   string
	Call     uint64
	From     Reading
	Cause    Cause
	Deadline time.Duration
}

// AskWitness asks for the service as clients do, at the addresses that the home
// target holds, or in [ModeAll] at those of one member, which the reading has
// alone then.
type AskWitness struct {
	Reading Reading
	Member  string // its name, in [ModeAll]
}

// AskControl asks whether this node's own view of the network counts.
type AskControl struct{}

// AskForeign asks whether a target that is none of ours works.
type AskForeign struct {
	Target  string
	Reading Reading
}

// SendOffer gives an offer to a peer. There is no event for it: whether it was
// taken shows at the target.
type SendOffer struct {
	Peer  string // as in [Settings.Peers]
	Offer Offer
}

// Offer is the word of a holder that a peer may take the service now.
type Offer struct {
	From  string // the name of the holder
	Epoch uint64 // the highest one that it knows: a later claim, by itself too, is not offered
	Why   Why
}

// Left says that a stopping node need not wait any more.
type Left struct{}

// Tell is a decision, for the log and the subscribers.
type Tell struct {
	What   What
	Target string
	From   string // the holder before, if any
	To     string
	Epoch  uint64
	Why    Why
	Order  string // the operator's reason, if it was one
}

// What is the kind of a decision.
type What uint8

// The kinds of decision.
const (
	Claimed   What = iota // this node has a target now
	Lost                  // another node has a target that this one had
	Moved                 // a target went from one other node to another
	Resumed               // the service was this node's already
	Yielded               // this node stood back for a higher epoch
	Offering              // this node offered the service to a peer
	Accepted              // this node got an offer
	Contested             // a write was refused: somebody was faster
	Unable                // something is denied to this node
	Able                  // it is not any more
	Waiting               // why it does not claim now
	Converged             // a value of its own was brought up to date
	Slept                 // the process had not run for a while
	Joined                // this node is in the record now ([ModeAll])
	Withdrew              // this node has taken itself out of it
	Removed               // this node has taken another one out, From, or addresses of nobody known
	Dropped               // another node has taken this one out
)

// Cause is what entitles a node to write.
type Cause uint8

// The causes.
const (
	NoCause    Cause = iota
	Own              // it has the target already
	Adopt            // the target points at it, but bears no lease
	Absent           // nobody has it
	DeadSilent       // the holder is silent
	DeadGone         // the holder's host says that the process is gone
	ByOffer          // the holder offered it
	Deferred         // the holder itself says that it is not the holder
	Stranger         // it points at something that is none of ours, and does not work
	Forced           // an operator said so
	Join             // this node is fit, and not in the record ([ModeAll])
	Quit             // this node is in the record, and should not be
)

func (Read) action()       {}
func (Swap) action()       {}
func (Free) action()       {}
func (AskWitness) action() {}
func (AskControl) action() {}
func (AskForeign) action() {}
func (SendOffer) action()  {}
func (Left) action()       {}
func (Tell) action()       {}
