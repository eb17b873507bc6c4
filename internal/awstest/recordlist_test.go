package awstest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// listed names the sets of an answer.
func listed(out ListRecordsOutput) []string {
	var all []string
	for _, r := range out.Sets {
		all = append(all, r.Name+" "+r.Type+" "+r.SetID)
	}
	return all
}

func TestListRecords(t *testing.T) {
	c, _, zone := newZone(t, Config{Propagation: time.Hour})
	do(t, submit(c, zone,
		Change{Create, set("a.example.com", "TXT", `"x"`)},
		Change{Create, set("a.example.com", "A", "192.0.2.1")},
		Change{Create, weighted("b.example.com", "two", 1, "192.0.2.1")},
		Change{Create, weighted("b.example.com", "one", 1, "192.0.2.1")},
		Change{Create, set("*.example.com", "A", "192.0.2.1")},
		Change{Create, set("z.a.example.com", "A", "192.0.2.1")},
	))
	all := []string{
		"example.com. NS ", "example.com. SOA ", `\052.example.com. A `, "a.example.com. A ", "a.example.com. TXT ",
		"z.a.example.com. A ", "b.example.com. A one", "b.example.com. A two",
	}
	for _, tc := range []struct {
		name string
		in   ListRecordsInput
		want []string
		next RecordSet
	}{
		{"all", ListRecordsInput{}, all, RecordSet{}},
		{"page", ListRecordsInput{MaxItems: 3}, all[:3], RecordSet{Name: "a.example.com.", Type: "A"}},
		{"just all", ListRecordsInput{MaxItems: 8}, all, RecordSet{}},
		{"from a name", ListRecordsInput{StartName: "A.example.com", MaxItems: 1}, all[3:4], RecordSet{Name: "a.example.com.", Type: "TXT"}},
		{"from a name and type", ListRecordsInput{StartName: "a.example.com", StartType: "TXT", MaxItems: 2}, all[4:6], RecordSet{Name: "b.example.com.", Type: "A", SetID: "one"}},
		{"from a type between", ListRecordsInput{StartName: "a.example.com", StartType: "MX", MaxItems: 1}, all[4:5], RecordSet{Name: "z.a.example.com.", Type: "A"}},
		{"from a type beyond", ListRecordsInput{StartName: "b.example.com", StartType: "TXT"}, nil, RecordSet{}},
		{"from an identifier", ListRecordsInput{StartName: "b.example.com", StartType: "A", StartSetID: "two"}, all[7:], RecordSet{}},
		{"from an identifier between", ListRecordsInput{StartName: "b.example.com", StartType: "A", StartSetID: "p"}, all[7:], RecordSet{}},
		{"from a name that is not", ListRecordsInput{StartName: "aa.example.com", StartType: "A", MaxItems: 1}, all[6:7], RecordSet{Name: "b.example.com.", Type: "A", SetID: "two"}},
		{"from a wildcard", ListRecordsInput{StartName: "*.example.com", MaxItems: 1}, all[2:3], RecordSet{Name: "a.example.com.", Type: "A"}},
		{"from beyond", ListRecordsInput{StartName: "c.example.com"}, nil, RecordSet{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.in.ZoneID = zone
			out, err := c.ListResourceRecordSets(Caller{}, tc.in)
			do(t, err)
			if got := listed(out); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if diff := cmp.Diff(tc.next, out.Next); diff != "" || out.Truncated != (tc.next.Name != "") {
				t.Errorf("truncated %v, next: %s", out.Truncated, diff)
			}
		})
	}
	for _, tc := range []struct {
		name string
		in   ListRecordsInput
		want string
	}{
		{"type alone", ListRecordsInput{ZoneID: zone, StartType: "A"}, "InvalidInput"},
		{"identifier without type", ListRecordsInput{ZoneID: zone, StartName: "a.example.com", StartSetID: "x"}, "InvalidInput"},
		{"unknown type", ListRecordsInput{ZoneID: zone, StartName: "a.example.com", StartType: "X"}, "InvalidInput"},
		{"bad name", ListRecordsInput{ZoneID: zone, StartName: "a..b"}, "InvalidInput"},
		{"negative", ListRecordsInput{ZoneID: zone, MaxItems: -1}, "InvalidInput"},
		{"no such zone", ListRecordsInput{ZoneID: "Z0"}, "NoSuchHostedZone"},
	} {
		if _, err := c.ListResourceRecordSets(Caller{}, tc.in); code(err) != tc.want {
			t.Errorf("%s: got %v, want %s", tc.name, err, tc.want)
		}
	}
}

