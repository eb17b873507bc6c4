package record

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// Read makes a reading of what lies at a name. Sets are all those of the name and of its lease, of whatever type; others
// among them do no harm. Its Raw is a []Set. It has a Refuse for
//
//   - an A or AAAA that is an alias or has a routing policy, and a value of them that is no address;
//   - a CNAME, in place of the name or of its lease;
//   - a name that is delegated to other servers, which would not see what is written here;
//   - a TXT at the lease's name that is not exactly one lease of a version known here, or one for each of several nodes,
//     all of them of [engine.ModeAll].
//
// Sets of other types, such as MX, are somebody else's business and no part of the reading.
func Read(name string, sets []Set) engine.Reading {
	var own, lease []Set
	delegated := false
	for _, s := range sets {
		switch {
		case Same(s.Name, name):
			switch s.Type {
			case "A", "AAAA", "CNAME":
				own = append(own, s)
			case "NS":
				// At the top of a zone the NS are beside a SOA.
				delegated = !slices.ContainsFunc(sets, func(o Set) bool { return o.Type == "SOA" && Same(o.Name, name) })
			}
		case Same(s.Name, LeaseName(name)) && (s.Type == "TXT" || s.Type == "CNAME"):
			lease = append(lease, s)
		}
	}
	slices.SortFunc(own, compareSets)
	slices.SortFunc(lease, compareSets)
	r := engine.Reading{Token: token(own, lease), Raw: slices.Concat(own, lease)}
	var values []string
	for _, s := range own {
		if r.Refuse == "" {
			r.Refuse = refuseSet(name, s)
		}
		if s.Type == "CNAME" {
			continue
		}
		if !r.Exists {
			r.Exists, r.TTL = true, s.TTL
		}
		values = append(values, s.Values...)
	}
	if delegated {
		r.Refuse = cmp.Or(r.Refuse, name+" is delegated to other name servers: use the hosted zone of that name")
		r.Token += "delegated\n"
	}
	if r.Refuse == "" {
		// They are addresses, or they would have been refused.
		r.Addrs, _ = Addrs(values...)
	}
	var err error
	if r.Lease, err = readLease(lease); err != nil {
		why := fmt.Sprintf("the record at %s is not a lease: %v; delete it if nobody needs it", LeaseName(name), err)
		r.Refuse = cmp.Or(r.Refuse, why)
	}
	return r
}

// compareSets orders sets by type, and those of a routing policy by what tells them apart.
func compareSets(a, b Set) int {
	return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Odd, b.Odd))
}

// refuseSet says why a set of the name can't be swapped.
func refuseSet(name string, s Set) string {
	switch {
	case s.Type == "CNAME":
		return name + " is a CNAME: an A record can't be beside it"
	case s.Odd != "":
		return fmt.Sprintf("the %s of %s is %s", s.Type, name, s.Odd)
	}
	addrs, err := parseAddrs(s.Values)
	if err != nil {
		return fmt.Sprintf("the %s of %s: %v", s.Type, name, err)
	}
	for _, addr := range addrs {
		if addr.Is4() != (s.Type == "A") {
			return fmt.Sprintf("the %s of %s: %s is of the other family", s.Type, name, addr)
		}
	}
	return ""
}

// readLease reads the lease, which may be absent.
func readLease(sets []Set) (engine.Lease, error) {
	if len(sets) == 0 {
		return engine.Lease{}, nil
	}
	s := sets[0]
	switch {
	case s.Type == "CNAME":
		return engine.Lease{}, errors.New("it is a CNAME")
	case s.Odd != "":
		return engine.Lease{}, errors.New("it is " + s.Odd)
	}
	return decodeAll(s.Values)
}

// Batch makes the changes that turn a reading of a name into a value, all of them or none: everything that was read is
// deleted as it was seen, and then the new sets are created. A set that stays as it is is deleted and created too, for it
// is part of what is compared. Where nothing was, there are only creations, which fail if there is something by now.
//
// One thing no batch can compare: that a type is still absent which it does not create, such as an AAAA that somebody adds by
// hand while a node without IPv6 takes over. Nodes don't miss each other by that, because all of them change the
// lease, and the next reading shows it.
//
// It is an error if the reading is not of [Read] or has a Refuse, or if the value can't be a record: no address, a TTL out
// of range, a lease that [Encode] refuses.
func Batch(name string, from engine.Reading, to engine.Value) ([]Change, error) {
	old, ok := from.Raw.([]Set)
	switch {
	case from.Refuse != "":
		return nil, errors.New(from.Refuse)
	case !ok:
		return nil, fmt.Errorf("what was read of %s is not the reading of a record", name)
	}
	fresh, err := sets(name, to)
	if err != nil {
		return nil, err
	}
	changes := make([]Change, 0, len(old)+len(fresh))
	for _, s := range old {
		changes = append(changes, Change{Delete: true, Set: s})
	}
	for _, s := range fresh {
		changes = append(changes, Change{Set: s})
	}
	return changes, nil
}

// After is the reading that the changes of [Batch] leave behind. It has a Refuse if Batch refuses the value.
func After(name string, to engine.Value) engine.Reading {
	fresh, err := sets(name, to)
	if err != nil {
		return engine.Reading{Refuse: err.Error()}
	}
	return Read(name, fresh)
}

// sets are those of a value: A and AAAA as far as there are addresses for them, and the lease. The lease has the TTL of the
// record, so that whoever looks it up in the DNS sees the one at most as old as the other.
func sets(name string, to engine.Value) ([]Set, error) {
	if to.TTL < 0 || to.TTL > math.MaxInt32 {
		return nil, fmt.Errorf("%d is not a TTL in seconds", to.TTL)
	}
	if to.Addrs == "" {
		return nil, errors.New("a record without addresses")
	}
	addrs, err := parseAddrs(strings.Split(to.Addrs, ","))
	if err != nil {
		return nil, err
	}
	leases, err := encodeAll(to.Lease)
	if err != nil {
		return nil, err
	}
	a, aaaa := Set{Name: name, Type: "A", TTL: to.TTL}, Set{Name: name, Type: "AAAA", TTL: to.TTL}
	for _, addr := range addrs {
		if addr.Is4() {
			a.Values = append(a.Values, addr.String())
		} else {
			aaaa.Values = append(aaaa.Values, addr.String())
		}
	}
	var all []Set
	for _, s := range []Set{a, aaaa} {
		if len(s.Values) > 0 {
			all = append(all, s)
		}
	}
	return append(all, Set{Name: LeaseName(name), Type: "TXT", TTL: to.TTL, Values: leases}), nil
}
