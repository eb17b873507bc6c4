package awstest

import (
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// told writes an answer as one line for each record.
func told(a DNSAnswer) []string {
	lines := []string{dns.RcodeToString[a.Code]}
	for _, rr := range a.Answer {
		lines = append(lines, strings.ReplaceAll(rr.String(), "\t", " "))
	}
	slices.Sort(lines[1:])
	for _, rr := range a.Authority {
		lines = append(lines, "; "+strings.ReplaceAll(rr.String(), "\t", " "))
	}
	return lines
}

const soaLine = "example.com. 900 IN SOA ns-2048.awsdns-64.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"

func TestLookup(t *testing.T) {
	c, _, zone := newZone(t, Config{})
	private, err := c.AddZone(HostedZone{Name: "example.com", Private: true})
	do(t, err)
	inner, err := c.AddZone(HostedZone{Name: "inner.example.com", Private: true})
	do(t, err)
	alias := func(name, rrType, zone, target string) RecordSet {
		return RecordSet{Name: name, Type: rrType, Alias: &AliasTarget{ZoneID: zone, DNSName: target}}
	}
	first := set("f.example.com", "A", "192.0.2.8")
	first.SetID, first.Failover = "a", "SECONDARY"
	second := set("f.example.com", "A", "192.0.2.9")
	second.SetID, second.Failover = "b", "PRIMARY"
	latency := set("r.example.com", "A", "192.0.2.7")
	latency.SetID, latency.Region = "a", "eu-west-1"
	for _, r := range []RecordSet{
		set("lb.example.com", "A", "192.0.2.1", "192.0.2.2"),
		set("lb.example.com", "AAAA", "2001:db8::1"),
		set("_acme-challenge.lb.example.com", "TXT", `"token one"`, `"token two"`),
		set("example.com", "MX", "10 mail.example.com"),
		set("www.example.com", "CNAME", "lb.example.com"),
		set("web.example.com", "CNAME", "www.example.com"),
		set("out.example.com", "CNAME", "lb.example.net"),
		set("lost.example.com", "CNAME", "none.example.com"),
		set("one.example.com", "CNAME", "two.example.com"),
		set("two.example.com", "CNAME", "one.example.com"),
		set("*.wild.example.com", "A", "192.0.2.3"),
		set("*.wild.example.com", "TXT", `"wild"`),
		set("own.wild.example.com", "TXT", `"own"`),
		set("a.b.deep.example.com", "A", "192.0.2.4"),
		alias("example.com", "A", zone, "lb.example.com"),
		alias("chain.example.com", "A", zone, "example.com"),
		alias("elb.example.com", "A", "ZELB", "x.elb.example.net"),
		first, second, latency,
	} {
		do(t, c.SetRecord(zone, r))
	}
	do(t, c.SetRecord(private, set("lb.example.com", "A", "10.0.0.1")))
	do(t, c.SetRecord(inner, set("lb.inner.example.com", "A", "10.0.0.2")))
	nothing := []string{"NOERROR", "; " + soaLine}
	none := []string{"NXDOMAIN", "; " + soaLine}
	for _, tc := range []struct {
		name, rrType string
		private      bool
		want         []string
	}{
		{"lb.example.com", "A", false, []string{"NOERROR", "lb.example.com. 60 IN A 192.0.2.1", "lb.example.com. 60 IN A 192.0.2.2"}},
		{"LB.example.COM.", "AAAA", false, []string{"NOERROR", "LB.example.COM. 60 IN AAAA 2001:db8::1"}},
		{"_acme-challenge.lb.example.com", "TXT", false, []string{"NOERROR",
			`_acme-challenge.lb.example.com. 60 IN TXT "token one"`, `_acme-challenge.lb.example.com. 60 IN TXT "token two"`}},
		{"example.com", "MX", false, []string{"NOERROR", "example.com. 60 IN MX 10 mail.example.com."}},
		{"example.com", "SOA", false, []string{"NOERROR", soaLine}},
		{"example.com", "NS", false, []string{"NOERROR", "example.com. 172800 IN NS ns-2048.awsdns-64.com.", "example.com. 172800 IN NS ns-2049.awsdns-65.net.",
			"example.com. 172800 IN NS ns-2050.awsdns-66.org.", "example.com. 172800 IN NS ns-2051.awsdns-67.co.uk."}},
		{"lb.example.com", "TXT", false, nothing},
		{"none.example.com", "A", false, none},
		{"deep.example.com", "A", false, nothing},
		{"b.deep.example.com", "A", false, nothing},
		{"eep.example.com", "A", false, none},
		{"example.net", "A", false, []string{"REFUSED"}},
		{"badexample.com", "A", false, []string{"REFUSED"}},
		{"com", "A", false, []string{"REFUSED"}},

		{"web.example.com", "AAAA", false, []string{"NOERROR", "web.example.com. 60 IN CNAME www.example.com.",
			"www.example.com. 60 IN CNAME lb.example.com.", "lb.example.com. 60 IN AAAA 2001:db8::1"}},
		{"web.example.com", "CNAME", false, []string{"NOERROR", "web.example.com. 60 IN CNAME www.example.com."}},
		{"www.example.com", "MX", false, []string{"NOERROR", "www.example.com. 60 IN CNAME lb.example.com.", "; " + soaLine}},
		{"out.example.com", "A", false, []string{"NOERROR", "out.example.com. 60 IN CNAME lb.example.net."}},
		{"lost.example.com", "A", false, []string{"NXDOMAIN", "lost.example.com. 60 IN CNAME none.example.com.", "; " + soaLine}},
		{"lb.example.com", "CNAME", false, nothing},

		{"x.wild.example.com", "A", false, []string{"NOERROR", "x.wild.example.com. 60 IN A 192.0.2.3"}},
		{"y.x.wild.example.com", "A", false, []string{"NOERROR", "y.x.wild.example.com. 60 IN A 192.0.2.3"}},
		{"x.wild.example.com", "AAAA", false, nothing},
		{"own.wild.example.com", "TXT", false, []string{"NOERROR", `own.wild.example.com. 60 IN TXT "own"`}},
		{"own.wild.example.com", "A", false, nothing},
		{"x.own.wild.example.com", "A", false, none},
		{"wild.example.com", "A", false, nothing},
		{"*.wild.example.com", "A", false, []string{"NOERROR", "*.wild.example.com. 60 IN A 192.0.2.3"}},

		{"example.com", "A", false, []string{"NOERROR", "example.com. 60 IN A 192.0.2.1", "example.com. 60 IN A 192.0.2.2"}},
		{"chain.example.com", "A", false, []string{"NOERROR", "chain.example.com. 60 IN A 192.0.2.1", "chain.example.com. 60 IN A 192.0.2.2"}},
		{"chain.example.com", "AAAA", false, nothing},
		{"elb.example.com", "A", false, nothing},
		{"f.example.com", "A", false, []string{"NOERROR", "f.example.com. 60 IN A 192.0.2.9"}},
		{"r.example.com", "A", false, []string{"NOERROR", "r.example.com. 60 IN A 192.0.2.7"}},

		{"lb.example.com", "A", true, []string{"NOERROR", "lb.example.com. 60 IN A 10.0.0.1"}},
		{"lb.example.com", "AAAA", true, nothing},
		{"lb.inner.example.com", "A", true, []string{"NOERROR", "lb.inner.example.com. 60 IN A 10.0.0.2"}},
		{"lb.inner.example.com", "A", false, none},
	} {
		a, err := c.Lookup(tc.name, tc.rrType, DNSOptions{Private: tc.private})
		do(t, err)
		want := slices.Clone(tc.want)
		if n := len(a.Answer); n > 0 {
			slices.Sort(want[1 : n+1])
		}
		if got := told(a); !slices.Equal(got, want) {
			t.Errorf("%s %s (private %v):\ngot  %q\nwant %q", tc.name, tc.rrType, tc.private, got, want)
		}
	}
	if a, err := c.Lookup("one.example.com", "A", DNSOptions{}); err != nil || a.Code != dns.RcodeServerFailure || len(a.Answer) != 8 {
		t.Errorf("a circle: %q, %v", told(a), err)
	}
	if _, err := c.Lookup("lb.example.com", "X", DNSOptions{}); err == nil {
		t.Error("there is no type X")
	}
	if a := c.answer(dns.Question{Name: "lb.example.com.", Qtype: dns.TypeA, Qclass: dns.ClassCHAOS}, DNSOptions{}); a.Code != dns.RcodeRefused {
		t.Errorf("another class: %q", told(a))
	}
	if c.Count("dns", "lb.example.com. A") != 2 || c.Count("dns", "*.wild.example.com. *") == 0 {
		t.Error("questions are not recorded")
	}
}

func TestNegativeTTL(t *testing.T) {
	c, _, zone := newZone(t, Config{})
	do(t, c.SetRecord(zone, RecordSet{Name: "example.com", Type: "SOA", TTL: 900, Values: []string{"ns.example.com. root.example.com. 1 2 3 4 60"}}))
	a, err := c.Lookup("none.example.com", "A", DNSOptions{})
	do(t, err)
	if len(a.Authority) != 1 || a.Authority[0].Header().Ttl != 60 {
		t.Errorf("got %q", told(a))
	}
	if a, _ := c.Lookup("example.com", "SOA", DNSOptions{}); len(a.Answer) != 1 || a.Answer[0].Header().Ttl != 900 {
		t.Errorf("asked for itself: %q", told(a))
	}
}

// TestAliasCircle makes aliases that stand for each other, which the order of
// changes allows.
func TestAliasCircle(t *testing.T) {
	c, _, zone := newZone(t, Config{})
	do(t, c.SetRecord(zone, set("a.example.com", "A", "192.0.2.1")))
	for _, names := range [][2]string{{"b", "a"}, {"a", "b"}} {
		do(t, c.SetRecord(zone, RecordSet{Name: names[0] + ".example.com", Type: "A", Alias: &AliasTarget{ZoneID: zone, DNSName: names[1] + ".example.com"}}))
	}
	a, err := c.Lookup("a.example.com", "A", DNSOptions{})
	do(t, err)
	if len(a.Answer) != 0 || a.Code != dns.RcodeSuccess {
		t.Errorf("got %q", told(a))
	}
}

func TestRoutingPolicies(t *testing.T) {
	c, _, zone := newZone(t, Config{})
	for n, weight := range []int64{1, 3, 0} {
		do(t, c.SetRecord(zone, weighted("w.example.com", string(rune('a'+n)), weight, "192.0.2."+string(rune('1'+n)))))
		do(t, c.SetRecord(zone, weighted("zero.example.com", string(rune('a'+n)), 0, "192.0.2."+string(rune('1'+n)))))
	}
	for n := range 10 {
		r := set("m.example.com", "A", "192.0.2.10"+string(rune('0'+n)))
		r.SetID, r.MultiValue = string(rune('a'+n)), true
		do(t, c.SetRecord(zone, r))
	}
	do(t, c.SetRecord(zone, set("s.example.com", "A", "192.0.2.1", "192.0.2.2")))
	const rounds = 1000
	count := func(name string, each int) map[string]int {
		t.Helper()
		counts := make(map[string]int)
		for range rounds {
			a, err := c.Lookup(name, "A", DNSOptions{})
			do(t, err)
			if len(a.Answer) != each {
				t.Fatalf("%s: %q", name, told(a))
			}
			counts[a.Answer[0].(*dns.A).A.String()]++
		}
		return counts
	}
	near := func(got, want int) bool { return got > want-rounds/10 && got < want+rounds/10 }
	if n := count("w.example.com", 1); !near(n["192.0.2.1"], rounds/4) || !near(n["192.0.2.2"], rounds*3/4) || n["192.0.2.3"] != 0 {
		t.Errorf("weighted 1, 3, 0: %v", n)
	}
	if n := count("zero.example.com", 1); !near(n["192.0.2.1"], rounds/3) || !near(n["192.0.2.2"], rounds/3) || !near(n["192.0.2.3"], rounds/3) {
		t.Errorf("weighted 0, 0, 0: %v", n)
	}
	if n := count("m.example.com", 8); len(n) != 10 {
		t.Errorf("multivalue: %v", n)
	}
	if n := count("s.example.com", 2); !near(n["192.0.2.1"], rounds/2) {
		t.Errorf("two values: %v first", n)
	}
	a, err := c.Lookup("m.example.com", "A", DNSOptions{})
	do(t, err)
	seen := told(a)
	if len(slices.Compact(seen)) != 9 {
		t.Errorf("multivalue: %q", seen)
	}
}

func TestDNSFaults(t *testing.T) {
	c, _, zone := newZone(t, Config{})
	do(t, c.SetRecord(zone, set("lb.example.com", "A", "192.0.2.1")))
	restore := c.Outage("dns")
	if _, err := c.Lookup("lb.example.com", "A", DNSOptions{}); err != ErrNoAnswer {
		t.Errorf("in an outage: %v", err)
	}
	if _, err := c.ListResourceRecordSets(Caller{}, ListRecordsInput{ZoneID: zone}); err != nil {
		t.Errorf("the API in an outage of the DNS: %v", err)
	}
	restore()
	c.Inject(Fault{Service: "dns", Action: "lb.example.com. A", Kind: Empty, Times: 1})
	if a, err := c.Lookup("lb.example.com", "AAAA", DNSOptions{}); err != nil || len(a.Authority) != 1 {
		t.Errorf("another question: %q, %v", told(a), err)
	}
	if a, err := c.Lookup("LB.example.com", "A", DNSOptions{}); err != nil || len(a.Answer) != 0 {
		t.Errorf("empty: %q, %v", told(a), err)
	}
}
