package awstest

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// DescribeAddressesInput asks for addresses. Filters, ids and addresses must all
// match. There are no pages: MaxResults and NextToken are unknown to the action.
type DescribeAddressesInput struct {
	AllocationIDs []string
	PublicIPs     []string
	Filters       []Filter
	DryRun        bool
}

// AssociateAddressInput asks for an association. Either InstanceID or
// InterfaceID is needed.
type AssociateAddressInput struct {
	AllocationID string
	InstanceID   string
	InterfaceID  string
	PrivateIP    string // default the primary one of the interface

	// KeepOthers is an explicit AllowReassociation of false: the call fails if
	// the address is associated, or its place has another one. Without it the
	// address is taken from whoever has it.
	KeepOthers bool

	DryRun bool
}

// DescribeAddresses lists the Elastic IPs of an account in a region, in no
// order.
func (c *Cloud) DescribeAddresses(who Caller, in DescribeAddressesInput) ([]ElasticIP, error) {
	return result[[]ElasticIP](c.do(who, c.describeAddresses(in)))
}

// AssociateAddress associates an Elastic IP with a private address, and returns
// the id of the association.
func (c *Cloud) AssociateAddress(who Caller, in AssociateAddressInput) (associationID string, err error) {
	out, err := result[associated](c.do(who, c.associateAddress(in)))
	return out.id, err
}

// DisassociateAddress ends an association.
func (c *Cloud) DisassociateAddress(who Caller, associationID string) error {
	_, err := result[done](c.do(who, c.disassociateAddress(associationID, false)))
	return err
}

func (c *Cloud) describeAddresses(in DescribeAddressesInput) operation {
	return operation{
		service: "ec2", action: "DescribeAddresses",
		rate:  describeRate("ec2:DescribeAddresses"),
		empty: []ElasticIP{},
		run: func(who Caller) (any, error) {
			now := c.settle()
			return c.listAddresses(who, in, func(e *elastic) *ElasticIP { return c.viewAddress(e, now) })
		},
		runStale: func(who Caller, age time.Duration) (any, error) {
			at := c.settle().Add(-age)
			return c.listAddresses(who, in, func(e *elastic) *ElasticIP { return e.viewedAt(at) })
		},
	}
}

// listAddresses answers from what view tells of each address.
func (c *Cloud) listAddresses(who Caller, in DescribeAddressesInput, view func(*elastic) *ElasticIP) (any, error) {
	passes, err := compileFilters(in.Filters, addressAttribute)
	if err != nil {
		return nil, err
	}
	for _, ip := range in.PublicIPs {
		if a, err := netip.ParseAddr(ip); err != nil || !a.Is4() {
			return nil, invalid("InvalidParameterValue", "Invalid value '%s' for PublicIp. Not a valid IPv4 address", ip)
		}
	}
	if in.DryRun {
		return nil, errDryRun
	}
	var seen []*ElasticIP
	for _, e := range c.addresses {
		if v := view(e); v != nil && v.Account == who.Account && v.Region == who.Region {
			seen = append(seen, v)
		}
	}
	for _, id := range in.AllocationIDs {
		if !slices.ContainsFunc(seen, func(a *ElasticIP) bool { return a.AllocationID == id }) {
			return nil, noAllocation(id)
		}
	}
	for _, ip := range in.PublicIPs {
		if !slices.ContainsFunc(seen, func(a *ElasticIP) bool { return a.PublicIP == ip }) {
			return nil, invalid("InvalidAddress.NotFound", "Address '%s' not found.", ip)
		}
	}
	out := []ElasticIP{}
	for _, a := range seen {
		named := len(in.AllocationIDs) == 0 || slices.Contains(in.AllocationIDs, a.AllocationID)
		named = named && (len(in.PublicIPs) == 0 || slices.Contains(in.PublicIPs, a.PublicIP))
		if named && passes.match(a) {
			out = append(out, *a)
		}
	}
	c.rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out, nil
}

// associated is the answer to AssociateAddress.
type associated struct{ id string }

func (c *Cloud) associateAddress(in AssociateAddressInput) operation {
	return operation{
		service: "ec2", action: "AssociateAddress", rate: mutateRate("ec2:AssociateAddress"), empty: associated{},
		dryRun: in.DryRun,
		run: func(who Caller) (any, error) {
			now := c.settle()
			e := c.addressOf(who.Account, who.Region, func(e *elastic) bool { return e.AllocationID == in.AllocationID })
			if e == nil {
				return nil, noAllocation(in.AllocationID)
			}
			m, n, err := c.placeFor(who, in)
			if err != nil {
				return nil, err
			}
			private := in.PrivateIP
			if private == "" {
				private = n.Addresses[0].Private
			}
			switch other := c.addressAt(n.ID, private); {
			case !slices.ContainsFunc(n.Addresses, func(a Address) bool { return a.Private == private }):
				return nil, invalid("InvalidParameterValue", "Invalid value '%s' for PrivateIpAddress. It is not assigned to %s", private, n.ID)
			case e.Service != "":
				return nil, notYours()
			case borderGroup(m.Region, m.Zone) != e.BorderGroup:
				return nil, invalid("InvalidParameterCombination", "The address %s and the network interface %s are in different network border groups", e.AllocationID, n.ID)
			case other == e && in.KeepOthers && c.againFails(), other != e && !e.Free() && in.KeepOthers:
				return nil, invalid("Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s", e.AllocationID, e.AssociationID)
			case other != nil && other != e && in.KeepOthers:
				return nil, invalid("Resource.AlreadyAssociated", "resource %s and %s is already associated with public address %s", n.ID, private, other.PublicIP)
			case in.DryRun:
				return nil, errDryRun
			case other != e:
				c.associate(e, m, n, private, now)
			}
			return associated{e.AssociationID}, nil
		},
	}
}

