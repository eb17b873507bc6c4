// Package core keeps the record of a simulated schedule in the core of the fake
// Route 53, in the process and without a wire. It is a model of what
// dnsfailover.Route53 does over HTTP, and the tests there hold it to that. It is
// for tests: nothing else imports it.
//
// A call is one attempt. The clock of a simulation stands still during a call, so
// repetitions would meet the same empty bucket and the same change under way.
package core

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// changeTime is how long Route 53 goes on processing a change.
const changeTime = 200 * time.Millisecond

// Record is a record in the zone example.com of a fake Route 53, with the account's
// five requests a second, and changes that take a while to be processed.
type Record struct {
	Cloud *awstest.Cloud
	Zone  string // the id of the hosted zone

	name string
}

// New makes a record that does not exist yet, in a cloud with a clock. It panics
// if the name is none.
func New(name string, now func() time.Time) *Record {
	cloud := awstest.New(awstest.Config{Now: now, ChangeTime: changeTime})
	zone, err := cloud.AddZone(awstest.HostedZone{Name: "example.com"})
	must(err)
	return &Record{Cloud: cloud, Zone: zone, name: name}
}

// Read is one listing, and another if that is empty: a zone never is, so an empty
// answer is believed only if the SOA shows in the next.
func (r *Record) Read() (engine.Reading, engine.Outcome) {
	out, err := r.list(awstest.ListRecordsInput{ZoneID: r.Zone, StartName: r.name})
	if err == nil && len(out) == 0 {
		var top []awstest.RecordSet
		if top, err = r.list(awstest.ListRecordsInput{ZoneID: r.Zone, MaxItems: 1}); err == nil && len(top) == 0 {
			return engine.Reading{}, engine.Unknown
		}
	}
	if err != nil {
		return engine.Reading{}, outcomeOf(err)
	}
	return record.Read(r.name, sets(out)), engine.Done
}

func (r *Record) list(in awstest.ListRecordsInput) ([]awstest.RecordSet, error) {
	out, err := r.Cloud.ListResourceRecordSets(awstest.Caller{}, in)
	return out.Sets, err
}

// Swap is one batch. If it is refused or not answered, a reading shows what
// became of it.
func (r *Record) Swap(from engine.Reading, to engine.Value) (engine.Reading, engine.Outcome) {
	batch, err := record.Batch(r.name, from, to)
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
	_, err = r.Cloud.ChangeResourceRecordSets(awstest.Caller{}, awstest.ChangeRecordsInput{ZoneID: r.Zone, Changes: changes})
	outcome := outcomeOf(err)
	switch outcome {
	case engine.Done:
		return record.After(r.name, to), engine.Done
	case engine.Conflict, engine.Unknown:
		seen, read := r.Read()
		switch {
		case read != engine.Done:
			return engine.Reading{}, engine.Unknown
		case wrote(to.Lease, seen.Lease):
			return seen, engine.Done
		case seen.Token != from.Token:
			return engine.Reading{}, engine.Conflict
		case outcome == engine.Conflict: // it is refused for what is in it
			return engine.Reading{}, engine.Denied
		}
	}
	return engine.Reading{}, outcome
}

// wrote reports whether a lease that is read is that of a write.
func wrote(to, seen engine.Lease) bool {
	if to.Members != "" {
		return seen == to // the nonce that it shows is that of one node
	}
	return seen.Nonce == to.Nonce && seen.Holder == to.Holder
}

// outcomeOf panics at an error that is not modelled.
func outcomeOf(err error) engine.Outcome {
	var e *awstest.Error
	switch {
	case err == nil:
		return engine.Done
	case errors.Is(err, awstest.ErrNoAnswer):
		return engine.Unknown
	case !errors.As(err, &e):
		panic(err)
	case e.Status >= http.StatusInternalServerError:
		return engine.Unknown
	}
	switch e.Code {
	case "InvalidChangeBatch":
		return engine.Conflict
	case "Throttling", "PriorRequestNotComplete":
		return engine.Busy
	case "AccessDenied":
		return engine.Denied
	}
	panic(err)
}

// Now is what the zone holds. It is no request.
func (r *Record) Now() engine.Reading {
	return record.Read(r.name, sets(r.Cloud.Records(r.Zone)))
}

// Edit deletes what is there and sets what a reading says, by somebody else's
// hand. What is to be refused is weighted.
func (r *Record) Edit(to engine.Reading) {
	for _, s := range r.Cloud.Records(r.Zone) {
		if s.Type == "A" || s.Type == "TXT" {
			must(r.Cloud.DeleteRecord(r.Zone, s.Name, s.Type, s.SetID))
		}
	}
	if to.Exists {
		s := awstest.RecordSet{Name: r.name, Type: "A", TTL: int64(to.TTL), Values: strings.Split(to.Addrs, ",")}
		if to.Refuse != "" {
			weight := int64(1)
			s.Values, s.SetID, s.Weight = []string{"203.0.113.99"}, "a", &weight
		}
		must(r.Cloud.SetRecord(r.Zone, s))
	}
	if to.Lease.Holder != "" {
		leases := []engine.Lease{to.Lease}
		for i, m := range to.Lease.List() {
			l := engine.Lease{Epoch: m.Epoch, Holder: m.Node, Instance: m.Instance, Nonce: m.Nonce, Addrs: m.Addrs, Hash: m.Hash, Mode: to.Lease.Mode}
			leases = append(leases[:i], l)
		}
		var values []string
		for _, l := range leases {
			text, err := record.Encode(l)
			must(err)
			values = append(values, text)
		}
		must(r.Cloud.SetRecord(r.Zone, awstest.RecordSet{Name: record.LeaseName(r.name), Type: "TXT", TTL: int64(max(to.TTL, 1)), Values: values}))
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func sets(in []awstest.RecordSet) []record.Set {
	out := make([]record.Set, 0, len(in))
	for _, s := range in {
		odd := ""
		if s.SetID != "" {
			odd = "weighted (set identifier " + strconv.Quote(s.SetID) + ")" // in the words of the real target
		}
		out = append(out, record.Set{Name: s.Name, Type: s.Type, TTL: int(s.TTL), Values: s.Values, Odd: odd})
	}
	return out
}

// Beside is another record of the same zone.
func (r *Record) Beside(name string) *Record {
	return &Record{Cloud: r.Cloud, Zone: r.Zone, name: name}
}
