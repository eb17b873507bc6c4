package record

import (
	"errors"
	"fmt"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// encodeAll writes a lease as the values of its TXT set: one value, or one for each member of [engine.ModeAll], with the
// addresses of that member.
func encodeAll(l engine.Lease) ([]string, error) {
	members := l.List()
	if len(members) == 0 {
		value, err := Encode(l)
		return []string{value}, err
	}
	values := make([]string, len(members))
	for i, m := range members {
		value, err := Encode(engine.Lease{
			Epoch: m.Epoch, Holder: m.Node, Instance: m.Instance, Nonce: m.Nonce, Hash: m.Hash, Mode: engine.ModeAll, Addrs: m.Addrs,
		})
		if err != nil {
			return nil, fmt.Errorf("the part of %s: %w", m.Node, err)
		}
		values[i] = value
	}
	return values, nil
}

// decodeAll reads what [encodeAll] has written.
func decodeAll(values []string) (engine.Lease, error) {
	if len(values) == 0 {
		return engine.Lease{}, errors.New("it has no value")
	}
	members := make([]engine.Member, len(values))
	seen := map[string]bool{}
	for i, value := range values {
		l, err := Decode(value)
		switch {
		case err != nil:
			return engine.Lease{}, err
		case l.Mode != engine.ModeAll && len(values) == 1:
			return l, nil
		case l.Mode != engine.ModeAll:
			return engine.Lease{}, fmt.Errorf("it has %d values, and one of them is of a service that one node holds", len(values))
		case seen[l.Holder]:
			return engine.Lease{}, fmt.Errorf("two of its values are of the node %s", l.Holder)
		}
		seen[l.Holder] = true
		members[i] = engine.Member{Node: l.Holder, Instance: l.Instance, Epoch: l.Epoch, Nonce: l.Nonce, Hash: l.Hash, Addrs: l.Addrs}
	}
	return engine.LeaseOf(members), nil
}
