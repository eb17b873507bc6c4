package dnsfailover

import (
	"cmp"
	"slices"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// target is a record or an address of a service.
func (v *view) target(c *ServiceConfig, s *ServiceStatus, t *TargetStatus) StatusTarget {
	out := StatusTarget{Name: t.ID, Kind: "record", Wanted: t.Addrs, Foreign: v.ended(c, t.ID), Denied: t.Denied, Age: -1}
	if t.Kind == engine.Address {
		out.Kind = "address"
	}
	if i := slices.IndexFunc(c.Records, func(r ServiceRecord) bool { return r.target() == t.ID }); i >= 0 {
		out.Zone, out.Advisory = cmp.Or(c.Records[i].ZoneID, c.Records[i].Zone), v.wanted.share.other != nil
	}
	if t.Known {
		r := &t.Reading
		out.Age = seconds(t.Age)
		out.Holds, out.TTL, out.Untouchable = shorten(r.Addrs), r.TTL, shorten(r.Refuse)
		out.Holder = shorten(v.holder(s, t))
		if l := r.Lease; l.Holder != "" {
			out.Lease = &StatusLease{
				Epoch: l.Epoch, Holder: shorten(l.Holder), Instance: shorten(l.Instance), Nonce: shorten(l.Nonce), Holds: shorten(l.Addrs),
			}
		}
		for _, m := range r.Lease.List() {
			one := StatusMember{Node: shorten(m.Node), Instance: shorten(m.Instance), Epoch: m.Epoch, Holds: shorten(m.Addrs)}
			if t.ID == s.Settings.Targets[0].ID {
				one.Witness = v.memberWitness(c, s, m.Node)
			}
			out.Members = append(out.Members, one)
		}
		if t.Kind == engine.Address && r.Exists {
			out.Association = &StatusAssociation{ID: shorten(r.Token), Instance: shorten(r.Instance)}
			if a, ok := r.Raw.(association); ok {
				out.Association.Allocation = shorten(a.allocation)
			}
		}
	}
	if t.Called {
		out.Outcome = t.Outcome.String()
	}
	if t.Err != nil {
		out.Error = shorten(t.Err.Error())
	}
	return out
}

// memberWitness is the witness of a member of the first record, or nil.
func (v *view) memberWitness(c *ServiceConfig, s *ServiceStatus, node string) *StatusProbe {
	all := s.State.Members
	i := slices.IndexFunc(all, func(m engine.MemberProbe) bool { return m.Node == node })
	if i < 0 || c.Witness == "" {
		return nil
	}
	p := v.probe(all[i].Probe, true, v.ended(c, witnessOf(node)))
	return &p
}

// holder is the name of the node that has a target, as far as it says that itself, or the nodes do.
func (v *view) holder(s *ServiceStatus, t *TargetStatus) string {
	r := &t.Reading
	switch {
	case !r.Exists || r.Lease.Members != "":
		return ""
	case t.Kind == engine.Record && r.Lease.Addrs == r.Addrs:
		return r.Lease.Holder // of what it has written; anything else is somebody's edit
	case t.Kind == engine.Record:
		return ""
	case r.Instance == v.wanted.self.Instance:
		return v.wanted.self.Node
	}
	for i := range s.State.Peers {
		if b := &s.State.Peers[i].Body; b.Instance == r.Instance {
			return b.Name
		}
	}
	return ""
}
