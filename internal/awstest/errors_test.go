package awstest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/smithy-go"
)

func TestErrorIsOneOfTheSDK(t *testing.T) {
	for _, tc := range []struct {
		err   *Error
		fault smithy.ErrorFault
	}{
		{newError("RequestLimitExceeded", "limit of %d", 5), smithy.FaultServer},
		{newError("UnauthorizedOperation", "limit of %d", 5), smithy.FaultClient},
	} {
		var api smithy.APIError
		if !errors.As(fmt.Errorf("listing: %w", tc.err), &api) {
			t.Fatalf("%v is not an error of the SDK", tc.err)
		}
		if api.ErrorCode() != tc.err.Code || api.ErrorMessage() != "limit of 5" || api.ErrorFault() != tc.fault {
			t.Errorf("%s: %s, fault %v", api.ErrorCode(), api.ErrorMessage(), api.ErrorFault())
		}
	}
}
