package awstest

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLaunchDefaults(t *testing.T) {
	clk := newClock()
	c := New(Config{Now: clk.Now})
	i, _ := c.Instance(launch(t, c, Launch{}))
	if !instanceID.MatchString(i.ID) {
		t.Errorf("id %q", i.ID)
	}
	want := Instance{
		ID: i.ID, ReservationID: i.ReservationID, VPCID: i.VPCID, SubnetID: i.SubnetID,
		Account: DefaultAccount, Region: DefaultRegion, Zone: Zone{"eu-west-1a", "euw1-az1"},
		Type: "t3.micro", ImageID: "ami-0123456789abcdef0", Architecture: "x86_64",
		State: Running, LaunchTime: clk.Now(),
		Interfaces: []Interface{{
			ID: i.Interfaces[0].ID, AttachmentID: i.Interfaces[0].AttachmentID, MAC: i.Interfaces[0].MAC, SubnetID: i.SubnetID,
			Addresses: []Address{{Private: "10.0.0.4", Primary: true}},
		}},
	}
	if diff := cmp.Diff(want, i); diff != "" {
		t.Error(diff)
	}
	if i.PublicIP() != "" || i.IPv6() != "" {
		t.Errorf("public %q, IPv6 %q", i.PublicIP(), i.IPv6())
	}
}

func TestLaunchAsAsked(t *testing.T) {
	c := New(Config{Zones: []Zone{{"zone-x", "x-az1"}, {"zone-y", "y-az1"}}})
	i, _ := c.Instance(launch(t, c, Launch{
		ID: "i-00000001", Zone: "zone-y", Type: "m7g.large", ImageID: "ami-1", Spot: true,
		PrivateIP: "127.0.0.1", PublicIP: "198.51.100.1", IPv6: "2001:db8::1",
		Tags: map[string]string{"b": "2", "a": "1"}, ASG: "group",
	}))
	if i.ID != "i-00000001" || i.Zone.ID != "y-az1" || i.Type != "m7g.large" || i.ImageID != "ami-1" || i.Lifecycle != "spot" {
		t.Errorf("got %+v", i)
	}
	if i.PrivateIP() != "127.0.0.1" || i.PublicIP() != "198.51.100.1" || i.IPv6() != "2001:db8::1" {
		t.Errorf("addresses %s %s %s", i.PrivateIP(), i.PublicIP(), i.IPv6())
	}
	if diff := cmp.Diff([]Tag{{"a", "1"}, {AutoScalingGroupTag, "group"}, {"b", "2"}}, i.Tags); diff != "" {
		t.Error(diff)
	}
	if i.Tag("a") != "1" || i.Tag("c") != "" {
		t.Errorf("tag a %q, tag c %q", i.Tag("a"), i.Tag("c"))
	}
}

func TestLaunchErrors(t *testing.T) {
	many := make(map[string]string)
	for len(many) <= maxTags {
		many[strings.Repeat("k", len(many)+1)] = ""
	}
	for _, tc := range []struct {
		name string
		n    int
		l    Launch
		want string
	}{
		{"none", 0, Launch{}, "InvalidParameterValue"},
		{"malformed id", 1, Launch{ID: "web"}, "InvalidParameterValue"},
		{"id taken", 1, Launch{ID: "i-00000000"}, "InvalidParameterValue"},
		{"one id for two", 2, Launch{ID: "i-00000001"}, "InvalidParameterCombination"},
		{"one address for two", 2, Launch{PrivateIP: "192.0.2.1"}, "InvalidParameterCombination"},
		{"not an address", 1, Launch{PublicIP: "nowhere"}, "InvalidParameterValue"},
		{"zone of another region", 1, Launch{Zone: "us-east-1a"}, "InvalidParameterValue"},
		{"tag of AWS", 1, Launch{Tags: map[string]string{AutoScalingGroupTag: "group"}}, "InvalidParameterValue"},
		{"tag without key", 1, Launch{Tags: map[string]string{"": "x"}}, "InvalidParameterValue"},
		{"long key", 1, Launch{Tags: map[string]string{strings.Repeat("k", 129): "x"}}, "InvalidParameterValue"},
		{"long value", 1, Launch{Tags: map[string]string{"k": strings.Repeat("v", 257)}}, "InvalidParameterValue"},
		{"51 tags", 1, Launch{Tags: many}, "TagLimitExceeded"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := New(Config{})
			launch(t, c, Launch{ID: "i-00000000"})
			if _, err := c.LaunchN(tc.n, tc.l); code(err) != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
			if n := len(c.Instances()); n != 1 {
				t.Errorf("%d instances were launched", n-1)
			}
		})
	}
}

func TestAddressesDiffer(t *testing.T) {
	c := New(Config{})
	for _, l := range []Launch{{}, {Zone: "eu-west-1b"}, {Region: "us-east-1"}} {
		l.PublicIP, l.IPv6 = AutoAssign, AutoAssign
		_, err := c.LaunchN(300, l)
		do(t, err)
	}
	seen := make(map[string]string)
	for _, i := range c.Instances() {
		// Private addresses repeat from region to region, as they really do.
		for _, ip := range []string{i.Region + " " + i.PrivateIP(), i.PublicIP(), i.IPv6()} {
			if _, err := netip.ParseAddr(ip[strings.LastIndexByte(ip, ' ')+1:]); err != nil {
				t.Fatal(err)
			}
			if other := seen[ip]; other != "" {
				t.Fatalf("%s and %s are both at %s", other, i.ID, ip)
			}
			seen[ip] = i.ID
		}
	}
}

func TestAddInterface(t *testing.T) {
	c := New(Config{})
	id := launch(t, c, Launch{PublicIP: AutoAssign})
	before, _ := c.Instance(id)
	ip, err := c.AddInterface(id)
	do(t, err)
	i, _ := c.Instance(id)
	if len(i.Interfaces) != 2 || i.Interfaces[1].DeviceIndex != 1 || i.Interfaces[1].Addresses[0].Private != ip {
		t.Errorf("interfaces %+v", i.Interfaces)
	}
	if i.PrivateIP() != before.PrivateIP() || i.PrivateIP() == ip || len(before.Interfaces) != 1 {
		t.Errorf("address %s before and %s after, second %s", before.PrivateIP(), i.PrivateIP(), ip)
	}

	// With a second interface a restart brings no public address.
	do(t, c.Stop(id))
	do(t, c.Start(id))
	if i, _ := c.Instance(id); i.PublicIP() != "" {
		t.Errorf("public address %s", i.PublicIP())
	}
	if _, err := c.AddInterface("i-00000000"); code(err) != "InvalidInstanceID.NotFound" {
		t.Errorf("unknown instance: %v", err)
	}
}

func TestLaunchNIsOneReservation(t *testing.T) {
	c := New(Config{Now: func() time.Time { return time.Unix(0, 0) }})
	_, err := c.LaunchN(2, Launch{})
	do(t, err)
	launch(t, c, Launch{})
	i := c.Instances()
	if i[0].ReservationID != i[1].ReservationID || i[1].ReservationID == i[2].ReservationID {
		t.Errorf("reservations %s %s %s", i[0].ReservationID, i[1].ReservationID, i[2].ReservationID)
	}
}
