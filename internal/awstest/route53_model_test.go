package awstest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// model is a zone as simply as it can be told: a text for each set. It knows
// simple and multivalue sets of A and TXT records, and nothing of the rest.
type model map[string]string

func (m model) key(r RecordSet) string {
	return strings.ToLower(strings.TrimSuffix(r.Name, ".")) + " " + r.Type + " " + r.SetID
}

func (m model) value(r RecordSet) string {
	return fmt.Sprint(r.TTL, slices.Sorted(slices.Values(r.Values)))
}

// apply makes a batch, or returns false and leaves the model as it was.
func (m model) apply(batch []Change) bool {
	work := maps.Clone(m)
	done := make(map[string]ChangeAction)
	for _, ch := range batch {
		key, value := m.key(ch.Set), m.value(ch.Set)
		old, exists := work[key]
		if before, again := done[key]; again && (before != Delete || ch.Action == Delete) {
			return false
		}
		done[key] = ch.Action
		switch {
		case !strings.HasSuffix(strings.ToLower(strings.TrimSuffix(ch.Set.Name, ".")), ".example.com"):
			return false
		case ch.Action == Delete && (!exists || old != value), ch.Action == Create && exists:
			return false
		case ch.Action == Delete:
			delete(work, key)
			continue
		}
		simple := strings.TrimSuffix(key, ch.Set.SetID)
		for other := range work {
			if strings.HasPrefix(other, simple) && other != key && (other == simple) != (ch.Set.SetID == "") {
				return false
			}
			if strings.HasPrefix(other, simple) && other != key && ch.Set.SetID == "" {
				return false
			}
		}
		work[key] = value
	}
	clear(m)
	maps.Copy(m, work)
	return true
}

// TestZoneIsLikeTheModel makes batches at random: those that the model takes
// are taken, and the others change nothing.
func TestZoneIsLikeTheModel(t *testing.T) {
	drawSet := rapid.Custom(func(t *rapid.T) RecordSet {
		r := RecordSet{
			Name: rapid.SampledFrom([]string{"a.example.com", "A.example.com.", "b.example.com", "c.example.net"}).Draw(t, "name"),
			Type: rapid.SampledFrom([]string{"A", "TXT"}).Draw(t, "type"),
			TTL:  rapid.Int64Range(1, 2).Draw(t, "ttl"),
		}
		values := []string{"192.0.2.1", "192.0.2.2"}
		if r.Type == "TXT" {
			values = []string{`"one"`, `"two"`}
		}
		r.Values = rapid.Permutation(values).Draw(t, "values")[:rapid.IntRange(1, 2).Draw(t, "count")]
		if id := rapid.SampledFrom([]string{"", "", "x", "y"}).Draw(t, "id"); id != "" {
			r.SetID, r.MultiValue = id, true
		}
		return r
	})
	taken, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		c := New(Config{})
		c.SetRate(AnyRoute53, Rate{})
		zone, err := c.AddZone(HostedZone{Name: "example.com"})
		if err != nil {
			t.Fatal(err)
		}
		m := make(model)
		for range rapid.IntRange(1, 30).Draw(t, "batches") {
			var batch []Change
			for range rapid.IntRange(1, 4).Draw(t, "changes") {
				ch := Change{rapid.SampledFrom([]ChangeAction{Create, Delete, Upsert}).Draw(t, "action"), drawSet.Draw(t, "set")}
				// Most deletes should have a chance.
				if known := c.Records(zone); ch.Action == Delete && len(known) > 2 && rapid.IntRange(0, 3).Draw(t, "guess") > 0 {
					ch.Set = rapid.SampledFrom(known[2:]).Draw(t, "known")
				}
				batch = append(batch, ch)
			}
			before := c.Records(zone)
			err := submit(c, zone, batch...)
			if want := m.apply(batch); (err == nil) != want {
				t.Fatalf("%+v: got %v, the model takes it: %v", batch, err, want)
			}
			if err != nil {
				refused++
				if code(err) != "InvalidChangeBatch" || !slices.EqualFunc(before, c.Records(zone), func(a, b RecordSet) bool { return a.same(&b) }) {
					t.Fatalf("%v, and there is %+v", err, c.Records(zone))
				}
				continue
			}
			taken++
			got := make(model)
			for _, r := range c.Records(zone)[2:] {
				got[m.key(r)] = m.value(r)
			}
			if !maps.Equal(m, got) {
				t.Fatalf("after %+v: got %v, want %v", batch, got, m)
			}
		}
	})
	if taken == 0 || refused == 0 {
		t.Errorf("%d batches were taken, %d refused", taken, refused)
	}
}
