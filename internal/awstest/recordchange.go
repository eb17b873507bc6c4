package awstest

import (
	"strings"
	"time"
)

// Limits of a batch, from the Route 53 developer guide. What an UPSERT has
// counts twice.
const (
	maxBatchRecords    = 1000
	maxBatchCharacters = 32000
)

// ChangeAction is what a change does.
type ChangeAction string

// The actions. A Create fails if the set exists, a Delete unless it exists and
// is the same in everything, an Upsert never minds.
const (
	Create ChangeAction = "CREATE"
	Delete ChangeAction = "DELETE"
	Upsert ChangeAction = "UPSERT"
)

// Change is one change of a batch.
type Change struct {
	Action ChangeAction
	Set    RecordSet
}

// ChangeRecordsInput is a batch of changes to one zone. They are made in their
// order, all of them or none.
type ChangeRecordsInput struct {
	ZoneID  string // with or without /hostedzone/ before it
	Changes []Change
	Comment string
}

// The states of a batch.
const (
	StatusPending = "PENDING"
	StatusInSync  = "INSYNC"
)

// ChangeInfo is what became of a batch that was accepted.
type ChangeInfo struct {
	ID          string // such as /change/C0123456789ABCDEFGHIJ
	Status      string // [StatusPending] until the DNS has it, then [StatusInSync]
	SubmittedAt time.Time
	Comment     string
}

// change is a batch that was accepted.
type change struct {
	ChangeInfo
	account string
	insync  time.Time
}

func (ch *change) info(now time.Time) ChangeInfo {
	info := ch.ChangeInfo
	info.Status = StatusPending
	if !now.Before(ch.insync) {
		info.Status = StatusInSync
	}
	return info
}

// ChangeResourceRecordSets makes a batch of changes. What is wrong with it is
// told all at once, in the Messages of the [Error].
func (c *Cloud) ChangeResourceRecordSets(who Caller, in ChangeRecordsInput) (ChangeInfo, error) {
	return result[ChangeInfo](c.do(who, c.changeRecords(in)))
}

func (c *Cloud) changeRecords(in ChangeRecordsInput) operation {
	in.ZoneID = strings.TrimPrefix(in.ZoneID, "/hostedzone/")
	return operation{
		service: "route53", action: "ChangeResourceRecordSets", global: true, rate: route53Rate, empty: ChangeInfo{},
		resource:  "arn:aws:route53:::hostedzone/" + in.ZoneID,
		forbidden: func() bool { return !c.allows(in.Changes) },
		run: func(who Caller) (any, error) {
			if err := checkBatch(in.Changes); err != nil {
				return nil, err
			}
			h, err := c.ownZone(who, in.ZoneID)
			if err != nil {
				return nil, err
			}
			now := c.cfg.Now()
			if now.Before(h.busy) {
				return nil, newError("PriorRequestNotComplete",
					"The request was rejected because Route 53 was still processing a prior request.")
			}
			records, err := c.judge(h, in.Changes)
			if err != nil {
				return nil, err
			}
			h.busy = now.Add(c.cfg.ChangeTime)
			ch := &change{
				ChangeInfo: ChangeInfo{ID: "/change/C" + strings.ToUpper(c.hex(20)), SubmittedAt: now, Comment: in.Comment},
				account:    h.Account,
				insync:     h.commit(records, now, c.cfg.Propagation),
			}
			c.submits[ch.ID] = ch
			info := ch.info(now)
			// However fast it is, it was not there yet when it was accepted.
			info.Status = StatusPending
			return info, nil
		},
	}
}

// GetChange tells what became of a batch. The id may lack the /change/.
func (c *Cloud) GetChange(who Caller, id string) (ChangeInfo, error) {
	return result[ChangeInfo](c.do(who, c.getChange(id)))
}

func (c *Cloud) getChange(id string) operation {
	id = strings.TrimPrefix(id, "/change/")
	return operation{
		service: "route53", action: "GetChange", global: true, rate: route53Rate, empty: ChangeInfo{},
		resource: "arn:aws:route53:::change/" + id,
		run: func(who Caller) (any, error) {
			ch := c.submits["/change/"+id]
			if ch == nil || ch.account != who.Account {
				return nil, newError("NoSuchChange", "Could not find resource with ID: %s", id)
			}
			return ch.info(c.cfg.Now()), nil
		},
	}
}

// SetPropagation changes [Config.Propagation] for the changes to come.
func (c *Cloud) SetPropagation(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cfg.Propagation = d
}

// SetChangeTime changes [Config.ChangeTime] for the changes to come.
func (c *Cloud) SetChangeTime(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cfg.ChangeTime = d
}
