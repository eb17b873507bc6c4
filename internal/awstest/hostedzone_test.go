package awstest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNewZone(t *testing.T) {
	c := New(Config{})
	id, err := c.AddZone(HostedZone{Name: "Example.COM", Comment: "ours"})
	do(t, err)
	private, err := c.AddZone(HostedZone{Name: "example.com.", Private: true, ID: "ZPRIVATE"})
	do(t, err)
	if len(id) != 21 || id[0] != 'Z' || private != "ZPRIVATE" {
		t.Errorf("ids %s, %s", id, private)
	}
	want := []RecordSet{
		{Name: "example.com.", Type: "NS", TTL: 172800, Values: []string{
			"ns-2048.awsdns-64.com.", "ns-2049.awsdns-65.net.", "ns-2050.awsdns-66.org.", "ns-2051.awsdns-67.co.uk."}},
		{Name: "example.com.", Type: "SOA", TTL: 900, Values: []string{"ns-2048.awsdns-64.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"}},
	}
	if diff := cmp.Diff(want, c.Records(id)); diff != "" {
		t.Error(diff)
	}
	if c.Records("Z0") != nil {
		t.Error("there are records of no zone")
	}
	for _, z := range []HostedZone{{}, {Name: "a..b"}, {Name: "example.net", ID: "ZPRIVATE"}} {
		if _, err := c.AddZone(z); err == nil {
			t.Errorf("added %+v", z)
		}
	}
	if c.Count("", "") != 0 {
		t.Error("the test's hand is recorded")
	}
}

func TestEditRecords(t *testing.T) {
	c, clk, zone := newZone(t, Config{Propagation: time.Minute})
	do(t, c.SetRecord(zone, set("LB.example.com", "A", "192.0.2.1")))
	do(t, c.SetRecord(zone, set("lb.example.com", "A", "192.0.2.2")))
	do(t, c.SetRecord(zone, weighted("w.example.com", "one", 1, "192.0.2.3")))
	answers := func(name string) int {
		a, err := c.Lookup(name, "A", DNSOptions{})
		do(t, err)
		return len(a.Answer)
	}
	if answers("lb.example.com") != 1 || answers("w.example.com") != 1 {
		t.Error("not seen at once")
	}
	if r, ok := c.Record(zone, "LB.example.com.", "A"); !ok || r.Name != "lb.example.com." || r.Values[0] != "192.0.2.2" {
		t.Errorf("%+v, %v", r, ok)
	}
	for _, tc := range [][3]string{{zone, "w.example.com", "A"}, {zone, "lb.example.com", "AAAA"}, {zone, "a..b", "A"}, {"Z0", "lb.example.com", "A"}} {
		if r, ok := c.Record(tc[0], tc[1], tc[2]); ok {
			t.Errorf("found %+v", r)
		}
	}
	for _, err := range []error{
		c.SetRecord("Z0", set("lb.example.com", "A", "192.0.2.1")),
		c.SetRecord(zone, set("lb.example.com", "A")),
		c.SetRecord(zone, set("lb.example.com", "A", "x")),
		c.DeleteRecord("Z0", "lb.example.com", "A", ""),
		c.DeleteRecord(zone, "a..b", "A", ""),
		c.DeleteRecord(zone, "lb.example.com", "AAAA", ""),
		c.DeleteRecord(zone, "w.example.com", "A", ""),
		c.DeleteRecord(zone, "example.com", "SOA", ""),
	} {
		if err == nil {
			t.Error("an edit that can't be was made")
		}
	}
	// An edit is not seen before the changes that were before it.
	do(t, submit(c, zone, Change{Create, set("new.example.com", "A", "192.0.2.1")}))
	do(t, c.DeleteRecord(zone, "LB.example.com", "A", ""))
	do(t, c.DeleteRecord(zone, "w.example.com", "A", "one"))
	if answers("lb.example.com") != 1 || answers("new.example.com") != 0 {
		t.Error("seen too soon")
	}
	clk.advance(time.Minute)
	if answers("lb.example.com") != 0 || answers("new.example.com") != 1 {
		t.Error("not seen")
	}
	if got := present(c, zone); !slices.Equal(got, []string{"new.example.com. A 192.0.2.1"}) {
		t.Errorf("left %q", got)
	}
}

