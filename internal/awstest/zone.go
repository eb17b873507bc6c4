package awstest

import (
	"fmt"
	"strings"
)

// Zone is an availability zone. The name is the account's own; the id is the
// same for everybody.
type Zone struct {
	Name string // eu-west-1a
	ID   string // euw1-az1
}

// otherZones is how many zones a region has that [Config.Zones] does not name.
const otherZones = 3

// zonesOf returns the zones of a region under the names they have in the
// account. In an account other than the default one the names are shifted by
// one, because a program that compares names between accounts is wrong.
func (c *Cloud) zonesOf(p place) []Zone {
	zones := c.cfg.Zones
	if p.region != c.cfg.Region || len(zones) == 0 {
		zones = make([]Zone, otherZones)
		for i := range zones {
			zones[i] = Zone{
				Name: p.region + string(rune('a'+i)),
				ID:   fmt.Sprintf("%s-az%d", shortRegion(p.region), i+1),
			}
		}
	}
	if p.account == c.cfg.Account {
		return zones
	}
	shifted := make([]Zone, len(zones))
	for i := range zones {
		shifted[i] = Zone{Name: zones[i].Name, ID: zones[(i+1)%len(zones)].ID}
	}
	return shifted
}

// shortRegion abbreviates a region as zone ids do: ap-southeast-2 is apse2.
func shortRegion(region string) string {
	directions := strings.NewReplacer("north", "n", "south", "s", "east", "e", "west", "w", "central", "c", "gov", "g")
	return strings.ReplaceAll(directions.Replace(region), "-", "")
}

// zone returns the index of a zone by name.
func (d *domain) zone(name string) (int, bool) {
	for i, z := range d.zones {
		if z.Name == name {
			return i, true
		}
	}
	return 0, false
}

// SetZoneOutage starts or ends the outage of a zone, given by id or by its
// name in the default account. While it lasts, DescribeInstances in the region
// fails as AWS documents it: with ids in the zone and with no ids at all it
// fails, with ids of other zones alone it works. The instances themselves
// are the test's to break.
func (c *Cloud) SetZoneOutage(zone string, out bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, region := range []string{c.cfg.Region, zone[:max(0, len(zone)-1)]} {
		for _, z := range c.zonesOf(place{c.cfg.Account, region}) {
			if z.Name == zone {
				c.outages[z.ID] = out
				return
			}
		}
	}
	c.outages[zone] = out
}

// zoneOut reports whether one of the zones of the region is out.
func (c *Cloud) zoneOut(d *domain) bool {
	for _, z := range d.zones {
		if c.outages[z.ID] {
			return true
		}
	}
	return false
}
