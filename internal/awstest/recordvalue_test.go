package awstest

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestRecordValues(t *testing.T) {
	long := strings.Repeat("x", 255)
	for _, tc := range []struct{ rrType, value, want, problem string }{
		{"A", "192.0.2.1", "192.0.2.1", ""},
		{"A", "192.0.2.01", "", "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"},
		{"A", "2001:db8::1", "", "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"},
		{"A", "192.0.2.1 192.0.2.2", "", "ARRDATANotSingleField (Value contains spaces)"},
		{"A", " 192.0.2.1", "", "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"},
		{"AAAA", "2001:db8::1", "2001:db8::1", ""},
		{"AAAA", "2001:0DB8::0001", "2001:db8::1", ""},
		{"AAAA", "192.0.2.1", "", "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"},
		{"AAAA", "fe80::1%eth0", "", "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"},
		{"AAAA", "::1 ::2", "", "AAAARRDATANotSingleField (Value contains spaces)"},
		{"TXT", `"a b"`, `"a b"`, ""},
		{"TXT", `""`, `""`, ""},
		{"TXT", `"a"  "b"`, `"a" "b"`, ""},
		{"TXT", `"say \"\\\101\""`, `"say \"\\A\""`, ""},
		{"TXT", `"\344"`, `"\228"`, ""},
		{"TXT", `"` + long + `"`, `"` + long + `"`, ""},
		{"TXT", `"` + long + `x"`, "", "CharacterStringTooLong (Value is too long)"},
		{"TXT", `"` + strings.Repeat(`\101`, 255) + `"`, `"` + strings.Repeat("A", 255) + `"`, ""},
		{"TXT", "a", "", "InvalidCharacterString (Value should be enclosed in quotation marks)"},
		{"TXT", " ", "", "InvalidCharacterString (Value should be enclosed in quotation marks)"},
		{"TXT", `"a`, "", "InvalidCharacterString (Value should be enclosed in quotation marks)"},
		{"TXT", `"a" b`, "", "InvalidCharacterString (Value should be enclosed in quotation marks)"},
		{"TXT", `"a""b"`, "", "InvalidCharacterString (Value should be enclosed in quotation marks)"},
		{"TXT", `"ä"`, "", "UnsupportedCharacter (Value contains unsupported characters)"},
		{"TXT", `"\9"`, "", "UnsupportedCharacter (Value contains unsupported characters)"},
		{"TXT", `"\10"`, "", "UnsupportedCharacter (Value contains unsupported characters)"},
		{"SPF", `"v=spf1 -all"`, `"v=spf1 -all"`, ""},
		{"CNAME", "A.example.com", "a.example.com.", ""},
		{"CNAME", "a..example.com", "", "DomainNameIllegal (Value is not a valid domain name)"},
		{"CNAME", "a.example.com b", "", "CNAMERRDATAIllegal (Value is not valid for the type)"},
		{"NS", "ns.example.com.", "ns.example.com.", ""},
		{"PTR", "host.example.com", "host.example.com.", ""},
		{"MX", "10 mail.example.com", "10 mail.example.com.", ""},
		{"MX", "mail.example.com", "", "MXRRDATAIllegal (Value is not valid for the type)"},
		{"MX", "10 a..b", "", "DomainNameIllegal (Value is not a valid domain name)"},
		{"SRV", "1 2 443 host.example.com", "1 2 443 host.example.com.", ""},
		{"SRV", "1 2 x host.example.com", "", "SRVRRDATAIllegal (Value is not valid for the type)"},
		{"CAA", `0 issue "ca.example.net; x=y"`, `0 issue "ca.example.net; x=y"`, ""},
		{"CAA", "0", "", "CAARRDATAIllegal (Value is not valid for the type)"},
		{"SOA", "ns.example.com. root.example.com. 1 2 3 4 5", "ns.example.com. root.example.com. 1 2 3 4 5", ""},
		{"SOA", "ns.example.com.", "", "SOARRDATAIllegal (Value is not valid for the type)"},
		{"NS", "ns.example.com. ; note", "", "UnsupportedCharacter (Value contains unsupported characters)"},
	} {
		rr, err := newRR("www.example.com.", 60, tc.rrType, tc.value)
		if tc.problem != "" {
			want := "Invalid Resource Record: 'FATAL problem: " + tc.problem + " encountered with '" + tc.value + "''"
			if err == nil || err.Error() != want {
				t.Errorf("%s %s: got %v, want %s", tc.rrType, tc.value, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %s: %v", tc.rrType, tc.value, err)
			continue
		}
		// It must be the same once it has been on the wire.
		buf := make([]byte, 2048)
		n, err := dns.PackRR(rr, buf, 0, nil, false)
		if err != nil {
			t.Errorf("%s %s: %v", tc.rrType, tc.value, err)
			continue
		}
		back, _, err := dns.UnpackRR(buf[:n], 0)
		if want := "www.example.com.\t60\tIN\t" + tc.rrType + "\t" + tc.want; err != nil || back.String() != want {
			t.Errorf("%s %s: %v, %v, want %s", tc.rrType, tc.value, back, err, want)
		}
	}
}
