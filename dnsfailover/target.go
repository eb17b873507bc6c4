package dnsfailover

import (
	"context"
	"errors"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
)

// Target is a DNS record that points clients at the active node, and is only ever compared and swapped. Both methods end
// with ctx at the latest. [OutcomeOf] says what their errors mean.
type Target interface {
	// Read returns what the target holds. What can't be read is an error, never a reading of nothing. What can be read, and is
	// known to be denied to this node otherwise, is a reading and an error.
	Read(ctx context.Context) (engine.Reading, error)

	// Swap makes the target hold a value if it holds exactly what was read, and changes nothing otherwise, which is an
	// [ErrConflict]. The nonce of the value's lease is one that was never used before, since the write is known by it. On
	// success Swap returns what the target holds now.
	Swap(ctx context.Context, from engine.Reading, to engine.Value) (engine.Reading, error)
}

// ErrConflict is the error of a swap that was not made, because the target holds something else by now.
var ErrConflict = errors.New("the target holds something else by now")

// outcomeError is an error whose outcome its cause does not tell.
type outcomeError struct {
	outcome engine.Outcome
	err     error
}

func (e *outcomeError) Error() string { return e.err.Error() }
func (e *outcomeError) Unwrap() error { return e.err }

// OutcomeOf is what an error of a [Target] means to the engine: Done for nil, and Unknown for what it does not know.
//
//   - Conflict: [ErrConflict], or a batch that Route 53 refuses;
//   - Denied: what goes on failing until somebody changes a policy, the credentials or the configuration;
//   - Busy: throttled, another change of the zone still being made, credentials that have expired or could not be
//     fetched, a clock that is wrong, or no time left to send anything;
//   - Unknown: no answer, or one of a server that failed. A write may have been carried out, or may yet be.
func OutcomeOf(err error) engine.Outcome {
	var known *outcomeError
	var call *awsconf.Error
	switch {
	case err == nil:
		return engine.Done
	case errors.As(err, &known):
		return known.outcome
	case errors.Is(err, ErrConflict):
		return engine.Conflict
	case !errors.As(err, &call):
		return engine.Unknown
	case call.Code == codeInvalidBatch:
		return engine.Conflict
	case call.Permanent():
		return engine.Denied
	}
	switch call.Class {
	case awsconf.Throttled, awsconf.Credentials, awsconf.Clock, awsconf.Region, awsconf.Request:
		return engine.Busy
	default:
		return engine.Unknown
	}
}
