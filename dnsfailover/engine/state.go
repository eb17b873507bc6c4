package engine

import (
	"slices"
	"time"
)

// Never is a time that does not come.
const Never = time.Duration(1<<63 - 1)

// Role is what a node is to a service.
type Role uint8

// The roles.
const (
	// Starting: the home has not been read, or not every peer been heard. The
	// node writes nothing of its own accord.
	Starting Role = iota

	// Standby: another node holds the service, or nobody.
	Standby

	// Active: this node holds it.
	Active
)

func (r Role) String() string { return [...]string{"starting", "standby", "active"}[r] }

// State is all that a node remembers of a service. The zero value is that of a
// process that has just started. It is changed by [Step] alone; what is exported
// is for status and tests.
type State struct {
	Begun bool
	Began time.Duration // first step
	Last  time.Duration // latest step

	// Wake is when the next [Tick] is due, or Never.
	Wake time.Duration

	Role     Role
	activeAt time.Duration // since when it is Active, if it is

	// Epoch is the highest one seen; Provisional that under which followers are
	// held while the home can't be read, or 0.
	Epoch, Provisional uint64
	epochAt            time.Duration // when a peer told of Epoch
	heard              uint64        // an epoch that rose, by what peers said, while this node ran

	Health  HealthState
	Paused  bool
	Leaving bool

	Peers   []PeerState   // in the order of Settings.Peers
	Targets []TargetState // in the order of Settings.Targets

	Witness, Control Probe
	Members          []MemberProbe // the witness of each member of the home, in [ModeAll]
	probes           string        // Settings.Probes that they are about
	probesAt         time.Duration // since when

	// Waiting is why the node does not claim now.
	Waiting Why

	toldWait Why // the last one that was told

	resumed   bool          // the node has heard every peer, or claimed, since it began
	tentative uint64        // the epoch under which it tries to get followers
	noneSince time.Duration // since when there has been no healthy candidate
	none      bool
	offer     offerIn
	offering  offerOut
	offered   given // the last offer that was made
	moves     moves
	order     order
	former    Lease // of the home, of the holder before
	buried    buried
	calls     uint64        // that were begun
	nonces    uint64        // writes that were begun
	writes    uint64        // writes that are known to be done
	rejoinAt  time.Duration // not before, in ModeAll, after a public path that failed
	public    publicPath
	left      bool // Left was emitted
}

// HealthState is the latest word of the node's own checks.
type HealthState struct {
	Known, OK bool
	Started   time.Duration // of the last round that passed
	Failed    time.Duration // of the first round that failed, while OK is false
}

// PeerState is what a node knows of a peer.
type PeerState struct {
	ID string // as in Settings.Peers

	Up      bool // the last heartbeat was answered
	Known   bool // one was answered since this node began
	Gone    bool // refused often enough at once, and not answered since
	Alien   bool // the last reply was under another secret
	Answers int  // so far
	Misses  int  // in a row, since the last answer; at most one in half an interval

	FirstMiss time.Duration // of Misses: when it was sent
	lastMiss  time.Duration
	refusals  [Refusals - 1]time.Duration // the latest, newest last
	refused   int                         // in a row

	Body      Body          // the last one
	asked     time.Duration // when the heartbeat that Body answers was sent
	toldAt    time.Duration // when Body last said that the node was told of the service, or the first one came
	healthyAt time.Duration // since when Body has been healthy, and able without doubt
}

// TargetState is what a node knows of a target.
type TargetState struct {
	ID string

	// Reading is the last one. Known is false before the first.
	Reading Reading
	Known   bool
	ReadAt  time.Duration // when the call that brought it was sent

	// Failing: it could not be read when that was last tried. Denied: a call was
	// denied at DeniedAt.
	Failing  bool
	Denied   bool
	DeniedAt time.Duration

	toWrite bool // what was denied is a write

	claim     string        // identity of the claim in Reading
	claimSeen time.Duration // when it was first seen
	claimNew  bool          // it was seen to replace another
	answersAt int           // answers of the holder's peer at that time

	busy      call
	call      uint64 // the number of that call
	busySince time.Duration
	why       Why           // of the write whose outcome is open
	unsure    bool          // what was read last may be old: read before a write
	unsureAt  time.Duration // since when
	contrary  string        // the token of a reading that contradicts what was known, and was read once
	nextLook  time.Duration // the regular reading
	hint      bool          // there is a reason to read at once
	hintAt    time.Duration // but not before
	hints     int           // readings on a hint that brought nothing new
	retryAt   time.Duration // no write before
	failures  int           // of writes, in a row
	misreads  int           // failed readings in a row
	throttled int           // of those, that were refused for now
	refused   int           // writes that were refused though the reading has not changed
	denials   int           // since a write, or a reading, was last carried out
	freed     bool          // this node has just freed it, or has it and sees it deleted
	taken     string        // from whom this node takes it
	converge  bool          // a configuration was loaded since the last comparison
	verdict   verdict
	foreign   foreign

	// In [ModeAll]. The slices are replaced, and never changed.
	list      []Member     // of the lease in Reading
	members   []member     // the nodes in Reading
	purge     verdict      // about those that are to be taken out; its token names them too
	strangers []strangerAt // what is known of addresses of nobody known
	intent    intent       // of the write whose outcome is open
}

