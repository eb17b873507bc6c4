package dnsfailover

import (
	"testing"
)

func TestOneNameInTwoZonesIsTwoTargets(t *testing.T) {
	c := Config{Services: []ServiceConfig{
		{Records: []ServiceRecord{{Name: "lb.example.com", ZoneID: "Z1"}, {Name: "lb.example.com", ZoneID: "Z2"}}},
		{Records: []ServiceRecord{{Name: "www.example.com", ZoneID: "Z1"}}},
	}}
	c.nameTargets()
	one, other := c.Services[0].Records[0].target(), c.Services[0].Records[1].target()
	if one == other || c.Services[0].key() != one || c.Services[1].key() != "www.example.com" {
		t.Errorf("targets %q, %q and %q", one, other, c.Services[1].key())
	}
}
