package awstest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// imdsClient is the SDK's client of an instance's metadata service. It tries
// once and does not fall back to requests without a token.
func imdsClient(t *testing.T, s *Server, id string) *imds.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return imds.New(imds.Options{
		Endpoint:       s.IMDS(id),
		HTTPClient:     &http.Client{Transport: transport},
		Retryer:        aws.NopRetryer{},
		EnableFallback: aws.FalseTernary,
	})
}

// metadata reads a path below /latest/meta-data/.
func metadata(ctx context.Context, client *imds.Client, path string) (string, error) {
	out, err := client.GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
	if err != nil {
		return "", err
	}
	defer out.Content.Close()
	b, err := io.ReadAll(out.Content)
	return string(b), err
}

// httpStatus returns the HTTP status in an error of the SDK, or 0.
func httpStatus(err error) int {
	var status interface{ HTTPStatusCode() int }
	if errors.As(err, &status) {
		return status.HTTPStatusCode()
	}
	return 0
}

func TestMetadataOnTheWire(t *testing.T) {
	c := New(Config{})
	s := serve(t, c)
	a := launch(t, c, Launch{PublicIP: "198.51.100.1"})
	b := launch(t, c, Launch{Region: "us-east-1"})
	for _, id := range []string{a, b} {
		if got, err := metadata(soon(t), imdsClient(t, s, id), "instance-id"); err != nil || got != id {
			t.Errorf("instance-id of %s: %q, %v", id, got, err)
		}
	}
	client := imdsClient(t, s, b)
	if _, err := metadata(soon(t), client, "public-ipv4"); httpStatus(err) != 404 {
		t.Errorf("no public address: %v", err)
	}
	region, err := client.GetRegion(soon(t), nil)
	do(t, err)
	doc, err := client.GetInstanceIdentityDocument(soon(t), nil)
	do(t, err)
	if region.Region != "us-east-1" || doc.InstanceID != b || doc.AccountID != DefaultAccount || doc.PendingTime.IsZero() {
		t.Errorf("region %s, document %+v", region.Region, doc.InstanceIdentityDocument)
	}
	if s.IMDS(a) != s.IMDS(a) || s.IMDS(a) == s.IMDS(b) {
		t.Error("an instance has one metadata service of its own")
	}
	if n := c.Count("imds", "api/token"); n != 3 {
		t.Errorf("%d token requests by 3 clients", n)
	}
	if call := c.Calls()[0]; call.Caller.Instance != a {
		t.Errorf("recorded as %+v", call)
	}
	if _, err := metadata(soon(t), imdsClient(t, s, "i-00000000"), "instance-id"); err == nil || httpStatus(err) != 0 {
		t.Errorf("an instance that is not there: %v", err)
	}
}

func TestMetadataRequests(t *testing.T) {
	c := New(Config{})
	s := serve(t, c)
	id := launch(t, c, Launch{})
	token, err := result[string](c.do(Caller{}, c.metadataToken(id, "60", false)))
	do(t, err)
	for _, tc := range []struct {
		name, method, path string
		header             http.Header
		want               int
	}{
		{"token", "PUT", "/latest/api/token", http.Header{metadataTTLHeader: {"60"}}, 200},
		{"token without life", "PUT", "/latest/api/token", nil, 400},
		{"forwarded", "PUT", "/latest/api/token", http.Header{metadataTTLHeader: {"60"}, "X-Forwarded-For": {"192.0.2.1"}}, 403},
		{"token by GET", "GET", "/latest/api/token", http.Header{metadataTTLHeader: {"60"}}, 405},
		{"path by PUT", "PUT", "/latest/meta-data/mac", http.Header{metadataTokenHeader: {token}}, 405},
		{"path", "GET", "/latest/meta-data/mac", http.Header{metadataTokenHeader: {token}}, 200},
		{"path without token", "GET", "/latest/meta-data/mac", nil, 401},
		{"wrong token", "GET", "/latest/meta-data/mac", http.Header{metadataTokenHeader: {"x"}}, 401},
		{"nothing there", "GET", "/latest/meta-data/ipv6", http.Header{metadataTokenHeader: {token}}, 404},
		{"elsewhere", "GET", "/2009-04-04/meta-data/mac", http.Header{metadataTokenHeader: {token}}, 404},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(soon(t), tc.method, s.IMDS(id)+tc.path, nil)
			do(t, err)
			if tc.header != nil {
				r.Header = tc.header
			}
			if status, body := send(t, r); status != tc.want {
				t.Errorf("got %d %s, want %d", status, body, tc.want)
			}
		})
	}
}