// call is what a target is busy with.
type call uint8

const (
	idle call = iota
	reading
	swapping
	freeing
)

// verdict is a cause to write, tied to the reading that it is about (R1).
type verdict struct {
	on    bool
	token string
	at    time.Duration
}

// foreign is what is known of a target that is none of ours.
type foreign struct {
	token   string        // of the reading that it is about
	failing time.Duration // since when nothing there works
	ended   bool          // an answer came
	ok      bool          // the last one was good
	asked   bool
	sentAt  time.Duration
	nextAt  time.Duration
}

// Probe is a witness or a control probe.
type Probe struct {
	// Armed: it has passed, the witness since the holder's claim. A probe that
	// has not counts for nothing.
	Armed bool

	OK      bool          // the last one passed
	Started time.Duration // when that one began
	Ended   bool          // there was one

	asked  bool
	sentAt time.Duration
	nextAt time.Duration
}

// buried is the node from which this one takes the home because it is dead.
type buried struct {
	node    string
	answers int // of it, so far
}

// offerIn is an offer that was received.
type offerIn struct {
	Offer
	until time.Duration
}

// offerOut is one that is being made.
type offerOut struct {
	on     bool
	why    Why
	nextAt time.Duration
	tries  int
	to     string // peer id
}

// given is an offer that a peer may act upon until some time.
type given struct {
	to    string // its name; empty if none was made
	until time.Duration
}

// moves are the hand-overs of this node of late (R8).
type moves struct {
	last  time.Duration
	count int // each within HoldDown of the one before
}

// order is an operator's takeover or release that is under way.
type order struct {
	on     bool
	what   Order
	at     time.Duration
	until  time.Duration
	reason string
}

// publicPath is what a holder knows of its own public path.
type publicPath struct {
	told   bool          // a peer that answers does not reach the service
	since  time.Duration // since when
	failed int           // own control probes that failed in a row
}

// clone returns a state that shares nothing that Step changes.
func (st State) clone() State {
	st.Peers = slices.Clone(st.Peers)
	st.Targets = slices.Clone(st.Targets)
	st.Members = slices.Clone(st.Members)
	return st
}

// maxDoubt bounds the time for which a denied node is in doubt: hold_down times 2
// to the power of it.
const maxDoubt = 8

// able reports whether nothing is denied now. What was denied a while ago may be
// tried again, if it has to be.
func (st *State) able() bool {
	return !slices.ContainsFunc(st.Targets, func(t TargetState) bool { return t.Denied })
}

// doubtful reports whether something was denied of late that has not been
// allowed since: for twice as long after every further time. Of such a node
// nothing is asked that can be done without it.
func (st *State) doubtful(now time.Duration, cfg *Settings) bool {
	return slices.ContainsFunc(st.Targets, func(t TargetState) bool {
		return t.denials > 0 && now < t.DeniedAt+cfg.HoldDown<<min(t.denials, maxDoubt)
	})
}

// unseen reports whether the armed witness fails although it has passed since
// the holder's claim. It says nothing of a claim that is known of, and not read yet.
func (st *State) unseen() bool {
	return st.Role == Standby && st.Witness.fails() && len(st.Targets) > 0 &&
		(st.Targets[0].Reading.Lease.Epoch >= st.Epoch || st.Targets[0].ReadAt >= st.epochAt)
}

// fails reports whether an armed probe did not pass when it was last asked.
func (p *Probe) fails() bool { return p.Armed && p.Ended && !p.OK }

// Holder is the name of the node that holds the home, as far as this node knows:
// empty for nobody, or somebody that is none of ours.
func (st *State) Holder(cfg *Settings) string {
	if len(st.Targets) == 0 || len(cfg.Targets) == 0 || !st.Targets[0].Known {
		return ""
	}
	return st.holder(cfg, 0).name
}
