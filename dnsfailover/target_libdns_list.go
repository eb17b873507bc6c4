package dnsfailover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/libdns/libdns"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
)

// keyWas is what the lease of a [LibDNS] has beyond those of [record.Encode]: the addresses that it is to replace.
const keyWas = "was="

// listing is what a zone holds of a record and its lease.
type listing struct {
	reading       engine.Reading
	addrs, leases []libdns.Record // as the provider gave them, which may need them to know what to delete
}

// look lists the zone.
func (t *LibDNS) look(ctx context.Context) (listing, error) {
	all, err := callLibDNS(ctx, t.reads, "listing", func(ctx context.Context) ([]libdns.Record, error) {
		return t.getter.GetRecords(ctx, t.zone)
	})
	if err != nil {
		return listing{}, err
	}
	if len(all) == 0 {
		// A zone is never empty, and a failed answer that looks like it must not be taken for an absent record.
		return listing{}, errors.New("the provider lists no records at all: check the name of the zone, " +
			"or create any record in it if the provider hides those that each zone has")
	}
	var l listing
	var own, lease []libdns.RR
	for _, r := range all {
		rr := r.RR()
		rr.Type = strings.ToUpper(rr.Type)
		full := libdns.AbsoluteName(rr.Name, t.zone)
		switch {
		case record.Same(rr.Name, t.name) && !record.Same(full, t.name), record.Same(rr.Name, t.lease) && !record.Same(full, t.lease):
			return listing{}, &outcomeError{engine.Denied, fmt.Errorf(
				"the provider lists %s by its full name and without a dot, which would hide it: update the provider", rr.Name)}
		case record.Same(full, t.name):
			own = append(own, rr)
			if rr.Type == "A" || rr.Type == "AAAA" {
				l.addrs = append(l.addrs, r)
			}
		case record.Same(full, t.lease):
			lease = append(lease, rr)
			if rr.Type == "TXT" {
				l.leases = append(l.leases, r)
			}
		}
	}
	counted, losers := chooseLease(lease)
	sets := append(setsOf(t.name, own, t.name+"." == t.zone), setsOf(t.lease, counted, false)...)
	l.reading = record.Read(t.name, sets)
	for _, loser := range losers {
		l.reading.Token += fmt.Sprintf("and %q\n", loser)
	}
	if was, ok := wasOf(counted); ok && between(l.reading.Addrs, was, l.reading.Lease.Addrs) {
		// The writer is to complete it, or its successor to take it over: to the engine it is a holder whose address changes.
		l.reading.Lease.Addrs = l.reading.Addrs
	}
	return l, nil
}

// chooseLease leaves one of several leases, which are there when a provider adds before it deletes and somebody reads, or
// stops, in between: that of the highest epoch, and of one epoch any, but for everyone the same. What is no lease stays,
// to be refused.
func chooseLease(rrs []libdns.RR) (counted []libdns.RR, losers []string) {
	best, epoch := -1, uint64(0)
	for i, rr := range rrs {
		l, err := record.Decode(quote(rr.Data))
		if err != nil || rr.Type != "TXT" {
			return rrs, nil
		}
		if best < 0 || cmp.Or(cmp.Compare(l.Epoch, epoch), cmp.Compare(rr.Data, rrs[best].Data)) > 0 {
			best, epoch = i, l.Epoch
		}
	}
	for i, rr := range rrs {
		if i != best {
			losers = append(losers, rr.Data)
		}
	}
	slices.Sort(losers)
	if best >= 0 {
		counted = rrs[best : best+1]
	}
	return counted, losers
}

// setsOf groups the records of one name by type. The NS at the top of a zone do not delegate it, and are left out: not
// every provider lists the SOA by which that is known.
func setsOf(name string, rrs []libdns.RR, top bool) []record.Set {
	var sets []record.Set
	for _, rr := range rrs {
		odd := ""
		switch rr.Type {
		case "NS":
			if top {
				continue
			}
		case "TXT":
			rr.Data = quote(rr.Data)
		case "ALIAS", "ANAME":
			// It answers for both types of addresses, and lies beside none of them.
			rr.Type, odd = "A", "an "+rr.Type+" of "+rr.Data
		}
		ttl := int(rr.TTL / time.Second)
		i := slices.IndexFunc(sets, func(s record.Set) bool { return s.Type == rr.Type })
		if i < 0 {
			i = len(sets)
			sets = append(sets, record.Set{Name: name, Type: rr.Type, TTL: ttl})
		}
		s := &sets[i]
		s.Values = append(s.Values, rr.Data)
		if s.TTL != ttl {
			odd = "of several TTLs"
			s.TTL = min(s.TTL, ttl)
		}
		s.Odd = cmp.Or(s.Odd, odd)
	}
	return sets
}

// quote gives the text of a TXT the form of a zone file. Some providers leave the quotation marks on.
func quote(text string) string {
	if len(text) >= 2 && strings.HasPrefix(text, `"`) && strings.HasSuffix(text, `"`) {
		return text
	}
	return `"` + text + `"`
}

// wasOf finds what a lease was to replace.
func wasOf(lease []libdns.RR) (string, bool) {
	if len(lease) != 1 {
		return "", false
	}
	for pair := range strings.SplitSeq(strings.Trim(lease[0].Data, `"`), " ") {
		if was, ok := strings.CutPrefix(pair, keyWas); ok {
			return was, true
		}
	}
	return "", false
}

// between reports whether addresses are somewhere on the way from some to others: each family is written by itself, and may
// be deleted before it is added.
func between(addrs, from, to string) bool {
	if addrs == "" || addrs == to {
		return false
	}
	for six := range 2 {
		got := family(addrs, six == 1)
		if len(got) > 0 && !slices.Equal(got, family(from, six == 1)) && !slices.Equal(got, family(to, six == 1)) {
			return false
		}
	}
	return true
}

// family are the IPv4 or the IPv6 ones of addresses in their canonical form.
func family(addrs string, six bool) []string {
	var some []string
	for a := range strings.SplitSeq(addrs, ",") {
		if a != "" && strings.Contains(a, ":") == six {
			some = append(some, a)
		}
	}
	return some
}
