package awstest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestBatchForm(t *testing.T) {
	const none = "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found none in Change with "
	good := set("a.example.com", "A", "192.0.2.1")
	with := func(edit func(*RecordSet)) []Change {
		r := good
		edit(&r)
		return []Change{{Create, r}}
	}
	big, negative, weight := int64(256), int64(-1), int64(0)
	for _, tc := range []struct {
		name  string
		batch []Change
		want  string // in the message; "" is success
	}{
		{"good", []Change{{Create, good}}, ""},
		{"empty", nil, "'changeBatch.changes' failed"},
		{"no action", []Change{{"", good}}, "Value '' at 'action' failed"},
		{"lower case", []Change{{"create", good}}, "Value 'create' at 'action' failed"},
		{"no type", with(func(r *RecordSet) { r.Type = "" }), "Value '' at 'type' failed"},
		{"a type that is not modelled", with(func(r *RecordSet) { r.Type = "NAPTR" }), "Value 'NAPTR' at 'type' failed"},
		{"TTL 0", with(func(r *RecordSet) { r.TTL = 0 }), ""},
		{"longest TTL", with(func(r *RecordSet) { r.TTL = 2147483647 }), ""},
		{"longer TTL", with(func(r *RecordSet) { r.TTL = 2147483648 }), "Value '2147483648' at 'tTL' failed"},
		{"negative TTL", with(func(r *RecordSet) { r.TTL = -1 }), "Value '-1' at 'tTL' failed"},
		{"no values", with(func(r *RecordSet) { r.Values = nil }), none + "[Action=CREATE, Name=a.example.com, Type=A, SetIdentifier=null]"},
		{"delete without values", []Change{{Delete, RecordSet{Name: "a.example.com", Type: "A", SetID: "x"}}},
			none + "[Action=DELETE, Name=a.example.com, Type=A, SetIdentifier=x]"},
		{"empty value", with(func(r *RecordSet) { r.Values = []string{""} }), "'resourceRecords' failed"},
		{"long value", with(func(r *RecordSet) { r.Type, r.Values = "TXT", []string{strings.Repeat(`"x" `, 1001)} }), "'resourceRecords' failed"},
		{"alias and values", with(func(r *RecordSet) { r.Alias, r.TTL = &AliasTarget{}, 0 }), "but found more than one in Change with"},
		{"alias and TTL", with(func(r *RecordSet) { r.Alias, r.Values = &AliasTarget{}, nil }), "but found more than one in Change with"},
		{"policy without identifier", with(func(r *RecordSet) { r.Weight = &weight }), "Invalid request: Missing field 'SetIdentifier' in Change with"},
		{"identifier without policy", with(func(r *RecordSet) { r.SetID = "x" }), "or MultiValueAnswer], but found none in Change with"},
		{"two policies", with(func(r *RecordSet) { r.SetID, r.Region, r.MultiValue = "x", "eu-west-1", true }), "or MultiValueAnswer], but found more than one in"},
		{"weight 0", with(func(r *RecordSet) { r.SetID, r.Weight = "x", &weight }), ""},
		{"weight 256", with(func(r *RecordSet) { r.SetID, r.Weight = "x", &big }), "Value '256' at 'weight' failed"},
		{"weight -1", with(func(r *RecordSet) { r.SetID, r.Weight = "x", &negative }), "Value '-1' at 'weight' failed"},
		{"failover", with(func(r *RecordSet) { r.SetID, r.Failover = "x", "SECONDARY" }), ""},
		{"another failover", with(func(r *RecordSet) { r.SetID, r.Failover = "x", "TERTIARY" }), "Value 'TERTIARY' at 'failover' failed"},
		{"latency", with(func(r *RecordSet) { r.SetID, r.Region = strings.Repeat("x", 128), "eu-west-1" }), ""},
		{"long identifier", with(func(r *RecordSet) { r.SetID, r.Region = strings.Repeat("x", 129), "eu-west-1" }), "at 'setIdentifier' failed"},
		{"bad second", []Change{{Create, good}, {"x", good}}, "Value 'x' at 'action' failed"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _, zone := newZone(t, Config{})
			err := submit(c, zone, tc.batch...)
			var e *Error
			switch {
			case tc.want == "":
				do(t, err)
			case !errors.As(err, &e) || e.Code != "InvalidInput" || e.Status != 400 || !strings.Contains(e.Message, tc.want):
				t.Errorf("got %v, want %s", err, tc.want)
			case len(present(c, zone)) != 0:
				t.Errorf("left %q", present(c, zone))
			}
		})
	}
}

func TestBatchLimits(t *testing.T) {
	const tooMany, tooLong = "Number of records limit of 1000 exceeded.", "Number of characters limit of 32000 exceeded."
	batch := func(action ChangeAction, sets, each int, value func(n int) string, rrType string) []Change {
		var all []Change
		for s := range sets {
			var values []string
			for n := range each {
				values = append(values, value(n))
			}
			all = append(all, Change{action, set(fmt.Sprintf("n%d.example.com", s), rrType, values...)})
		}
		return all
	}
	address := func(n int) string { return fmt.Sprintf("10.0.%d.%d", n/100, n%100) }
	// 320 characters.
	text := func(n int) string { return fmt.Sprintf(`"%0157d" "%0158d"`, n, n) }
	for _, tc := range []struct {
		name  string
		batch []Change
		want  []string
	}{
		{"1000 records", batch(Create, 10, 100, address, "A"), nil},
		{"1001 records", append(batch(Create, 10, 100, address, "A"), Change{Create, set("x.example.com", "A", "192.0.2.1")}), []string{tooMany}},
		{"500 records twice", batch(Upsert, 5, 100, address, "A"), nil},
		{"501 records twice", append(batch(Upsert, 5, 100, address, "A"), Change{Upsert, set("x.example.com", "A", "192.0.2.1")}), []string{tooMany}},
		{"32,000 characters", batch(Create, 1, 100, text, "TXT"), nil},
		{"32,320 characters", batch(Create, 1, 101, text, "TXT"), []string{tooLong}},
		{"16,000 characters twice", batch(Upsert, 1, 50, text, "TXT"), nil},
		{"16,320 characters twice", batch(Upsert, 1, 51, text, "TXT"), []string{tooLong}},
		{"both", batch(Create, 2, 600, text, "TXT"), []string{tooMany, tooLong}},
	} {
		c, _, zone := newZone(t, Config{})
		if got := messages(t, submit(c, zone, tc.batch...)); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}
