package awsconf

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// Classify reads an error of an SDK call. Op is the IAM action of the call, such as ec2:DescribeInstances. It returns nil for
// nil (a nil *Error, which must not become an error by assignment), and an error that is classified already as it is.
func Classify(op string, err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	e = &Error{Op: op, Class: UnknownClass, Err: err, message: cause(err)}
	var id interface{ ServiceRequestID() string }
	if errors.As(err, &id) {
		e.RequestID = oneLine(id.ServiceRequestID(), 64)
	}
	switch v, answered := e.answer(err); {
	case canceled(err):
		e.message = "canceled"
	case answered:
		e.Class, e.permanent, e.Hint = v.class, v.permanent, v.hint
	default:
		e.transport(err)
		if e.Class == UnknownClass && statusOf(err) != 0 {
			e.Class, e.Hint = Server, hintStranger
		}
	}
	if e.Class == Denied {
		e.denied()
	}
	if from, ok := fetchingCredentials(err); ok && !canceled(err) {
		e.credentials(from, err)
	}
	return e
}

// answer is the verdict on an answer by which AWS refuses or fails. It reports false if there was none.
func (e *Error) answer(err error) (verdict, bool) {
	status := statusOf(err)
	var api smithy.APIError
	// UnknownError is the SDK's own code for an error without one.
	if errors.As(err, &api) && api.ErrorCode() != "UnknownError" {
		e.Code, e.message = oneLine(api.ErrorCode(), 80), publicPart(api.ErrorMessage())
		if v, ok := codes[e.Code]; ok {
			return refine(v, e.message), true
		}
	} else if status >= 300 {
		api, e.message = nil, "HTTP status "+strconv.Itoa(status)
	}
	switch {
	case status == http.StatusTooManyRequests:
		return verdict{Throttled, false, hintThrottled}, true
	case status == http.StatusRequestTimeout:
		return verdict{Timeout, false, ""}, true
	case status >= 500:
		return verdict{Server, false, ""}, true
	case status >= 300 && api == nil:
		return verdict{Request, true, hintStranger}, true
	case status >= 300, status == 0 && api != nil:
		return verdict{Request, api.ErrorFault() != smithy.FaultServer, ""}, true
	}
	return verdict{}, false
}

const hintStranger = "the answer is not AWS's: is there a proxy in between, or is endpoint wrong?"

// statusOf is the HTTP status of the answer, or 0 if there was none.
func statusOf(err error) int {
	var answer interface{ HTTPStatusCode() int }
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

// transport classifies a call that got no answer.
func (e *Error) transport(err error) {
	var (
		region  *aws.MissingRegionError
		dns     *net.DNSError
		cert    x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
		network net.Error
		op      *net.OpError
		sent    interface{ ConnectionError() bool }
	)
	switch {
	case errors.As(err, &region), strings.Contains(err.Error(), "Invalid Configuration: Missing Region"):
		e.Class, e.permanent, e.Hint = Region, true, "set region, or AWS_REGION"
	case errors.As(err, &cert) && cert.Reason == x509.Expired:
		e.Class, e.Hint = Clock, hintClock
	case errors.As(err, &unknown):
		e.Class, e.Hint = Network, "a proxy that opens TLS needs its own CA in AWS_CA_BUNDLE"
	case errors.As(err, &dns) && dns.IsNotFound:
		e.Class, e.Hint = Network, "is the region spelt right, and does this machine's DNS work?"
	case errors.As(err, &op) && op.Op == "dial" && op.Timeout():
		e.Class, e.Hint = Network, "nothing answers there: check routes, security groups and endpoint"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		e.Class = Timeout
	case errors.As(err, &network), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &sent) && sent.ConnectionError():
		e.Class = Network
	}
}

var (
	// actionForm finds the action in "… is not authorized to perform: sts:AssumeRole on resource: …".
	actionForm = regexp.MustCompile(`not authorized to perform:? ([a-z0-9-]+:[A-Za-z0-9]+)`)
	opForm     = regexp.MustCompile(`^[a-z0-9-]+:[A-Za-z0-9]+$`)
)

func (e *Error) denied() {
	if m := actionForm.FindStringSubmatch(e.message); m != nil {
		e.Permission = m[1]
	} else if opForm.MatchString(e.Op) {
		e.Permission = e.Op
	}
	switch {
	case strings.Contains(e.message, "explicit deny"):
		e.Hint = "a policy, permissions boundary or organization denies it explicitly; allowing it elsewhere does not help"
	case e.Permission != "":
		e.Hint = "add " + e.Permission + " to the policy of the instance's role"
	}
}

// fetchingCredentials reports whether a call failed before it was sent, for want of credentials, and the call that should have
// brought them, if it was one.
func fetchingCredentials(err error) (from *smithy.OperationError, ok bool) {
	var empty *credentials.StaticCredentialsEmptyError
	// The SDK marks the step with text alone.
	if !errors.As(err, &empty) && !strings.Contains(err.Error(), "get credentials: ") {
		return nil, false
	}
	// A call within the call is one of STS, single sign-on or the metadata service.
	var outer, inner *smithy.OperationError
	if errors.As(err, &outer) {
		for err = outer.Err; errors.As(err, &inner); err = inner.Err {
			from = inner
		}
	}
	return from, true
}

// credentials turns the verdict on a call that was to bring credentials into one on the call that needed them.
func (e *Error) credentials(from *smithy.OperationError, err error) {
	e.message = "getting credentials: " + e.message
	var fault *metadataFault
	if errors.As(err, &fault) {
		e.fromInstance(fault)
		return
	}
	denied := e.Class == Denied
	switch e.Class {
	case Denied, Request, UnknownClass:
		e.Class = Credentials
	default:
		return // a fault of the service that gives them, or a verdict on those used for asking
	}
	switch {
	case denied && from != nil && from.ServiceID == sts.ServiceID:
		if e.Permission == "" || e.Permission == e.Op {
			e.Permission = "sts:" + from.OperationName
		}
		e.Hint = "the role's trust policy must name the caller and the same external_id, and the caller's policy must allow " + e.Permission
	case from != nil:
		e.Hint = "check the role or the profile"
	case e.Code != "":
		e.Hint = "check the trust policy of the instance's role (ec2.amazonaws.com) and its instance profile"
	default:
		e.permanent = true
		e.Hint = "check the profile, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
	}
}

func (e *Error) fromInstance(fault *metadataFault) {
	e.Class = Credentials
	if fault.absent() {
		e.permanent = true
		e.Hint = "the instance has no role: attach an instance profile, or name a profile"
		return
	}
	e.permanent = fault.unasked()
	e.Hint = "neither the environment nor a profile has any, and " + fault.hint()
}

// cause is the text of an error without the frames the SDK puts around it.
func cause(err error) string {
	var request *url.Error
	if errors.As(err, &request) {
		return request.Error()
	}
	var outer *smithy.OperationError
	for errors.As(err, &outer) {
		err = outer.Err
	}
	return err.Error()
}

// publicPart leaves out what follows the reason: an encoded blob that only AWS can read, or the string that was
// signed, which holds the session token.
func publicPart(message string) string {
	message, _, _ = strings.Cut(message, "Encoded authorization failure message:")
	message, _, _ = strings.Cut(strings.TrimSpace(message), "\n")
	return strings.TrimSpace(message)
}
