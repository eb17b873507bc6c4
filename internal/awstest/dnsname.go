package awstest

import (
	"fmt"
	"strings"
)

// Limits of DNS names, from RFC 1035: octets in a label, and in a whole name on
// the wire.
const (
	maxLabel  = 63
	maxDomain = 255
)

// problem is something that Route 53 finds wrong with a change, in its words.
type problem string

// Error returns the words.
func (p problem) Error() string { return string(p) }

func problemf(format string, args ...any) problem { return problem(fmt.Sprintf(format, args...)) }

// nameProblem is something wrong with a domain name.
func nameProblem(kind, explained, name string) problem {
	return problemf("FATAL problem: %s (%s) encountered with '%s'", kind, explained, name)
}

// parseName brings a domain name into the form in which Route 53 stores and
// lists it: lower case, with the dot at the end, and every octet other than a
// letter, a digit, a hyphen or an underscore as \ and three octal digits, so
// that * is \052. The name given may have such escapes and may lack the last
// dot.
func parseName(s string) (string, error) {
	trimmed := strings.TrimSuffix(s, ".")
	if trimmed == "" {
		return "", nameProblem("DomainNameEmpty", "Domain name is empty", s)
	}
	var out strings.Builder
	length := 1
	for label := range strings.SplitSeq(trimmed, ".") {
		octets, ok := unescapeOctal(label)
		switch {
		case !ok:
			return "", nameProblem("UnsupportedCharacter", "Value contains unsupported characters", s)
		case len(octets) == 0:
			return "", nameProblem("DomainLabelEmpty", "Domain label is empty", s)
		case len(octets) > maxLabel:
			return "", nameProblem("DomainLabelTooLong", "Domain label is too long", s)
		}
		writeLabel(&out, octets)
		length += 1 + len(octets)
	}
	if length > maxDomain {
		return "", nameProblem("DomainNameTooLong", "Domain name is too long", s)
	}
	return out.String(), nil
}

// writeLabel writes a label and the dot behind it in the form that is stored.
func writeLabel(out *strings.Builder, octets []byte) {
	for _, b := range octets {
		switch {
		case 'A' <= b && b <= 'Z':
			out.WriteByte(b - 'A' + 'a')
		case 'a' <= b && b <= 'z', '0' <= b && b <= '9', b == '-', b == '_':
			out.WriteByte(b)
		default:
			fmt.Fprintf(out, `\%03o`, b)
		}
	}
	out.WriteByte('.')
}

// unescapeOctal resolves Route 53's escapes. What is not printable must be
// escaped; a space is not printable here.
func unescapeOctal(s string) ([]byte, bool) {
	octets := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		b := s[i]
		if b <= ' ' || b > '~' {
			return nil, false
		}
		if b == '\\' {
			if len(s) < i+4 {
				return nil, false
			}
			n := 0
			for _, d := range []byte(s[i+1 : i+4]) {
				if d < '0' || d > '7' {
					return nil, false
				}
				n = n<<3 | int(d-'0')
			}
			if n > 255 {
				return nil, false
			}
			b = byte(n)
			i += 3
		}
		octets = append(octets, b)
	}
	return octets, true
}

// within reports whether a stored name is the domain or below it.
func within(name, domain string) bool {
	return name == domain || strings.HasSuffix(name, "."+domain)
}

// sortKey is a stored name with its labels reversed, the dot at the end
// included: www.example.com. is com.example.www. and sorts so. A dot inside a
// label is escaped, so every dot ends one.
func sortKey(name string) string {
	labels := strings.Split(strings.TrimSuffix(name, "."), ".")
	var key strings.Builder
	for i := len(labels) - 1; i >= 0; i-- {
		key.WriteString(labels[i])
		key.WriteByte('.')
	}
	return key.String()
}
