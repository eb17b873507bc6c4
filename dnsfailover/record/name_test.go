package record

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestName(t *testing.T) {
	long := strings.Repeat("a", maxLabel)
	for _, tc := range []struct{ in, want, part string }{
		{"lb.example.com", "lb.example.com", ""},
		{"LB.Example.COM.", "lb.example.com", ""},
		{`\052.example.com.`, "*.example.com", ""},
		{"*.example.com", "*.example.com", ""},
		{`\101_b-1.example.com`, "a_b-1.example.com", ""},
		{`a\056b.example.com`, `a\056b.example.com`, ""},
		{"a!.example.com", `a\041.example.com`, ""},
		{"com", "com", ""},
		{"", "", "empty label"},
		{".", "", "empty label"},
		{"lb..example.com", "", "empty label"},
		{"lb.example.com..", "", "empty label"},
		{long + ".example.com", long + ".example.com", ""},
		{long + "a.example.com", "", "label of 64 octets"},
		{strings.Repeat(long+".", 3) + strings.Repeat("b", 49), "", "too long for a lease beside it: 240 octets"},
		{strings.Repeat(long+".", 3) + strings.Repeat("b", 48), strings.Repeat(long+".", 3) + strings.Repeat("b", 48), ""},
		{strings.Repeat(long+".", 4), "", "255 octets, and 253"},
		{"lb.exämple.com", "", "xn--"},
		{"lb .example.com", "", "a space"},
		{`lb\09.example.com`, "", "three octal digits"},
		{`lb\400.example.com`, "", "three octal digits"},
		{`lb.example.com\05`, "", "three octal digits"},
	} {
		got, err := Name(tc.in)
		if got != tc.want || (err == nil) != (tc.part == "") || err != nil && !strings.Contains(err.Error(), tc.part) {
			t.Errorf("%q: got %q, %v; want %q, %q", tc.in, got, err, tc.want, tc.part)
		}
	}
}

func TestLeaseName(t *testing.T) {
	for name, want := range map[string]string{
		"lb.example.com": "_dnsfailover.lb.example.com",
		"example.com":    "_dnsfailover.example.com",
		"*.example.com":  "_dnsfailover.*.example.com",
	} {
		if got := LeaseName(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestSameAndWithin(t *testing.T) {
	for _, tc := range []struct {
		name, other  string
		same, within bool
	}{
		{"lb.example.com", "LB.example.com.", true, true},
		{"*.example.com", `\052.EXAMPLE.com.`, true, true},
		{"lb.example.com", "example.com.", false, true},
		{"notexample.com", "example.com", false, false},
		{"example.com", "lb.example.com", false, false},
		{"lb.example.com", "lb.example.com.example.com", false, false},
		{"", "", false, false},
	} {
		if got := Same(tc.name, tc.other); got != tc.same {
			t.Errorf("%q and %q are the same: %v", tc.name, tc.other, got)
		}
		if got := Within(tc.name, tc.other); got != tc.within {
			t.Errorf("%q is within %q: %v", tc.name, tc.other, got)
		}
	}
}

// A name that is taken is in the form that it will be compared in.
func TestNameIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(
			rapid.StringMatching(`([a-zA-Z0-9_*-]{1,8}|\\[01][0-7]{2}){1,3}(\.([a-zA-Z0-9-]{1,8}|\\[01][0-7]{2})){0,4}\.?`),
			rapid.String(),
		).Draw(t, "name")
		name, err := Name(s)
		if err != nil {
			return
		}
		again, err := Name(name)
		if err != nil || again != name || !Same(s, name) || !Within(s, name) {
			t.Fatalf("%q is %q, and that is %q, %v", s, name, again, err)
		}
		if _, err := parseName(LeaseName(name)); err != nil {
			t.Fatalf("the lease of %q: %v", name, err)
		}
	})
}
