package dnsfailover

import (
	"net/netip"
	"slices"
	"testing"
)

func TestOthersAreThePeersWithoutThisNode(t *testing.T) {
	all := []string{"10.0.1.4:8404", "10.0.2.4:8404", "10.0.1.4:9000", "[::1]:8404", "no.such.name.invalid:8404"}
	for name, c := range map[string]struct {
		listen  string
		private string
		gone    []string
	}{
		"by its private address":   {"", "10.0.1.4", all[:1]},
		"by its listener":          {"10.0.1.4:8404", "", all[:1]},
		"by any of its interfaces": {"0.0.0.0:8404", "", all[3:4]},
		"another port":             {"10.0.1.4:9000", "", all[2:3]},
	} {
		t.Run(name, func(t *testing.T) {
			s := &share{cfg: &Config{Heartbeat: &HeartbeatConfig{Listen: c.listen}, Peers: all}}
			var self Self
			if c.private != "" {
				self.Private = netip.MustParseAddr(c.private)
			}
			want := slices.DeleteFunc(slices.Clone(all), func(p string) bool { return slices.Contains(c.gone, p) })
			if got := s.others(t.Context(), self, s.cfg.Peers); !slices.Equal(got, want) {
				t.Errorf("others %q, want %q", got, want)
			}
		})
	}
}

func TestOneNameInTwoZonesIsTwoTargets(t *testing.T) {
	c := Config{Services: []ServiceConfig{
		{Records: []ServiceRecord{{Name: "lb.example.com", ZoneID: "Z1"}, {Name: "lb.example.com", ZoneID: "Z2"}}},
		{Records: []ServiceRecord{{Name: "www.example.com", ZoneID: "Z1"}}},
	}}
	c.nameTargets()
	one, other := c.Services[0].Records[0].target(), c.Services[0].Records[1].target()
	if one != "lb.example.com" || one == other || c.Services[0].key() != one || c.Services[1].key() != "www.example.com" {
		t.Errorf("targets %q, %q and %q", one, other, c.Services[1].key())
	}
}
