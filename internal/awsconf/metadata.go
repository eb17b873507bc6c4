package awsconf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go/logging"
)

const (
	metadataTimeout     = time.Second            // for one value, with a new token and a second attempt if need be
	metadataDialTimeout = 500 * time.Millisecond // the service is on the same host
	metadataMaxAnswer   = 64 << 10
)

// metadataHTTP is the HTTP client for the instance metadata service. It keeps no connection, since requests are minutes
// apart.
var metadataHTTP = &http.Client{
	Transport: &http.Transport{
		Proxy:                 nil, // a proxy on another instance would give us that one's identity and credentials
		DialContext:           (&net.Dialer{Timeout: metadataDialTimeout}).DialContext,
		ResponseHeaderTimeout: metadataTimeout,
		DisableKeepAlives:     true,
	},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// metadata is a client of the instance metadata service, version 2 only. Its errors are [*metadataFault]s.
type metadata struct{ client *imds.Client }

// connect honours what the environment and the profile in cfg say about the endpoint (AWS_EC2_METADATA_SERVICE_ENDPOINT,
// …_ENDPOINT_MODE) and AWS_EC2_METADATA_DISABLED.
func (m *metadata) connect(cfg aws.Config) {
	m.client = imds.NewFromConfig(cfg, func(o *imds.Options) {
		o.APIOptions = nil // they are for the services
		o.EnableFallback = aws.FalseTernary
		o.HTTPClient = metadataExchange{metadataHTTP}
		o.Logger = logging.Nop{}
		o.DisableDefaultMaxBackoff = true // it would wait for a second, and for the error to be forgotten
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
			// Only what the client asks for itself: another attempt with a new token when the old one is refused.
			o.MaxAttempts = 2
			o.Retryables = []retry.IsErrorRetryable{retry.RetryableError{}}
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	})
}

// GetMetadata is the SDK client's, for the provider of the instance role's credentials too.
func (m *metadata) GetMetadata(ctx context.Context, in *imds.GetMetadataInput, opts ...func(*imds.Options)) (*imds.GetMetadataOutput, error) {
	fault := new(metadataFault)
	out, err := m.client.GetMetadata(context.WithValue(ctx, faultKey{}, fault), in, opts...)
	if err != nil {
		fault.err = err
		return nil, fault
	}
	return out, nil
}

// get reads one value within 1 s, and checks its form. What the service does not have is empty; anything else but a
// well-formed value is an [*Error].
func (m *metadata) get(ctx context.Context, f field) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	op := "imds:" + f.path
	out, err := m.GetMetadata(ctx, &imds.GetMetadataInput{Path: f.path})
	var fault *metadataFault
	switch {
	case errors.As(err, &fault) && fault.absent():
		return "", nil
	case err != nil:
		return "", metadataError(op, err)
	}
	defer out.Content.Close()
	var value string
	body, err := io.ReadAll(out.Content)
	if err == nil {
		value, err = f.parse(strings.TrimSpace(string(body)))
	}
	if err != nil {
		return "", &Error{Op: op, Class: Server, Err: err, Hint: hintNotEC2}
	}
	return value, nil
}

// metadataFault is an error of the metadata service, and what the last exchange with it came to. The SDK's error does not
// lead to that: the one of a token that was not given wraps nothing.
type metadataFault struct {
	err    error // the SDK's
	token  bool  // it was asked for a token
	status int   // it answered with this
	cause  error // it did not answer
}

type faultKey struct{}

func (f *metadataFault) Error() string { return f.err.Error() }

// Unwrap leads to both errors.
func (f *metadataFault) Unwrap() []error { return []error{f.err, f.cause} }

// HTTPStatusCode is zero if there was no answer.
func (f *metadataFault) HTTPStatusCode() int { return f.status }

// absent reports whether the service works and does not have what was asked for.
func (f *metadataFault) absent() bool { return f.status == http.StatusNotFound && !f.token }

// unasked reports whether it did not come to an exchange: the settings in the environment forbid it, or make no sense.
func (f *metadataFault) unasked() bool { return f.status == 0 && f.cause == nil }

// hint says what to do about it.
func (f *metadataFault) hint() string {
	var dial *net.OpError
	switch {
	case f.unasked() && strings.Contains(f.err.Error(), "AWS_EC2_METADATA_DISABLED"):
		return "AWS_EC2_METADATA_DISABLED switches the instance metadata service off"
	case f.unasked():
		return "check AWS_EC2_METADATA_SERVICE_ENDPOINT"
	case f.status == http.StatusForbidden:
		return "the instance metadata service is switched off for this instance (HttpEndpoint)"
	case f.status == http.StatusTooManyRequests || f.status >= 500:
		return "the instance metadata service is overloaded or has a fault"
	case f.status != 0, f.cause != nil && strings.Contains(f.cause.Error(), "invalid header field value"): // of the token
		return hintNotEC2
	case errors.As(f.cause, &dial) && dial.Op == "dial":
		return "the instance metadata service is not reachable: not on EC2?"
	}
	return "the instance metadata service does not answer: not on EC2, or in a container behind a hop limit of 1 (HttpPutResponseHopLimit must be 2)"
}

const hintNotEC2 = "this does not look like the metadata service of EC2, version 2"

func metadataError(op string, err error) *Error {
	e := Classify(op, err)
	var fault *metadataFault
	if errors.As(err, &fault) && !canceled(err) {
		e.Hint = fault.hint()
		if fault.unasked() {
			e.Class, e.permanent = Request, true
		}
	}
	return e
}

// metadataExchange notes what each exchange comes to, and ends answers that are too long to be metadata: the SDK reads
// them whole.
type metadataExchange struct{ *http.Client }

func (c metadataExchange) Do(req *http.Request) (*http.Response, error) {
	resp, err := c.Client.Do(req)
	if fault, ok := req.Context().Value(faultKey{}).(*metadataFault); ok {
		*fault = metadataFault{token: req.Method == http.MethodPut, cause: err}
		if resp != nil {
			fault.status = resp.StatusCode
		}
	}
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, metadataMaxAnswer)
	}
	return resp, err
}

func malformed(what, value string) error {
	return fmt.Errorf("%q is not %s", oneLine(value, 80), what)
}

var (
	_ imds.HTTPClient                   = metadataExchange{}
	_ ec2rolecreds.GetMetadataAPIClient = (*metadata)(nil)
)
