package awstest

import (
	"errors"
	"slices"
	"testing"
)

// newZone returns a cloud with the zone example.com in it, and its clock unless
// it has another one. Requests are not limited.
func newZone(t testing.TB, cfg Config) (c *Cloud, clk *clock, id string) {
	t.Helper()
	clk = newClock()
	if cfg.Now == nil {
		cfg.Now = clk.Now
	}
	c = New(cfg)
	c.SetRate(AnyRoute53, Rate{})
	id, err := c.AddZone(HostedZone{Name: "example.com"})
	do(t, err)
	return c, clk, id
}

// set is a simple record set with a TTL of a minute.
func set(name, rrType string, values ...string) RecordSet {
	return RecordSet{Name: name, Type: rrType, TTL: 60, Values: values}
}

// weighted is a set of a weighted group of A records.
func weighted(name, id string, weight int64, value string) RecordSet {
	return RecordSet{Name: name, Type: "A", TTL: 60, Values: []string{value}, SetID: id, Weight: &weight}
}

// swap is the batch that replaces one value by another, if it still holds.
func swap(name, from, to string) []Change {
	return []Change{{Delete, set(name, "A", from)}, {Create, set(name, "A", to)}}
}

// submit makes a batch as the default user.
func submit(c *Cloud, zone string, changes ...Change) error {
	_, err := c.ChangeResourceRecordSets(Caller{}, ChangeRecordsInput{ZoneID: zone, Changes: changes})
	return err
}

// messages returns the messages of a batch that was refused for its content.
func messages(t testing.TB, err error) []string {
	t.Helper()
	var e *Error
	if err == nil {
		return nil
	}
	if !errors.As(err, &e) || e.Code != "InvalidChangeBatch" || e.Status != 400 || len(e.Messages) == 0 {
		t.Fatalf("got %v, want an InvalidChangeBatch", err)
	}
	return e.Messages
}

// present returns what record sets a zone has below its apex, as texts.
func present(c *Cloud, zone string) []string {
	var all []string
	for _, r := range c.Records(zone) {
		if r.Type == "SOA" || r.Type == "NS" {
			continue
		}
		text := r.Name + " " + r.Type
		if r.SetID != "" {
			text += " " + r.SetID
		}
		for _, v := range slices.Sorted(slices.Values(r.Values)) {
			text += " " + v
		}
		all = append(all, text)
	}
	return all
}

