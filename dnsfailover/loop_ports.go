package dnsfailover

import (
	"context"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// Network is how a [Loop] reaches the peers, which it knows by their addresses as in [engine.Settings].Peers. Methods may be
// called concurrently; one peer is asked again when the Ask before has ended, or its context has. They end with ctx at the
// latest: a peer whose Ask does not end is neither heard nor missed.
type Network interface {
	// Ask sends a heartbeat, and says how it ended, as [PeerClient.Ask] does.
	Ask(ctx context.Context, peer string) (PeerAnswer, engine.Reply, error)

	// Ended returns a channel that gets a value when an open connection to the peer has ended, so that it is asked at once.
	// A value that nobody has taken yet may stand for several. Nil is a peer of which that is not noticed.
	Ended(peer string) <-chan struct{}

	// Offer gives an offer for a service to a peer. Whether the offer is acted upon shows at the targets, so an error is
	// only for the log.
	Offer(ctx context.Context, peer, service string, o engine.Offer) error
}

// Prober asks what a node has to know and can't hear from its peers. Methods may be called concurrently, and end with ctx
// at the latest: false then, like everything else that is no proof of the opposite.
type Prober interface {
	// Witness reports whether the service answers as its clients ask for it, at the addresses of a reading of its first target.
	Witness(ctx context.Context, service string, home engine.Reading) bool

	// Control reports whether this node's own view of the network counts. Without a way to find out it is always false,
	// and counts for nothing.
	Control(ctx context.Context, service string) bool

	// Foreign reports whether something that is none of ours, and to which a target points, works. Without a way to find
	// out it is always true, and the target is never touched.
	Foreign(ctx context.Context, service, target string, r engine.Reading) bool
}

// Freer is a [Target] of the kind [engine.Address]: what another node has is freed before it is swapped.
type Freer interface {
	Target

	// Free ends the association that was read, and no other: if there is another one by now, that is an [ErrConflict]. On
	// success it returns the reading of the free address.
	Free(ctx context.Context, from engine.Reading) (engine.Reading, error)
}
