package awstest

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/smithy-go"
)

// Error is an answer by which an API refuses or fails. It is a
// [smithy.APIError], so code that judges errors of the SDK judges it alike.
type Error struct {
	Status  int // HTTP status
	Code    string
	Message string

	// Messages are what is wrong with a batch of Route 53, one by one. The
	// Message has them all in brackets.
	Messages []string
}

// Error returns the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// ErrorCode returns the code, as [smithy.APIError] wants it.
func (e *Error) ErrorCode() string { return e.Code }

// ErrorMessage returns the message, as [smithy.APIError] wants it.
func (e *Error) ErrorMessage() string { return e.Message }

// ErrorFault tells whether the status blames the client or the server.
func (e *Error) ErrorFault() smithy.ErrorFault {
	if e.Status >= http.StatusInternalServerError {
		return smithy.FaultServer
	}
	return smithy.FaultClient
}

// ErrNoAnswer is what a call on a [Cloud] returns where the wire would have
// stayed silent: it may have been carried out or not.
var ErrNoAnswer = errors.New("no answer from the API")

// invalid is a client error with HTTP status 400.
func invalid(code, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}

// statusOf returns the HTTP status that AWS sends with an error code.
func statusOf(code string) int {
	switch code {
	case "InternalError", "InternalFailure":
		return http.StatusInternalServerError
	case "RequestLimitExceeded", "Unavailable", "ServiceUnavailable":
		return http.StatusServiceUnavailable
	case "AuthFailure":
		return http.StatusUnauthorized
	case "NoSuchHostedZone", "NoSuchChange":
		return http.StatusNotFound
	case "UnauthorizedOperation", "AccessDenied", "ExpiredToken", "InvalidClientTokenId",
		"SignatureDoesNotMatch", "MissingAuthenticationToken":
		return http.StatusForbidden
	case "DryRunOperation":
		return http.StatusPreconditionFailed
	}
	return http.StatusBadRequest
}

// newError is an error with the status that AWS sends with its code.
func newError(code, format string, args ...any) *Error {
	return &Error{Status: statusOf(code), Code: code, Message: fmt.Sprintf(format, args...)}
}

var _ smithy.APIError = (*Error)(nil)