// TestCompareAndSwap is the list of what an emulator must get right before
// compare-and-swap may be tested on it.
func TestCompareAndSwap(t *testing.T) {
	const name = "lb.example.com."
	const stale = "Tried to delete resource record set [name='lb.example.com.', type='A'] but the values provided do not match the current values"
	const gone = "Tried to delete resource record set [name='lb.example.com.', type='A'] but it was not found"
	lease := func(n string) RecordSet { return set("_dnsfailover."+name, "TXT", `"epoch=`+n+`"`) }
	for _, tc := range []struct {
		name  string
		prior [][]Change // what happened before; all of it works
		batch []Change
		want  []string // messages; none is success
		left  []string
	}{
		{
			"old was current once", [][]Change{{{Create, set(name, "A", "192.0.2.1")}}, swap(name, "192.0.2.1", "192.0.2.2")},
			swap(name, "192.0.2.1", "192.0.2.3"),
			[]string{stale, "Tried to create resource record set [name='lb.example.com.', type='A'] but it already exists"},
			[]string{"lb.example.com. A 192.0.2.2"},
		},
		{
			"deleted by somebody",
			[][]Change{{{Create, set(name, "A", "192.0.2.1")}}, {{Delete, set(name, "A", "192.0.2.1")}}},
			swap(name, "192.0.2.1", "192.0.2.3"), []string{gone}, nil,
		},
		{
			"old never existed", [][]Change{{{Create, set(name, "A", "192.0.2.1")}}},
			[]Change{{Delete, set(name, "A", "192.0.2.9")}}, []string{stale}, []string{"lb.example.com. A 192.0.2.1"},
		},
		{
			"wrong TTL", [][]Change{{{Create, set(name, "A", "192.0.2.1")}}},
			[]Change{{Delete, RecordSet{Name: name, Type: "A", TTL: 61, Values: []string{"192.0.2.1"}}}},
			[]string{stale}, []string{"lb.example.com. A 192.0.2.1"},
		},
		{
			"A to B to A to B", [][]Change{
				{{Create, set(name, "A", "192.0.2.1")}},
				swap(name, "192.0.2.1", "192.0.2.2"), swap(name, "192.0.2.2", "192.0.2.1"),
			},
			swap(name, "192.0.2.1", "192.0.2.2"), nil, []string{"lb.example.com. A 192.0.2.2"},
		},
		{
			"stale lease with an upsert", [][]Change{
				{{Create, lease("1")}, {Create, set(name, "A", "192.0.2.1")}},
				{{Delete, lease("1")}, {Create, lease("2")}},
			},
			[]Change{{Delete, lease("1")}, {Create, lease("3")}, {Upsert, set(name, "A", "192.0.2.3")}},
			[]string{
				"Tried to delete resource record set [name='_dnsfailover.lb.example.com.', type='TXT'] but the values provided do not match the current values",
				"Tried to create resource record set [name='_dnsfailover.lb.example.com.', type='TXT'] but it already exists",
			},
			[]string{"lb.example.com. A 192.0.2.1", `_dnsfailover.lb.example.com. TXT "epoch=2"`},
		},
		{
			"create with another value", [][]Change{{{Create, set(name, "A", "192.0.2.1")}}},
			[]Change{{Create, set(name, "A", "192.0.2.2")}},
			[]string{"Tried to create resource record set [name='lb.example.com.', type='A'] but it already exists"},
			[]string{"lb.example.com. A 192.0.2.1"},
		},
		{
			"upsert and a create outside the zone", nil,
			[]Change{{Upsert, set(name, "A", "192.0.2.1")}, {Create, set("lb.example.net", "A", "192.0.2.1")}},
			[]string{"RRSet with DNS name lb.example.net. is not permitted in zone example.com."}, nil,
		},
		{
			"deleted twice in one batch", [][]Change{{{Create, set(name, "A", "192.0.2.1")}}},
			[]Change{{Delete, set(name, "A", "192.0.2.1")}, {Delete, set(name, "A", "192.0.2.1")}},
			[]string{"The request contains an invalid set of changes for a resource record set 'A lb.example.com.'"},
			[]string{"lb.example.com. A 192.0.2.1"},
		},
		{
			"values in another order", [][]Change{{{Create, set(name, "A", "192.0.2.1", "192.0.2.2")}}},
			[]Change{{Delete, set(name, "A", "192.0.2.2", "192.0.2.1")}}, nil, nil,
		},
		{
			"name in another case", [][]Change{{{Create, set(name, "A", "192.0.2.1")}}},
			[]Change{{Delete, set("LB.Example.COM", "A", "192.0.2.1")}}, nil, nil,
		},
		{
			"create before delete", [][]Change{{{Create, set(name, "A", "192.0.2.1")}}},
			[]Change{{Create, set(name, "A", "192.0.2.2")}, {Delete, set(name, "A", "192.0.2.1")}},
			[]string{
				"Tried to create resource record set [name='lb.example.com.', type='A'] but it already exists",
				"The request contains an invalid set of changes for a resource record set 'A lb.example.com.'",
			},
			[]string{"lb.example.com. A 192.0.2.1"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _, zone := newZone(t, Config{})
			for _, batch := range tc.prior {
				do(t, submit(c, zone, batch...))
			}
			if got := messages(t, submit(c, zone, tc.batch...)); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if got := present(c, zone); !slices.Equal(got, tc.left) {
				t.Errorf("left %q, want %q", got, tc.left)
			}
		})
	}
}
