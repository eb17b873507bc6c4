package awstest

import (
	"cmp"
	"slices"
	"strings"
)

// RecordSet is a resource record set. Answers share its slices and pointers
// with the cloud: they must not be changed.
type RecordSet struct {
	// Name is the domain name. In answers it is as Route 53 stores it: lower
	// case, with a dot at the end, and other characters escaped, so that a
	// wildcard begins with \052. In requests the dot may be missing and any
	// case will do.
	Name string

	// Type is A, AAAA, CAA, CNAME, MX, NS, PTR, SOA, SPF, SRV or TXT.
	Type string

	// TTL is in seconds; an alias has none.
	TTL int64

	// Values are the resource records, in the form of a zone file: a TXT is in
	// quotation marks.
	Values []string

	// Alias stands in place of TTL and Values.
	Alias *AliasTarget

	// SetID tells sets of one name and type apart. One that has it has exactly
	// one of the policies Weight, Region, Failover and MultiValue.
	SetID      string
	Weight     *int64 // 0 to 255
	Region     string
	Failover   string // PRIMARY or SECONDARY
	MultiValue bool

	// HealthCheckID is stored and compared; nothing is ever checked.
	HealthCheckID string
}

// AliasTarget is what an alias stands for.
type AliasTarget struct {
	// ZoneID is the hosted zone of the target. One that is not a zone of this
	// cloud is taken to be that of a load balancer or the like, which resolves
	// to nothing.
	ZoneID string

	DNSName              string
	EvaluateTargetHealth bool
}

// setKey is what there can be only one of in a zone.
type setKey struct{ name, rrType, setID string }

func (r *RecordSet) key() setKey { return setKey{r.Name, r.Type, r.SetID} }

// policy names the routing policy as Route 53 does in its errors, "" for none.
func (r *RecordSet) policy() string {
	switch {
	case r.Weight != nil:
		return "weighted"
	case r.Region != "":
		return "latency"
	case r.Failover != "":
		return "failover"
	case r.MultiValue:
		return "multivalue answer"
	}
	return ""
}

// same reports whether two sets are the same in everything that a DELETE must
// tell: values are compared as they are written, in any order.
func (r *RecordSet) same(o *RecordSet) bool {
	sorted := func(v []string) []string { return slices.Sorted(slices.Values(v)) }
	return r.key() == o.key() && r.TTL == o.TTL && slices.Equal(sorted(r.Values), sorted(o.Values)) &&
		equal(r.Alias, o.Alias) && equal(r.Weight, o.Weight) && r.Region == o.Region &&
		r.Failover == o.Failover && r.MultiValue == o.MultiValue && r.HealthCheckID == o.HealthCheckID
}

// equal compares what is pointed at.
func equal[T comparable](a, b *T) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// recordSets are the sets of a zone in Route 53's order: by name with the
// labels reversed, then by type, then by identifier. A list is never altered,
// so every version of a zone can keep its own.
type recordSets []RecordSet

// compareKeys orders sets.
func compareKeys(a, b setKey) int {
	return cmp.Or(
		strings.Compare(sortKey(a.name), sortKey(b.name)),
		strings.Compare(a.rrType, b.rrType),
		strings.Compare(a.setID, b.setID),
	)
}

// find returns where a set is, or would be.
func (l recordSets) find(k setKey) (int, bool) {
	return slices.BinarySearchFunc(l, k, func(r RecordSet, k setKey) int { return compareKeys(r.key(), k) })
}

// get returns the set of that key, or nil.
func (l recordSets) get(k setKey) *RecordSet {
	if n, ok := l.find(k); ok {
		return &l[n]
	}
	return nil
}

// put returns the list with a set added or replaced.
func (l recordSets) put(r RecordSet) recordSets {
	n, ok := l.find(r.key())
	l = slices.Clone(l)
	if ok {
		l[n] = r
		return l
	}
	return slices.Insert(l, n, r)
}

// remove returns the list without a set.
func (l recordSets) remove(k setKey) recordSets {
	n, ok := l.find(k)
	if !ok {
		return l
	}
	return slices.Delete(slices.Clone(l), n, n+1)
}

// named returns the sets of a name, of all types.
func (l recordSets) named(name string) recordSets {
	from, _ := l.find(setKey{name: name})
	to := from
	for to < len(l) && l[to].Name == name {
		to++
	}
	return l[from:to]
}

// typed returns the sets of a type. The list is a new one.
func (l recordSets) typed(rrType string) recordSets {
	return slices.DeleteFunc(slices.Clone(l), func(r RecordSet) bool { return r.Type != rrType })
}
