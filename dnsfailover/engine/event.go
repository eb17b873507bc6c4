package engine

import "time"

// Event is something that happened to a node. Times in events are of the same
// clock as Step's.
type Event interface{ event() }

// Tick is nothing but the passing of time. The loop sends one at [State.Wake].
type Tick struct{}

// Reply is how a heartbeat ended.
type Reply uint8

// The replies.
const (
	// Answered: an authentic answer.
	Answered Reply = iota

	// Silent: none in time, or none that makes sense.
	Silent

	// Refused: the host refused the connection, or reset it.
	Refused

	// Mismatched: a well-formed answer under none of our secrets. It is a fault
	// of the configuration, not a death.
	Mismatched
)

// Heartbeat is the end of a heartbeat to a peer. There is one at a time to each
// peer, so they end in the order in which they were sent. After a refusal the loop asks
// again at once, until Refusals are together or the peer answers.
type Heartbeat struct {
	Peer  string // as in [Settings.Peers]
	Reply Reply
	Sent  time.Duration // when it was sent
	Body  Body          // if answered
}

// Health is what the node's own checks say, after their own rise and fall.
// Every round is reported.
type Health struct {
	OK bool

	// Started is when the check began: of a pass that round, of a failure the
	// first round of those that failed in a row.
	Started time.Duration
}

// ReadDone is the end of a [Read].
type ReadDone struct {
	Target  string
	Call    uint64
	Outcome Outcome // Done, Busy, Unknown or Denied
	Reading Reading // if done, or if only moving it is denied
}

// SwapDone is the end of a [Swap].
type SwapDone struct {
	Target  string
	Call    uint64
	Outcome Outcome
	Reading Reading // if done: what the target holds now
}

// FreeDone is the end of a [Free].
type FreeDone struct {
	Target  string
	Call    uint64
	Outcome Outcome
	Reading Reading // if done: that of the free address
}

// WitnessDone is the end of an [AskWitness].
type WitnessDone struct {
	OK      bool
	Started time.Duration
	Member  string // as in [AskWitness]
}

// ControlDone is the end of an [AskControl].
type ControlDone struct {
	OK      bool
	Started time.Duration
}

// ForeignDone is the end of an [AskForeign].
type ForeignDone struct {
	Target string
	Token  string // of the reading whose addresses were asked
	OK     bool   // at least one works
}

// Offered is an offer from a peer.
type Offered struct{ Offer Offer }

// Command is an operator's word, or the process's end.
type Command struct {
	What   Order
	Reason string // for the log
}

// Order is what a command asks for.
type Order uint8

// The orders.
const (
	// Takeover claims the service, whoever has it.
	Takeover Order = iota

	// Release offers it to the best peer.
	Release

	// Pause stops every automatic move of this node: it neither claims nor
	// offers. Resume ends that.
	Pause
	Resume

	// Stop is the end of the process: the node is no candidate any more, and
	// offers what it has. [Left] says when there is nothing left to wait for.
	Stop
)

// Reloaded says that Settings are those of a newly loaded configuration.
type Reloaded struct{}

func (Tick) event()        {}
func (Heartbeat) event()   {}
func (Health) event()      {}
func (ReadDone) event()    {}
func (SwapDone) event()    {}
func (FreeDone) event()    {}
func (WitnessDone) event() {}
func (ControlDone) event() {}
func (ForeignDone) event() {}
func (Offered) event()     {}
func (Command) event()     {}
func (Reloaded) event()    {}
