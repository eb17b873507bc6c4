package awstest

import (
	"cmp"
	"slices"
	"strings"
)

// maxZonesListed is how many zones an answer has at most.
const maxZonesListed = 100

// ZoneInfo is what Route 53 tells of a hosted zone.
type ZoneInfo struct {
	HostedZone
	RecordSets  int
	NameServers []string
}

func (h *hostedZone) info() ZoneInfo {
	return ZoneInfo{h.HostedZone, len(h.current()), nameServers}
}

// GetHostedZone tells of one zone. The id may have /hostedzone/ before it.
func (c *Cloud) GetHostedZone(who Caller, id string) (ZoneInfo, error) {
	return result[ZoneInfo](c.do(who, c.getHostedZone(id)))
}

func (c *Cloud) getHostedZone(id string) operation {
	id = strings.TrimPrefix(id, "/hostedzone/")
	return operation{
		service: "route53", action: "GetHostedZone", global: true, rate: route53Rate, empty: ZoneInfo{},
		resource: "arn:aws:route53:::hostedzone/" + id,
		run: func(who Caller) (any, error) {
			h, err := c.ownZone(who, id)
			if err != nil {
				return nil, err
			}
			return h.info(), nil
		},
	}
}

// ListZonesInput asks for zones from a start on.
type ListZonesInput struct {
	// Name and ID are where [Cloud.ListHostedZonesByName] starts. An ID needs
	// a Name.
	Name, ID string

	// Marker is where [Cloud.ListHostedZones] starts: the NextMarker of the
	// page before.
	Marker string

	MaxItems int // default and maximum 100
}

// ListZonesOutput is one page of zones.
type ListZonesOutput struct {
	Zones     []ZoneInfo
	MaxItems  int
	Truncated bool
	In        ListZonesInput // what was asked for

	// Next is where the next page starts, if there is one.
	Next HostedZone

	byName bool
}

// ListHostedZones lists the caller's zones in the order of their making.
func (c *Cloud) ListHostedZones(who Caller, in ListZonesInput) (ListZonesOutput, error) {
	return result[ListZonesOutput](c.do(who, c.listZones(in)))
}

func (c *Cloud) listZones(in ListZonesInput) operation {
	return operation{
		service: "route53", action: "ListHostedZones", global: true, rate: route53Rate, empty: ListZonesOutput{},
		run: func(who Caller) (any, error) {
			own := c.zonesOwned(who)
			start := 0
			if in.Marker != "" {
				start = slices.IndexFunc(own, func(z ZoneInfo) bool { return z.ID == in.Marker })
			}
			if start < 0 {
				return nil, noSuchZone(in.Marker)
			}
			return zonePage(own[start:], in, false)
		},
	}
}

// ListHostedZonesByName lists the caller's zones in the order of their names,
// labels reversed. A name that is no zone's is where it would be.
func (c *Cloud) ListHostedZonesByName(who Caller, in ListZonesInput) (ListZonesOutput, error) {
	return result[ListZonesOutput](c.do(who, c.listZonesByName(in)))
}

func (c *Cloud) listZonesByName(in ListZonesInput) operation {
	return operation{
		service: "route53", action: "ListHostedZonesByName", global: true, rate: route53Rate, empty: ListZonesOutput{byName: true},
		run: func(who Caller) (any, error) {
			if in.ID != "" && in.Name == "" {
				return nil, invalidInput("The hosted zone ID can't be specified without the DNS name")
			}
			own := c.zonesOwned(who)
			order := func(a, b HostedZone) int {
				return cmp.Or(strings.Compare(sortKey(a.Name), sortKey(b.Name)), strings.Compare(a.ID, b.ID))
			}
			slices.SortFunc(own, func(a, b ZoneInfo) int { return order(a.HostedZone, b.HostedZone) })
			if in.Name != "" {
				name, err := parseName(in.Name)
				if err != nil {
					return nil, newError("InvalidDomainName", "%s", err)
				}
				from := HostedZone{Name: name, ID: strings.TrimPrefix(in.ID, "/hostedzone/")}
				start, _ := slices.BinarySearchFunc(own, from, func(z ZoneInfo, from HostedZone) int { return order(z.HostedZone, from) })
				own = own[start:]
			}
			return zonePage(own, in, true)
		},
	}
}

// zonesOwned returns the zones of the caller's account, oldest first.
func (c *Cloud) zonesOwned(who Caller) []ZoneInfo {
	var own []ZoneInfo
	for _, h := range c.hostedBy {
		if h.Account == who.Account {
			own = append(own, h.info())
		}
	}
	return own
}

// zonePage returns the first page of zones.
func zonePage(zones []ZoneInfo, in ListZonesInput, byName bool) (ListZonesOutput, error) {
	if in.MaxItems < 0 {
		return ListZonesOutput{}, outOfRange(in.MaxItems, "maxItems", "Member must be greater than or equal to 1")
	}
	out := ListZonesOutput{MaxItems: in.MaxItems, In: in, byName: byName}
	if out.MaxItems == 0 || out.MaxItems > maxZonesListed {
		out.MaxItems = maxZonesListed
	}
	out.Zones = zones[:min(len(zones), out.MaxItems)]
	if rest := zones[len(out.Zones):]; len(rest) > 0 {
		out.Truncated, out.Next = true, rest[0].HostedZone
	}
	return out, nil
}
