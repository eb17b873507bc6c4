package record

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// drawContent is what may lie at the name, out of little, so that two of them are often the same.
var drawContent = rapid.Custom(func(t *rapid.T) []Set {
	var sets []Set
	for _, s := range []Set{
		a(0, "203.0.113.7", "203.0.113.8"),
		aaaa(0, "2001:db8::7", "2001:DB8::7"),
		txt(0, fullText, `"v=1 epoch=8 holder=lb2 nonce=x"`),
	} {
		n := rapid.IntRange(0, 3).Draw(t, s.Type)
		if n == 0 {
			continue
		}
		s.TTL = rapid.IntRange(1, 2).Draw(t, "ttl of "+s.Type)
		if n == 1 && s.Type == "A" {
			s.Values = rapid.Permutation(s.Values).Draw(t, "values")
		} else {
			s.Values = s.Values[n%2 : n%2+1]
		}
		sets = append(sets, s)
	}
	return sets
})

// drawValue is what it shall become.
var drawValue = rapid.Custom(func(t *rapid.T) engine.Value {
	return engine.Value{
		Addrs: rapid.SampledFrom([]string{"203.0.113.7", "203.0.113.9", "203.0.113.7,2001:db8::7", "2001:db8::9"}).Draw(t, "addrs"),
		TTL:   rapid.IntRange(1, 2).Draw(t, "new ttl"),
		Lease: rapid.OneOf(drawLease, drawMembers).Draw(t, "lease"),
	}
})

// drawMembers is a lease of some nodes that all have the record.
var drawMembers = rapid.Custom(func(t *rapid.T) engine.Lease {
	var members []engine.Member
	for _, l := range rapid.SliceOfNDistinct(drawLease, 1, 7, func(l engine.Lease) string { return l.Holder }).Draw(t, "members") {
		members = append(members, engine.Member{Node: l.Holder, Instance: l.Instance, Epoch: l.Epoch, Nonce: l.Nonce, Hash: l.Hash, Addrs: l.Addrs})
	}
	return engine.LeaseOf(members)
})

func change(action awstest.ChangeAction, s Set) awstest.Change {
	return awstest.Change{Action: action, Set: awstest.RecordSet{Name: s.Name, Type: s.Type, TTL: int64(s.TTL), Values: s.Values}}
}

// read is what a zone holds at the name, with all that lies around it.
func read(c *awstest.Cloud, zone string) engine.Reading {
	var sets []Set
	for _, r := range c.Records(zone) {
		sets = append(sets, Set{Name: r.Name, Type: r.Type, TTL: int(r.TTL), Values: r.Values})
	}
	return Read(name, sets)
}

// unseen are the sets of a type that was not read and will not be made, which no batch can compare.
func unseen(from engine.Reading, to engine.Value, there []Set) (sets []Set) {
	has := func(sets []Set, rrType string) bool {
		return slices.ContainsFunc(sets, func(s Set) bool { return s.Type == rrType })
	}
	for _, s := range there {
		if !has(from.Raw.([]Set), s.Type) && !has(After(name, to).Raw.([]Set), s.Type) {
			sets = append(sets, s)
		}
	}
	return sets
}

// The batch made from a reading is carried out if, and only if, the zone holds exactly what was read. Then it leaves behind
// what After says, and otherwise all as it was.
func TestBatchComparesAndSwaps(t *testing.T) {
	made, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		c := awstest.New(awstest.Config{})
		c.SetRate(awstest.AnyRoute53, awstest.Rate{})
		zone, err := c.AddZone(awstest.HostedZone{Name: "example.com"})
		if err != nil {
			t.Fatal(err)
		}
		there := drawContent.Draw(t, "there")
		for _, s := range append(slices.Clone(there), Set{Name: "www.lb.example.com", Type: "A", TTL: 1, Values: []string{"203.0.113.1"}}) {
			if err := c.SetRecord(zone, change("", s).Set); err != nil {
				t.Fatal(err)
			}
		}
		from := Read(name, rapid.OneOf(rapid.Just(there), drawContent).Draw(t, "from"))
		to := drawValue.Draw(t, "to")
		batch, err := Batch(name, from, to)
		if err != nil {
			t.Fatal(err)
		}
		in := awstest.ChangeRecordsInput{ZoneID: zone}
		for _, ch := range batch {
			action := awstest.Create
			if ch.Delete {
				action = awstest.Delete
			}
			in.Changes = append(in.Changes, change(action, ch.Set))
		}
		before, more := read(c, zone), unseen(from, to, there)
		_, err = c.ChangeResourceRecordSets(awstest.Caller{}, in)
		if want := before.Token == Read(name, slices.Concat(more, from.Raw.([]Set))).Token; (err == nil) != want {
			t.Fatalf("the zone holds what was read: %v, and the batch: %v\n%+v", want, err, in.Changes)
		}
		after := read(c, zone)
		if err != nil {
			refused++
			if after.Token != before.Token {
				t.Fatalf("refused, and yet %+v", after)
			}
			return
		}
		made++
		want := After(name, to)
		if len(more) > 0 {
			want = Read(name, slices.Concat(more, want.Raw.([]Set)))
		}
		// The zone has names with the dot at the end.
		want.Raw, after.Raw = nil, nil
		if diff := cmp.Diff(want, after); diff != "" {
			t.Fatal(diff)
		}
		if len(more) == 0 && after.Addrs != to.Addrs || len(more) == 0 && after.TTL != to.TTL || after.Lease != to.Lease || after.Refuse != "" {
			t.Fatalf("%+v became %+v", to, after)
		}
	})
	if made == 0 || refused == 0 {
		t.Errorf("%d batches were made, %d refused", made, refused)
	}
}
