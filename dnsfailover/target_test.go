package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
)

func TestOutcomeOf(t *testing.T) {
	refused := func(code string) error {
		return awsconf.Classify(opChange, &smithy.GenericAPIError{Code: code, Message: "…", Fault: smithy.FaultClient})
	}
	for _, tc := range []struct {
		name string
		err  error
		want engine.Outcome
	}{
		{"nil", nil, engine.Done},
		{"conflict", fmt.Errorf("swapping: %w", ErrConflict), engine.Conflict},
		{"refused batch", refused("InvalidChangeBatch"), engine.Conflict},
		{"throttled", refused("Throttling"), engine.Busy},
		{"the change before", refused("PriorRequestNotComplete"), engine.Busy},
		{"credentials that expired", refused("ExpiredToken"), engine.Busy},
		{"clock", refused("RequestExpired"), engine.Busy},
		{"permission", refused("AccessDenied"), engine.Denied},
		{"credentials that are wrong", refused("InvalidClientTokenId"), engine.Denied},
		{"zone", refused("NoSuchHostedZone"), engine.Denied},
		{"form", refused("InvalidInput"), engine.Denied},
		{"server", refused("InternalError"), engine.Unknown},
		{"too late", awsconf.Classify(opChange, context.DeadlineExceeded), engine.Unknown},
		{"canceled", awsconf.Classify(opChange, context.Canceled), engine.Unknown},
		{"lost connection", awsconf.Classify(opChange, &net.OpError{Op: "read", Err: http.ErrServerClosed}), engine.Unknown},
		{"half an answer", half("it has no end"), engine.Unknown},
		{"something else", errors.New("x"), engine.Unknown},
		{"known better", fmt.Errorf("swapping: %w", &outcomeError{engine.Denied, fmt.Errorf("%w: %w", ErrConflict, refused("Throttling"))}), engine.Denied},
	} {
		if got := OutcomeOf(tc.err); got != tc.want {
			t.Errorf("%s: %v is %s, want %s", tc.name, tc.err, got, tc.want)
		}
	}
}
