package awstest

import (
	"net/http"
	"slices"
	"time"
)

// FaultKind is what goes wrong with a call.
type FaultKind int

// The kinds of faults. A caller without a wire gets [ErrNoAnswer] where these
// speak of a connection, and no latency.
const (
	// Fail answers with Status, Code and Message and carries nothing out.
	// Without a Code the call goes well, which leaves its Latency.
	Fail FaultKind = iota

	// Empty answers well and with nothing: an empty listing, an empty text.
	Empty

	// Truncate carries the call out and sends half of the answer.
	Truncate

	// Lose carries the call out and closes the connection without an answer.
	Lose

	// Drop closes the connection and carries nothing out.
	Drop

	// Hang neither answers nor carries anything out until the client gives up.
	Hang

	// Stale answers a listing of record sets, or of Elastic IPs, from what they
	// were Age ago. Other calls go well.
	Stale
)

// Fault is something that goes wrong. The first one injected that matches a
// call acts on it, and no other.
type Fault struct {
	// Service (ec2, sts, route53, imds, dns) and Action are patterns of what
	// it happens to; "" is any. The actions of imds are the paths below
	// /latest/, such as api/token and meta-data/instance-id; those of dns are
	// questions such as "www.example.com. A".
	Service string
	Action  string

	// From limits it to calls of one caller: an instance id, an access key
	// id, or the ARN of a user or role session. "" is any.
	From string

	// Page limits it to one page of listings, the first of which is 1. 0 is
	// any.
	Page int

	// Times is how often it happens. 0 is until it is removed.
	Times int

	Kind FaultKind

	// Code, Status and Message are the error of the kind [Fail]. The status
	// is by default the one that AWS sends with the code, and with a status
	// alone the code is Unavailable or InternalError. The metadata service has
	// no codes; its client sees the status and the message.
	Code    string
	Status  int
	Message string

	// Latency is how much later than usual the answer comes. The call itself
	// is carried out on arrival.
	Latency time.Duration

	// Age is how old the answer of the kind [Stale] is. The past is kept for
	// ten minutes; for a greater age the oldest that is known is told.
	Age time.Duration

	left int
}

// Inject makes a fault happen from now on, until it is removed or used up.
func (c *Cloud) Inject(f Fault) (remove func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case f.Code == "" && f.Status == http.StatusServiceUnavailable:
		f.Code = "Unavailable"
	case f.Code == "" && f.Status != 0:
		f.Code = "InternalError"
	}
	if f.Status == 0 {
		f.Status = statusOf(f.Code)
	}
	if f.Message == "" {
		f.Message = "Injected fault"
	}
	f.left = f.Times
	c.faults = append(c.faults, &f)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.faults = slices.DeleteFunc(c.faults, func(g *Fault) bool { return g == &f })
	}
}

// Outage makes a service unreachable until it is restored: every connection is
// closed without an answer.
func (c *Cloud) Outage(service string) (restore func()) {
	return c.Inject(Fault{Service: service, Kind: Drop})
}

// takeFault returns the fault that acts on a call, or nil.
func (c *Cloud) takeFault(call Call) *Fault {
	for n, f := range c.faults {
		if !f.matches(call) {
			continue
		}
		if f.Times > 0 {
			if f.left--; f.left == 0 {
				c.faults = slices.Delete(c.faults, n, n+1)
			}
		}
		return f
	}
	return nil
}

func (f *Fault) matches(call Call) bool {
	from := f.From == "" || f.From == call.Caller.Instance || f.From == call.Caller.AccessKeyID || f.From == call.Caller.ARN
	return from && glob(f.Service, call.Service) && glob(f.Action, call.Action) && (f.Page == 0 || f.Page == call.Page)
}
