package awstest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// clock is a clock that moves when told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// serve serves a cloud until the test ends.
func serve(t testing.TB, c *Cloud) *Server {
	t.Helper()
	s, err := Serve(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// sdk returns an SDK configuration that tries once and keeps no connection
// beyond the test.
func sdk(t testing.TB, s *Server, keys Credentials, region string) aws.Config {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return aws.Config{
		Region:       region,
		BaseEndpoint: aws.String(s.URL()),
		HTTPClient:   &http.Client{Transport: patient{transport}},
		Retryer:      func() aws.Retryer { return aws.NopRetryer{} },
		Credentials: credentials.NewStaticCredentialsProvider(
			keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken),
	}
}

// patient sends requests whose body can be read to its end even if the SDK
// has closed it, as it does when an answer comes very soon.
type patient struct{ http.RoundTripper }

func (p patient) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r = r.Clone(r.Context())
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return p.RoundTripper.RoundTrip(r)
}

// userKeys are the keys that every cloud knows.
var userKeys = Credentials{AccessKeyID: AccessKeyID, SecretAccessKey: SecretAccessKey}

// ec2Client is the client of the default user in the default region.
func ec2Client(t testing.TB, s *Server) *ec2.Client {
	t.Helper()
	return ec2.NewFromConfig(sdk(t, s, userKeys, DefaultRegion))
}

// launch launches an instance that must be launched.
func launch(t testing.TB, c *Cloud, l Launch) string {
	t.Helper()
	id, err := c.Launch(l)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// do does what must work.
func do(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// code returns the error code of an API error, "" for nil, and the text of any
// other error.
func code(err error) string {
	var api smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &api):
		return api.ErrorCode()
	}
	return err.Error()
}

// soon is a context for what takes no time unless it fails.
func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
