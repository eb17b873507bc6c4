package dnsfailover

import (
	"fmt"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
)

// ownMode is the mode in the lease of an own name, which tells it from that of a service.
const ownMode = "own"

// ownVerdict is what is to be done about an own name.
type ownVerdict struct {
	write bool // swap what was read
	state ownState
	err   error  // why the name is not registered
	other string // the instance because of which, if it is asked for again
}

// judgeOwn judges a reading of an own name.
//
// Two machines with one node name, such as a clone of a disk, both want the name. The first keeps it: what another instance
// has written is taken over only if nobody knows that instance to be alive. And what another has taken from this one, with
// a later epoch (that of this one is the latest it has written, or 0), is not taken back: whoever wrote later lived later. So
// two that can't hear each other move the name once, and not every five minutes.
//
// The TTL is written once for each configuration. One that somebody sets afterwards stays until the name moves.
func judgeOwn(want ownName, r engine.Reading, epoch uint64, converged bool, alive func(string) bool) ownVerdict {
	l := r.Lease
	switch {
	case r.Refuse != "":
		return ownVerdict{state: ownRefused, err: &outcomeError{engine.Denied, fmt.Errorf(
			"hands off, it can't be swapped: %s; register another name, or delete that record", r.Refuse)}}
	case l.Holder == "":
		return ownVerdict{write: true} // absent, or from before: adopted
	case l.Mode != ownMode:
		return ownVerdict{state: ownRefused, err: &outcomeError{engine.Denied, fmt.Errorf(
			"hands off, it is the record of a service, which node %q has: register another name, or delete the TXT at %s if no service has this name",
			l.Holder, record.LeaseName(want.Name))}}
	case l.Instance != want.Instance && epoch > 0 && l.Epoch > epoch:
		return ownVerdict{state: ownContested, err: &outcomeError{engine.Conflict, fmt.Errorf(
			"instance %q (node %q) has taken it over while this node runs: give each node a name of its own; "+
				"if that instance is gone for good, delete the TXT at %s, and this node takes the name back",
			l.Instance, l.Holder, record.LeaseName(want.Name))}}
	case l.Instance != want.Instance && alive(l.Instance):
		return ownVerdict{state: ownContested, other: l.Instance, err: &outcomeError{engine.Conflict, fmt.Errorf(
			"it belongs to instance %q (node %q), which is alive, or not yet known to be dead: give each node a name of its own",
			l.Instance, l.Holder)}}
	case l.Instance == want.Instance && l.Holder == want.Node && r.Exists && r.Addrs == want.Addrs && l.Addrs == want.Addrs &&
		(want.Place == "" || l.Hash == want.Place) && (converged || r.TTL == want.TTL):
		return ownVerdict{state: ownRegistered}
	default:
		return ownVerdict{write: true}
	}
}
