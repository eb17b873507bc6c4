package awstest

import (
	"slices"
	"strings"
	"time"
)

// Limits of DescribeInstances.
const (
	minResults = 5
	maxResults = 1000
	maxIDs     = 1000
)

// DescribeInstancesInput asks for instances. Filters and ids must all match.
type DescribeInstancesInput struct {
	InstanceIDs []string
	Filters     []Filter
	MaxResults  int // instances on a page, 5 to 1000; 0 is all on one page
	NextToken   string
	DryRun      bool
}

// DescribeInstancesOutput is one page of instances.
type DescribeInstancesOutput struct {
	Reservations []Reservation
	NextToken    string // "" on the last page
}

// Reservation is those instances of one launch that are on one page.
type Reservation struct {
	ID        string
	Account   string
	Instances []Instance
}

// DescribeInstances lists instances as EC2 does: reservations, instances, tags
// and interfaces in no order, and pages that count instances.
func (c *Cloud) DescribeInstances(who Caller, in DescribeInstancesInput) (DescribeInstancesOutput, error) {
	return result[DescribeInstancesOutput](c.do(who, c.describeInstances(in)))
}

func (c *Cloud) describeInstances(in DescribeInstancesInput) operation {
	op := operation{
		service: "ec2", action: "DescribeInstances",
		rate:  describeRate("ec2:DescribeInstances"),
		paged: true, token: in.NextToken,
		empty: DescribeInstancesOutput{},
		run: func(who Caller) (any, error) {
			return c.listInstances(who, in)
		},
	}
	if len(in.InstanceIDs) == 0 && len(in.Filters) == 0 && in.MaxResults == 0 {
		op.rate = unfilteredRate
	}
	return op
}

func (c *Cloud) listInstances(who Caller, in DescribeInstancesInput) (out DescribeInstancesOutput, err error) {
	passes, err := checkDescribe(in)
	if err != nil {
		return out, err
	}
	if in.DryRun {
		return out, errDryRun
	}
	now := c.settle()
	d := c.domain(place{who.Account, who.Region})
	if err := c.checkZones(d, in.InstanceIDs); err != nil {
		return out, err
	}

	at := pageToken{place: d.place, query: in.query(), page: 1}
	if in.NextToken == "" {
		at.rest, err = c.findInstances(d, in.InstanceIDs, passes, now)
	} else {
		at, err = c.tokens.get(in.NextToken, at, now)
	}
	if err != nil {
		return out, err
	}
	shown := at.rest
	if in.MaxResults > 0 && in.MaxResults < len(shown) {
		shown, at.rest = shown[:in.MaxResults], shown[in.MaxResults:]
		at.page++
		out.NextToken = c.tokens.add(c.hex(64), at, now)
	}
	if in.NextToken != "" {
		shown = c.refresh(shown, passes, now)
	}
	out.Reservations = c.reservations(shown)
	return out, nil
}

// checkDescribe refuses what EC2 refuses before it looks at any instance.
func checkDescribe(in DescribeInstancesInput) (*filters[Instance], error) {
	if in.MaxResults != 0 {
		if err := checkMaxResults(in.MaxResults); err != nil {
			return nil, err
		}
		if len(in.InstanceIDs) > 0 {
			return nil, invalid("InvalidParameterCombination",
				"The parameter instancesSet cannot be used with the parameter maxResults")
		}
	}
	if len(in.InstanceIDs) > maxIDs {
		return nil, invalid("InvalidParameterValue", "At most %d instance IDs can be given", maxIDs)
	}
	for _, id := range in.InstanceIDs {
		if err := checkInstanceID(id); err != nil {
			return nil, err
		}
	}
	return compileFilters(in.Filters, instanceAttribute)
}

func checkMaxResults(n int) error {
	if n < minResults || n > maxResults {
		return invalid("InvalidParameterValue",
			"Value ( %d ) for parameter maxResults is invalid. Expecting a value between %d and %d.", n, minResults, maxResults)
	}
	return nil
}

func checkInstanceID(id string) error {
	if !instanceID.MatchString(id) {
		return invalid("InvalidInstanceID.Malformed", "Invalid id: \"%s\"", id)
	}
	return nil
}

// checkZones fails as the API reference of DescribeInstances says it does
// while a zone is out.
func (c *Cloud) checkZones(d *domain, ids []string) error {
	affected := len(ids) == 0 && c.zoneOut(d)
	for _, id := range ids {
		m := c.machines[id]
		affected = affected || m != nil && c.outages[m.Zone.ID]
	}
	if affected {
		return newError("InternalError", "An internal error has occurred")
	}
	return nil
}

// findInstances fixes which instances a listing is about, and their order.
func (c *Cloud) findInstances(d *domain, ids []string, passes *filters[Instance], now time.Time) ([]*Instance, error) {
	var missing []string
	candidates := d.machines
	if len(ids) > 0 {
		candidates = nil
		for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
			if m := c.machines[id]; m != nil && m.domain == d {
				candidates = append(candidates, m)
			} else {
				missing = append(missing, id)
			}
		}
	}
	found := make([]*Instance, 0, len(candidates))
	for _, m := range candidates {
		v := c.view(m, now)
		switch {
		case v == nil:
			missing = append(missing, m.ID)
		case !passes.match(v):
		case m.hidden > 0:
			m.hidden--
			missing = append(missing, m.ID)
		default:
			found = append(found, v)
		}
	}
	if len(ids) > 0 && missing != nil {
		return nil, notFound(missing...)
	}
	c.rng.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	return found, nil
}

// refresh looks again at instances that an earlier page promised. What no
// longer matches is left out, so a page can be short of MaxResults, or empty.
func (c *Cloud) refresh(promised []*Instance, passes *filters[Instance], now time.Time) []*Instance {
	var out []*Instance
	for _, i := range promised {
		if m := c.machines[i.ID]; m != nil {
			if v := c.view(m, now); v != nil && passes.match(v) {
				out = append(out, v)
			}
		}
	}
	return out
}

// reservations groups the instances of a page by their launch.
func (c *Cloud) reservations(instances []*Instance) []Reservation {
	var out []Reservation
	index := make(map[string]int)
	for _, i := range instances {
		n, ok := index[i.ReservationID]
		if !ok {
			n = len(out)
			index[i.ReservationID] = n
			out = append(out, Reservation{ID: i.ReservationID, Account: i.Account})
		}
		out[n].Instances = append(out[n].Instances, c.shuffled(i))
	}
	return out
}

// shuffled copies an instance with its lists in another order.
func (c *Cloud) shuffled(v *Instance) Instance {
	i := *v
	i.Tags = slices.Clone(v.Tags)
	c.rng.Shuffle(len(i.Tags), func(a, b int) { i.Tags[a], i.Tags[b] = i.Tags[b], i.Tags[a] })
	if len(v.Interfaces) > 1 {
		i.Interfaces = slices.Clone(v.Interfaces)
		c.rng.Shuffle(len(i.Interfaces), func(a, b int) {
			i.Interfaces[a], i.Interfaces[b] = i.Interfaces[b], i.Interfaces[a]
		})
	}
	return i
}

// query is what a page token is bound to: everything but the page size.
func (in DescribeInstancesInput) query() string {
	var b strings.Builder
	for _, f := range in.Filters {
		b.WriteString(f.Name + "\x00" + strings.Join(f.Values, "\x00") + "\x01")
	}
	b.WriteString(strings.Join(in.InstanceIDs, "\x00"))
	return b.String()
}
