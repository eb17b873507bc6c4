package awsconf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/smithy-go/logging"
)

const (
	dialTimeout    = 3 * time.Second
	tlsTimeout     = 3 * time.Second
	headerTimeout  = 10 * time.Second
	attemptTimeout = 15 * time.Second // dialling, sending and reading all of the answer

	// appID is how our calls can be told from others' in CloudTrail, unless AWS_SDK_UA_APP_ID or the profile says otherwise.
	appID = "caddy-ec2"
)

// The SDK's own defaults wait 30 s for a connection and without end for an answer. Proxies from the environment are
// honoured, as in every SDK program.
var buildable = awshttp.NewBuildableClient().
	WithTimeout(attemptTimeout).
	WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
	WithTransportOptions(func(t *http.Transport) {
		t.TLSHandshakeTimeout = tlsTimeout
		t.ResponseHeaderTimeout = headerTimeout
	})

// sharedClient is the buildable client in a form that service clients do not copy, so that all of them share its connections.
var sharedClient = sync.OnceValue(func() aws.HTTPClient { return SendWhole(buildable.Freeze()) })

// SendWhole makes a client of the SDK one that sends requests whose bodies net/http can only read. The SDK takes a body
// away as soon as the answer begins, and its WriteTo then fails where its Read would just end: if net/http is not done with
// it yet, it ends the connection in the middle of the answer ("use of closed network connection"). The SDK copes by
// retrying; we make one attempt.
func SendWhole(c aws.HTTPClient) aws.HTTPClient { return client{c} }

type client struct{ aws.HTTPClient }

func (c client) Do(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		req.Body = struct {
			io.Reader
			io.Closer
		}{req.Body, req.Body}
	}
	return c.HTTPClient.Do(req)
}

// NoRetries makes a retryer that gives each call one attempt. Configs from [Source.Load] have it, whatever AWS_RETRY_MODE and
// AWS_MAX_ATTEMPTS say; clients made in another way get the same behaviour by setting it as their Retryer.
func NoRetries() aws.Retryer { return aws.NopRetryer{} }

// Load makes the SDK config of the source. It reads the environment and the shared files, and asks the instance metadata
// service for the region if nothing else names one (1 s at most); credentials are fetched by the first call that needs
// them. Every error is an [*Error].
func (s Source) Load(ctx context.Context) (aws.Config, error) {
	if err := s.Validate(); err != nil {
		return aws.Config{}, &Error{Op: loadOp, Class: Request, Err: err, permanent: true}
	}
	cfg, err := s.read(ctx, s.Region)
	if err == nil && cfg.Region == "" {
		// Read again with the region: roles and single sign-on of a profile are bound to it while reading.
		var region string
		if region, err = instanceRegion(ctx, cfg); err == nil {
			cfg, err = s.read(ctx, region)
		}
	}
	if err != nil {
		return aws.Config{}, loadError(err)
	}
	if s.RoleARN != "" {
		cfg.Credentials = assumeRole(cfg, s.RoleARN, s.ExternalID)
	}
	return cfg, nil
}

func (s Source) read(ctx context.Context, region string) (aws.Config, error) {
	instance := new(metadata) // connected when the config it needs is there
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(region),
		config.WithSharedConfigProfile(s.Profile),
		config.WithHTTPClient(buildable),
		config.WithRetryer(NoRetries),
		config.WithDefaultsMode(aws.DefaultsModeStandard), // "auto" would ask the metadata service
		config.WithLogger(logging.Nop{}),                  // the SDK's own logger writes plain text to standard error
		config.WithEC2RoleCredentialOptions(func(o *ec2rolecreds.Options) { o.Client = instance }),
	)
	if err != nil {
		return aws.Config{}, err
	}
	instance.connect(cfg)
	// AWS_CA_BUNDLE makes the SDK build another client, which trusts that bundle.
	if b, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok && b != buildable {
		cfg.HTTPClient = client{b.Freeze()}
	} else {
		cfg.HTTPClient = sharedClient()
	}
	cfg.APIOptions = append(cfg.APIOptions, CheckAnswer)
	if cfg.AppID == "" {
		cfg.AppID = appID
	}
	return cfg, nil
}

// instanceRegion asks the instance for its region, the last place to look.
func instanceRegion(ctx context.Context, cfg aws.Config) (string, error) {
	var instance metadata
	instance.connect(cfg)
	region, err := instance.get(ctx, fieldRegion)
	if err == nil && region != "" {
		return region, nil
	}
	e := &Error{
		Op: loadOp, Class: Region, permanent: true, Err: errors.New("no region"),
		Hint: "set region, or AWS_REGION, or a region in the profile; only on an EC2 instance it is found by itself",
	}
	if err != nil {
		e.Err = fmt.Errorf("no region: %w", err)
		switch Classify(loadOp, err).Class {
		case Throttled, Timeout, Server:
			e.permanent = false
		}
	}
	if canceled(err) {
		e.Class, e.permanent = UnknownClass, false
	}
	return "", e
}

const loadOp = "loading the AWS config"

func loadError(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	e := &Error{Op: loadOp, Class: Credentials, Err: err, permanent: true}
	var missing config.SharedConfigProfileNotExistError
	if errors.As(err, &missing) {
		e.Hint = "check profile and AWS_PROFILE; the files read are ~/.aws/config and ~/.aws/credentials of the user Caddy runs as, or what AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name"
	}
	return e
}
