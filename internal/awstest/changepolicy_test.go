package awstest

import (
	"errors"
	"testing"
)

func TestChangePolicy(t *testing.T) {
	service := ChangePolicy{
		Names:   []string{"lb.example.com", "_dnsfailover.lb.example.com"},
		Types:   []string{"A", "AAAA", "TXT"},
		Actions: []ChangeAction{Create, Delete},
	}
	own := ChangePolicy{Names: []string{"*.lb.example.com", `\052.example.com`}, Actions: []ChangeAction{Create, Delete}}
	a := func(name string) RecordSet { return set(name, "A", "192.0.2.1") }
	for _, tc := range []struct {
		name     string
		policies []ChangePolicy
		batch    []Change
		allowed  bool
	}{
		{"both names", []ChangePolicy{service}, []Change{{Create, a("lb.example.com")}, {Create, set("_dnsfailover.lb.example.com", "TXT", `"x"`)}}, true},
		{"in another case", []ChangePolicy{service}, []Change{{Create, a("LB.Example.com.")}}, true},
		{"upsert", []ChangePolicy{service}, []Change{{Upsert, a("lb.example.com")}}, false},
		{"another name", []ChangePolicy{service}, []Change{{Create, a("www.example.com")}}, false},
		{"another type", []ChangePolicy{service}, []Change{{Create, set("lb.example.com", "MX", "10 a.example.com")}}, false},
		{"one of two", []ChangePolicy{service}, []Change{{Create, a("lb.example.com")}, {Upsert, set("_dnsfailover.lb.example.com", "TXT", `"x"`)}}, false},
		{"by the second statement", []ChangePolicy{service, own}, []Change{{Create, a("lb1.lb.example.com")}}, true},
		{"half by each", []ChangePolicy{service, own}, []Change{{Create, a("lb.example.com")}, {Create, a("lb1.lb.example.com")}}, false},
		{"wildcard record", []ChangePolicy{own}, []Change{{Create, a("*.example.com")}}, true},
		{"no condition", []ChangePolicy{{}}, []Change{{Upsert, a("www.example.com")}}, true},
		{"no statement", nil, []Change{{Create, a("lb.example.com")}}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _, zone := newZone(t, Config{})
			lift := c.AllowChanges(tc.policies...)
			err := submit(c, "/hostedzone/"+zone, tc.batch...)
			if tc.allowed {
				do(t, err)
				return
			}
			want := "User: arn:aws:iam::123456789012:user/caddy is not authorized to perform: route53:ChangeResourceRecordSets " +
				"on resource: arn:aws:route53:::hostedzone/" + zone +
				" because no identity-based policy allows the route53:ChangeResourceRecordSets action"
			var e *Error
			if !errors.As(err, &e) || e.Code != "AccessDenied" || e.Status != 403 || e.Message != want {
				t.Errorf("got %v, want %s", err, want)
			}
			if len(present(c, zone)) != 0 {
				t.Error("it was made all the same")
			}
			if _, err := c.ListResourceRecordSets(Caller{}, ListRecordsInput{ZoneID: zone}); err != nil {
				t.Errorf("listing: %v", err)
			}
			lift()
			do(t, submit(c, zone, tc.batch...))
		})
	}
}

func TestSeveralPoliciesLimit(t *testing.T) {
	c, _, zone := newZone(t, Config{})
	lift := c.AllowChanges(ChangePolicy{Types: []string{"A"}})
	c.AllowChanges(ChangePolicy{Actions: []ChangeAction{Create}})
	if err := submit(c, zone, Change{Create, set("a.example.com", "TXT", `"x"`)}); code(err) != "AccessDenied" {
		t.Errorf("against the first: %v", err)
	}
	if err := submit(c, zone, Change{Upsert, set("a.example.com", "A", "192.0.2.1")}); code(err) != "AccessDenied" {
		t.Errorf("against the second: %v", err)
	}
	lift()
	do(t, submit(c, zone, Change{Create, set("a.example.com", "TXT", `"x"`)}))
	defer c.Deny("route53:ChangeResourceRecordSets")()
	if err := submit(c, zone, Change{Create, set("b.example.com", "A", "192.0.2.1")}); code(err) != "AccessDenied" {
		t.Errorf("denied altogether: %v", err)
	}
}
