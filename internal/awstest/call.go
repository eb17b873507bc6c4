package awstest

import (
	"net/http"
	"time"
)

// Caller is who makes an API call, and where. The zero value is the default
// account's user in the default region; [Server] fills it in from the signature.
type Caller struct {
	Account     string // default [Config.Account]
	Region      string // default [Config.Region]
	ARN         string // of the user or of the role session
	AccessKeyID string
	Instance    string // the instance that the keys belong to, or ""
}

// operation is one API call before it is made.
type operation struct {
	service, action string
	global          bool      // made in us-east-1, wherever it was signed for
	rate            namedRate // token bucket; without a name there is none
	paged           bool
	token           string // NextToken of a paged call
	open            bool   // needs no permission
	dryRun          bool   // only asks whether it would be allowed
	resource        string // ARN of what the permission is for, "" if it is for anything
	empty           any    // the answer of a fault of the kind [Empty]

	// run carries the call out. It is called with the lock held, as are the
	// other two.
	run func(Caller) (any, error)

	// runStale, if there is one, answers from what was so long ago.
	runStale func(Caller, time.Duration) (any, error)

	// forbidden, if there is one, tells whether no policy allows the call.
	forbidden func() bool
}

// answer is the outcome of an API call, and how it is to be delivered.
type answer struct {
	out       any
	err       error
	fault     Fault // zero is none
	requestID string
	at        time.Time
}

// globalRegion is where the services are that have no regions.
const globalRegion = "us-east-1"

// do makes an API call: a fault may answer first, then throttling, then
// permission; then it is carried out. Whatever comes of it is recorded.
func (c *Cloud) do(who Caller, op operation) answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if who.Account == "" {
		who.Account = c.cfg.Account
	}
	if who.Region == "" {
		who.Region = c.cfg.Region
	}
	if op.global {
		who.Region = globalRegion
	}
	if who.ARN == "" {
		who.ARN = c.keys[AccessKeyID].ARN
	}
	call := Call{
		Time: c.cfg.Now(), Service: op.service, Action: op.action, Caller: who, RequestID: c.uuid(), DryRun: op.dryRun,
	}
	if op.paged {
		call.Page = 1
		if op.token != "" {
			call.Page = c.tokens.byName[op.token].page
		}
	}
	a := answer{requestID: call.RequestID, at: call.Time}
	if f := c.takeFault(call); f != nil {
		a.fault = *f
		call.Fault = true
	}
	a.out, a.err = c.carryOut(who, op, a.fault)
	if e, ok := a.err.(*Error); ok {
		call.Code = e.Code
	}
	c.record(call)
	return a
}

// carryOut makes an API call as far as a fault lets it.
func (c *Cloud) carryOut(who Caller, op operation, f Fault) (any, error) {
	switch {
	case f.Kind == Drop || f.Kind == Hang:
		return nil, ErrNoAnswer
	case f.Kind == Empty:
		return op.empty, nil
	case f.Kind == Fail && f.Code != "":
		return nil, &Error{Status: f.Status, Code: f.Code, Message: f.Message}
	}
	if err := c.takeToken(who, op); err != nil {
		return nil, err
	}
	if err := c.permit(who, op); err != nil {
		return nil, err
	}
	if f.Kind == Stale && op.runStale != nil {
		return op.runStale(who, f.Age)
	}
	return op.run(who)
}

// result is what a caller without a wire gets from an answer.
func result[T any](a answer) (out T, err error) {
	if a.fault.Kind == Lose || a.fault.Kind == Truncate {
		return out, ErrNoAnswer
	}
	if a.err != nil {
		return out, a.err
	}
	return a.out.(T), nil
}

// errDryRun is how EC2 says that a call would have worked.
var errDryRun = &Error{
	Status: http.StatusPreconditionFailed, Code: "DryRunOperation",
	Message: "Request would have succeeded, but DryRun flag is set.",
}
