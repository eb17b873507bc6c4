package awstest

import "slices"

// ZoneState is a zone and how it is.
type ZoneState struct {
	Zone
	Region string
	State  string // available, or impaired in an outage
}

// DescribeZonesInput asks for the zones of the caller's region. Filters, names
// and ids must all match.
type DescribeZonesInput struct {
	Names   []string
	IDs     []string
	Filters []Filter // region-name, state, zone-id, zone-name
	DryRun  bool
}

// DescribeAvailabilityZones lists zones with the names that they have in the
// caller's account.
func (c *Cloud) DescribeAvailabilityZones(who Caller, in DescribeZonesInput) ([]ZoneState, error) {
	return result[[]ZoneState](c.do(who, c.describeZones(in)))
}

func (c *Cloud) describeZones(in DescribeZonesInput) operation {
	return operation{
		service: "ec2", action: "DescribeAvailabilityZones",
		rate:  describeRate("ec2:DescribeAvailabilityZones"),
		empty: []ZoneState{},
		run: func(who Caller) (any, error) {
			passes, err := compileFilters(in.Filters, zoneAttribute)
			if err != nil {
				return nil, err
			}
			d := c.domain(place{who.Account, who.Region})
			for _, name := range in.Names {
				if !slices.ContainsFunc(d.zones, func(z Zone) bool { return z.Name == name }) {
					return nil, invalid("InvalidParameterValue", "Invalid availability zone: [%s]", name)
				}
			}
			for _, id := range in.IDs {
				if !slices.ContainsFunc(d.zones, func(z Zone) bool { return z.ID == id }) {
					return nil, invalid("InvalidParameterValue", "Invalid availability zone-id: [%s]", id)
				}
			}
			if in.DryRun {
				return nil, errDryRun
			}
			zones := []ZoneState{}
			for _, z := range d.zones {
				s := ZoneState{Zone: z, Region: d.region, State: "available"}
				if c.outages[z.ID] {
					s.State = "impaired"
				}
				named := len(in.Names) == 0 || slices.Contains(in.Names, z.Name)
				named = named && (len(in.IDs) == 0 || slices.Contains(in.IDs, z.ID))
				if named && passes.match(&s) {
					zones = append(zones, s)
				}
			}
			c.rng.Shuffle(len(zones), func(i, j int) { zones[i], zones[j] = zones[j], zones[i] })
			return zones, nil
		},
	}
}

// zoneAttribute finds what a DescribeAvailabilityZones filter looks at.
func zoneAttribute(name string) (attribute[ZoneState], bool) {
	get, ok := map[string]func(*ZoneState) string{
		"region-name": func(z *ZoneState) string { return z.Region },
		"state":       func(z *ZoneState) string { return z.State },
		"zone-id":     func(z *ZoneState) string { return z.ID },
		"zone-name":   func(z *ZoneState) string { return z.Name },
	}[name]
	return func(z *ZoneState, v []string) []string { return append(v, get(z)) }, ok
}