// TestListPages follows pages of any size through any zone.
func TestListPages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sets recordSets
		for _, n := range rapid.SliceOf(rapid.IntRange(0, 200)).Draw(t, "sets") {
			id := []string{"", "one", "two"}[n%3]
			sets = sets.put(RecordSet{Name: fmt.Sprintf("n%d.example.com.", n/9), Type: []string{"A", "AAAA", "TXT"}[n/3%3], SetID: id})
		}
		in := ListRecordsInput{MaxItems: rapid.IntRange(1, 5).Draw(t, "page")}
		var got recordSets
		for range len(sets) + 1 {
			out, err := listFrom(sets, in)
			if err != nil || len(out.Sets) > in.MaxItems {
				t.Fatalf("%d sets, %v", len(out.Sets), err)
			}
			got = append(got, out.Sets...)
			if !out.Truncated {
				break
			}
			in.StartName, in.StartType, in.StartSetID = out.Next.Name, out.Next.Type, out.Next.SetID
		}
		if diff := cmp.Diff(sets, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestListLimit(t *testing.T) {
	c, _, zone := newZone(t, Config{})
	for n := range 4 {
		var batch []Change
		for i := range 100 {
			batch = append(batch, Change{Create, set(fmt.Sprintf("n%d-%d.example.com", n, i), "A", "192.0.2.1")})
		}
		do(t, submit(c, zone, batch...))
	}
	for _, items := range []int{0, 1000, 300} {
		out, err := c.ListResourceRecordSets(Caller{}, ListRecordsInput{ZoneID: zone, MaxItems: items})
		if err != nil || len(out.Sets) != 300 || out.MaxItems != 300 || !out.Truncated {
			t.Errorf("%d asked for: %d, %d, %v", items, len(out.Sets), out.MaxItems, err)
		}
	}
}

func TestStaleList(t *testing.T) {
	c, clk, zone := newZone(t, Config{})
	do(t, submit(c, zone, Change{Create, set("lb.example.com", "A", "192.0.2.1")}))
	clk.advance(time.Second)
	do(t, submit(c, zone, swap("lb.example.com", "192.0.2.1", "192.0.2.2")...))
	clk.advance(time.Second)
	list := func(age time.Duration) string {
		t.Helper()
		defer c.Inject(Fault{Service: "route53", Kind: Stale, Age: age})()
		out, err := c.ListResourceRecordSets(Caller{}, ListRecordsInput{ZoneID: zone, StartName: "lb.example.com"})
		do(t, err)
		if len(out.Sets) == 0 {
			return ""
		}
		return out.Sets[0].Values[0]
	}
	for _, tc := range []struct {
		age  time.Duration
		want string
	}{
		{0, "192.0.2.2"}, {time.Second, "192.0.2.2"}, {time.Second + 1, "192.0.2.1"}, {2 * time.Second, "192.0.2.1"},
		{2*time.Second + 1, ""}, {time.Hour, ""},
	} {
		if got := list(tc.age); got != tc.want {
			t.Errorf("%v ago: %q, want %q", tc.age, got, tc.want)
		}
	}
	// What is told late is not what changes are judged by, and other calls
	// and refusals are as ever.
	remove := c.Inject(Fault{Kind: Stale, Age: time.Hour})
	do(t, submit(c, zone, swap("lb.example.com", "192.0.2.2", "192.0.2.3")...))
	if _, err := c.ListResourceRecordSets(Caller{}, ListRecordsInput{ZoneID: "Z0"}); code(err) != "NoSuchHostedZone" {
		t.Errorf("of no zone: %v", err)
	}
	if _, err := c.ListResourceRecordSets(Caller{}, ListRecordsInput{ZoneID: zone, StartType: "A"}); code(err) != "InvalidInput" {
		t.Errorf("of a bad form: %v", err)
	}
	allow := c.Deny("route53:List*")
	if _, err := c.ListResourceRecordSets(Caller{}, ListRecordsInput{ZoneID: zone}); code(err) != "AccessDenied" {
		t.Errorf("denied: %v", err)
	}
	allow()
	remove()

	// The past is forgotten after ten minutes without a change.
	clk.advance(pastKept)
	do(t, submit(c, zone, swap("lb.example.com", "192.0.2.3", "192.0.2.4")...))
	if got := list(pastKept); got != "192.0.2.3" {
		t.Errorf("ten minutes ago: %q", got)
	}
	clk.advance(time.Second)
	do(t, submit(c, zone, swap("lb.example.com", "192.0.2.4", "192.0.2.5")...))
	if n := len(c.hosted[zone].versions); n != 3 {
		t.Errorf("%d versions are kept, want 3", n)
	}
	if got := list(time.Hour); got != "192.0.2.3" {
		t.Errorf("an hour ago: %q", got)
	}
}

func TestRoute53Faults(t *testing.T) {
	const name = "lb.example.com"
	for _, tc := range []struct {
		kind    FaultKind
		carried bool
		err     error
	}{
		{Lose, true, ErrNoAnswer}, {Truncate, true, ErrNoAnswer}, {Drop, false, ErrNoAnswer}, {Hang, false, ErrNoAnswer}, {Empty, false, nil},
	} {
		c, _, zone := newZone(t, Config{})
		do(t, submit(c, zone, Change{Create, set(name, "A", "192.0.2.1")}))
		c.Inject(Fault{Service: "route53", Kind: tc.kind, Times: 1})
		if err := submit(c, zone, swap(name, "192.0.2.1", "192.0.2.2")...); !errors.Is(err, tc.err) {
			t.Errorf("kind %v: %v", tc.kind, err)
		}
		if r, ok := c.Record(zone, name, "A"); !ok || (r.Values[0] == "192.0.2.2") != tc.carried {
			t.Errorf("kind %v: %+v, want it carried out: %v", tc.kind, r, tc.carried)
		}
		// Asked again, a batch that was made can't be told from a lost race.
		if again := submit(c, zone, swap(name, "192.0.2.1", "192.0.2.2")...); (code(again) == "InvalidChangeBatch") != tc.carried {
			t.Errorf("kind %v, again: %v", tc.kind, again)
		}
	}
}