// againFails chooses what an association says that exists.
func (c *Cloud) againFails() bool {
	if c.addressRules.Again == EitherAgain {
		return c.rng.IntN(2) == 0
	}
	return c.addressRules.Again == AgainFails
}

// placeFor returns the machine and the interface that an address is asked for.
func (c *Cloud) placeFor(who Caller, in AssociateAddressInput) (*machine, *Interface, error) {
	switch {
	case in.InstanceID == "" && in.InterfaceID == "":
		return nil, nil, invalid("MissingParameter", "Either 'InstanceId' or 'NetworkInterfaceId' must be provided")
	case in.InstanceID != "" && in.InterfaceID != "":
		return nil, nil, invalid("InvalidParameterCombination", "You may specify 'InstanceId' or 'NetworkInterfaceId', but not both")
	}
	if in.InstanceID != "" {
		machines, err := c.find(who, []string{in.InstanceID})
		if err != nil {
			return nil, nil, err
		}
		m := machines[0]
		switch {
		case m.State == Pending, m.State == ShuttingDown, m.State == Terminated:
			return nil, nil, m.invalidState()
		case m.State == Stopping:
			return nil, nil, m.incorrectState()
		case len(m.Interfaces) > 1:
			return nil, nil, invalid("InvalidInstanceID", "There are multiple interfaces attached to instance '%s'. "+
				"Please specify an interface ID for the operation instead.", m.ID)
		}
		return m, m.primary(), nil
	}
	for _, m := range c.domain(place{who.Account, who.Region}).machines {
		for n := range m.Interfaces {
			switch {
			case m.Interfaces[n].ID != in.InterfaceID:
			case m.State == Stopping, m.State == ShuttingDown:
				return nil, nil, m.incorrectState()
			default:
				return m, &m.Interfaces[n], nil
			}
		}
	}
	return nil, nil, noInterface(in.InterfaceID)
}

func (m *machine) invalidState() *Error {
	return invalid("InvalidInstanceID", "The %s instance '%s' is not in a valid state for this operation.", m.State, m.ID)
}

func (m *machine) incorrectState() *Error {
	return invalid("IncorrectInstanceState", "The instance '%s' is not in a state from which an address can be associated with it.", m.ID)
}

// notYours is how EC2 refuses to touch an address that a service manages.
func notYours() *Error {
	return newError("AuthFailure", "You do not have permission to access the specified resource.")
}

func (c *Cloud) disassociateAddress(associationID string, dryRun bool) operation {
	return operation{
		service: "ec2", action: "DisassociateAddress", rate: mutateRate("ec2:DisassociateAddress"),
		empty: done{"DisassociateAddress"}, dryRun: dryRun,
		run: func(who Caller) (any, error) {
			now := c.settle()
			e := c.addressOf(who.Account, who.Region, func(e *elastic) bool { return e.AssociationID == associationID && !e.Free() })
			switch {
			case e == nil && !c.addressRules.EndedIsSuccess:
				return nil, invalid("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", associationID)
			case e != nil && e.Service != "":
				return nil, notYours()
			case dryRun:
				return nil, errDryRun
			case e != nil:
				c.dissociate(e, now)
			}
			return done{"DisassociateAddress"}, nil
		},
	}
}

// addressAttribute finds what a DescribeAddresses filter looks at.
func addressAttribute(name string) (attribute[ElasticIP], bool) {
	switch key, isTag := strings.CutPrefix(name, "tag:"); {
	case isTag && key != "":
		return func(a *ElasticIP, v []string) []string {
			for _, t := range a.Tags {
				if t.Key == key {
					v = append(v, t.Value)
				}
			}
			return v
		}, true
	case name == "tag-key":
		return func(a *ElasticIP, v []string) []string {
			for _, t := range a.Tags {
				v = append(v, t.Key)
			}
			return v
		}, true
	}
	get, ok := map[string]func(*ElasticIP) string{
		"allocation-id":              func(a *ElasticIP) string { return a.AllocationID },
		"association-id":             func(a *ElasticIP) string { return a.AssociationID },
		"instance-id":                func(a *ElasticIP) string { return a.InstanceID },
		"network-border-group":       func(a *ElasticIP) string { return a.BorderGroup },
		"network-interface-id":       func(a *ElasticIP) string { return a.InterfaceID },
		"network-interface-owner-id": func(a *ElasticIP) string { return a.InterfaceOf },
		"private-ip-address":         func(a *ElasticIP) string { return a.PrivateIP },
		"public-ip":                  func(a *ElasticIP) string { return a.PublicIP },
	}[name]
	return func(a *ElasticIP, v []string) []string {
		if s := get(a); s != "" {
			v = append(v, s)
		}
		return v
	}, ok
}
