package awstest

import "strconv"

// reservation writes what is in the element of a reservation.
func (x *xmlWriter) reservation(r *Reservation) {
	x.elem("reservationId", r.ID)
	x.elem("ownerId", r.Account)
	x.elem("groupSet", "")
	x.open("instancesSet")
	for i := range r.Instances {
		x.instance(&r.Instances[i])
	}
	x.close("instancesSet")
}

func (x *xmlWriter) instance(i *Instance) {
	x.open("item")
	x.elem("instanceId", i.ID)
	x.elem("imageId", i.ImageID)
	x.state("instanceState", i.State)
	x.elem("instanceType", i.Type)
	x.elem("launchTime", i.LaunchTime.UTC().Format(ec2Time))
	x.open("placement")
	x.elem("availabilityZone", i.Zone.Name)
	x.elem("availabilityZoneId", i.Zone.ID)
	x.elem("tenancy", "default")
	x.close("placement")
	x.elem("architecture", i.Architecture)
	x.optional("instanceLifecycle", i.Lifecycle)
	if len(i.Interfaces) > 0 {
		x.elem("subnetId", i.SubnetID)
		x.elem("vpcId", i.VPCID)
	}
	x.optional("privateIpAddress", i.PrivateIP())
	x.optional("ipAddress", i.PublicIP())
	x.optional("ipv6Address", i.IPv6())
	x.open("tagSet")
	for _, t := range i.Tags {
		x.open("item")
		x.elem("key", t.Key)
		x.elem("value", t.Value)
		x.close("item")
	}
	x.close("tagSet")
	x.open("networkInterfaceSet")
	for n := range i.Interfaces {
		x.networkInterface(&i.Interfaces[n], i)
	}
	x.close("networkInterfaceSet")
	x.close("item")
}

func (x *xmlWriter) networkInterface(n *Interface, i *Instance) {
	x.open("item")
	x.elem("networkInterfaceId", n.ID)
	x.elem("subnetId", n.SubnetID)
	x.elem("vpcId", i.VPCID)
	x.elem("ownerId", i.Account)
	x.elem("status", "in-use")
	x.elem("macAddress", n.MAC)
	x.elem("privateIpAddress", n.Addresses[0].Private)
	x.open("attachment")
	x.elem("attachmentId", n.AttachmentID)
	x.elem("deviceIndex", strconv.Itoa(n.DeviceIndex))
	x.elem("status", "attached")
	x.close("attachment")
	x.association(n.Addresses[0], i.Account)
	x.open("privateIpAddressesSet")
	for _, a := range n.Addresses {
		x.open("item")
		x.elem("privateIpAddress", a.Private)
		x.elem("primary", strconv.FormatBool(a.Primary))
		x.association(a, i.Account)
		x.close("item")
	}
	x.close("privateIpAddressesSet")
	x.open("ipv6AddressesSet")
	for _, ip := range n.IPv6 {
		x.open("item")
		x.elem("ipv6Address", ip)
		x.close("item")
	}
	x.close("ipv6AddressesSet")
	x.close("item")
}

func (x *xmlWriter) association(a Address, account string) {
	owner := "amazon"
	if a.AllocationID != "" {
		owner = account
	}
	if a.Public != "" {
		x.open("association")
		x.elem("publicIp", a.Public)
		x.elem("ipOwnerId", owner)
		x.close("association")
	}
}

func (x *xmlWriter) state(name string, s State) {
	x.open(name)
	x.elem("code", strconv.Itoa(int(s)))
	x.elem("name", s.String())
	x.close(name)
}

// ec2Time is the form of times in answers of EC2.
const ec2Time = "2006-01-02T15:04:05.000Z"
