package awstest

import (
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"
)

func TestParseName(t *testing.T) {
	label63 := strings.Repeat("a", 63)
	name255 := strings.Join([]string{label63, label63, label63, label63[:61]}, ".")
	for _, tc := range []struct{ in, want, problem string }{
		{"www.example.com", "www.example.com.", ""},
		{"www.example.com.", "www.example.com.", ""},
		{"WWW.Example.COM", "www.example.com.", ""},
		{"_acme-challenge.example.com", "_acme-challenge.example.com.", ""},
		{"*.example.com", `\052.example.com.`, ""},
		{`\052.example.com`, `\052.example.com.`, ""},
		{`\101bc.example.com`, "abc.example.com.", ""},
		{`a\056b.example.com`, `a\056b.example.com.`, ""},
		{`\344.example.com`, `\344.example.com.`, ""},
		{"com", "com.", ""},
		{label63 + ".com", label63 + ".com.", ""},
		{name255, name255 + ".", ""},
		{name255 + "a", "", "DomainNameTooLong"},
		{label63 + "a.com", "", "DomainLabelTooLong"},
		{"", "", "DomainNameEmpty"},
		{".", "", "DomainNameEmpty"},
		{"a..example.com", "", "DomainLabelEmpty"},
		{"example.com..", "", "DomainLabelEmpty"},
		{"a b.example.com", "", "UnsupportedCharacter"},
		{"ä.example.com", "", "UnsupportedCharacter"},
		{`\05.example.com`, "", "UnsupportedCharacter"},
		{`\058.example.com`, "", "UnsupportedCharacter"},
		{`\477.example.com`, "", "UnsupportedCharacter"},
		{`a.com\`, "", "UnsupportedCharacter"},
	} {
		got, err := parseName(tc.in)
		if got != tc.want || (err == nil) != (tc.problem == "") || err != nil && !strings.Contains(err.Error(), tc.problem+" (") {
			t.Errorf("%s: got %q, %v, want %q, %s", tc.in, got, err, tc.want, tc.problem)
		}
	}
}

func TestNameOrder(t *testing.T) {
	// The dot at the end sorts after a hyphen and before a digit.
	want := []string{"example.com.", `\052.example.com.`, "a-b.example.com.", "a.example.com.", "z.a.example.com.", "a0.example.com.", "b.example.com.", "a.example.net."}
	var sets recordSets
	for _, n := range []int{5, 3, 7, 0, 6, 1, 4, 2} {
		sets = sets.put(RecordSet{Name: want[n], Type: "A"})
	}
	var got []string
	for _, r := range sets {
		got = append(got, r.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWithin(t *testing.T) {
	for name, want := range map[string]bool{
		"example.com.": true, "a.example.com.": true, "a.b.example.com.": true, "badexample.com.": false, "com.": false, "example.com.a.": false,
	} {
		if within(name, "example.com.") != want {
			t.Errorf("%s: want %v", name, want)
		}
	}
}

// TestNamesOnTheWire sends names of any octets through the DNS library and back.
func TestNamesOnTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stored strings.Builder
		for _, label := range rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 20), 1, 4).Draw(t, "labels") {
			writeLabel(&stored, label)
		}
		wire := wireName(stored.String())
		buf := make([]byte, 256)
		if _, err := dns.PackDomainName(wire, buf, 0, nil, false); err != nil {
			t.Fatalf("%s does not pack: %v", wire, err)
		}
		back, _, err := dns.UnpackDomainName(buf, 0)
		if err != nil || storedName(back) != stored.String() {
			t.Fatalf("%s came back as %s (%s, %v)", stored.String(), storedName(back), back, err)
		}
		if again, err := parseName(stored.String()); err != nil || again != stored.String() {
			t.Fatalf("%s is parsed as %s, %v", stored.String(), again, err)
		}
	})
}
