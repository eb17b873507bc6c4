package fleet

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Instance is what an answer of EC2 says about one running instance. It is never changed after it was made.
// An address that the instance does not have, or that does not parse, is the zero Addr.
type Instance struct {
	ID          string            `json:"id"`
	Type        string            `json:"type,omitempty"`
	Zone        string            `json:"zone,omitempty"`    // name, such as eu-west-1a: the same name is another place in another account
	ZoneID      string            `json:"zone_id,omitempty"` // such as euw1-az1: the same place in every account
	PrivateIPv4 netip.Addr        `json:"private_ipv4,omitzero"`
	PublicIPv4  netip.Addr        `json:"public_ipv4,omitzero"`
	IPv6        netip.Addr        `json:"ipv6,omitzero"`
	Tags        map[string]string `json:"tags,omitempty"`
}

func (i *Instance) equal(o *Instance) bool {
	return i.ID == o.ID && i.Type == o.Type && i.Zone == o.Zone && i.ZoneID == o.ZoneID &&
		i.PrivateIPv4 == o.PrivateIPv4 && i.PublicIPv4 == o.PublicIPv4 && i.IPv6 == o.IPv6 &&
		maps.Equal(i.Tags, o.Tags)
}

func byID(a, b *Instance) int { return cmp.Compare(a.ID, b.ID) }

// find looks an instance up in a fleet sorted by id.
func find(sorted []*Instance, id string) *Instance {
	if i, ok := slices.BinarySearchFunc(sorted, id, func(in *Instance, id string) int { return cmp.Compare(in.ID, id) }); ok {
		return sorted[i]
	}
	return nil
}

// fromEC2 reads one instance of an answer. The order of interfaces and tags in an answer means nothing, so the primary
// interface is the one with device index 0. It reports false for an instance that is not running: the query
// asks for running ones only, but nothing else stands between a stopped instance and traffic.
func fromEC2(in *types.Instance) (*Instance, bool) {
	id := aws.ToString(in.InstanceId)
	if id == "" || in.State == nil || in.State.Name != types.InstanceStateNameRunning {
		return nil, false
	}
	out := &Instance{
		ID:          id,
		Type:        string(in.InstanceType),
		PrivateIPv4: parseAddr(in.PrivateIpAddress),
		PublicIPv4:  parseAddr(in.PublicIpAddress),
		IPv6:        parseAddr(in.Ipv6Address),
		Tags:        make(map[string]string, len(in.Tags)),
	}
	if in.Placement != nil {
		out.Zone = aws.ToString(in.Placement.AvailabilityZone)
		out.ZoneID = aws.ToString(in.Placement.AvailabilityZoneId)
	}
	for i := range in.NetworkInterfaces {
		eni := &in.NetworkInterfaces[i]
		if eni.Attachment == nil || aws.ToInt32(eni.Attachment.DeviceIndex) != 0 {
			continue
		}
		if !out.PrivateIPv4.IsValid() {
			out.PrivateIPv4 = parseAddr(eni.PrivateIpAddress)
		}
		if !out.PublicIPv4.IsValid() && eni.Association != nil {
			out.PublicIPv4 = parseAddr(eni.Association.PublicIp)
		}
		if !out.IPv6.IsValid() {
			out.IPv6 = primaryIPv6(eni.Ipv6Addresses)
		}
	}
	for _, t := range in.Tags {
		out.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out, true
}

// primaryIPv6 is the interface's primary address, or else its lowest, since the order of an answer is arbitrary.
func primaryIPv6(addrs []types.InstanceIpv6Address) netip.Addr {
	var lowest netip.Addr
	for _, a := range addrs {
		ip := parseAddr(a.Ipv6Address)
		if !ip.IsValid() {
			continue
		}
		if aws.ToBool(a.IsPrimaryIpv6) {
			return ip
		}
		if !lowest.IsValid() || ip.Less(lowest) {
			lowest = ip
		}
	}
	return lowest
}

func parseAddr(s *string) netip.Addr {
	ip, err := netip.ParseAddr(aws.ToString(s))
	if err != nil || ip.Zone() != "" {
		return netip.Addr{}
	}
	return ip
}
