package awstest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// AddPrivateIP assigns a secondary private address to an interface of an
// instance, by its DeviceIndex, and returns it. With "" it is one of the cloud's
// own choice.
func (c *Cloud) AddPrivateIP(id string, device int, ip string) (string, error) {
	err := c.operate(id, func(m *machine, now time.Time) error {
		at := slices.IndexFunc(m.Interfaces, func(n Interface) bool { return n.DeviceIndex == device })
		if at < 0 {
			return invalid("InvalidParameterValue", "The instance '%s' has no interface with the device index %d", id, device)
		}
		if zone, _ := m.domain.zone(m.Zone.Name); ip == "" {
			host := m.domain.hosts[zone]
			m.domain.hosts[zone]++
			ip = fmt.Sprintf("10.%d.%d.%d", zone, host>>8&0xff, host&0xff)
		}
		c.changeInterface(m, m.Interfaces[at].ID, now, func(n *Interface) {
			n.Addresses = append(n.Addresses, Address{Private: ip})
		})
		return nil
	})
	return ip, err
}

// changeInterface changes an interface of a machine as of the time at.
func (c *Cloud) changeInterface(m *machine, id string, at time.Time, f func(*Interface)) {
	c.change(m, at, func(i *Instance) {
		i.Interfaces = slices.Clone(i.Interfaces)
		for n := range i.Interfaces {
			if i.Interfaces[n].ID == id {
				i.Interfaces[n].Addresses = slices.Clone(i.Interfaces[n].Addresses)
				f(&i.Interfaces[n])
			}
		}
	})
}

// changePublic changes the public address of a private one, and whose it is.
func (c *Cloud) changePublic(m *machine, interfaceID, private, public, allocation string, at time.Time) {
	c.changeInterface(m, interfaceID, at, func(n *Interface) {
		for i := range n.Addresses {
			if n.Addresses[i].Private == private {
				n.Addresses[i].Public, n.Addresses[i].AllocationID = public, allocation
			}
		}
	})
}

// changeAddress replaces what is told of an address as of the time at.
func (c *Cloud) changeAddress(e *elastic, at time.Time, f func(*ElasticIP)) {
	keep := max(addressMemory, c.cfg.Consistency)
	e.past = slices.DeleteFunc(e.past, func(p pastAddress) bool { return at.Sub(p.until) >= keep })
	e.past = append(e.past, pastAddress{e.ElasticIP, at})
	next := *e.ElasticIP
	f(&next)
	e.ElasticIP = &next
	close(e.changed)
	e.changed = make(chan struct{})
}

// associate makes an address that of a private one, and frees the address that
// was there, and this one from where it was.
func (c *Cloud) associate(e *elastic, m *machine, n *Interface, private string, at time.Time) {
	interfaceID := n.ID
	if other := c.addressAt(interfaceID, private); other != nil && other != e {
		c.dissociate(other, at)
	}
	c.dissociate(e, at)
	// The address that AWS lent to the private one until now is gone for good.
	c.changePublic(m, interfaceID, private, e.PublicIP, e.AllocationID, at)
	c.changeAddress(e, at, func(a *ElasticIP) {
		a.AssociationID = "eipassoc-" + c.hex(17)
		a.InterfaceID, a.InterfaceOf = interfaceID, m.Account
		a.PrivateIP, a.InstanceID = private, m.ID
	})
}

// dissociate frees an address. The instance that loses it is lent another one
// if it gets one at each start, unless it has a second interface, or a
// secondary private address with an Elastic IP (EC2 User Guide, IP addressing).
func (c *Cloud) dissociate(e *elastic, at time.Time) {
	if e.Free() {
		return
	}
	if m := c.machines[e.InstanceID]; m != nil {
		c.changePublic(m, e.InterfaceID, e.PrivateIP, "", "", at)
		if p := m.primary(); p != nil && p.ID == e.InterfaceID && p.Addresses[0].Private == e.PrivateIP &&
			(m.State == Pending || m.State == Running) && m.lends() {
			c.changePublic(m, p.ID, e.PrivateIP, c.nextPublicIP(), "", at)
		}
	}
	c.changeAddress(e, at, (*ElasticIP).free)
}

// free forgets what the address is associated with.
func (a *ElasticIP) free() {
	a.AssociationID, a.InterfaceID, a.InterfaceOf, a.PrivateIP, a.InstanceID, a.Service = "", "", "", "", "", ""
}

// lends reports whether AWS lends the machine a public address, unless it has
// an Elastic IP in its place.
func (m *machine) lends() bool {
	return m.autoPublic && len(m.Interfaces) == 1 &&
		!slices.ContainsFunc(m.Interfaces[0].Addresses[1:], func(a Address) bool { return a.AllocationID != "" })
}

// addressAt returns the address of a private one, or nil.
func (c *Cloud) addressAt(interfaceID, private string) *elastic {
	for _, e := range c.addresses {
		if e.InterfaceID == interfaceID && e.PrivateIP == private && !e.Free() {
			return e
		}
	}
	return nil
}

// loseAddresses takes the Elastic IPs from a machine that has ended, but for
// those on interfaces that outlive it.
func (c *Cloud) loseAddresses(m *machine, at time.Time) {
	for _, e := range c.addresses {
		switch {
		case e.InstanceID != m.ID:
		case slices.Contains(m.kept, e.InterfaceID):
			c.changeAddress(e, at, func(a *ElasticIP) { a.InstanceID = "" })
		default:
			c.changeAddress(e, at, (*ElasticIP).free)
		}
	}
}

// renameAddress follows the change of a private address by the test.
func (c *Cloud) renameAddress(m *machine, from, to string, at time.Time) {
	if p := m.primary(); p != nil {
		if e := c.addressAt(p.ID, from); e != nil {
			c.changeAddress(e, at, func(a *ElasticIP) { a.PrivateIP = to })
		}
	}
}

// viewAddress returns what an answer tells of an address: the present, or with
// equal chance any past that is recent enough. It is nil if that is nothing.
func (c *Cloud) viewAddress(e *elastic, now time.Time) *ElasticIP {
	recent := e.past
	for len(recent) > 0 && now.Sub(recent[0].until) >= c.cfg.Consistency {
		recent = recent[1:]
	}
	if len(recent) > 0 {
		if n := c.rng.IntN(len(recent) + 1); n < len(recent) {
			return recent[n].view
		}
	}
	return e.ElasticIP
}

// viewedAt returns what was told of an address at some time, or the oldest that
// is known.
func (e *elastic) viewedAt(at time.Time) *ElasticIP {
	for _, p := range e.past {
		if at.Before(p.until) {
			return p.view
		}
	}
	return e.ElasticIP
}

// borderGroup is the network border group of a zone: its name without the letter at
// the end, which is the region but for local and Wavelength zones.
func borderGroup(region string, z Zone) string {
	if group := strings.TrimRight(z.Name, "abcdefghijklmnopqrstuvwxyz"); strings.HasPrefix(group, region) {
		return group
	}
	return region
}
