package record

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestAddrs(t *testing.T) {
	for _, tc := range []struct {
		in   []string
		want string
		ok   bool
	}{
		{nil, "", true},
		{[]string{"203.0.113.7"}, "203.0.113.7", true},
		{[]string{"2001:DB8:0::7", "203.0.113.7"}, "203.0.113.7,2001:db8::7", true},
		{[]string{"203.0.113.10", "203.0.113.9", "203.0.113.10"}, "203.0.113.9,203.0.113.10", true},
		{[]string{"203.0.113.7", "::ffff:203.0.113.7"}, "203.0.113.7,::ffff:203.0.113.7", true},
		{[]string{"203.0.113.07"}, "", false},
		{[]string{"fe80::1%eth0"}, "", false},
		{[]string{"lb1"}, "", false},
		{[]string{""}, "", false},
	} {
		if got, err := Addrs(tc.in...); got != tc.want || (err == nil) != tc.ok {
			t.Errorf("%q: got %q, %v", tc.in, got, err)
		}
	}
}

// drawSet is a set of few forms, so that equal ones come up.
var drawSet = rapid.Custom(func(t *rapid.T) Set {
	s := Set{Name: "lb.example.com", Type: rapid.SampledFrom([]string{"A", "AAAA"}).Draw(t, "type"), TTL: rapid.IntRange(1, 2).Draw(t, "ttl")}
	s.Values = rapid.SliceOfN(rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.2", "a\" \"b", "\n"}), 1, 2).Draw(t, "values")
	s.Odd = rapid.SampledFrom([]string{"", "", "", `weighted (set identifier "a")`}).Draw(t, "odd")
	return s
})

// Tokens are equal for the same content in another order, and for nothing else.
func TestTokenIsTheContent(t *testing.T) {
	same := func(a, b Set) bool {
		sorted := func(v []string) []string { return slices.Sorted(slices.Values(v)) }
		return a.Type == b.Type && a.TTL == b.TTL && a.Odd == b.Odd && slices.Equal(sorted(a.Values), sorted(b.Values))
	}
	equal := func(a, b []Set) bool {
		b = slices.Clone(b)
		for _, s := range a {
			n := slices.IndexFunc(b, func(o Set) bool { return same(s, o) })
			if n < 0 {
				return false
			}
			b = slices.Delete(b, n, n+1)
		}
		return len(b) == 0
	}
	rapid.Check(t, func(t *rapid.T) {
		own := rapid.SliceOfN(drawSet, 0, 2).Draw(t, "own")
		lease := rapid.SliceOfN(drawSet, 0, 1).Draw(t, "lease")
		own2 := rapid.OneOf(rapid.Permutation(own), rapid.SliceOfN(drawSet, 0, 2)).Draw(t, "own2")
		lease2 := rapid.OneOf(rapid.Just(lease), rapid.SliceOfN(drawSet, 0, 1)).Draw(t, "lease2")
		a, b := token(own, lease), token(own2, lease2)
		if want := equal(own, own2) && equal(lease, lease2); (a == b) != want || a == "" {
			t.Fatalf("equal: %v\n%s\n%s", want, a, b)
		}
	})
}
