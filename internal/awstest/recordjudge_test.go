package awstest

import (
	"slices"
	"strings"
	"testing"
)

func TestBatchRules(t *testing.T) {
	policy := func(r RecordSet, id string, edit func(*RecordSet)) RecordSet {
		r.SetID = id
		edit(&r)
		return r
	}
	multi := func(r *RecordSet) { r.MultiValue = true }
	alias := func(name, rrType, zone, target string) RecordSet {
		return RecordSet{Name: name, Type: rrType, Alias: &AliasTarget{ZoneID: zone, DNSName: target}}
	}
	base := []RecordSet{
		set("a.example.com", "A", "192.0.2.1", "192.0.2.2"),
		set("c.example.com", "CNAME", "a.example.com"),
		weighted("w.example.com", "one", 1, "192.0.2.1"),
		weighted("w.example.com", "two", 2, "192.0.2.2"),
		policy(set("f.example.com", "A", "192.0.2.1"), "one", func(r *RecordSet) { r.Failover = "PRIMARY" }),
		policy(set("r.example.com", "A", "192.0.2.1"), "one", func(r *RecordSet) { r.Region = "eu-west-1" }),
		policy(set("m.example.com", "A", "192.0.2.1"), "one", multi),
		policy(set("h.example.com", "A", "192.0.2.1"), "one", func(r *RecordSet) { r.MultiValue, r.HealthCheckID = true, "check" }),
		alias("l.example.com", "A", "Z1", "lb.example.net"),
	}
	type edit func(*RecordSet)
	remove := func(name, id string, edits ...edit) Change {
		for _, r := range base {
			if strings.TrimSuffix(r.Name, ".") == name && r.SetID == id {
				for _, e := range edits {
					e(&r)
				}
				return Change{Delete, r}
			}
		}
		panic(name)
	}
	differs := func(label string) string {
		return "Tried to delete resource record set [" + label + "] but the values provided do not match the current values"
	}
	other := int64(7)
	for _, tc := range []struct {
		name  string
		batch []Change
		want  string // messages, one a line
	}{
		{"delete as it is", []Change{remove("a.example.com", "")}, ""},
		{"delete with one value of two", []Change{remove("a.example.com", "", func(r *RecordSet) { r.Values = r.Values[:1] })},
			differs("name='a.example.com.', type='A'")},
		{"delete with a value twice", []Change{remove("a.example.com", "", func(r *RecordSet) { r.Values = []string{"192.0.2.1", "192.0.2.1"} })},
			differs("name='a.example.com.', type='A'")},
		{"delete of another type", []Change{{Delete, set("a.example.com", "TXT", `"x"`)}},
			"Tried to delete resource record set [name='a.example.com.', type='TXT'] but it was not found"},
		{"delete of one with an identifier", []Change{remove("w.example.com", "one")}, ""},
		{"delete with another identifier", []Change{remove("w.example.com", "one", func(r *RecordSet) { r.SetID = "three" })},
			"Tried to delete resource record set [name='w.example.com.', type='A', set identifier='three'] but it was not found"},
		{"delete with another weight", []Change{remove("w.example.com", "one", func(r *RecordSet) { r.Weight = &other })},
			differs("name='w.example.com.', type='A', set identifier='one'")},
		{"delete with another policy", []Change{remove("w.example.com", "one", func(r *RecordSet) { r.Weight, r.MultiValue = nil, true })},
			differs("name='w.example.com.', type='A', set identifier='one'")},
		{"delete with another role", []Change{remove("f.example.com", "one", func(r *RecordSet) { r.Failover = "SECONDARY" })},
			differs("name='f.example.com.', type='A', set identifier='one'")},
		{"delete with another region", []Change{remove("r.example.com", "one", func(r *RecordSet) { r.Region = "eu-west-2" })},
			differs("name='r.example.com.', type='A', set identifier='one'")},
		{"delete without multivalue", []Change{remove("m.example.com", "one", func(r *RecordSet) { r.MultiValue, r.Weight = false, &other })},
			differs("name='m.example.com.', type='A', set identifier='one'")},
		{"delete without the health check", []Change{remove("h.example.com", "one", func(r *RecordSet) { r.HealthCheckID = "" })},
			differs("name='h.example.com.', type='A', set identifier='one'")},
		{"delete of an alias", []Change{remove("l.example.com", "")}, ""},
		{"delete of an alias to another name", []Change{remove("l.example.com", "", func(r *RecordSet) { r.Alias = &AliasTarget{ZoneID: "Z1", DNSName: "x.example.net"} })},
			differs("name='l.example.com.', type='A'")},
		{"delete of an alias to another zone", []Change{remove("l.example.com", "", func(r *RecordSet) { r.Alias = &AliasTarget{ZoneID: "Z2", DNSName: "lb.example.net"} })},
			differs("name='l.example.com.', type='A'")},
		{"delete of an alias as a record", []Change{{Delete, set("l.example.com", "A", "192.0.2.1")}},
			differs("name='l.example.com.', type='A'")},

		{"create another type", []Change{{Create, set("a.example.com", "AAAA", "2001:db8::1")}}, ""},
		{"create the same", []Change{{Create, set("A.example.com.", "A", "192.0.2.1", "192.0.2.2")}},
			"Tried to create resource record set [name='a.example.com.', type='A'] but it already exists"},
		{"create the same identifier", []Change{{Create, weighted("w.example.com", "one", 1, "192.0.2.9")}},
			"Tried to create resource record set [name='w.example.com.', type='A', set identifier='one'] but it already exists"},
		{"create another identifier", []Change{{Create, weighted("w.example.com", "three", 1, "192.0.2.9")}}, ""},
		{"upsert what is", []Change{{Upsert, set("a.example.com", "A", "192.0.2.9")}}, ""},
		{"upsert what is not", []Change{{Upsert, set("new.example.com", "A", "192.0.2.9")}}, ""},
		{"upsert with another weight", []Change{{Upsert, weighted("w.example.com", "one", 9, "192.0.2.9")}}, ""},
		{"delete and upsert", []Change{remove("a.example.com", ""), {Upsert, set("a.example.com", "A", "192.0.2.9")}}, ""},
		{"upsert twice", []Change{{Upsert, set("a.example.com", "A", "192.0.2.8")}, {Upsert, set("a.example.com", "A", "192.0.2.9")}},
			"The request contains an invalid set of changes for a resource record set 'A a.example.com.'"},
		{"create and delete", []Change{{Create, set("new.example.com", "A", "192.0.2.9")}, {Delete, set("new.example.com", "A", "192.0.2.9")}},
			"The request contains an invalid set of changes for a resource record set 'A new.example.com.'"},

		{"simple beside weighted", []Change{{Upsert, set("w.example.com", "A", "192.0.2.9")}},
			"RRSet with DNS name w.example.com., type A cannot be created as other RRSets exist with the same name and type."},
		{"weighted beside simple", []Change{{Upsert, weighted("a.example.com", "one", 1, "192.0.2.9")}},
			"RRSet with DNS name a.example.com., type A, SetIdentifier one cannot be created as a non-weighted set exists with the same name and type."},
		{"weighted beside latency", []Change{{Create, weighted("r.example.com", "two", 1, "192.0.2.9")}},
			"RRSet with DNS name r.example.com., type A, SetIdentifier two cannot be created as a non-weighted set exists with the same name and type."},
		{"multivalue beside failover", []Change{{Create, policy(set("f.example.com", "A", "192.0.2.9"), "two", multi)}},
			"RRSet with DNS name f.example.com., type A, SetIdentifier two cannot be created as a non-multivalue answer set exists with the same name and type."},
		{"latency beside weighted", []Change{{Create, policy(set("w.example.com", "A", "192.0.2.9"), "three", func(r *RecordSet) { r.Region = "eu-west-1" })}},
			"RRSet with DNS name w.example.com., type A, SetIdentifier three cannot be created as a non-latency set exists with the same name and type."},
		{"failover beside weighted", []Change{{Create, policy(set("w.example.com", "A", "192.0.2.9"), "three", func(r *RecordSet) { r.Failover = "SECONDARY" })}},
			"RRSet with DNS name w.example.com., type A, SetIdentifier three cannot be created as a non-failover set exists with the same name and type."},
		{"weighted with another TTL", []Change{{Create, policy(weighted("w.example.com", "three", 1, "192.0.2.9"), "three", func(r *RecordSet) { r.TTL = 61 })}},
			"RRSet with DNS name w.example.com., type A, SetIdentifier three cannot be created as weighted sets must contain the same TTL."},
		{"multivalue with another TTL", []Change{{Create, policy(set("m.example.com", "A", "192.0.2.9"), "two", func(r *RecordSet) { r.MultiValue, r.TTL = true, 61 })}}, ""},
		{"simple in place of all weighted", []Change{remove("w.example.com", "one"), remove("w.example.com", "two"), {Create, set("w.example.com", "A", "192.0.2.9")}}, ""},
		{"weighted of another type", []Change{{Create, set("w.example.com", "TXT", `"x"`)}}, ""},

		{"record beside CNAME", []Change{{Create, set("c.example.com", "A", "192.0.2.9")}},
			"RRSet of type A with DNS name c.example.com. is not permitted because a conflicting RRSet of type CNAME with the same DNS name already exists in zone example.com."},
		{"CNAME beside record", []Change{{Upsert, set("a.example.com", "CNAME", "b.example.com")}},
			"RRSet of type CNAME with DNS name a.example.com. is not permitted as it conflicts with other records with the same DNS name in zone example.com."},
		{"CNAME in place of record", []Change{remove("a.example.com", ""), {Create, set("a.example.com", "CNAME", "b.example.com")}}, ""},
		{"record in place of CNAME", []Change{remove("c.example.com", ""), {Create, set("c.example.com", "A", "192.0.2.9")}}, ""},
		{"CNAME at the apex", []Change{{Create, set("example.com", "CNAME", "b.example.com")}},
			"RRSet of type CNAME with DNS name example.com. is not permitted at apex in zone example.com."},
		{"CNAME to two", []Change{{Create, set("new.example.com", "CNAME", "b.example.com", "a.example.com")}},
			"RRSet of type CNAME with DNS name new.example.com. has more than one resource record"},
		{"CNAMEs with identifiers", []Change{
			{Create, policy(set("new.example.com", "CNAME", "a.example.com"), "one", multi)},
			{Create, policy(set("new.example.com", "CNAME", "b.example.com"), "two", multi)},
		}, ""},
		{"apex", []Change{{Create, set("example.com", "A", "192.0.2.9")}}, ""},

		{"beside the zone", []Change{{Create, set("badexample.com", "A", "192.0.2.9")}},
			"RRSet with DNS name badexample.com. is not permitted in zone example.com."},
		{"above the zone", []Change{{Create, set("com", "A", "192.0.2.9")}}, "RRSet with DNS name com. is not permitted in zone example.com."},
		{"bad name", []Change{{Create, set("a b.example.com", "A", "192.0.2.9")}},
			"FATAL problem: UnsupportedCharacter (Value contains unsupported characters) encountered with 'a b.example.com'"},
		{"bad value", []Change{{Create, set("new.example.com", "A", "192.0.2.256")}},
			"Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with '192.0.2.256''"},
		{"value twice", []Change{{Create, set("new.example.com", "A", "192.0.2.1", "192.0.2.2", "192.0.2.1")}},
			"Duplicate Resource Record: '192.0.2.1'"},
		{"two things wrong, one right", []Change{
			{Create, set("new.example.com", "A", "192.0.2.1")},
			{Create, set("b.example.com", "A", "x")}, {Create, set("c.example.net", "A", "192.0.2.1")},
		}, "Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with 'x''\n" +
			"RRSet with DNS name c.example.net. is not permitted in zone example.com."},

		{"delete of the SOA", []Change{{Delete, RecordSet{Name: "example.com", Type: "SOA", TTL: 900, Values: []string{
			"ns-2048.awsdns-64.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"}}}},
			"A HostedZone must contain exactly one SOA record."},
		{"delete of the NS", []Change{{Delete, RecordSet{Name: "example.com", Type: "NS", TTL: 172800, Values: nameServers}}},
			"A HostedZone must contain at least one NS record for the zone itself."},

		{"alias to a balancer", []Change{{Create, alias("new.example.com", "A", "Z1", "lb.example.net")}}, ""},
		{"alias in the zone", []Change{{Create, alias("new.example.com", "A", "OWN", "A.example.com")}}, ""},
		{"alias to what the batch makes", []Change{{Create, set("b.example.com", "A", "192.0.2.1")}, {Create, alias("new.example.com", "A", "OWN", "b.example.com")}}, ""},
		{"alias to nothing", []Change{{Create, alias("new.example.com", "A", "OWN", "b.example.com")}},
			"Tried to create an alias that targets b.example.com., type A in zone OWN, but that target was not found"},
		{"alias to another type", []Change{{Create, alias("new.example.com", "AAAA", "OWN", "a.example.com")}},
			"Tried to create an alias that targets a.example.com., type AAAA in zone OWN, but that target was not found"},
		{"alias out of the zone", []Change{{Create, alias("new.example.com", "A", "OWN", "a.example.net")}},
			"Tried to create an alias that targets a.example.net., type A in zone OWN, but the alias target name does not lie within the target zone"},
		{"alias to no name", []Change{{Create, alias("new.example.com", "A", "Z1", "a..b")}},
			"FATAL problem: DomainLabelEmpty (Domain label is empty) encountered with 'a..b'"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := New(Config{})
			_, err := c.AddZone(HostedZone{ID: "OWN", Name: "example.com"})
			do(t, err)
			for _, r := range base {
				do(t, c.SetRecord("OWN", r))
			}
			before := present(c, "OWN")
			got := strings.Join(messages(t, submit(c, "OWN", tc.batch...)), "\n")
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if changed := !slices.Equal(before, present(c, "OWN")); changed != (tc.want == "") {
				t.Errorf("changed: %v; now %q", changed, present(c, "OWN"))
			}
		})
	}
}
