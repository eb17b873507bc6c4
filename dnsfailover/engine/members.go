package engine

import (
	"cmp"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Member is a node in a record of [ModeAll], by its own lease.
type Member struct {
	Node, Instance string

	// Epoch is that of its joining: higher than all before it.
	Epoch uint64

	// Nonce is that of its last write.
	Nonce string

	Hash string

	// Addrs are its addresses, in the form of [Target.Addrs].
	Addrs string
}

// LeaseOf is the lease of a record of [ModeAll] with these members: the epoch,
// holder, instance, nonce and hash of the one that joined last, and the addresses
// of all. Without members it is the zero value.
func LeaseOf(members []Member) Lease {
	if len(members) == 0 {
		return Lease{}
	}
	all := slices.SortedFunc(slices.Values(members), func(a, b Member) int { return cmp.Compare(a.Node, b.Node) })
	lines := make([]string, len(all))
	var addrs []string
	last := &all[0]
	for i := range all {
		m := &all[i]
		fields := []string{m.Node, m.Instance, strconv.FormatUint(m.Epoch, 10), m.Nonce, m.Hash, m.Addrs}
		for k, f := range fields {
			fields[k] = url.PathEscape(f) // of a space and a line feed too
		}
		lines[i] = strings.Join(fields, " ")
		addrs = append(addrs, m.Addrs)
		if m.Epoch > last.Epoch {
			last = m
		}
	}
	return Lease{
		Epoch: last.Epoch, Holder: last.Node, Instance: last.Instance, Nonce: last.Nonce, Hash: last.Hash,
		Addrs: union(addrs...), Mode: ModeAll, Members: strings.Join(lines, "\n"),
	}
}

// List is the members of a lease of [ModeAll], sorted by name. It is empty for
// any other lease.
func (l *Lease) List() []Member {
	if l.Members == "" {
		return nil
	}
	lines := strings.Split(l.Members, "\n")
	members := make([]Member, 0, len(lines))
	for _, line := range lines {
		f := strings.Split(line, " ")
		for k := range f {
			f[k], _ = url.PathUnescape(f[k]) // as LeaseOf has made it
		}
		epoch, _ := strconv.ParseUint(f[2], 10, 64)
		members = append(members, Member{Node: f[0], Instance: f[1], Epoch: epoch, Nonce: f[3], Hash: f[4], Addrs: f[5]})
	}
	return members
}

// union joins lists of addresses to one in the form of [Target.Addrs]: IPv4
// before IPv6, sorted, each once.
func union(lists ...string) string {
	var all []string
	for _, l := range lists {
		if l != "" {
			all = append(all, strings.Split(l, ",")...)
		}
	}
	slices.SortFunc(all, func(a, b string) int {
		x, _ := netip.ParseAddr(a) // what is no address comes first
		y, _ := netip.ParseAddr(b)
		return cmp.Or(x.Compare(y), cmp.Compare(a, b))
	})
	return strings.Join(slices.Compact(all), ",")
}

// without is a list of addresses without those of another.
func without(list, others string) string { return sift(list, others, false) }

// among are the addresses of a list that another one has too.
func among(list, others string) string { return sift(list, others, true) }

// sift are the addresses of a list that another one holds, or does not. It makes
// no new list if all of them stay.
func sift(list, others string, held bool) string {
	all, kept := true, 0
	for a := range strings.SplitSeq(list, ",") {
		if holds(others, a) == held {
			kept++
		} else {
			all = false
		}
	}
	switch {
	case all:
		return list
	case kept == 0:
		return ""
	}
	var some []string
	for a := range strings.SplitSeq(list, ",") {
		if holds(others, a) == held {
			some = append(some, a)
		}
	}
	return strings.Join(some, ",")
}

// holds reports whether a list has an address.
func holds(list, addr string) bool {
	for a := range strings.SplitSeq(list, ",") {
		if a == addr {
			return true
		}
	}
	return false
}
