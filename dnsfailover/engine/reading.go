package engine

// Reading is what a target held when it was read.
type Reading struct {
	// Token is the identity of exactly this content, the same for every node
	// that reads it. It changes with every write.
	Token string

	// Exists is false if a record is absent, or an address free. A read that
	// failed is no reading.
	Exists bool

	// Addrs is what a record holds, in the form of [Target.Addrs].
	Addrs string

	// TTL of a record, in seconds.
	TTL int

	// Instance is that which an address is associated with.
	Instance string

	// Lease lies beside a record. Its Holder is empty if there is none.
	Lease Lease

	// Refuse says why the target can't be written by anybody here, such as
	// "alias"; empty if it can.
	Refuse string

	// Raw is the target's own.
	Raw any
}

// Lease says who wrote a record, and what.
type Lease struct {
	// Epoch counts the moves of the service, from 1.
	Epoch uint64

	// Holder is the name of the node, and Instance that of its machine.
	Holder, Instance string

	// Nonce is different for every write.
	Nonce string

	// Addrs is what the holder wrote. A record that holds something else was
	// edited by somebody.
	Addrs string

	// Hash and Mode are those of [Settings].
	Hash, Mode string

	// Members is empty but in [ModeAll], where every node in the record has a
	// lease of its own: see [LeaseOf], which makes the rest out of them.
	Members string
}

// Value is what a target shall become.
type Value struct {
	Addrs string
	TTL   int
	Lease Lease
}

// Outcome is how a call on a target ended.
type Outcome uint8

// The outcomes.
const (
	// Done: it was carried out.
	Done Outcome = iota

	// Conflict: it was not, because the target holds something else by now.
	Conflict

	// Busy: it was not, and may be tried again: throttled, or the provider was
	// still at work on the write before.
	Busy

	// Unknown: there was no answer that tells. It may have been carried out, or
	// may still be.
	Unknown

	// Denied: it was not, and the same call never will be: no permission, no
	// such zone, an address that can't be moved here.
	Denied
)

func (o Outcome) String() string {
	return [...]string{"done", "conflict", "busy", "unknown", "denied"}[o]
}
