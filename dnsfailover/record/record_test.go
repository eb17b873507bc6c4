package record

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

const name = "lb.example.com"

// a and aaaa are sets of the name, txt one of its lease.
func a(ttl int, values ...string) Set { return Set{Name: name, Type: "A", TTL: ttl, Values: values} }
func aaaa(ttl int, values ...string) Set {
	return Set{Name: name, Type: "AAAA", TTL: ttl, Values: values}
}
func txt(ttl int, values ...string) Set {
	return Set{Name: LeaseName(name), Type: "TXT", TTL: ttl, Values: values}
}

// odd is a set that is more than that.
func odd(s Set, why string) Set {
	s.Odd = why
	return s
}

func TestRead(t *testing.T) {
	for _, tc := range []struct {
		name string
		sets []Set
		want engine.Reading // without its Token and Raw
	}{
		{"nothing", nil, engine.Reading{}},
		{"a record alone", []Set{a(60, "203.0.113.7")}, engine.Reading{Exists: true, Addrs: "203.0.113.7", TTL: 60}},
		{"both families and a lease", []Set{txt(30, fullText), aaaa(20, "2001:DB8::7"), a(10, "203.0.113.7")},
			engine.Reading{Exists: true, Addrs: "203.0.113.7,2001:db8::7", TTL: 10, Lease: full}},
		{"IPv6 alone", []Set{aaaa(20, "2001:db8::7")}, engine.Reading{Exists: true, Addrs: "2001:db8::7", TTL: 20}},
		{"several", []Set{a(60, "203.0.113.10", "203.0.113.9")}, engine.Reading{Exists: true, Addrs: "203.0.113.9,203.0.113.10", TTL: 60}},
		{"a lease alone", []Set{txt(60, fullText)}, engine.Reading{Lease: full}},
		{"names written otherwise", []Set{
			{Name: "LB.Example.com.", Type: "A", TTL: 60, Values: []string{"203.0.113.7"}},
			{Name: `_DNSfailover.lb.example.com.`, Type: "TXT", TTL: 60, Values: []string{fullText}},
		}, engine.Reading{Exists: true, Addrs: "203.0.113.7", TTL: 60, Lease: full}},
		{"others", []Set{
			{Name: name, Type: "MX", TTL: 60, Values: []string{"10 mx.example.com"}},
			{Name: name, Type: "TXT", TTL: 60, Values: []string{`"v=spf1 -all"`}},
			{Name: LeaseName(name), Type: "A", TTL: 60, Values: []string{"203.0.113.1"}},
			{Name: "lb.example.com.example.com", Type: "A", TTL: 60, Values: []string{"203.0.113.1"}},
			{Name: "not a name", Type: "A", TTL: 60, Values: []string{"203.0.113.1"}},
		}, engine.Reading{}},
		{"at the top of a zone", []Set{
			a(60, "203.0.113.7"), {Name: name, Type: "NS", Values: []string{"ns-1"}}, {Name: name, Type: "SOA", Values: []string{"ns-1 …"}},
		}, engine.Reading{Exists: true, Addrs: "203.0.113.7", TTL: 60}},
		{"delegated", []Set{{Name: name, Type: "NS", Values: []string{"ns-1"}}},
			engine.Reading{Refuse: "lb.example.com is delegated to other name servers: use the hosted zone of that name"}},
		{"alias", []Set{odd(a(0), "an alias of elb.example.net")},
			engine.Reading{Exists: true, Refuse: "the A of lb.example.com is an alias of elb.example.net"}},
		{"weighted IPv6", []Set{a(60, "203.0.113.7"), odd(aaaa(60, "2001:db8::7"), `weighted (set identifier "x")`)},
			engine.Reading{Exists: true, TTL: 60, Refuse: `the AAAA of lb.example.com is weighted (set identifier "x")`}},
		{"CNAME", []Set{{Name: name, Type: "CNAME", TTL: 60, Values: []string{"www.example.com"}}},
			engine.Reading{Refuse: "lb.example.com is a CNAME: an A record can't be beside it"}},
		{"no address", []Set{a(60, "203.0.113.7", "lb1"), txt(60, fullText)},
			engine.Reading{Exists: true, TTL: 60, Lease: full, Refuse: `the A of lb.example.com: "lb1" is not an address that a record can hold`}},
		{"wrong family", []Set{a(60, "2001:db8::7")},
			engine.Reading{Exists: true, TTL: 60, Refuse: "the A of lb.example.com: 2001:db8::7 is of the other family"}},
		{"TXT of somebody", []Set{a(60, "203.0.113.7"), txt(60, `"hello"`)},
			engine.Reading{Exists: true, Addrs: "203.0.113.7", TTL: 60, Refuse: "the record at _dnsfailover.lb.example.com is not a lease: it does not begin with v=1; delete it if nobody needs it"}},
		{"two leases", []Set{txt(60, fullText, `"v=1 epoch=8 holder=lb2 nonce=x"`)},
			engine.Reading{Refuse: "the record at _dnsfailover.lb.example.com is not a lease: it has 2 values, and one of them is of a service that one node holds; delete it if nobody needs it"}},
		{"odd lease", []Set{odd(txt(60, fullText), "weighted")},
			engine.Reading{Refuse: "the record at _dnsfailover.lb.example.com is not a lease: it is weighted; delete it if nobody needs it"}},
		{"CNAME for a lease", []Set{{Name: LeaseName(name), Type: "CNAME", TTL: 60, Values: []string{"www.example.com"}}},
			engine.Reading{Refuse: "the record at _dnsfailover.lb.example.com is not a lease: it is a CNAME; delete it if nobody needs it"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := Read(name, tc.sets)
			if got.Token == "" {
				t.Error("no token")
			}
			slices.Reverse(tc.sets)
			if again := Read(name, tc.sets); again.Token != got.Token || again.Refuse != got.Refuse || again.TTL != got.TTL {
				t.Errorf("the order matters: %+v, %+v", got, again)
			}
			got.Token, got.Raw = "", nil
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever a batch has to compare changes the token.
func TestTokensDiffer(t *testing.T) {
	seen := make(map[string]int)
	for i, sets := range [][]Set{
		nil,
		{a(60, "203.0.113.7")},
		{a(61, "203.0.113.7")},
		{a(60, "203.0.113.8")},
		{a(60, "203.0.113.7", "203.0.113.8")},
		{aaaa(60, "2001:db8::7")},
		{aaaa(60, "2001:DB8::7")}, // deleted as it was seen
		{a(60, "203.0.113.7"), aaaa(60, "2001:db8::7")},
		{a(60, "203.0.113.7"), txt(60, fullText)},
		{a(60, "203.0.113.7"), txt(61, fullText)},
		{a(60, "203.0.113.7"), txt(60, strings.Replace(fullText, "b1-9", "b1-8", 1))},
		{txt(60, fullText)},
		{odd(a(60, "203.0.113.7"), "weighted")},
		{{Name: name, Type: "NS", Values: []string{"ns-1"}}},
	} {
		token := Read(name, sets).Token
		if other, ok := seen[token]; ok {
			t.Errorf("%d and %d have the token %q", other, i, token)
		}
		seen[token] = i
	}
	with := []Set{a(60, "203.0.113.7"), {Name: name, Type: "MX", TTL: 60, Values: []string{"10 mx.example.com"}}}
	if _, ok := seen[Read(name, with).Token]; !ok {
		t.Error("the mail of the name is part of the token")
	}
}

func TestBatch(t *testing.T) {
	to := engine.Value{Addrs: "203.0.113.7,203.0.113.8,2001:db8::7", TTL: 10, Lease: full}
	for _, tc := range []struct {
		name string
		from []Set
		addr string
		want []Change
	}{
		{"absent", nil, "", []Change{{false, a(10, "203.0.113.7", "203.0.113.8")}, {false, aaaa(10, "2001:db8::7")}, {false, txt(10, fullText)}}},
		{"no IPv6 any more", []Set{txt(20, `"v=1 epoch=6 holder=lb2 nonce=x"`), aaaa(30, "2001:DB8::6"), a(60, "203.0.113.6")}, "203.0.113.7",
			[]Change{
				{true, a(60, "203.0.113.6")}, {true, aaaa(30, "2001:DB8::6")}, {true, txt(20, `"v=1 epoch=6 holder=lb2 nonce=x"`)},
				{false, a(10, "203.0.113.7")}, {false, txt(10, fullText)},
			}},
		{"IPv6 alone", []Set{a(60, "203.0.113.6")}, "2001:db8::7",
			[]Change{{true, a(60, "203.0.113.6")}, {false, aaaa(10, "2001:db8::7")}, {false, txt(10, fullText)}}},
		{"the same again", []Set{a(10, "203.0.113.7"), txt(10, fullText)}, "203.0.113.7",
			[]Change{{true, a(10, "203.0.113.7")}, {true, txt(10, fullText)}, {false, a(10, "203.0.113.7")}, {false, txt(10, fullText)}}},
		{"a lease alone", []Set{txt(10, fullText)}, "203.0.113.7",
			[]Change{{true, txt(10, fullText)}, {false, a(10, "203.0.113.7")}, {false, txt(10, fullText)}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			to := to
			if tc.addr != "" {
				to.Addrs = tc.addr
			}
			got, err := Batch(name, Read(name, tc.from), to)
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Error(err, diff)
			}
			var made []Set
			for _, c := range got {
				if !c.Delete {
					made = append(made, c.Set)
				}
			}
			if diff := cmp.Diff(Read(name, made), After(name, to)); diff != "" {
				t.Error("after it:", diff)
			}
		})
	}
}

func TestBatchRefuses(t *testing.T) {
	to := engine.Value{Addrs: "203.0.113.7", TTL: 10, Lease: full}
	edit := func(f func(*engine.Value)) engine.Value {
		v := to
		f(&v)
		return v
	}
	absent := Read(name, nil)
	for _, tc := range []struct {
		name string
		from engine.Reading
		to   engine.Value
		part string
	}{
		{"a refused reading", Read(name, []Set{odd(a(60, "203.0.113.7"), "weighted")}), to, "is weighted"},
		{"no reading", engine.Reading{}, to, "not the reading of a record"},
		{"no addresses", absent, edit(func(v *engine.Value) { v.Addrs = "" }), "without addresses"},
		{"no address", absent, edit(func(v *engine.Value) { v.Addrs = "203.0.113.7,lb1" }), `"lb1" is not an address`},
		{"TTL", absent, edit(func(v *engine.Value) { v.TTL = -1 }), "-1 is not a TTL"},
		{"large TTL", absent, edit(func(v *engine.Value) { v.TTL = math.MaxInt32 + 1 }), "is not a TTL"},
		{"lease", absent, edit(func(v *engine.Value) { v.Lease.Nonce = "" }), "without a nonce"},
		{"long lease", absent, edit(func(v *engine.Value) { v.Lease.Holder = strings.Repeat("x", 255) }), "shorten it"},
	} {
		if got, err := Batch(name, tc.from, tc.to); err == nil || !strings.Contains(err.Error(), tc.part) || got != nil {
			t.Errorf("%s: got %v, %v", tc.name, got, err)
		}
		if got := After(name, tc.to); (got.Refuse != "") != (tc.to != to) || got.Refuse != "" && got.Exists {
			t.Errorf("%s: after it %+v", tc.name, got)
		}
	}
}
