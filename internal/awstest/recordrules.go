package awstest

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// invalidInput is how Route 53 refuses a request for its form.
func invalidInput(format string, args ...any) *Error {
	return invalid("InvalidInput", "Invalid request: "+format, args...)
}

// outOfRange is how Route 53 refuses a value before it looks at the rest.
func outOfRange(value any, field, constraint string) *Error {
	return invalid("InvalidInput", "1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: %s",
		value, field, constraint)
}

// checkBatch refuses a batch for its form, before the zone is looked at.
func checkBatch(changes []Change) error {
	if len(changes) == 0 {
		return outOfRange("[]", "changeBatch.changes", "Member must have length greater than or equal to 1")
	}
	records, characters := 0, 0
	for i := range changes {
		ch := &changes[i]
		if ch.Action != Create && ch.Action != Delete && ch.Action != Upsert {
			return outOfRange(ch.Action, "action", "Member must satisfy enum value set: [CREATE, DELETE, UPSERT]")
		}
		if err := checkSet(ch); err != nil {
			return err
		}
		times := 1
		if ch.Action == Upsert {
			times = 2
		}
		records += times * len(ch.Set.Values)
		for _, v := range ch.Set.Values {
			characters += times * len(v)
		}
	}
	var messages []string
	if records > maxBatchRecords {
		messages = append(messages, fmt.Sprintf("Number of records limit of %d exceeded.", maxBatchRecords))
	}
	if characters > maxBatchCharacters {
		messages = append(messages, fmt.Sprintf("Number of characters limit of %d exceeded.", maxBatchCharacters))
	}
	return invalidBatch(messages)
}

// checkSet refuses a record set for its form.
func checkSet(ch *Change) error {
	r := &ch.Set
	id := r.SetID
	if id == "" {
		id = "null"
	}
	where := fmt.Sprintf("in Change with [Action=%s, Name=%s, Type=%s, SetIdentifier=%s]", ch.Action, r.Name, r.Type, id)
	policies := 0
	for _, given := range []bool{r.Weight != nil, r.Region != "", r.Failover != "", r.MultiValue} {
		if given {
			policies++
		}
	}
	switch {
	case !modelled(r.Type):
		return outOfRange(r.Type, "type", "Member must satisfy enum value set: ["+strings.Join(recordTypes, ", ")+"]")
	case r.TTL < 0 || r.TTL > math.MaxInt32:
		return outOfRange(r.TTL, "tTL", "Member must be between 0 and 2147483647")
	case r.Weight != nil && (*r.Weight < 0 || *r.Weight > 255):
		return outOfRange(*r.Weight, "weight", "Member must be between 0 and 255")
	case r.Failover != "" && r.Failover != "PRIMARY" && r.Failover != "SECONDARY":
		return outOfRange(r.Failover, "failover", "Member must satisfy enum value set: [PRIMARY, SECONDARY]")
	case len(r.SetID) > 128:
		return outOfRange(r.SetID, "setIdentifier", "Member must have length less than or equal to 128")
	case slices.ContainsFunc(r.Values, func(v string) bool { return v == "" || len(v) > 4000 }):
		return outOfRange(r.Values, "resourceRecords", "Member must have length between 1 and 4000")
	case r.Alias == nil && len(r.Values) == 0:
		return invalidInput("Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found none %s", where)
	case r.Alias != nil && (len(r.Values) > 0 || r.TTL != 0):
		return invalidInput("Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found more than one %s", where)
	case policies > 0 && r.SetID == "":
		return invalidInput("Missing field 'SetIdentifier' %s", where)
	case policies != 1 && r.SetID != "":
		found := "none"
		if policies > 1 {
			found = "more than one"
		}
		return invalidInput("Expected exactly one of [Weight, Region, Failover, or MultiValueAnswer], but found %s %s", found, where)
	}
	return nil
}

// invalidBatch is the error of a batch with these messages, nil without any.
func invalidBatch(messages []string) error {
	if len(messages) == 0 {
		return nil
	}
	err := invalid("InvalidChangeBatch", "[%s]", strings.Join(messages, ", "))
	err.Messages = messages
	return err
}
