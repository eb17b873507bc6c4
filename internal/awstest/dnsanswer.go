package awstest

import (
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Limits of an answer.
const (
	maxChain      = 8 // CNAME and alias records followed
	maxMultiValue = 8 // record sets of a multivalue answer that are told
)

// DNSOptions is where a resolver stands.
type DNSOptions struct {
	// Private also sees private zones, as in a VPC: of a public and a private
	// zone of one name the private one answers.
	Private bool
}

// DNSAnswer is what the authoritative servers say to a question.
type DNSAnswer struct {
	// Code is [dns.RcodeSuccess], also if the name has no such record;
	// [dns.RcodeNameError] if there is no such name; [dns.RcodeRefused] outside
	// the zones.
	Code int

	// Answer are the records, CNAMEs on the way first.
	Answer []dns.RR

	// Authority is the SOA of the zone if there is no such name or record,
	// with the TTL for which that may be remembered.
	Authority []dns.RR
}

// Lookup asks the zones as they are in the DNS by now: a pending change is not
// seen. The type is such as "A". It needs no server.
func (c *Cloud) Lookup(name, rrType string, o DNSOptions) (DNSAnswer, error) {
	qtype, ok := dns.StringToType[rrType]
	if !ok {
		return DNSAnswer{}, problemf("there is no record type %s", rrType)
	}
	return result[DNSAnswer](c.do(Caller{}, c.query(dns.Question{Name: dns.Fqdn(name), Qtype: qtype, Qclass: dns.ClassINET}, o)))
}

// query is a question to the DNS. It passes faults and is recorded.
func (c *Cloud) query(q dns.Question, o DNSOptions) operation {
	return operation{
		service: "dns", action: strings.ToLower(q.Name) + " " + dns.Type(q.Qtype).String(), open: true, empty: DNSAnswer{},
		run: func(Caller) (any, error) { return c.answer(q, o), nil },
	}
}

// answer answers a question.
func (c *Cloud) answer(q dns.Question, o DNSOptions) DNSAnswer {
	var a DNSAnswer
	now := c.cfg.Now()
	h := c.zoneOf(storedName(q.Name), o)
	if h == nil || q.Qclass != dns.ClassINET {
		a.Code = dns.RcodeRefused
		return a
	}
	rrType := dns.Type(q.Qtype).String()
	owner := q.Name
	for range maxChain {
		records, name := h.visible(now), storedName(owner)
		found, exists := matching(records, name)
		rrs := c.rrs(found.typed(rrType), owner, rrType, now, maxChain)
		if len(rrs) > 0 {
			a.Answer = append(a.Answer, rrs...)
			return a
		}
		alias := c.rrs(found.typed("CNAME"), owner, "CNAME", now, maxChain)
		if len(alias) == 0 || rrType == "CNAME" {
			if !exists {
				a.Code = dns.RcodeNameError
			}
			a.Authority = h.negative(records)
			return a
		}
		a.Answer = append(a.Answer, alias[0])
		owner = alias[0].(*dns.CNAME).Target
		if h = c.zoneOf(storedName(owner), o); h == nil {
			return a // the resolver goes on elsewhere
		}
	}
	a.Code = dns.RcodeServerFailure
	return a
}

// zoneOf returns the zone that a name is in, the deepest one, or nil.
func (c *Cloud) zoneOf(name string, o DNSOptions) *hostedZone {
	var best *hostedZone
	for _, h := range c.hostedBy {
		switch {
		case !within(name, h.Name) || h.Private && !o.Private:
		case best == nil, len(h.Name) > len(best.Name):
			best = h
		case len(h.Name) == len(best.Name) && h.Private && !best.Private:
			best = h
		}
	}
	return best
}

// matching returns the sets of a name, or of the wildcard that stands in for
// it, and whether the name exists: it also does if only names below it do.
func matching(records recordSets, name string) (recordSets, bool) {
	if found := records.named(name); len(found) > 0 {
		return found, true
	}
	below := func(name string) bool {
		return slices.ContainsFunc(records, func(r RecordSet) bool { return within(r.Name, name) })
	}
	if below(name) {
		return nil, true
	}
	// RFC 4592: the wildcard is that of the closest name that exists.
	_, parent, ok := strings.Cut(name, ".")
	for ok && !below(parent) {
		_, parent, ok = strings.Cut(parent, ".")
	}
	found := records.named(`\052.` + parent)
	return found, len(found) > 0
}

// rrs makes records out of the sets of one name and type: of all of them, or of
// the one that the routing policy chooses.
func (c *Cloud) rrs(sets recordSets, owner, rrType string, now time.Time, depth int) []dns.RR {
	var rrs []dns.RR
	for _, r := range c.choose(sets) {
		if r.Alias != nil {
			rrs = append(rrs, c.aliased(r.Alias, owner, rrType, now, depth-1)...)
			continue
		}
		for _, value := range r.Values {
			if rr, err := newRR(owner, r.TTL, rrType, value); err == nil {
				rrs = append(rrs, rr)
			}
		}
	}
	c.rng.Shuffle(len(rrs), func(i, j int) { rrs[i], rrs[j] = rrs[j], rrs[i] })
	return rrs
}

// aliased returns what an alias stands for, under the name of the alias.
func (c *Cloud) aliased(target *AliasTarget, owner, rrType string, now time.Time, depth int) []dns.RR {
	h := c.hosted[target.ZoneID]
	name, err := parseName(target.DNSName)
	if h == nil || err != nil || depth == 0 {
		return nil
	}
	found, _ := matching(h.visible(now), name)
	return c.rrs(found.typed(rrType), owner, rrType, now, depth)
}

// choose returns the sets that answer: a simple one; up to eight of a
// multivalue answer; of weighted ones one by its weight; of the others the
// first, which is the primary one of a failover.
func (c *Cloud) choose(sets recordSets) recordSets {
	if len(sets) == 0 || sets[0].SetID == "" {
		return sets
	}
	switch sets[0].policy() {
	case "multivalue answer":
		c.rng.Shuffle(len(sets), func(i, j int) { sets[i], sets[j] = sets[j], sets[i] })
		return sets[:min(len(sets), maxMultiValue)]
	case "weighted":
		total := int64(0)
		for _, r := range sets {
			total += *r.Weight
		}
		if total == 0 {
			n := c.rng.IntN(len(sets))
			return sets[n : n+1]
		}
		at := c.rng.Int64N(total)
		for i, r := range sets {
			if at -= *r.Weight; at < 0 {
				return sets[i : i+1]
			}
		}
	}
	for i, r := range sets {
		if r.Failover == "PRIMARY" {
			return sets[i : i+1]
		}
	}
	return sets[:1]
}

// negative returns the SOA for an answer without records, which may be
// remembered for the lesser of its TTL and its minimum (RFC 2308).
func (h *hostedZone) negative(records recordSets) []dns.RR {
	for _, r := range records.named(h.Name).typed("SOA") {
		if rr, err := newRR(wireName(h.Name), r.TTL, "SOA", r.Values[0]); err == nil {
			soa := rr.(*dns.SOA)
			soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
			return []dns.RR{soa}
		}
	}
	return nil
}
