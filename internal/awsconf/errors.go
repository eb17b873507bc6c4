package awsconf

import (
	"context"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Class is the kind of an error, for branching and for metrics.
type Class string

// The classes, and what they ask for.
const (
	Throttled    Class = "throttled"   // too many calls in this account and region, by us or others: back off
	Denied       Class = "denied"      // the caller is known and may not do this: someone must change a policy
	Credentials  Class = "credentials" // no credentials, or AWS does not accept them
	Clock        Class = "clock"       // the signature's time is too far from AWS's
	Region       Class = "region"      // no region, or one this account cannot use
	Network      Class = "network"     // AWS was not reached: name, route, connection or TLS
	Timeout      Class = "timeout"     // no answer in time; whether the call took effect is not known
	Server       Class = "server"      // AWS failed, or answered with something unreadable
	Request      Class = "request"     // AWS understood the call and refuses it as it is
	UnknownClass Class = "unknown"     // anything else, being canceled included
)

// Error is a failed call of AWS or of the instance metadata service, ready for a log line: what was tried, what was the
// answer, and what can be done. [Classify] and the functions of this package make it.
type Error struct {
	Op         string // such as ec2:DescribeInstances
	Class      Class
	Code       string // AWS's own error code, such as RequestLimitExceeded; empty if AWS did not answer
	RequestID  string // what AWS support asks for; empty if AWS did not answer
	Permission string // the IAM action that is missing, if the class is denied or a role could not be assumed
	Hint       string // what to do, or empty
	Err        error  // the error as the SDK made it

	message   string // the one part of Err's text that people need; empty: all of it
	permanent bool
}

// Error is one line: "ec2:DescribeInstances: denied (UnauthorizedOperation): …; add … (request …)".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	b.WriteString(": ")
	b.WriteString(string(e.Class))
	if e.Code != "" {
		b.WriteString(" (" + e.Code + ")")
	}
	message := e.message
	if message == "" && e.Err != nil {
		message = e.Err.Error()
	}
	if message = oneLine(message, 400); message != "" {
		b.WriteString(": " + message)
	}
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return b.String()
}

// Unwrap gives access to the SDK's error, and to [context.Canceled] and the like below it.
func (e *Error) Unwrap() error { return e.Err }

// Permanent reports whether the same call will go on failing until a person changes a policy, the credentials or the
// configuration. It is true for
//
//   - denied and request, and credentials that AWS has judged: wrong, deleted, or not allowed to assume the role;
//   - a profile or region that does not exist.
//
// It is false for everything that passes by itself: throttled, network, timeout, server; credentials that have
// expired or could not be fetched, since the next call fetches them; clock, since the SDK corrects its clock by the answer;
// and refusals that speak of the state of the moment rather than of the call (Resource.AlreadyAssociated,
// InvalidAssociationID.NotFound, InvalidChangeBatch: look again, then decide; DryRunOperation: not a failure at all).
func (e *Error) Permanent() bool { return e.permanent }

// oneLine makes text of unknown origin fit for a log line: no control characters, no runs of spaces, not longer than limit bytes.
func oneLine(s string, limit int) string {
	if len(s) > 4*limit {
		s = s[:4*limit]
	}
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "?"), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + "…"
}

// canceled tells a caller that gave up from a call that took too long.
func canceled(err error) bool { return errors.Is(err, context.Canceled) }
