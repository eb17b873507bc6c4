package awstest

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Limits that EC2 documents for tags.
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

// AutoScalingGroupTag is the tag that Auto Scaling puts on its instances.
const AutoScalingGroupTag = "aws:autoscaling:groupName"

// AutoAssign asks [Launch] for an address of the cloud's own choice.
const AutoAssign = "auto"

// Launch describes an instance to be. Every field may be left zero.
type Launch struct {
	ID      string // default random
	Account string // default [Config.Account]
	Region  string // default [Config.Region]
	Zone    string // zone name; default the first of the region
	Type    string // default t3.micro
	ImageID string // default ami-0123456789abcdef0
	Spot    bool

	PrivateIP string // default the next of the zone's subnet; need not be in the subnet
	PublicIP  string // default none; [AutoAssign]; after a stop it is another one
	IPv6      string // default none; [AutoAssign]

	Tags map[string]string
	ASG  string // sets [AutoScalingGroupTag]
	Role string // name of the role that its metadata service gives keys for; default none
}

// Launch starts one instance and returns its id.
func (c *Cloud) Launch(l Launch) (string, error) {
	ids, err := c.LaunchN(1, l)
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

// LaunchN starts n alike instances as one reservation and returns their ids.
// With n above one no id and no address can be chosen.
func (c *Cloud) LaunchN(n int, l Launch) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.launch(n, l)
}

// launch does the work of LaunchN and of RunInstances.
func (c *Cloud) launch(n int, l Launch) ([]string, error) {
	if n < 1 {
		return nil, invalid("InvalidParameterValue", "Value (%d) for parameter count is invalid", n)
	}
	if n > 1 && (l.ID != "" || fixed(l.PrivateIP) || fixed(l.PublicIP) || fixed(l.IPv6)) {
		return nil, invalid("InvalidParameterCombination", "An id or address can be chosen for one instance only")
	}
	if l.ID != "" && (!instanceID.MatchString(l.ID) || c.machines[l.ID] != nil) {
		return nil, invalid("InvalidParameterValue", "Instance id %q is malformed or taken", l.ID)
	}
	for _, ip := range []string{l.PrivateIP, l.PublicIP, l.IPv6} {
		if _, err := netip.ParseAddr(ip); fixed(ip) && err != nil {
			return nil, invalid("InvalidParameterValue", "Value (%s) for parameter address is invalid", ip)
		}
	}
	if len(l.Tags) > maxTags {
		return nil, invalid("TagLimitExceeded", "More than %d tags", maxTags)
	}
	if err := checkTags(l.Tags); err != nil {
		return nil, err
	}
	d := c.domain(place{cmp.Or(l.Account, c.cfg.Account), cmp.Or(l.Region, c.cfg.Region)})
	zone, ok := d.zone(cmp.Or(l.Zone, d.zones[0].Name))
	if !ok {
		return nil, invalid("InvalidParameterValue", "Invalid availability zone: [%s]", l.Zone)
	}

	now := c.cfg.Now()
	reservation := "r-" + c.hex(17)
	ids := make([]string, n)
	for i := range ids {
		ids[i] = cmp.Or(l.ID, "i-"+c.hex(17))
		m := &machine{
			domain: d,
			Instance: &Instance{
				ID:            ids[i],
				ReservationID: reservation,
				Account:       d.account,
				Region:        d.region,
				Zone:          d.zones[zone],
				Type:          cmp.Or(l.Type, "t3.micro"),
				ImageID:       cmp.Or(l.ImageID, "ami-0123456789abcdef0"),
				Architecture:  "x86_64",
				VPCID:         d.vpc,
				SubnetID:      d.subnets[zone],
				State:         Pending,
				LaunchTime:    now,
				Interfaces:    []Interface{c.newInterface(d, zone, 0, l)},
			},
			autoPublic: l.PublicIP != "",
			options:    MetadataOptions{HopLimit: 1, Hops: 1},
			role:       InstanceRole{Name: l.Role},
		}
		if l.Spot {
			m.Lifecycle = "spot"
		}
		if l.ASG != "" {
			m.setTag(AutoScalingGroupTag, l.ASG)
		}
		for _, key := range slices.Sorted(maps.Keys(l.Tags)) {
			m.setTag(key, l.Tags[key])
		}
		if c.cfg.Consistency > 0 {
			m.past = []pastView{{nil, now}}
		}
		m.move(Running, now.Add(c.cfg.BootTime))
		d.machines = append(d.machines, m)
		c.machines[m.ID] = m
	}
	return ids, nil
}

