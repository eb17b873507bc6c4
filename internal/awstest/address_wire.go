package awstest

import "slices"

// parseAssociate reads the parameters of AssociateAddress.
func parseAssociate(c *Cloud, p *params) operation {
	in := AssociateAddressInput{
		AllocationID: p.text("AllocationId"),
		InstanceID:   p.text("InstanceId"),
		InterfaceID:  p.text("NetworkInterfaceId"),
		PrivateIP:    p.text("PrivateIpAddress"),
		DryRun:       p.boolean("DryRun"),
	}
	if _, said := p.values["AllowReassociation"]; said {
		in.KeepOthers = !p.boolean("AllowReassociation")
	}
	if _, classic := p.take("PublicIp"); classic && in.AllocationID == "" {
		p.fail(invalid("InvalidParameterCombination", "You must specify an allocation id when mapping an address to a VPC instance"))
	} else if in.AllocationID == "" {
		p.fail(invalid("MissingParameter", "The request must contain the parameter AllocationId"))
	}
	return c.associateAddress(in)
}

// parseAddresses reads the parameters of DescribeAddresses.
func parseAddresses(c *Cloud, p *params) operation {
	return c.describeAddresses(DescribeAddressesInput{
		AllocationIDs: p.list("AllocationId"),
		PublicIPs:     p.list("PublicIp"),
		Filters:       p.filters(),
		DryRun:        p.boolean("DryRun"),
	})
}

// parseDisassociate reads the parameters of DisassociateAddress.
func parseDisassociate(c *Cloud, p *params) operation {
	id := p.text("AssociationId")
	if _, classic := p.take("PublicIp"); classic && id == "" {
		p.fail(invalid("InvalidParameterValue", "You must specify an association id when unmapping an address from a VPC instance"))
	} else if id == "" {
		p.fail(invalid("MissingParameter", "The request must contain the parameter AssociationId"))
	}
	return c.disassociateAddress(id, p.boolean("DryRun"))
}

// elasticIPs writes the answer to DescribeAddresses.
func (x *xmlWriter) elasticIPs(all []ElasticIP) {
	x.open("addressesSet")
	for i := range all {
		a := &all[i]
		x.open("item")
		x.elem("publicIp", a.PublicIP)
		x.elem("allocationId", a.AllocationID)
		x.elem("domain", "vpc")
		x.elem("networkBorderGroup", a.BorderGroup)
		x.elem("publicIpv4Pool", "amazon")
		x.optional("instanceId", a.InstanceID)
		x.optional("associationId", a.AssociationID)
		x.optional("networkInterfaceId", a.InterfaceID)
		x.optional("networkInterfaceOwnerId", a.InterfaceOf)
		x.optional("privateIpAddress", a.PrivateIP)
		if slices.Contains(shownServices, a.Service) {
			x.elem("serviceManaged", a.Service)
		}
		if len(a.Tags) > 0 {
			x.open("tagSet")
			for _, t := range a.Tags {
				x.open("item")
				x.elem("key", t.Key)
				x.elem("value", t.Value)
				x.close("item")
			}
			x.close("tagSet")
		}
		x.close("item")
	}
	x.close("addressesSet")
}

// shownServices are those that EC2 names in serviceManaged. It is silent about
// others, such as NAT gateways.
var shownServices = []string{"alb"}
