package sim

import (
	"errors"
	"strings"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// coreRecord is a record in the core of the fake Route 53, with the account's
// five requests a second, and changes that take a while to be processed.
type coreRecord struct {
	cloud *awstest.Cloud
	zone  string
	name  string
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newCoreRecord(name string, now func() time.Duration) Backend {
	cloud := awstest.New(awstest.Config{Now: func() time.Time { return epoch.Add(now()) }, ChangeTime: 200 * time.Millisecond})
	zone, err := cloud.AddZone(awstest.HostedZone{Name: "example.com"})
	if err != nil {
		panic(err)
	}
	return &coreRecord{cloud: cloud, zone: zone, name: name}
}

// Read is one listing, as the real target reads it.
func (c *coreRecord) Read() (engine.Reading, engine.Outcome) {
	out, err := c.cloud.ListResourceRecordSets(awstest.Caller{}, awstest.ListRecordsInput{ZoneID: c.zone, StartName: c.name, StartType: "A"})
	if err != nil {
		return engine.Reading{}, outcomeOf(err)
	}
	return record.Read(c.name, sets(out.Sets)), engine.Done
}

func (c *coreRecord) Swap(from engine.Reading, to engine.Value) (engine.Reading, engine.Outcome) {
	batch, err := record.Batch(c.name, from, to)
	if err != nil {
		return engine.Reading{}, engine.Denied
	}
	var changes []awstest.Change
	for _, b := range batch {
		action := awstest.Create
		if b.Delete {
			action = awstest.Delete
		}
		changes = append(changes, awstest.Change{Action: action, Set: awstest.RecordSet{Name: b.Set.Name, Type: b.Set.Type, TTL: int64(b.Set.TTL), Values: b.Set.Values}})
	}
	if _, err := c.cloud.ChangeResourceRecordSets(awstest.Caller{}, awstest.ChangeRecordsInput{ZoneID: c.zone, Changes: changes}); err != nil {
		return engine.Reading{}, outcomeOf(err)
	}
	return record.After(c.name, to), engine.Done
}

func outcomeOf(err error) engine.Outcome {
	var e *awstest.Error
	if !errors.As(err, &e) {
		return engine.Unknown
	}
	switch e.Code {
	case "InvalidChangeBatch":
		return engine.Conflict
	case "Throttling", "PriorRequestNotComplete":
		return engine.Busy
	}
	panic(err)
}

func (c *coreRecord) Now() engine.Reading { return record.Read(c.name, sets(c.cloud.Records(c.zone))) }

// Edit deletes what is there and sets what r says. What is to be refused is
// weighted.
func (c *coreRecord) Edit(r engine.Reading) {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	for _, s := range c.cloud.Records(c.zone) {
		if s.Type == "A" || s.Type == "TXT" {
			must(c.cloud.DeleteRecord(c.zone, s.Name, s.Type, s.SetID))
		}
	}
	if r.Exists {
		s := awstest.RecordSet{Name: c.name, Type: "A", TTL: int64(r.TTL), Values: strings.Split(r.Addrs, ",")}
		if r.Refuse != "" {
			weight := int64(1)
			s.Values, s.SetID, s.Weight = []string{foreignAddrs}, "a", &weight
		}
		must(c.cloud.SetRecord(c.zone, s))
	}
	if r.Lease.Holder != "" {
		text, err := record.Encode(r.Lease)
		must(err)
		must(c.cloud.SetRecord(c.zone, awstest.RecordSet{Name: record.LeaseName(c.name), Type: "TXT", TTL: int64(max(r.TTL, 1)), Values: []string{text}}))
	}
}

func sets(in []awstest.RecordSet) []record.Set {
	out := make([]record.Set, 0, len(in))
	for _, s := range in {
		odd := ""
		if s.SetID != "" {
			odd = "weighted"
		}
		out = append(out, record.Set{Name: s.Name, Type: s.Type, TTL: int(s.TTL), Values: s.Values, Odd: odd})
	}
	return out
}
