package awstest

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// maxText is how many octets one string of a TXT may have.
const maxText = 255

// recordTypes are the types of record sets that are modelled.
var recordTypes = []string{"A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SPF", "SRV", "TXT"}

// newRR makes a DNS record out of one value of a record set, or says what is
// wrong with the value in Route 53's words.
func newRR(owner string, ttl int64, rrType, value string) (dns.RR, error) {
	wrong := func(kind, explained string) error {
		return problemf("Invalid Resource Record: 'FATAL problem: %s (%s) encountered with '%s''", kind, explained, value)
	}
	header := dns.RR_Header{Name: owner, Rrtype: dns.StringToType[rrType], Class: dns.ClassINET, Ttl: uint32(ttl)}
	fields := strings.Fields(value)
	switch rrType {
	case "A", "AAAA":
		if len(fields) > 1 {
			return nil, wrong(rrType+"RRDATANotSingleField", "Value contains spaces")
		}
		addr, err := netip.ParseAddr(value)
		if rrType == "A" {
			if err != nil || !addr.Is4() {
				return nil, wrong("ARRDATAIllegalIPv4Address", "Value is not a valid IPv4 address")
			}
			return &dns.A{Hdr: header, A: addr.AsSlice()}, nil
		}
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return nil, wrong("AAAARRDATAIllegalIPv6Address", "Value is not a valid IPv6 address")
		}
		return &dns.AAAA{Hdr: header, AAAA: addr.AsSlice()}, nil
	case "TXT", "SPF":
		text, kind := parseText(value)
		if kind != "" {
			return nil, wrong(kind, textProblems[kind])
		}
		if rrType == "SPF" {
			return &dns.SPF{Hdr: header, Txt: text}, nil
		}
		return &dns.TXT{Hdr: header, Txt: text}, nil
	}

	// The rest is numbers and, at the end, names.
	names := map[string][2]int{"CNAME": {0, 1}, "NS": {0, 1}, "PTR": {0, 1}, "MX": {1, 2}, "SRV": {3, 4}, "SOA": {0, 2}}
	if span, ok := names[rrType]; ok && len(fields) >= span[1] {
		for i, field := range fields[span[0]:span[1]] {
			name, err := parseName(field)
			if err != nil {
				return nil, wrong("DomainNameIllegal", "Value is not a valid domain name")
			}
			fields[span[0]+i] = wireName(name)
		}
	}
	rest := strings.Join(fields, " ")
	if rrType != "CAA" && strings.ContainsAny(rest, ";()$@") {
		return nil, wrong("UnsupportedCharacter", "Value contains unsupported characters")
	}
	rr, err := dns.NewRR(". 0 IN " + rrType + " " + rest)
	if err != nil || rr == nil {
		return nil, wrong(rrType+"RRDATAIllegal", "Value is not valid for the type")
	}
	header.Rdlength = rr.Header().Rdlength
	*rr.Header() = header
	return rr, nil
}

// textProblems explains what can be wrong with a TXT.
var textProblems = map[string]string{
	"InvalidCharacterString": "Value should be enclosed in quotation marks",
	"CharacterStringTooLong": "Value is too long",
	"UnsupportedCharacter":   "Value contains unsupported characters",
}

// parseText reads the quoted strings of a TXT, in which \ooo stands for an
// octet and \" and \\ for themselves. The strings come back escaped as the DNS
// library wants them. On failure there is the kind of the problem instead.
func parseText(value string) (texts []string, kind string) {
	rest := strings.TrimSpace(value)
	for rest != "" {
		if rest[0] != '"' {
			return nil, "InvalidCharacterString"
		}
		var octets []byte
		i := 1
		for ; i < len(rest) && rest[i] != '"'; i++ {
			b := rest[i]
			if b < ' ' || b > '~' {
				return nil, "UnsupportedCharacter"
			}
			if b == '\\' && i+1 < len(rest) {
				if i++; rest[i] != '"' && rest[i] != '\\' {
					n, err := strconv.ParseUint(rest[i:min(i+3, len(rest))], 8, 8)
					if err != nil || i+3 > len(rest) {
						return nil, "UnsupportedCharacter"
					}
					b = byte(n)
					i += 2
				} else {
					b = rest[i]
				}
			}
			octets = append(octets, b)
		}
		if i == len(rest) {
			return nil, "InvalidCharacterString"
		}
		if len(octets) > maxText {
			return nil, "CharacterStringTooLong"
		}
		texts = append(texts, escapeDecimal(octets, `"\`))
		next := strings.TrimLeft(rest[i+1:], " \t")
		if next != "" && len(next) == len(rest[i+1:]) {
			return nil, "InvalidCharacterString"
		}
		rest = next
	}
	if texts == nil {
		return nil, "InvalidCharacterString"
	}
	return texts, ""
}

// escapeDecimal writes octets in the DNS library's form: \ before those in
// special, and \ and three decimal digits for what is not printable.
func escapeDecimal(octets []byte, special string) string {
	var out strings.Builder
	for _, b := range octets {
		switch {
		case b < ' ' || b > '~':
			fmt.Fprintf(&out, `\%03d`, b)
		case strings.IndexByte(special, b) >= 0:
			out.WriteByte('\\')
			out.WriteByte(b)
		default:
			out.WriteByte(b)
		}
	}
	return out.String()
}

// wireName turns a stored name into one of the DNS library's.
func wireName(name string) string {
	var out strings.Builder
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		octets, _ := unescapeOctal(label)
		out.WriteString(escapeDecimal(octets, `."\();@$ `))
		out.WriteByte('.')
	}
	return out.String()
}

// storedName turns a name of the DNS library into one as it is stored.
func storedName(name string) string {
	var out strings.Builder
	for _, label := range dns.SplitDomainName(name) {
		var octets []byte
		for i := 0; i < len(label); i++ {
			b := label[i]
			if b == '\\' {
				if n, err := strconv.ParseUint(label[i+1:min(i+4, len(label))], 10, 8); err == nil && i+3 < len(label) {
					b = byte(n)
					i += 3
				} else if i++; i < len(label) {
					b = label[i]
				}
			}
			octets = append(octets, b)
		}
		writeLabel(&out, octets)
	}
	return out.String()
}

// modelled reports whether there can be record sets of a type.
func modelled(rrType string) bool { return slices.Contains(recordTypes, rrType) }
