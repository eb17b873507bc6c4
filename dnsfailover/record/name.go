package record

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// leasePrefix is put before a name to get that of its lease. The underscore keeps it apart from the names of hosts.
const leasePrefix = "_dnsfailover."

// Limits of a domain name (RFC 1035): octets in a label, and in the whole without the dot at the end.
const (
	maxLabel = 63
	maxName  = 253
)

// LeaseName is where the lease of a name lies: _dnsfailover.example.com for example.com. The lease of a wildcard has the
// asterisk inside, where it stands for nothing but itself: _dnsfailover.*.example.com.
func LeaseName(name string) string { return leasePrefix + name }

// Name brings a domain name into the form in which names are compared: lower case, without a dot at the end, and with
// \ and three octal digits only for what is neither a letter, a digit, a hyphen, an underscore nor an asterisk. So
// "\052.Example.com." is "*.example.com". It is an error if it can't be a name, or if no lease fits beside it.
func Name(s string) (string, error) {
	name, err := parseName(s)
	if err == nil && len(LeaseName(name)) > maxName {
		err = fmt.Errorf("it is too long for a lease beside it: %d octets are left for the name", maxName-len(leasePrefix))
	}
	if err != nil {
		return "", fmt.Errorf("the name %q: %w", s, err)
	}
	return name, nil
}

// parseName is Name without room for a lease, so that it takes the name of a lease as well.
func parseName(s string) (string, error) {
	var out strings.Builder
	length := -1
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if out.Len() > 0 {
			out.WriteByte('.')
		}
		n, err := writeLabel(&out, label)
		switch {
		case err != nil:
			return "", err
		case n == 0:
			return "", errors.New("it has an empty label")
		case n > maxLabel:
			return "", fmt.Errorf("it has a label of %d octets, and %d is the most", n, maxLabel)
		}
		length += 1 + n
	}
	if length > maxName {
		return "", fmt.Errorf("it has %d octets, and %d is the most", length, maxName)
	}
	return out.String(), nil
}

// writeLabel writes a label in the form of Name, and counts its octets.
func writeLabel(out *strings.Builder, label string) (octets int, err error) {
	for i := 0; i < len(label); i++ {
		b := label[i]
		switch {
		case b == '\\':
			n, err := strconv.ParseUint(label[i+1:min(i+4, len(label))], 8, 8)
			if err != nil || len(label) < i+4 {
				return 0, errors.New(`it has a \ without three octal digits after it`)
			}
			b = byte(n)
			i += 3
		case b > '~':
			return 0, errors.New("it has letters beyond ASCII: write it in its xn-- form")
		case b <= ' ':
			return 0, errors.New("it has a space or a control character")
		}
		switch {
		case 'A' <= b && b <= 'Z':
			out.WriteByte(b - 'A' + 'a')
		case 'a' <= b && b <= 'z', '0' <= b && b <= '9', b == '-', b == '_', b == '*':
			out.WriteByte(b)
		default:
			fmt.Fprintf(out, `\%03o`, b)
		}
		octets++
	}
	return octets, nil
}

// Same reports whether two names are one, however they are written. What is no name is the same as nothing.
func Same(a, b string) bool {
	x, errA := parseName(a)
	y, errB := parseName(b)
	return errA == nil && errB == nil && x == y
}

// Within reports whether a name is a domain or below it, however they are written.
func Within(name, domain string) bool {
	x, errX := parseName(name)
	y, errY := parseName(domain)
	return errX == nil && errY == nil && (x == y || strings.HasSuffix(x, "."+y))
}
