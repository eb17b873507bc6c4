package awstest

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// ElasticIP is what EC2 tells about an Elastic IP address. It is a snapshot.
type ElasticIP struct {
	AllocationID string
	PublicIP     string
	Account      string
	Region       string
	BorderGroup  string // the network border group
	Tags         []Tag  // sorted by key

	// What it is associated with. All are empty while it is free.
	AssociationID string
	InterfaceID   string
	InterfaceOf   string // the account that owns the interface
	PrivateIP     string
	InstanceID    string // empty if the interface is on no instance
	Service       string // the service of AWS that manages it, such as alb
}

// Free reports whether the address is associated with nothing.
func (a ElasticIP) Free() bool { return a.AssociationID == "" }

// Allocation describes an Elastic IP to be. Every field may be left zero.
type Allocation struct {
	PublicIP    string // default one of the cloud's own choice
	Account     string // default [Config.Account]
	Region      string // default [Config.Region]
	BorderGroup string // default Region
	Tags        map[string]string
}

// elastic is an Elastic IP with the rest of what the cloud knows of it. What is
// told of it is replaced at each change, never altered.
type elastic struct {
	*ElasticIP
	past    []pastAddress
	changed chan struct{} // closed at the next change of the association
}

// pastAddress is what was told of an address until it changed; nil before it
// was allocated.
type pastAddress struct {
	view  *ElasticIP
	until time.Time
}

// addressMemory is how long the past of an address is kept, for [Stale].
const addressMemory = 10 * time.Minute

// AllocateAddress allocates an Elastic IP, which is free.
func (c *Cloud) AllocateAddress(a Allocation) (ElasticIP, error) {
	if ip, err := netip.ParseAddr(a.PublicIP); a.PublicIP != "" && (err != nil || !ip.Is4()) {
		return ElasticIP{}, invalid("InvalidParameterValue", "Value (%s) for parameter address is invalid", a.PublicIP)
	}
	if err := checkTags(a.Tags); err != nil {
		return ElasticIP{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	view := &ElasticIP{
		AllocationID: "eipalloc-" + c.hex(17),
		PublicIP:     a.PublicIP,
		Account:      cmp.Or(a.Account, c.cfg.Account),
		Region:       cmp.Or(a.Region, c.cfg.Region),
	}
	view.BorderGroup = cmp.Or(a.BorderGroup, view.Region)
	if view.PublicIP == "" {
		view.PublicIP = c.nextPublicIP()
	}
	for key, value := range a.Tags {
		view.Tags = append(view.Tags, Tag{key, value})
	}
	slices.SortFunc(view.Tags, func(a, b Tag) int { return strings.Compare(a.Key, b.Key) })
	if c.addressOf(view.Account, view.Region, func(e *elastic) bool { return e.PublicIP == view.PublicIP }) != nil {
		return ElasticIP{}, invalid("InvalidAddress.InUse", "The address %s is allocated already", view.PublicIP)
	}
	c.addresses = append(c.addresses, &elastic{
		ElasticIP: view,
		past:      []pastAddress{{nil, c.cfg.Now()}},
		changed:   make(chan struct{}),
	})
	return *view, nil
}

// ReleaseAddress gives an Elastic IP back to AWS, whatever it is associated
// with.
func (c *Cloud) ReleaseAddress(allocationID string) error {
	return c.operateAddress(allocationID, func(e *elastic, now time.Time) error {
		c.dissociate(e, now)
		c.addresses = slices.DeleteFunc(c.addresses, func(other *elastic) bool { return other == e })
		return nil
	})
}

// ElasticIP returns an address as it is, seen late by nobody.
func (c *Cloud) ElasticIP(allocationID string) (ElasticIP, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settle()
	e := c.allocation(allocationID)
	if e == nil {
		return ElasticIP{}, false
	}
	return *e.ElasticIP, true
}

// SetAddress associates an Elastic IP with the primary private address of an
// instance, whatever either had before. With "" it is free.
func (c *Cloud) SetAddress(allocationID, instanceID string) error {
	return c.operateAddress(allocationID, func(e *elastic, now time.Time) error {
		if instanceID == "" {
			c.dissociate(e, now)
			return nil
		}
		m := c.machines[instanceID]
		if m == nil {
			return notFound(instanceID)
		}
		n := m.primary()
		if n == nil {
			return m.invalidState()
		}
		c.associate(e, m, n, n.Addresses[0].Private, now)
		return nil
	})
}

// SetAddressService associates an Elastic IP with an interface that is no
// instance's, as that of a NAT gateway or load balancer, which alone may move
// it then.
func (c *Cloud) SetAddressService(allocationID, service string) error {
	return c.operateAddress(allocationID, func(e *elastic, now time.Time) error {
		c.dissociate(e, now)
		c.changeAddress(e, now, func(a *ElasticIP) {
			a.AssociationID = "eipassoc-" + c.hex(17)
			a.InterfaceID = "eni-" + c.hex(17)
			a.InterfaceOf = a.Account
			a.PrivateIP = "10.255.255.4"
			a.Service = service
		})
		return nil
	})
}

// KeepInterface lets an interface outlive its instance, as those do that were
// attached to it later. The Elastic IPs there stay associated with it then, and
// with no instance.
func (c *Cloud) KeepInterface(id, interfaceID string) error {
	return c.operate(id, func(m *machine, _ time.Time) error {
		if !slices.ContainsFunc(m.Interfaces, func(n Interface) bool { return n.ID == interfaceID }) {
			return noInterface(interfaceID)
		}
		m.kept = append(m.kept, interfaceID)
		return nil
	})
}

// SetAddressRules chooses between what the API reference says of addresses and
// what is reported of them, where the two differ. See [AddressRules].
func (c *Cloud) SetAddressRules(r AddressRules) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.addressRules = r
}

// AddressRules are the answers that AWS's documentation and reports disagree
// about. A client must be ready for any.
type AddressRules struct {
	// EndedIsSuccess makes DisassociateAddress succeed, and do nothing, for an
	// association that has ended, since the reference calls it idempotent.
	// Otherwise it is InvalidAssociationID.NotFound, as everybody reports.
	EndedIsSuccess bool

	// Again is what AssociateAddress without reassociation says of an address
	// that is where it shall be. Default [EitherAgain].
	Again AgainRule
}

// AgainRule is one of the two answers to an association that exists.
type AgainRule int

// The answers.
const (
	// EitherAgain is chosen anew each time.
	EitherAgain AgainRule = iota

	// AgainSucceeds answers with the association that there is.
	AgainSucceeds

	// AgainFails is Resource.AlreadyAssociated.
	AgainFails
)

// operateAddress lets the test act on an address.
func (c *Cloud) operateAddress(allocationID string, f func(*elastic, time.Time) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.settle()
	e := c.allocation(allocationID)
	if e == nil {
		return noAllocation(allocationID)
	}
	return f(e, now)
}

// allocation returns an address of any account by its id, or nil.
func (c *Cloud) allocation(id string) *elastic {
	for _, e := range c.addresses {
		if e.AllocationID == id {
			return e
		}
	}
	return nil
}

// addressOf returns the first address of an account in a region that fits, or
// nil.
func (c *Cloud) addressOf(account, region string, fits func(*elastic) bool) *elastic {
	for _, e := range c.addresses {
		if e.Account == account && e.Region == region && fits(e) {
			return e
		}
	}
	return nil
}

func noAllocation(id string) *Error {
	return invalid("InvalidAllocationID.NotFound", "The allocation ID '%s' does not exist", id)
}

func noInterface(id string) *Error {
	return invalid("InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '%s' does not exist", id)
}
