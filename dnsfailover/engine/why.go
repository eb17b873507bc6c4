package engine

import "strings"

// Why is a reason, in few words to compare and in many to read.
type Why struct {
	Code WhyCode
	Node string // whom it is about, if anybody
}

// WhyCode is a reason.
type WhyCode uint8

// The reasons.
const (
	NoReason WhyCode = iota

	// Why a node may write.
	HolderSilent
	HolderGone
	TargetAbsent
	HolderOffers
	HolderDefers
	StrangerDown
	OperatorSays
	IsOwn
	FollowsHome
	IsFit

	// Why it waits.
	NotRead
	PeersUnheard
	HolderAnswers
	HolderMismatched
	NotSilentYet
	WitnessPasses
	WitnessPending
	ControlFails
	ControlPending
	PeerHearsHolder
	Settling
	HoldingDown
	StrangerWorks
	StrangerUnknown
	CannotWrite
	IsPaused
	IsLeaving
	IsUnhealthy
	IsDenied
	OtherDefinition
	SameName
	LeftToActive
	BackingOff

	// Why a holder offers.
	CheckFails
	PublicPathFails
	Stopping
	Preferred
)

var whyTexts = [...]string{
	NoReason:         "no reason",
	HolderSilent:     "%s does not answer, and nothing speaks for it",
	HolderGone:       "the host of %s refuses the heartbeat: the process is gone",
	TargetAbsent:     "nobody has it",
	HolderOffers:     "%s offered it",
	HolderDefers:     "%s says that it does not hold the service",
	StrangerDown:     "what it points at is none of ours and does not work",
	OperatorSays:     "an operator said so",
	IsOwn:            "this node has it",
	FollowsHome:      "it follows the service",
	IsFit:            "this node is fit and was not in it",
	NotRead:          "the target could not be read",
	PeersUnheard:     "not every peer has been heard, or timed out, since the start",
	HolderAnswers:    "%s answers",
	HolderMismatched: "%s answers under another secret: check secret_file on both nodes",
	NotSilentYet:     "%s has not been silent for long enough",
	WitnessPasses:    "the service still answers at the address of %s",
	WitnessPending:   "the service is being asked at the address of %s",
	ControlFails:     "this node's own control probe fails: the fault may be its own",
	ControlPending:   "this node's own network is being checked",
	PeerHearsHolder:  "%s still hears the holder",
	Settling:         "%s has just claimed it",
	HoldingDown:      "%s claimed it and has not been heard since: hold_down",
	StrangerWorks:    "it points at something that is none of ours and works: hands off",
	StrangerUnknown:  "it points at something that is none of ours, which is being checked",
	CannotWrite:      "the target is of a kind that is never overwritten: %s",
	IsPaused:         "this node is paused",
	IsLeaving:        "this node is stopping",
	IsUnhealthy:      "this node's own checks fail",
	IsDenied:         "this node may not write a target",
	OtherDefinition:  "%s was told another definition of the service",
	SameName:         "another machine answers under the name %s: give each node its own",
	LeftToActive:     "it is left to %s, which says that it holds the service",
	BackingOff:       "an attempt failed, and the next one has to wait",
	CheckFails:       "its own checks fail",
	PublicPathFails:  "its public path fails",
	Stopping:         "it is stopping",
	Preferred:        "%s is preferred and has been healthy for long enough",
}

// news reports whether a reason to wait is worth a line: not that all is well,
// nor what lasts for a moment only.
func (c WhyCode) news() bool {
	switch c {
	case NoReason, NotRead, HolderAnswers, NotSilentYet, WitnessPending, ControlPending, PeersUnheard, BackingOff:
		return false
	}
	return true
}

func (w Why) String() string {
	text := whyTexts[w.Code]
	node := w.Node
	if node == "" {
		node = "the holder"
	}
	return strings.Replace(text, "%s", node, 1)
}
