package record

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Set is a record set: all records of a name and type.
type Set struct {
	// Name is the domain name, in any form that [Name] takes.
	Name string

	// Type is such as A.
	Type string

	// TTL is in seconds.
	TTL int

	// Values are the records in the form of a zone file, as the provider gives them: a TXT is in quotation marks.
	Values []string

	// Odd says why a set can't be deleted and made anew, such as "an alias of …" or `weighted (set identifier "a")`. It
	// is empty for a set that is nothing but name, type, TTL and values.
	Odd string
}

// Change is one change of a batch: a set is created, or deleted if it is exactly so.
type Change struct {
	Delete bool
	Set    Set
}

// token is the canonical text of the sets of a name and of its lease, by which readings of the same content are known as
// such. It is never empty.
func token(own, lease []Set) string {
	var b strings.Builder
	for _, part := range [][]Set{own, lease} {
		fmt.Fprintf(&b, "%d sets", len(part))
		lines := make([]string, len(part))
		for i, s := range part {
			lines[i] = fmt.Sprintf("\n%s %d %q", s.Type, s.TTL, slices.Sorted(slices.Values(s.Values)))
			if s.Odd != "" {
				lines[i] += fmt.Sprintf(" %q", s.Odd)
			}
		}
		slices.Sort(lines)
		b.WriteString(strings.Join(lines, "") + "\n")
	}
	return b.String()
}

// Addrs brings addresses into their canonical form: IPv4 before IPv6, sorted, each once, with commas between. It is the
// form of engine.Target.Addrs. It is an error if one is no address, or has a zone.
func Addrs(addrs ...string) (string, error) {
	parsed, err := parseAddrs(addrs)
	if err != nil {
		return "", err
	}
	return join(parsed), nil
}

func parseAddrs(addrs []string) ([]netip.Addr, error) {
	parsed := make([]netip.Addr, 0, len(addrs))
	for _, s := range addrs {
		addr, err := netip.ParseAddr(s)
		if err == nil && addr.Zone() != "" {
			err = errors.New("it has a zone")
		}
		if err != nil {
			return nil, fmt.Errorf("%q is not an address that a record can hold", s)
		}
		parsed = append(parsed, addr)
	}
	// Compare has those of fewer bits first.
	slices.SortFunc(parsed, netip.Addr.Compare)
	return slices.Compact(parsed), nil
}

func join(addrs []netip.Addr) string {
	texts := make([]string, len(addrs))
	for i, addr := range addrs {
		texts[i] = addr.String()
	}
	return strings.Join(texts, ",")
}
