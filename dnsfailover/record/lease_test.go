package record

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

var full = engine.Lease{Epoch: 7, Holder: "lb1", Nonce: "b1-9", Addrs: "203.0.113.7,2001:db8::7", Hash: "5f3a", Mode: "one"}

const fullText = `"v=1 epoch=7 holder=lb1 nonce=b1-9 mode=one hash=5f3a addr=203.0.113.7,2001:db8::7"`

func TestEncode(t *testing.T) {
	edit := func(f func(*engine.Lease)) engine.Lease {
		l := full
		f(&l)
		return l
	}
	for _, tc := range []struct {
		name       string
		lease      engine.Lease
		want, part string
	}{
		{"full", full, fullText, ""},
		{"least", engine.Lease{Epoch: 1, Holder: "a", Nonce: "b"}, `"v=1 epoch=1 holder=a nonce=b"`, ""},
		{"odd holder", engine.Lease{Epoch: 1, Holder: `lb "1"\ä%=`, Nonce: "b"}, `"v=1 epoch=1 holder=lb%20%221%22%5C%C3%A4%25= nonce=b"`, ""},
		{"no epoch", edit(func(l *engine.Lease) { l.Epoch = 0 }), "", "without an epoch"},
		{"no holder", edit(func(l *engine.Lease) { l.Holder = "" }), "", "without a holder"},
		{"no nonce", edit(func(l *engine.Lease) { l.Nonce = "" }), "", "without a nonce"},
		{"order of addresses", edit(func(l *engine.Lease) { l.Addrs = "2001:db8::7,203.0.113.7" }), "", "canonical form"},
		{"no address", edit(func(l *engine.Lease) { l.Addrs = "lb1" }), "", "not an address"},
		{"long holder", edit(func(l *engine.Lease) { l.Holder = strings.Repeat("x", 200) }), "", "the longest part is the name of the node with 200; shorten it"},
		{"long hash", edit(func(l *engine.Lease) { l.Hash = strings.Repeat("x", 200) }), "", "the hash with 200"},
	} {
		got, err := Encode(tc.lease)
		if got != tc.want || (err == nil) != (tc.part == "") || err != nil && !strings.Contains(err.Error(), tc.part) {
			t.Errorf("%s: got %s, %v", tc.name, got, err)
		}
	}
	room := maxText - len(fullText) + len(`""`)
	for n, ok := range map[int]bool{room: true, room + 1: false} {
		l := edit(func(l *engine.Lease) { l.Holder += strings.Repeat("x", n) })
		if got, err := Encode(l); (err == nil) != ok {
			t.Errorf("%d more octets: %d, %v", n, len(got), err)
		}
	}
}

func TestDecode(t *testing.T) {
	for _, tc := range []struct{ name, value, part string }{
		{"of a later release", strings.Replace(fullText, " hash", " since=2030 hash", 1), ""},
		{"in another order", `"v=1 addr=203.0.113.7,2001:db8::7 hash=5f3a mode=one nonce=b1-9 holder=lb1 epoch=7"`, ""},
		{"a key of another case", strings.Replace(fullText, " hash", " EPOCH=9 hash", 1), ""},
		{"another version", `"v=2 epoch=7"`, "a later release"},
		{"another use of TXT", `"v=spf1 -all"`, `begins with "v=spf1"`},
		{"no version", `"epoch=7 holder=lb1 nonce=b1-9"`, "does not begin with v=1"},
		{"version not first", `"epoch=7 v=1 holder=lb1 nonce=b1-9"`, "does not begin with v=1"},
		{"empty", `""`, "does not begin with v=1"},
		{"nothing", ``, "one plain string"},
		{"one quotation mark", `"`, "one plain string"},
		{"no quotation marks", strings.Trim(fullText, `"`), "one plain string"},
		{"two strings", fullText + " " + fullText, "one plain string"},
		{"an escape", strings.Replace(fullText, "lb1", `lb\061`, 1), "one plain string"},
		{"no epoch", `"v=1 holder=lb1 nonce=b"`, "not an epoch"},
		{"epoch 0", `"v=1 epoch=0 holder=lb1 nonce=b"`, "not an epoch"},
		{"epoch -1", `"v=1 epoch=-1 holder=lb1 nonce=b"`, "not an epoch"},
		{"epoch too large", `"v=1 epoch=18446744073709551616 holder=lb1 nonce=b"`, "not an epoch"},
		{"no holder", `"v=1 epoch=1 nonce=b"`, "no holder"},
		{"no nonce", `"v=1 epoch=1 holder=lb1 nonce="`, "no nonce"},
		{"twice", strings.Replace(fullText, " hash", " epoch=8 hash", 1), "epoch twice"},
		{"two spaces", strings.Replace(fullText, " hash", "  hash", 1), "no key with a value"},
		{"no value", strings.Replace(fullText, " hash", " x hash", 1), "no key with a value"},
		{"no key", strings.Replace(fullText, " hash", " =x hash", 1), "no key with a value"},
		{"bad escape", strings.Replace(fullText, "lb1", "lb%1", 1), "holder: invalid URL escape"},
		{"no addresses", strings.Replace(fullText, "203.0.113.7", "x", 1), "not an address"},
		{"addresses not sorted", `"v=1 epoch=1 holder=a nonce=b addr=203.0.113.7,203.0.113.6"`, "canonical"},
	} {
		got, err := Decode(tc.value)
		if tc.part != "" {
			if err == nil || !strings.Contains(err.Error(), tc.part) || got != (engine.Lease{}) {
				t.Errorf("%s: got %+v, %v", tc.name, got, err)
			}
			continue
		}
		if err != nil || got != full {
			t.Errorf("%s: got %+v, %v", tc.name, got, err)
		}
	}
}