func TestMetadataFaults(t *testing.T) {
	near := MetadataOptions{HopLimit: 1, Hops: 1}
	for _, tc := range []struct {
		name    string
		f       Fault
		options MetadataOptions
		hangs   bool   // until the client gives up
		want    string // in the SDK's error, which can't be unwrapped this deep
	}{
		{"throttled", Fault{Service: "imds", Status: 503}, near, false, "StatusCode: 503"},
		{"throttled on one path", Fault{Service: "imds", Action: "meta-data/mac", Status: 503}, near, false, "StatusCode: 503"},
		{"absent", Fault{Service: "imds", Kind: Drop}, near, false, "EOF"},
		{"silent", Fault{Service: "imds", Kind: Hang}, near, true, "context canceled"},
		{"slow", Fault{Service: "imds", Latency: time.Hour}, near, true, "context canceled"},
		{"of another instance", Fault{Service: "imds", From: "i-00000000", Kind: Drop}, near, false, ""},
		{"in a container", Fault{Service: "sts"}, MetadataOptions{HopLimit: 1, Hops: 2}, true, "context canceled"},
		{"in a container with two hops", Fault{Service: "sts"}, MetadataOptions{HopLimit: 2, Hops: 2}, false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := New(Config{})
			s := serve(t, c)
			id := launch(t, c, Launch{})
			do(t, c.SetMetadataOptions(id, tc.options))
			c.Inject(tc.f)
			ctx, cancel := context.WithCancel(soon(t))
			defer cancel()
			if tc.hangs {
				go func() {
					c.Await(ctx, "imds", "api/token", 1)
					cancel()
				}()
			}
			_, err := metadata(ctx, imdsClient(t, s, id), "mac")
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestRoleKeysOnTheWire(t *testing.T) {
	c := New(Config{})
	s := serve(t, c)
	id := launch(t, c, Launch{Role: "lb"})
	cfg := sdk(t, s, userKeys, DefaultRegion)
	provider := ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = imdsClient(t, s, id) })
	cfg.Credentials = provider
	client := ec2.NewFromConfig(cfg)
	if _, err := client.DescribeInstances(soon(t), &ec2.DescribeInstancesInput{}); err != nil {
		t.Fatal(err)
	}
	if last := c.Calls()[c.Count("", "")-1]; last.Caller.Instance != id || last.Caller.ARN != "arn:aws:sts::123456789012:assumed-role/lb/"+id {
		t.Errorf("recorded as %+v", last)
	}
	do(t, c.SetRole(id, InstanceRole{Name: "lb", Lifetime: -time.Minute}))
	if _, err := client.DescribeInstances(soon(t), &ec2.DescribeInstancesInput{}); code(err) != "RequestExpired" {
		t.Errorf("with expired keys: %v", err)
	}
	do(t, c.SetRole(id, InstanceRole{Name: "lb", Code: "AssumeRoleUnauthorizedAccess"}))
	if _, err := provider.Retrieve(soon(t)); code(err) != "AssumeRoleUnauthorizedAccess" {
		t.Errorf("refused keys: %v", err)
	}
}

// TestDefaultChainFindsTheRole leaves the keys out of the environment, as on a
// real instance.
func TestDefaultChainFindsTheRole(t *testing.T) {
	c := New(Config{})
	s := serve(t, c)
	id := launch(t, c, Launch{Role: "lb"})
	setEnv(t, s.Env(id))
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	cfg, err := config.LoadDefaultConfig(soon(t), config.WithHTTPClient(&http.Client{Transport: transport}))
	do(t, err)
	if _, err := ec2.NewFromConfig(cfg).DescribeInstances(soon(t), &ec2.DescribeInstancesInput{}); err != nil {
		t.Error(err)
	}
	if last := c.Calls()[c.Count("", "")-1]; last.Service != "ec2" || last.Caller.Instance != id {
		t.Errorf("recorded as %+v", last)
	}
}
