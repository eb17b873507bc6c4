package awstest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// State is the state of an instance, by the number that EC2 gives it.
type State int

// The states of an instance.
const (
	Pending      State = 0
	Running      State = 16
	ShuttingDown State = 32
	Terminated   State = 48
	Stopping     State = 64
	Stopped      State = 80
)

// String returns the state as instance-state-name spells it.
func (s State) String() string {
	switch s {
	case Pending:
		return "pending"
	case Running:
		return "running"
	case ShuttingDown:
		return "shutting-down"
	case Terminated:
		return "terminated"
	case Stopping:
		return "stopping"
	case Stopped:
		return "stopped"
	}
	return fmt.Sprintf("state(%d)", int(s))
}

// Instance is what EC2 tells about an instance. It is a snapshot; its slices
// are shared with the cloud and must not be changed.
type Instance struct {
	ID            string
	ReservationID string
	Account       string
	Region        string
	Zone          Zone
	Type          string
	ImageID       string
	Architecture  string
	Lifecycle     string // "spot", or "" for an ordinary one
	VPCID         string
	SubnetID      string
	State         State
	LaunchTime    time.Time
	Tags          []Tag       // sorted by key
	Interfaces    []Interface // the primary one first; none once terminated
}

// Tag is one tag.
type Tag struct{ Key, Value string }

// Interface is a network interface on an instance.
type Interface struct {
	ID           string
	AttachmentID string
	MAC          string
	SubnetID     string
	DeviceIndex  int       // 0 is the primary one
	Addresses    []Address // the primary one first
	IPv6         []string
}

// Address is a private IPv4 address and what is mapped to it.
type Address struct {
	Private string
	Public  string // "" is none
	Primary bool

	// AllocationID is that of the Elastic IP that Public is, or "" if AWS lends
	// it.
	AllocationID string
}

// primary returns the primary interface, which a terminated instance lacks.
func (i *Instance) primary() *Interface {
	for n := range i.Interfaces {
		if i.Interfaces[n].DeviceIndex == 0 {
			return &i.Interfaces[n]
		}
	}
	return nil
}

// PrivateIP returns the primary private IPv4 address, or "".
func (i *Instance) PrivateIP() string {
	if p := i.primary(); p != nil {
		return p.Addresses[0].Private
	}
	return ""
}

// PublicIP returns the public IPv4 address of [Instance.PrivateIP], or "".
func (i *Instance) PublicIP() string {
	if p := i.primary(); p != nil {
		return p.Addresses[0].Public
	}
	return ""
}

// IPv6 returns the first IPv6 address of the primary interface, or "".
func (i *Instance) IPv6() string {
	if p := i.primary(); p != nil && len(p.IPv6) > 0 {
		return p.IPv6[0]
	}
	return ""
}

// Tag returns the value of a tag, or "".
func (i *Instance) Tag(key string) string {
	if n, ok := i.findTag(key); ok {
		return i.Tags[n].Value
	}
	return ""
}

func (i *Instance) findTag(key string) (int, bool) {
	return slices.BinarySearchFunc(i.Tags, key, func(t Tag, key string) int { return strings.Compare(t.Key, key) })
}

// setTag sets a tag on a copy of the tags, for snapshots share them.
func (i *Instance) setTag(key, value string) {
	i.Tags = slices.Clone(i.Tags)
	n, ok := i.findTag(key)
	if ok {
		i.Tags[n].Value = value
	} else {
		i.Tags = slices.Insert(i.Tags, n, Tag{key, value})
	}
}

// deleteTag removes a tag from a copy of the tags.
func (i *Instance) deleteTag(key string) {
	if n, ok := i.findTag(key); ok {
		i.Tags = slices.Delete(slices.Clone(i.Tags), n, n+1)
	}
}

// edit lets f change the primary interface of a copy of the interfaces.
func (i *Instance) edit(f func(*Interface)) {
	i.Interfaces = slices.Clone(i.Interfaces)
	if p := i.primary(); p != nil {
		p.Addresses = slices.Clone(p.Addresses)
		f(p)
	}
}
