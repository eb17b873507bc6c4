package ec2upstreams

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

func TestResolve(t *testing.T) {
	base := fleet.Instance{
		ID:          "i-1",
		PrivateIPv4: netip.MustParseAddr("10.0.0.1"),
		PublicIPv4:  netip.MustParseAddr("203.0.113.1"),
		IPv6:        netip.MustParseAddr("2001:db8::1"),
	}
	plain := poolSettings{Port: 8080, Address: addressPrivate, DefaultWeight: 100}
	for _, c := range []struct {
		name   string
		tags   map[string]string
		change func(*poolSettings)
		bare   bool // the instance has no address
		want   target
		reason string // part of it
	}{
		{name: "private", want: target{dial: "10.0.0.1:8080", weight: 100}},
		{name: "public", change: func(s *poolSettings) { s.Address = addressPublic }, want: target{dial: "203.0.113.1:8080", weight: 100}},
		{name: "ipv6 has brackets", change: func(s *poolSettings) { s.Address = addressIPv6 }, want: target{dial: "[2001:db8::1]:8080", weight: 100}},
		{name: "no address", bare: true, reason: "no private address"},
		{name: "no public address", bare: true, change: func(s *poolSettings) { s.Address = addressPublic }, reason: "no public address"},
		{name: "address tag", tags: map[string]string{"Addr": " 10.9.9.9 "}, change: func(s *poolSettings) { s.Address, s.AddressTag = addressTag, "Addr" },
			want: target{dial: "10.9.9.9:8080", weight: 100}},
		{name: "host name in a tag", tags: map[string]string{"Addr": "web-1.internal"}, change: func(s *poolSettings) { s.Address, s.AddressTag = addressTag, "Addr" },
			want: target{dial: "web-1.internal:8080", weight: 100}},
		{name: "no address tag", change: func(s *poolSettings) { s.Address, s.AddressTag = addressTag, "Addr" }, reason: "no tag Addr"},
		{name: "socket path in a tag", tags: map[string]string{"Addr": "unix//run/docker.sock"}, change: func(s *poolSettings) { s.Address, s.AddressTag = addressTag, "Addr" },
			reason: "neither an IP address nor a host name"},
		{name: "placeholder in a tag", tags: map[string]string{"Addr": "{env.SECRET}"}, change: func(s *poolSettings) { s.Address, s.AddressTag = addressTag, "Addr" },
			reason: "neither an IP address nor a host name"},
		{name: "port tag", tags: map[string]string{"P": "9000"}, change: func(s *poolSettings) { s.PortTag = "P" }, want: target{dial: "10.0.0.1:9000", weight: 100}},
		{name: "port tag missing, default", change: func(s *poolSettings) { s.PortTag = "P" }, want: target{dial: "10.0.0.1:8080", weight: 100}},
		{name: "port tag missing, none", change: func(s *poolSettings) { s.PortTag, s.Port = "P", 0 }, reason: "no tag P for the port"},
		{name: "bad port tag is not the default", tags: map[string]string{"P": "http"}, change: func(s *poolSettings) { s.PortTag = "P" }, reason: `"http", not a port`},
		{name: "port 0", tags: map[string]string{"P": "0"}, change: func(s *poolSettings) { s.PortTag = "P" }, reason: "not a port"},
		{name: "port range", tags: map[string]string{"P": "80-90"}, change: func(s *poolSettings) { s.PortTag = "P" }, reason: "not a port"},
		{name: "drain by tag", tags: map[string]string{"Drain": ""}, change: func(s *poolSettings) { s.DrainTag = "Drain" },
			want: target{dial: "10.0.0.1:8080", weight: 100, draining: true}},
		{name: "drain by value", tags: map[string]string{"State": "drain"}, change: func(s *poolSettings) { s.DrainTag, s.DrainValue = "State", "drain" },
			want: target{dial: "10.0.0.1:8080", weight: 100, draining: true}},
		{name: "another value", tags: map[string]string{"State": "ok"}, change: func(s *poolSettings) { s.DrainTag, s.DrainValue = "State", "drain" },
			want: target{dial: "10.0.0.1:8080", weight: 100}},
		{name: "weight", tags: map[string]string{"W": "250"}, change: func(s *poolSettings) { s.WeightTag = "W" }, want: target{dial: "10.0.0.1:8080", weight: 250}},
		{name: "weight 0", tags: map[string]string{"W": "0"}, change: func(s *poolSettings) { s.WeightTag = "W" }, want: target{dial: "10.0.0.1:8080"}},
		{name: "bad weight is said and the default used", tags: map[string]string{"W": "much\n"}, change: func(s *poolSettings) { s.WeightTag = "W" },
			want: target{dial: "10.0.0.1:8080", weight: 100}, reason: `"much\n", not a weight`},
		{name: "negative weight", tags: map[string]string{"W": "-1"}, change: func(s *poolSettings) { s.WeightTag = "W" },
			want: target{dial: "10.0.0.1:8080", weight: 100}, reason: "not a weight"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, s := base, plain
			if c.bare {
				in = fleet.Instance{ID: "i-1"}
			}
			in.Tags = c.tags
			if c.change != nil {
				c.change(&s)
			}
			got := resolve(&in, &s)
			if !strings.Contains(got.reason, c.reason) || (got.reason == "") != (c.reason == "") {
				t.Errorf("reason %q, want %q", got.reason, c.reason)
			}
			got.reason = ""
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(target{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestQuoteBoundsHostileTags(t *testing.T) {
	if q := quote(strings.Repeat("\x1b[31m", 1000)); len(q) > 600 || strings.ContainsAny(q, "\x1b\n") {
		t.Errorf("quoted as %s", q)
	}
}