// TestAnswersAreNotShared alters what went in, which must not be in the zone.
func TestAnswersAreNotShared(t *testing.T) {
	c, _, zone := newZone(t, Config{})
	values := []string{"192.0.2.1"}
	do(t, submit(c, zone, Change{Create, set("lb.example.com", "A", values...)}))
	do(t, c.SetRecord(zone, set("lb2.example.com", "A", values...)))
	values[0] = "192.0.2.2"
	c.Records(zone)[2] = RecordSet{}
	if got := present(c, zone); !slices.Equal(got, []string{"lb.example.com. A 192.0.2.1", "lb2.example.com. A 192.0.2.1"}) {
		t.Errorf("left %q", got)
	}
}

func TestZoneLists(t *testing.T) {
	c := New(Config{})
	c.SetRate(AnyRoute53, Rate{})
	for _, z := range []HostedZone{
		{ID: "Z3", Name: "example.net"}, {ID: "Z1", Name: "example.com"}, {ID: "Z2", Name: "example.com", Private: true},
		{ID: "Z4", Name: "a.example.com"}, {ID: "Z5", Name: "example.com", Account: "210987654321"},
	} {
		_, err := c.AddZone(z)
		do(t, err)
	}
	type page struct {
		ids       []string
		truncated bool
		next      string
	}
	byName, made := c.ListHostedZonesByName, c.ListHostedZones
	for _, tc := range []struct {
		name string
		list func(Caller, ListZonesInput) (ListZonesOutput, error)
		in   ListZonesInput
		want page
		code string
	}{
		{"all", made, ListZonesInput{}, page{[]string{"Z3", "Z1", "Z2", "Z4"}, false, ""}, ""},
		{"page", made, ListZonesInput{MaxItems: 2}, page{[]string{"Z3", "Z1"}, true, "Z2"}, ""},
		{"next page", made, ListZonesInput{Marker: "Z2", MaxItems: 2}, page{[]string{"Z2", "Z4"}, false, ""}, ""},
		{"unknown marker", made, ListZonesInput{Marker: "Z5"}, page{}, "NoSuchHostedZone"},
		{"negative", made, ListZonesInput{MaxItems: -1}, page{}, "InvalidInput"},
		{"all by name", byName, ListZonesInput{}, page{[]string{"Z1", "Z2", "Z4", "Z3"}, false, ""}, ""},
		{"one by name", byName, ListZonesInput{Name: "example.com", MaxItems: 1}, page{[]string{"Z1"}, true, "Z2"}, ""},
		{"next by name", byName, ListZonesInput{Name: "Example.com.", ID: "/hostedzone/Z2", MaxItems: 2}, page{[]string{"Z2", "Z4"}, true, "Z3"}, ""},
		{"a name that is no zone's", byName, ListZonesInput{Name: "lb.example.com"}, page{[]string{"Z3"}, false, ""}, ""},
		{"a bad name", byName, ListZonesInput{Name: "a..b"}, page{}, "InvalidDomainName"},
		{"id alone", byName, ListZonesInput{ID: "Z2"}, page{}, "InvalidInput"},
	} {
		out, err := tc.list(Caller{}, tc.in)
		got := page{truncated: out.Truncated, next: out.Next.ID}
		for _, z := range out.Zones {
			got.ids = append(got.ids, z.ID)
		}
		if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(page{})); diff != "" || code(err) != tc.code {
			t.Errorf("%s: %v %s", tc.name, err, diff)
		}
	}
	for n := range 100 {
		_, err := c.AddZone(HostedZone{Name: "example.org", ID: "ZZ" + string(rune('A'+n/10)) + string(rune('A'+n%10))})
		do(t, err)
	}
	for _, items := range []int{0, 101} {
		if out, err := made(Caller{}, ListZonesInput{MaxItems: items}); err != nil || len(out.Zones) != 100 || out.MaxItems != 100 {
			t.Errorf("%d asked for: %d, %v", items, len(out.Zones), err)
		}
	}

	z, err := c.GetHostedZone(Caller{}, "/hostedzone/Z2")
	do(t, err)
	if z.Name != "example.com." || !z.Private || z.RecordSets != 2 || len(z.NameServers) != 4 {
		t.Errorf("got %+v", z)
	}
	for _, err := range []error{
		func() error { _, err := c.GetHostedZone(Caller{}, "Z5"); return err }(),
		func() error {
			_, err := c.ListResourceRecordSets(Caller{}, ListRecordsInput{ZoneID: "Z5"})
			return err
		}(),
		submit(c, "Z5", Change{Create, set("lb.example.com", "A", "192.0.2.1")}),
	} {
		var e *Error
		if !errors.As(err, &e) || e.Code != "NoSuchHostedZone" || e.Status != 404 || e.Message != "No hosted zone found with ID: Z5" {
			t.Errorf("a zone of another account: %v", err)
		}
	}
}
