package awstest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// pastKept is how long what a zone was is remembered after it has changed.
const pastKept = 10 * time.Minute

// HostedZone is a zone of Route 53. (A [Zone] is an availability zone.)
type HostedZone struct {
	// ID is such as Z0123456789ABCDEFGHIJ. Default a new one.
	ID string

	// Name is the domain, as in [RecordSet.Name].
	Name string

	// Private zones are not seen in the DNS of the public. Several zones may
	// have one name.
	Private bool

	// Account owns the zone. Default [Config.Account].
	Account string

	Comment string
}

// hostedZone is a zone with its record sets as they were over time.
type hostedZone struct {
	HostedZone
	versions []zoneVersion // oldest first, at least one
	busy     time.Time     // no change is accepted before
}

// zoneVersion is what the record sets of a zone were from a time on.
type zoneVersion struct {
	records recordSets
	from    time.Time
	insync  time.Time // when the DNS sees it
}

// nameServers are those of every zone, which the DNS server stands in for.
var nameServers = []string{"ns-2048.awsdns-64.com.", "ns-2049.awsdns-65.net.", "ns-2050.awsdns-66.org.", "ns-2051.awsdns-67.co.uk."}

// AddZone adds a hosted zone with the SOA and NS records that Route 53 gives
// it, and returns its id.
func (c *Cloud) AddZone(z HostedZone) (id string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if z.Name, err = parseName(z.Name); err != nil {
		return "", fmt.Errorf("adding a zone: %w", err)
	}
	if z.Account == "" {
		z.Account = c.cfg.Account
	}
	if z.ID == "" {
		z.ID = "Z" + strings.ToUpper(c.hex(20))
	}
	if c.hosted[z.ID] != nil {
		return "", fmt.Errorf("adding zone %s: it exists", z.ID)
	}
	now := c.cfg.Now()
	records := recordSets{}.
		put(RecordSet{Name: z.Name, Type: "NS", TTL: 172800, Values: nameServers}).
		put(RecordSet{Name: z.Name, Type: "SOA", TTL: 900, Values: []string{
			nameServers[0] + " awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400",
		}})
	h := &hostedZone{HostedZone: z, versions: []zoneVersion{{records, now, now}}}
	c.hosted[z.ID] = h
	c.hostedBy = append(c.hostedBy, h)
	return z.ID, nil
}

// current returns the record sets as they are.
func (h *hostedZone) current() recordSets { return h.versions[len(h.versions)-1].records }

// past returns the record sets as they were at a time.
func (h *hostedZone) past(at time.Time) recordSets {
	return h.last(func(v zoneVersion) bool { return !at.Before(v.from) })
}

// visible returns the record sets as the DNS has them.
func (h *hostedZone) visible(now time.Time) recordSets {
	return h.last(func(v zoneVersion) bool { return !now.Before(v.insync) })
}

// last returns the newest version that is so, or else the oldest one.
func (h *hostedZone) last(is func(zoneVersion) bool) recordSets {
	for _, v := range slices.Backward(h.versions) {
		if is(v) {
			return v.records
		}
	}
	return h.versions[0].records
}

// commit makes record sets the present ones. The DNS sees them after delay,
// and not before it sees what was there already. It returns when that is.
func (h *hostedZone) commit(records recordSets, now time.Time, delay time.Duration) time.Time {
	insync := now.Add(delay)
	if before := h.versions[len(h.versions)-1].insync; before.After(insync) {
		insync = before
	}
	h.versions = append(h.versions, zoneVersion{records, now, insync})
	// A version is of use until its successor is in sync and long gone by.
	for len(h.versions) > 1 && now.Sub(h.versions[1].insync) > pastKept {
		h.versions = h.versions[1:]
	}
	return insync
}

// Records returns the record sets of a zone in Route 53's order, the pending
// ones included, or nil if there is no such zone.
func (c *Cloud) Records(zoneID string) []RecordSet {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.hosted[zoneID]; h != nil {
		return slices.Clone(h.current())
	}
	return nil
}

// Record returns a record set that has no identifier. A name that is none is
// that of nothing.
func (c *Cloud) Record(zoneID, name, rrType string) (RecordSet, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	name, err := parseName(name)
	h := c.hosted[zoneID]
	if h == nil || err != nil {
		return RecordSet{}, false
	}
	if r := h.current().get(setKey{name: name, rrType: rrType}); r != nil {
		return *r, true
	}
	return RecordSet{}, false
}

// SetRecord creates or replaces a record set, as if by somebody else's hand. It
// has to pass the rules of an UPSERT, and the DNS sees it as soon as it has
// seen the changes before.
func (c *Cloud) SetRecord(zoneID string, r RecordSet) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.edit(zoneID, Change{Upsert, r})
}

// DeleteRecord removes a record set, whatever its values, by the same hand.
func (c *Cloud) DeleteRecord(zoneID, name, rrType, setID string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	name, err := parseName(name)
	if err != nil {
		return err
	}
	r := RecordSet{Name: name, Type: rrType, SetID: setID}
	if h := c.hosted[zoneID]; h != nil {
		known := h.current().get(r.key())
		if known == nil {
			return problemf("there is no resource record set %s", r.label())
		}
		r = *known
	}
	return c.edit(zoneID, Change{Delete, r})
}

// edit lets the test change a zone.
func (c *Cloud) edit(zoneID string, ch Change) error {
	h := c.hosted[zoneID]
	if h == nil {
		return noSuchZone(zoneID)
	}
	if err := checkBatch([]Change{ch}); err != nil {
		return err
	}
	records, err := c.judge(h, []Change{ch})
	if err != nil {
		return err
	}
	h.commit(records, c.cfg.Now(), 0)
	return nil
}

// ownZone returns the caller's zone of that id, with or without /hostedzone/
// before it.
func (c *Cloud) ownZone(who Caller, id string) (*hostedZone, error) {
	id = strings.TrimPrefix(id, "/hostedzone/")
	if h := c.hosted[id]; h != nil && h.Account == who.Account {
		return h, nil
	}
	return nil, noSuchZone(id)
}

func noSuchZone(id string) *Error {
	return newError("NoSuchHostedZone", "No hosted zone found with ID: %s", id)
}
