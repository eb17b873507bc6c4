package awstest

import (
	"fmt"
	"slices"
)

// judge makes changes that have passed checkBatch, one after another, on the record sets that a zone has
// now, and returns what comes out. If any of them is wrong there is an error
// that tells all that is.
func (c *Cloud) judge(h *hostedZone, changes []Change) (recordSets, error) {
	b := batch{cloud: c, zone: h, records: h.current(), done: make(map[setKey]ChangeAction)}
	for _, ch := range changes {
		if err := b.make(ch); err != nil {
			b.messages = append(b.messages, err.Error())
		}
	}
	b.checkApex()
	if err := invalidBatch(b.messages); err != nil {
		return nil, err
	}
	return b.records, nil
}

// batch is the working copy that changes are made on.
type batch struct {
	cloud    *Cloud
	zone     *hostedZone
	records  recordSets
	done     map[setKey]ChangeAction // the last change of each set so far
	messages []string
}

// make makes one change, or says what is wrong with it.
func (b *batch) make(ch Change) error {
	r := ch.Set
	name, err := parseName(r.Name)
	if err != nil {
		return err
	}
	r.Name, r.Values = name, slices.Clone(r.Values)
	if !within(r.Name, b.zone.Name) {
		return problemf("RRSet with DNS name %s is not permitted in zone %s", r.Name, b.zone.Name)
	}
	// A set may be changed once, or be deleted and then made anew.
	before, again := b.done[r.key()]
	b.done[r.key()] = ch.Action
	if again && (before != Delete || ch.Action == Delete) {
		return problemf("The request contains an invalid set of changes for a resource record set '%s %s'", r.Type, r.Name)
	}
	if ch.Action == Delete {
		return b.delete(r)
	}
	if err := b.checkValues(&r); err != nil {
		return err
	}
	if ch.Action == Create && b.records.get(r.key()) != nil {
		return problemf("Tried to create resource record set %s but it already exists", r.label())
	}
	if err := b.checkConflicts(&r); err != nil {
		return err
	}
	b.records = b.records.put(r)
	return nil
}

// label names a set as the errors do.
func (r *RecordSet) label() string {
	if r.SetID == "" {
		return fmt.Sprintf("[name='%s', type='%s']", r.Name, r.Type)
	}
	return fmt.Sprintf("[name='%s', type='%s', set identifier='%s']", r.Name, r.Type, r.SetID)
}

// delete removes a set that is as it is said to be.
func (b *batch) delete(r RecordSet) error {
	known := b.records.get(r.key())
	if known == nil {
		return problemf("Tried to delete resource record set %s but it was not found", r.label())
	}
	if !known.same(&r) {
		return problemf("Tried to delete resource record set %s but the values provided do not match the current values", r.label())
	}
	b.records = b.records.remove(r.key())
	return nil
}

// checkValues refuses values, or an alias, that the type can't have.
func (b *batch) checkValues(r *RecordSet) error {
	if r.Alias != nil {
		return b.checkAlias(r)
	}
	for i, value := range r.Values {
		if _, err := newRR(".", r.TTL, r.Type, value); err != nil {
			return err
		}
		if slices.Contains(r.Values[:i], value) {
			return problemf("Duplicate Resource Record: '%s'", value)
		}
	}
	if (r.Type == "CNAME" || r.Type == "SOA") && len(r.Values) > 1 {
		return problemf("RRSet of type %s with DNS name %s has more than one resource record", r.Type, r.Name)
	}
	return nil
}

// checkAlias refuses an alias to what is not there, as far as the target is in
// a zone of this cloud.
func (b *batch) checkAlias(r *RecordSet) error {
	target, err := parseName(r.Alias.DNSName)
	if err != nil {
		return err
	}
	h := b.cloud.hosted[r.Alias.ZoneID]
	if h == nil {
		return nil
	}
	tried := fmt.Sprintf("Tried to create an alias that targets %s, type %s in zone %s, but ", target, r.Type, h.ID)
	records := h.current()
	if h == b.zone {
		records = b.records
	}
	switch {
	case !within(target, h.Name):
		return problem(tried + "the alias target name does not lie within the target zone")
	case len(records.named(target).typed(r.Type)) == 0:
		return problem(tried + "that target was not found")
	}
	return nil
}

// checkConflicts refuses a set that can't be beside the others of its name.
func (b *batch) checkConflicts(r *RecordSet) error {
	const set = "RRSet with DNS name %s, type %s"
	for _, o := range b.records.named(r.Name).typed(r.Type) {
		switch {
		case o.SetID == r.SetID:
		case r.SetID == "":
			return problemf(set+" cannot be created as other RRSets exist with the same name and type.", r.Name, r.Type)
		case o.policy() != r.policy():
			return problemf(set+", SetIdentifier %s cannot be created as a non-%s set exists with the same name and type.",
				r.Name, r.Type, r.SetID, r.policy())
		case r.Weight != nil && o.TTL != r.TTL:
			return problemf(set+", SetIdentifier %s cannot be created as weighted sets must contain the same TTL.",
				r.Name, r.Type, r.SetID)
		}
	}
	if r.Type == "CNAME" && r.Name == b.zone.Name {
		return problemf("RRSet of type CNAME with DNS name %s is not permitted at apex in zone %s", r.Name, b.zone.Name)
	}
	for _, o := range b.records.named(r.Name) {
		switch {
		case o.Type == r.Type:
		case r.Type == "CNAME":
			return problemf("RRSet of type CNAME with DNS name %s is not permitted as it conflicts with other records "+
				"with the same DNS name in zone %s", r.Name, b.zone.Name)
		case o.Type == "CNAME":
			return problemf("RRSet of type %s with DNS name %s is not permitted because a conflicting RRSet of type CNAME "+
				"with the same DNS name already exists in zone %s", r.Type, r.Name, b.zone.Name)
		}
	}
	return nil
}

// checkApex refuses a batch that takes away what a zone must have.
func (b *batch) checkApex() {
	if len(b.records.named(b.zone.Name).typed("SOA")) != 1 {
		b.messages = append(b.messages, "A HostedZone must contain exactly one SOA record.")
	}
	if len(b.records.named(b.zone.Name).typed("NS")) == 0 {
		b.messages = append(b.messages, "A HostedZone must contain at least one NS record for the zone itself.")
	}
}