// AddInterface attaches a second interface, with DeviceIndex 1 and an address
// of its own, and returns the address. Answers list it before or after the
// primary one.
func (c *Cloud) AddInterface(id string) (privateIP string, err error) {
	err = c.operate(id, func(m *machine, now time.Time) error {
		zone, _ := m.domain.zone(m.Zone.Name)
		second := c.newInterface(m.domain, zone, len(m.Interfaces), Launch{})
		privateIP = second.Addresses[0].Private
		c.change(m, now, func(i *Instance) {
			i.Interfaces = append(slices.Clone(i.Interfaces), second)
		})
		return nil
	})
	return privateIP, err
}

// newInterface makes an interface in a zone with the addresses asked for.
func (c *Cloud) newInterface(d *domain, zone, index int, l Launch) Interface {
	h := c.hex(10)
	n := Interface{
		ID:           "eni-" + c.hex(17),
		AttachmentID: "eni-attach-" + c.hex(17),
		MAC:          fmt.Sprintf("02:%s:%s:%s:%s:%s", h[:2], h[2:4], h[4:6], h[6:8], h[8:]),
		SubnetID:     d.subnets[zone],
		DeviceIndex:  index,
		Addresses:    []Address{{Private: l.PrivateIP, Public: l.PublicIP, Primary: true}},
	}
	host := d.hosts[zone]
	d.hosts[zone]++
	if !fixed(l.PrivateIP) {
		n.Addresses[0].Private = fmt.Sprintf("10.%d.%d.%d", zone, host>>8&0xff, host&0xff)
	}
	if l.PublicIP == AutoAssign {
		n.Addresses[0].Public = c.nextPublicIP()
	}
	switch l.IPv6 {
	case "":
	case AutoAssign:
		n.IPv6 = []string{fmt.Sprintf("2001:db8:%x:%x::%x", d.number(), zone, host)}
	default:
		n.IPv6 = []string{l.IPv6}
	}
	return n
}

// firstHost is the first address of a subnet that is not AWS's own. Each zone
// has one subnet, 10.<zone>.0.0/16, so fleets of tens of thousands fit in one.
const firstHost = 4

// nextPublicIP gives out 198.18.0.0/15, the range kept free for benchmarks.
// Addresses are not used again, as one can't rely on getting one back.
func (c *Cloud) nextPublicIP() string {
	c.publicIPs++
	base := uint32(198<<24|18<<16) | c.publicIPs&0x1ffff
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], base)
	return netip.AddrFrom4(b).String()
}

// number tells the IPv6 networks of accounts and regions apart.
func (d *domain) number() uint16 {
	var n uint16 = 1
	for _, b := range []byte(d.account + d.region) {
		n = n*31 + uint16(b)
	}
	return n
}

// checkTags refuses what CreateTags refuses.
func checkTags(tags map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if err := checkTagKey(key); err != nil {
			return err
		}
		if len(tags[key]) > maxTagValue {
			return invalid("InvalidParameterValue", "Tag value exceeds the maximum length of %d characters", maxTagValue)
		}
	}
	return nil
}

func checkTagKey(key string) error {
	if reserved(key) {
		return invalid("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
	}
	if key == "" || len(key) > maxTagKey {
		return invalid("InvalidParameterValue", "Tag key '%s' must have 1 to %d characters", key, maxTagKey)
	}
	return nil
}

// reserved reports whether only AWS itself sets a tag.
func reserved(key string) bool { return strings.HasPrefix(strings.ToLower(key), "aws:") }

var instanceID = regexp.MustCompile(`^i-([0-9a-f]{8}|[0-9a-f]{17})$`)

// fixed reports whether an address is neither absent nor left to the cloud.
func fixed(ip string) bool { return ip != "" && ip != AutoAssign }
