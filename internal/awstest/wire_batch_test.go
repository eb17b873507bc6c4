package awstest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// batchXML wraps changes as a request does.
func batchXML(changes string) string {
	return `<?xml version="1.0"?><ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/">` +
		`<ChangeBatch><Changes>` + changes + `</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>`
}

// oneChange is a change with more in its set.
func oneChange(more string) string {
	return batchXML(`<Change><Action>CREATE</Action><ResourceRecordSet><Name>a.example.com</Name><Type>A</Type>` + more + `</ResourceRecordSet></Change>`)
}

const oneRecord = `<TTL>60</TTL><ResourceRecords><ResourceRecord><Value>192.0.2.1</Value></ResourceRecord></ResourceRecords>`

func TestReadBatch(t *testing.T) {
	weight := int64(7)
	for _, tc := range []struct {
		name, body string
		want       ChangeRecordsInput
	}{
		{"record", oneChange(oneRecord), ChangeRecordsInput{Changes: []Change{{Create, set("a.example.com", "A", "192.0.2.1")}}}},
		{"TTL 0", oneChange(strings.Replace(oneRecord, "60", "0", 1)), ChangeRecordsInput{Changes: []Change{
			{Create, RecordSet{Name: "a.example.com", Type: "A", Values: []string{"192.0.2.1"}}}}}},
		{
			"alias", oneChange(`<AliasTarget><HostedZoneId>Z1</HostedZoneId><DNSName>lb.example.net</DNSName><EvaluateTargetHealth>true</EvaluateTargetHealth></AliasTarget>`),
			ChangeRecordsInput{Changes: []Change{{Create, RecordSet{
				Name: "a.example.com", Type: "A", Alias: &AliasTarget{ZoneID: "Z1", DNSName: "lb.example.net", EvaluateTargetHealth: true}}}}},
		},
		{
			"policies", oneChange(oneRecord + `<SetIdentifier>one</SetIdentifier><Weight>7</Weight><Region>eu-west-1</Region>` +
				`<Failover>PRIMARY</Failover><MultiValueAnswer>true</MultiValueAnswer><HealthCheckId>check</HealthCheckId>`),
			ChangeRecordsInput{Changes: []Change{{Create, RecordSet{
				Name: "a.example.com", Type: "A", TTL: 60, Values: []string{"192.0.2.1"}, SetID: "one", Weight: &weight, Region: "eu-west-1",
				Failover: "PRIMARY", MultiValue: true, HealthCheckID: "check"}}}},
		},
		{"spaces between", strings.ReplaceAll(oneChange(oneRecord), "><", ">\n  <"), ChangeRecordsInput{Changes: []Change{{Create, set("a.example.com", "A", "192.0.2.1")}}}},
		{"comment", strings.Replace(oneChange(oneRecord), "<Changes>", "<Comment>a &amp; b</Comment><Changes><!-- note -->", 1),
			ChangeRecordsInput{Comment: "a & b", Changes: []Change{{Create, set("a.example.com", "A", "192.0.2.1")}}}},
		{"no changes", batchXML(""), ChangeRecordsInput{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := readBatch([]byte(tc.body))
			do(t, err)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadBatchRefuses(t *testing.T) {
	good := oneChange(oneRecord)
	edit := func(old, with string) string {
		if !strings.Contains(good, old) {
			panic(old)
		}
		return strings.Replace(good, old, with, 1)
	}
	for _, tc := range []struct{ name, body, want string }{
		{"nothing", "", "MalformedInput: Could not parse XML"},
		{"a text", "hello", "MalformedInput: Could not parse XML"},
		{"half", good[:len(good)/2], "MalformedInput: Could not parse XML"},
		{"two documents", good + good[len(`<?xml version="1.0"?>`):], "MalformedInput: Could not parse XML"},
		{"text after", good + "x", "MalformedInput: Could not parse XML"},
		{"document type", edit("<Change>", "<!DOCTYPE x><Change>"), "MalformedInput: Could not parse XML"},
		{"another root", strings.ReplaceAll(good, "ChangeResourceRecordSetsRequest", "ChangeBatch"), "MalformedInput: ChangeBatch is not valid, expected ChangeResourceRecordSetsRequest"},
		{"another name space", edit("2013-04-01", "2012-12-12"), "MalformedInput: Element 'ChangeResourceRecordSetsRequest' is not of the name space"},
		{"no name space", edit(` xmlns="https://route53.amazonaws.com/doc/2013-04-01/"`, ""), "MalformedInput: Element 'ChangeResourceRecordSetsRequest' is not of"},
		{"attribute", edit("<Change>", `<Change a="b">`), "MalformedInput: Unexpected attribute 'a' in 'Change'"},
		{"no batch", `<ChangeResourceRecordSetsRequest xmlns="` + route53Space + `"/>`, "InvalidInput: Invalid request: Missing field 'ChangeBatch' in"},
		{"no list", strings.NewReplacer("<Changes>", "", "</Changes>", "").Replace(good), "InvalidInput: Invalid request: Missing field 'Changes' in 'ChangeBatch'"},
		{"beside the batch", edit("<ChangeBatch>", "<Colour/><ChangeBatch>"), "MalformedInput: Unexpected element 'Colour' in 'ChangeResourceRecordSetsRequest'"},
		{"beside the list", edit("<Changes>", "<Colour/><Changes>"), "MalformedInput: Unexpected element 'Colour' in 'ChangeBatch'"},
		{"in the list", edit("<Changes>", "<Changes><Colour/>"), "MalformedInput: Unexpected element 'Colour' in 'Changes'"},
		{"in a change", edit("<Action>", "<Colour/><Action>"), "MalformedInput: Unexpected element 'Colour' in 'Change'"},
		{"in a set", edit("<Name>", "<GeoLocation/><Name>"), "MalformedInput: Unexpected element 'GeoLocation' in 'ResourceRecordSet'"},
		{"in the records", edit("<ResourceRecord>", "<Colour/><ResourceRecord>"), "MalformedInput: Unexpected element 'Colour' in 'ResourceRecords'"},
		{"in a record", edit("<Value>", "<Colour/><Value>"), "MalformedInput: Unexpected element 'Colour' in 'ResourceRecord'"},
		{"in a value", edit("192.0.2.1", "<b>192.0.2.1</b>"), "MalformedInput: Unexpected element 'b' in 'Value'"},
		{"in a target", oneChange("<AliasTarget><HostedZoneId>Z</HostedZoneId><DNSName>d</DNSName><Colour/></AliasTarget>"), "MalformedInput: Unexpected element 'Colour' in 'AliasTarget'"},
		{"half a target", oneChange("<AliasTarget><HostedZoneId>Z</HostedZoneId></AliasTarget>"), "InvalidInput: Invalid request: Missing field 'DNSName' in 'AliasTarget'"},
		{"text in a change", edit("<Action>", "x<Action>"), "MalformedInput: Unexpected text in 'Change'"},
		{"text in the list", batchXML("x"), "MalformedInput: Unexpected text in 'Changes'"},
		{"twice", edit("<Name>", "<Name>b</Name><Name>"), "MalformedInput: Element 'Name' is more than once in 'ResourceRecordSet'"},
		{"no action", edit("<Action>CREATE</Action>", ""), "InvalidInput: Invalid request: Missing field 'Action' in 'Change'"},
		{"no set", batchXML("<Change><Action>CREATE</Action></Change>"), "InvalidInput: Invalid request: Missing field 'ResourceRecordSet' in 'Change'"},
		{"no name", edit("<Name>a.example.com</Name>", ""), "InvalidInput: Invalid request: Missing field 'Name' in 'ResourceRecordSet'"},
		{"no type", edit("<Type>A</Type>", ""), "InvalidInput: Invalid request: Missing field 'Type' in 'ResourceRecordSet'"},
		{"no value", edit("<Value>192.0.2.1</Value>", ""), "InvalidInput: Invalid request: Missing field 'Value' in 'ResourceRecord'"},
		{"no TTL", edit("<TTL>60</TTL>", ""), "InvalidInput: Invalid request: Expected exactly one of [AliasTarget, all of [TTL"},
		{"alias with TTL 0", oneChange("<TTL>0</TTL><AliasTarget><HostedZoneId>Z</HostedZoneId><DNSName>d</DNSName></AliasTarget>"), "InvalidInput: Invalid request: Expected exactly one of"},
		{"TTL no number", edit("60", " 60"), "MalformedInput: ' 60' is not a valid TTL"},
		{"weight no number", oneChange(oneRecord + "<Weight>x</Weight>"), "MalformedInput: 'x' is not a valid Weight"},
		{"multivalue no boolean", oneChange(oneRecord + "<MultiValueAnswer>yes</MultiValueAnswer>"), "MalformedInput: 'yes' is not a valid MultiValueAnswer"},
		{"too deep", batchXML(strings.Repeat("<Change>", 100) + strings.Repeat("</Change>", 100)), "MalformedInput: Unexpected element 'Change' in 'Change'"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := readBatch([]byte(tc.body))
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

// FuzzReadBatch reads anything. What it takes is written and read again, and
// judged, which must not fail otherwise than by an error.
func FuzzReadBatch(f *testing.F) {
	f.Add(oneChange(oneRecord))
	f.Add(oneChange(oneRecord + `<SetIdentifier>one</SetIdentifier><Weight>7</Weight>`))
	f.Add(oneChange(`<AliasTarget><HostedZoneId>Z1</HostedZoneId><DNSName>a.example.com</DNSName><EvaluateTargetHealth>true</EvaluateTargetHealth></AliasTarget>`))
	f.Add(strings.NewReplacer("<Type>A", "<Type>TXT", "192.0.2.1", `"\052" "b"`).Replace(oneChange(oneRecord)))
	f.Add(batchXML(""))
	f.Fuzz(func(t *testing.T, body string) {
		in, err := readBatch([]byte(body))
		if err != nil {
			if c := code(err); c != "MalformedInput" && c != "InvalidInput" {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		var x xmlWriter
		x.document("ChangeResourceRecordSetsRequest", func() {
			x.open("ChangeBatch")
			x.optional("Comment", in.Comment)
			x.open("Changes")
			for i := range in.Changes {
				x.open("Change")
				x.elem("Action", string(in.Changes[i].Action))
				x.recordSet(&in.Changes[i].Set)
				x.close("Change")
			}
			x.close("Changes")
			x.close("ChangeBatch")
		})
		again, err := readBatch(x.b)
		if err != nil {
			t.Fatalf("%s: %v", x.b, err)
		}
		if diff := cmp.Diff(in, again); diff != "" {
			t.Fatal(diff)
		}
		c := New(Config{})
		zone, err := c.AddZone(HostedZone{ID: "Z1", Name: "example.com"})
		if err != nil {
			t.Fatal(err)
		}
		before := len(c.Records(zone))
		if err := submit(c, zone, in.Changes...); err != nil && len(c.Records(zone)) != before {
			t.Fatalf("%v, and yet there are %d sets", err, len(c.Records(zone)))
		}
	})
}