// drawLease is a lease that fits into a TXT.
var drawLease = rapid.Custom(func(t *rapid.T) engine.Lease {
	name := rapid.OneOf(rapid.StringMatching(`[a-z0-9.-]{1,20}`), rapid.StringN(1, 5, 12), rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, 12), func(b []byte) string { return string(b) }))
	l := engine.Lease{
		Epoch: rapid.Uint64Range(1, maxEpoch).Draw(t, "epoch"), Holder: name.Draw(t, "holder"), Nonce: name.Draw(t, "nonce"),
		Hash: rapid.StringMatching(`[0-9a-f]{0,16}`).Draw(t, "hash"), Mode: rapid.SampledFrom([]string{"", "one"}).Draw(t, "mode"),
	}
	var addrs []string
	for range rapid.IntRange(0, 2).Draw(t, "addresses") {
		b := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "address")
		addrs = append(addrs, fmt.Sprintf("%d.%d.%d.%d", b[0], b[1], b[2], b[3]))
	}
	if rapid.Bool().Draw(t, "IPv6") {
		addrs = append(addrs, fmt.Sprintf("2001:db8::%x", rapid.Uint16().Draw(t, "IPv6 host")))
	}
	l.Addrs, _ = Addrs(addrs...)
	return l
})

func TestLeaseRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLease.Draw(t, "lease")
		text, err := Encode(l)
		if err != nil {
			t.Fatal(err)
		}
		if inner := text[1 : len(text)-1]; strings.ContainsFunc(inner, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
			t.Fatalf("%s would need escapes", text)
		}
		got, err := Decode(text)
		if diff := cmp.Diff(l, got); diff != "" || err != nil {
			t.Fatalf("%s: %v\n%s", text, err, diff)
		}
	})
}

// Whatever lies there is either refused or a lease that could be written.
func FuzzDecode(f *testing.F) {
	f.Add(fullText)
	f.Add(`"v=1 epoch=1 holder=%20 nonce=b x=y"`)
	f.Add(`"v=2"`)
	f.Add(`"v=1 epoch=1 holder=a nonce=b addr=::ffff:1.2.3.4"`)
	f.Fuzz(func(t *testing.T, value string) {
		l, err := Decode(value)
		if err != nil {
			if l != (engine.Lease{}) {
				t.Errorf("%q: %v, and yet %+v", value, err, l)
			}
			return
		}
		text, err := Encode(l)
		if err != nil {
			// A value may hold octets raw that Encode escapes.
			if !strings.Contains(err.Error(), "a TXT string holds 255") {
				t.Errorf("%q: %+v can't be written: %v", value, l, err)
			}
			return
		}
		if again, err := Decode(text); err != nil || again != l {
			t.Errorf("%q: %+v, then %+v, %v", value, l, again, err)
		}
	})
}
