package awstest

import "strconv"

// route53Space is the name space of what Route 53 reads and writes.
const route53Space = "https://route53.amazonaws.com/doc/2013-04-01/"

// readBatch reads the body of ChangeResourceRecordSets.
func readBatch(body []byte) (in ChangeRecordsInput, err error) {
	e, err := readXML(body, route53Space)
	if err != nil {
		return in, err
	}
	if e.name != "ChangeResourceRecordSetsRequest" {
		return in, malformed("ChangeBatch is not valid, expected ChangeResourceRecordSetsRequest")
	}
	batch := e.inside("ChangeBatch")
	in.Comment, _ = batch.value("Comment")
	changes := batch.inside("Changes")
	for _, c := range changes.all("Change") {
		ch := Change{Action: ChangeAction(c.required("Action"))}
		set := c.inside("ResourceRecordSet")
		ch.Set = set.recordSet()
		set.end()
		c.end()
		in.Changes = append(in.Changes, ch)
	}
	changes.end()
	batch.end()
	e.end()
	return in, *e.err
}

// recordSet reads a ResourceRecordSet.
func (e *element) recordSet() RecordSet {
	r := RecordSet{Name: e.required("Name"), Type: e.required("Type")}
	ttl, hasTTL := e.number("TTL")
	r.TTL = ttl
	if list := e.one("ResourceRecords"); list != nil {
		for _, record := range list.all("ResourceRecord") {
			r.Values = append(r.Values, record.required("Value"))
			record.end()
		}
		list.end()
	}
	if target := e.one("AliasTarget"); target != nil {
		r.Alias = &AliasTarget{
			ZoneID:               target.required("HostedZoneId"),
			DNSName:              target.required("DNSName"),
			EvaluateTargetHealth: target.boolean("EvaluateTargetHealth"),
		}
		target.end()
	}
	// The one thing that a RecordSet can't tell: whether there was a TTL.
	if hasTTL != (r.Alias == nil) {
		e.fail(invalidInput("Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or "+
			"TrafficPolicyInstanceId] in Change with [Name=%s, Type=%s]", r.Name, r.Type))
	}
	r.SetID, _ = e.value("SetIdentifier")
	if weight, ok := e.number("Weight"); ok {
		r.Weight = &weight
	}
	r.Region, _ = e.value("Region")
	r.Failover, _ = e.value("Failover")
	r.MultiValue = e.boolean("MultiValueAnswer")
	r.HealthCheckID, _ = e.value("HealthCheckId")
	return r
}

// number takes out a number and whether it is there.
func (e *element) number(name string) (int64, bool) {
	s, ok := e.value(name)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		e.fail(malformed("'%s' is not a valid %s", s, name))
	}
	return n, true
}

// boolean takes out what is true or false, by default false.
func (e *element) boolean(name string) bool {
	s, ok := e.value(name)
	if ok && s != "true" && s != "false" {
		e.fail(malformed("'%s' is not a valid %s", s, name))
	}
	return s == "true"
}
