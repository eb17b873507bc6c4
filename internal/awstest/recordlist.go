package awstest

import (
	"strings"
	"time"
)

// maxListed is how many record sets an answer has at most.
const maxListed = 300

// ListRecordsInput asks for the record sets of a zone. Without a start it is
// from the beginning; a start that does not exist is where it would be, so
// that a client must look at the names that it gets.
type ListRecordsInput struct {
	ZoneID     string // with or without /hostedzone/ before it
	StartName  string
	StartType  string // needs StartName
	StartSetID string // needs StartType
	MaxItems   int    // default and maximum 300
}

// ListRecordsOutput is one page of record sets.
type ListRecordsOutput struct {
	Sets      []RecordSet
	MaxItems  int
	Truncated bool

	// Next is where the next page starts, if there is one. Only its Name, Type
	// and SetID are set.
	Next RecordSet
}

// ListResourceRecordSets lists record sets as they are, those that are PENDING
// included.
func (c *Cloud) ListResourceRecordSets(who Caller, in ListRecordsInput) (ListRecordsOutput, error) {
	return result[ListRecordsOutput](c.do(who, c.listRecords(in)))
}

func (c *Cloud) listRecords(in ListRecordsInput) operation {
	in.ZoneID = strings.TrimPrefix(in.ZoneID, "/hostedzone/")
	runStale := func(who Caller, age time.Duration) (any, error) {
		if err := checkList(in); err != nil {
			return nil, err
		}
		h, err := c.ownZone(who, in.ZoneID)
		if err != nil {
			return nil, err
		}
		records := h.current()
		if age > 0 {
			records = h.past(c.cfg.Now().Add(-age))
		}
		return listFrom(records, in)
	}
	return operation{
		service: "route53", action: "ListResourceRecordSets", global: true, rate: route53Rate,
		empty:    ListRecordsOutput{MaxItems: maxListed},
		resource: "arn:aws:route53:::hostedzone/" + in.ZoneID,
		run:      func(who Caller) (any, error) { return runStale(who, 0) },
		runStale: runStale,
	}
}

// checkList refuses a request for its form.
func checkList(in ListRecordsInput) error {
	switch {
	case in.StartType != "" && in.StartName == "":
		return invalidInput("The record type can't be specified without the record name")
	case in.StartSetID != "" && in.StartType == "":
		return invalidInput("The record identifier can't be specified without the record type")
	case in.StartType != "" && !modelled(in.StartType):
		return outOfRange(in.StartType, "type", "Member must satisfy enum value set: ["+strings.Join(recordTypes, ", ")+"]")
	case in.MaxItems < 0:
		return outOfRange(in.MaxItems, "maxItems", "Member must be greater than or equal to 1")
	}
	return nil
}

// listFrom returns a page of sets.
func listFrom(records recordSets, in ListRecordsInput) (ListRecordsOutput, error) {
	out := ListRecordsOutput{MaxItems: in.MaxItems}
	if out.MaxItems == 0 || out.MaxItems > maxListed {
		out.MaxItems = maxListed
	}
	if in.StartName != "" {
		name, err := parseName(in.StartName)
		if err != nil {
			return ListRecordsOutput{}, invalidInput("%s", err)
		}
		start, _ := records.find(setKey{name, in.StartType, in.StartSetID})
		records = records[start:]
	}
	out.Sets = records[:min(len(records), out.MaxItems)]
	if rest := records[len(out.Sets):]; len(rest) > 0 {
		out.Truncated = true
		out.Next = RecordSet{Name: rest[0].Name, Type: rest[0].Type, SetID: rest[0].SetID}
	}
	return out, nil
}
