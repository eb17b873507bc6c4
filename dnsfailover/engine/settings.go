package engine

import "time"

// Fixed delays of the rules. DESIGN.md says what each prevents and what it
// costs.
const (
	// Settle is how long after a claim silence does not count against the
	// claimer (R9): moving an address disturbs the network of the node that
	// gets it.
	Settle = 10 * time.Second

	// LastResort is how long a service without any healthy candidate waits
	// before an unhealthy one takes it (R6).
	LastResort = 10 * time.Second

	// Stagger is the delay between one candidate and the next (R6).
	Stagger = 300 * time.Millisecond

	// RefusalWindow is the time within which Refusals refused heartbeats are a
	// death by themselves (R4).
	RefusalWindow = 200 * time.Millisecond
	Refusals      = 3

	// OfferTime is how long an offer may be acted upon.
	OfferTime = 5 * time.Second

	// LookActive and LookStandby are the times between two readings of a target
	// by the node that holds it and by the others, while nothing is wrong.
	LookActive  = 31 * time.Second
	LookStandby = 61 * time.Second

	// ProbeEvery is the time between two witness probes, and two control
	// probes, while nothing is wrong; ProbeAgain while the holder is silent.
	ProbeEvery = 30 * time.Second
	ProbeAgain = 2 * time.Second

	// CallTime bounds an action: one that has brought no event by then is given
	// up. The loop's own time-outs are shorter.
	CallTime = 15 * time.Second

	// WriteTime is how long after the decision a write may still be sent.
	WriteTime = 3 * time.Second

	// BackoffMin and BackoffMax bound the delay after a failed call, which
	// doubles from one failure to the next.
	BackoffMin = 500 * time.Millisecond
	BackoffMax = 30 * time.Second

	// BackoffUrgent bounds it where nobody serves, for urgentRetries times, which
	// is a good minute: a takeover that waits for the provider follows its first
	// answers.
	BackoffUrgent = 2 * time.Second
	urgentRetries = 45

	// YieldTime is how long an absent target is left to a node that says it is
	// the active one, so that it puts its name back itself.
	YieldTime = 5 * time.Second
)

// ModeAll in [Settings.Mode] is a service of which every fit node is active: the
// records hold the addresses of all of them. All targets are records then.
const ModeAll = "all"

// Settings is what one node was told about one service. Step never changes it.
type Settings struct {
	// Node is this node's name, unique among the peers. Instance is its EC2
	// instance id, or anything else that no other machine has. Boot is unique to
	// this start of the process; it begins every nonce.
	Node, Instance, Boot string

	// Peers are the other nodes, as the addresses at which they are asked for
	// heartbeats. Their names are learnt from their answers.
	Peers []string

	// Prefer ranks candidates: named nodes first, in this order, then the others
	// by name.
	Prefer []string

	// Failback is how long a preferred node must have been healthy before the
	// service is offered to it. Zero is never.
	Failback time.Duration

	// All durations and counts below must be positive.

	// HoldDown is how long silence alone moves the service no second time (R7),
	// the least time between two voluntary moves (R8), and the time after which
	// a node that was denied something tries it again (R10).
	HoldDown time.Duration

	// Interval is the time between two heartbeats. Fall missed ones in a row are
	// silence, and a new holder is known after Rise answers.
	Interval   time.Duration
	Fall, Rise int

	// Targets are what points clients at the holder. The first is the home of
	// the epoch: a record, or an address if there is no record.
	Targets []Target

	// Hash is that of the service's definition. Nodes that were told something
	// else write only if the holder is dead, or defers. Mode is written into the
	// lease; this engine holds services of which one node is active.
	Hash, Mode string

	// Probes stands for what the witness and the control probe ask. What they said
	// before it changed counts for nothing.
	Probes string
}

// Kind is what a target is.
type Kind uint8

// The kinds of target.
const (
	// Record is a DNS record set with a lease beside it. Both are swapped in one
	// atomic step, so a name is never absent.
	Record Kind = iota

	// Address is an Elastic IP. It is freed and then claimed, in two steps, and
	// whoever comes first has it.
	Address
)

// Target is one thing that points clients at a node.
type Target struct {
	ID   string // unique within the service, such as lb.example.com
	Kind Kind

	// Addrs is what a record shall hold when this node has it: addresses in
	// their canonical form, sorted, with commas between.
	Addrs string

	// Shared is set if Addrs is the same on every node (the service's Elastic
	// IP), so that the addresses do not tell whose the record is.
	Shared bool

	// TTL is in seconds.
	TTL int
}

// settleTime is when misses that began before a claim had settled count.
func (c *Settings) settleTime(seen time.Duration, misses int) time.Duration {
	return seen + Settle + time.Duration(misses-1)*c.Interval
}
