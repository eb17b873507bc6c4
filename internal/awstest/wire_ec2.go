package awstest

import "strconv"

// ec2Actions are the actions of EC2 that are served.
var ec2Actions = map[string]func(*Cloud, *params) operation{
	"AssociateAddress":    parseAssociate,
	"DescribeAddresses":   parseAddresses,
	"DisassociateAddress": parseDisassociate,
	"CreateTags": func(c *Cloud, p *params) operation {
		return c.createTags(createTagsInput{
			ids:    p.list("ResourceId"),
			tags:   p.tagValues("Tag"),
			dryRun: p.boolean("DryRun"),
		})
	},
	"DeleteTags": func(c *Cloud, p *params) operation {
		return c.deleteTags(deleteTagsInput{
			ids:    p.list("ResourceId"),
			tags:   p.tags("Tag"),
			dryRun: p.boolean("DryRun"),
		})
	},
	"DescribeAvailabilityZones": func(c *Cloud, p *params) operation {
		p.boolean("AllAvailabilityZones") // there are none that are not opted into
		return c.describeZones(DescribeZonesInput{
			Names:   p.list("ZoneName"),
			IDs:     p.list("ZoneId"),
			Filters: p.filters(),
			DryRun:  p.boolean("DryRun"),
		})
	},
	"DescribeInstances": func(c *Cloud, p *params) operation {
		return c.describeInstances(DescribeInstancesInput{
			InstanceIDs: p.list("InstanceId"),
			Filters:     p.filters(),
			MaxResults:  p.maxResults(),
			NextToken:   p.nextToken(),
			DryRun:      p.boolean("DryRun"),
		})
	},
	"RunInstances": func(c *Cloud, p *params) operation {
		return c.runInstances(p.runInstances())
	},
	"StartInstances": func(c *Cloud, p *params) operation {
		return c.changeInstances("StartInstances", starting, p.change())
	},
	"StopInstances": func(c *Cloud, p *params) operation {
		p.boolean("Force")
		return c.changeInstances("StopInstances", stopping, p.change())
	},
	"TerminateInstances": func(c *Cloud, p *params) operation {
		return c.changeInstances("TerminateInstances", terminating, p.change())
	},
}

// change returns the parameters of StartInstances and its like.
func (p *params) change() changeInput {
	return changeInput{ids: p.list("InstanceId"), dryRun: p.boolean("DryRun")}
}

// runInstances returns the parameters of RunInstances.
func (p *params) runInstances() runInstancesInput {
	in := runInstancesInput{
		launch: Launch{
			ImageID:   p.required("ImageId"),
			Type:      p.text("InstanceType"),
			Zone:      p.text("Placement.AvailabilityZone"),
			PrivateIP: p.text("PrivateIpAddress"),
			Role:      p.text("IamInstanceProfile.Name"),
			Spot:      p.text("InstanceMarketOptions.MarketType") == "spot",
		},
		clientToken: p.text("ClientToken"),
		dryRun:      p.boolean("DryRun"),
	}
	in.minCount, _ = p.integer("MinCount")
	in.maxCount, _ = p.integer("MaxCount")
	for n := 1; ; n++ {
		at := "TagSpecification." + strconv.Itoa(n)
		kind, ok := p.take(at + ".ResourceType")
		if !ok {
			return in
		}
		tags := p.tagValues(at + ".Tag")
		if kind == "instance" {
			in.launch.Tags = tags
		}
	}
}

// maxResults returns MaxResults; 0 means that it is not there, and is an error
// when it is.
func (p *params) maxResults() int {
	n, ok := p.integer("MaxResults")
	if ok && p.err == nil {
		p.fail(checkMaxResults(n))
	}
	return n
}

// nextToken returns NextToken, which must not be there and empty.
func (p *params) nextToken() string {
	s, ok := p.take("NextToken")
	if ok && s == "" {
		p.fail(invalid("InvalidParameterValue", "Value (  ) for parameter NextToken is invalid. The token is invalid."))
	}
	return s
}

// failEC2 writes an error as EC2 does.
func failEC2(x *xmlWriter, err *Error, requestID string) {
	x.open("Response")
	x.open("Errors")
	x.open("Error")
	x.elem("Code", err.Code)
	x.elem("Message", err.Message)
	x.close("Error")
	x.close("Errors")
	x.elem("RequestID", requestID)
	x.close("Response")
}

// writeEC2 writes the answer to any action of EC2.
func writeEC2(x *xmlWriter, out any, requestID string) {
	switch out := out.(type) {
	case DescribeInstancesOutput:
		x.respond("DescribeInstances", requestID, func() {
			x.open("reservationSet")
			for i := range out.Reservations {
				x.open("item")
				x.reservation(&out.Reservations[i])
				x.close("item")
			}
			x.close("reservationSet")
			x.optional("nextToken", out.NextToken)
		})
	case Reservation:
		x.respond("RunInstances", requestID, func() { x.reservation(&out) })
	case changed:
		x.respond(out.action, requestID, func() {
			x.open("instancesSet")
			for _, change := range out.changes {
				x.open("item")
				x.elem("instanceId", change.id)
				x.state("currentState", change.current)
				x.state("previousState", change.previous)
				x.close("item")
			}
			x.close("instancesSet")
		})
	case []ZoneState:
		x.respond("DescribeAvailabilityZones", requestID, func() {
			x.open("availabilityZoneInfo")
			for _, z := range out {
				x.open("item")
				x.elem("zoneName", z.Name)
				x.elem("zoneId", z.ID)
				x.elem("zoneState", z.State)
				x.elem("zoneType", "availability-zone")
				x.elem("regionName", z.Region)
				x.elem("groupName", z.Region)
				x.elem("optInStatus", "opt-in-not-required")
				x.close("item")
			}
			x.close("availabilityZoneInfo")
		})
	case []ElasticIP:
		x.respond("DescribeAddresses", requestID, func() { x.elasticIPs(out) })
	case associated:
		x.respond("AssociateAddress", requestID, func() {
			x.elem("return", "true")
			x.optional("associationId", out.id)
		})
	case done:
		x.respond(out.action, requestID, func() { x.elem("return", "true") })
	}
}

// respond writes an answer's outermost element.
func (x *xmlWriter) respond(action, requestID string, content func()) {
	x.open(action + `Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"`)
	x.elem("requestId", requestID)
	content()
	x.close(action + "Response")
}
