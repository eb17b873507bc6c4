package awstest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// send sends a request and returns the status and the answer.
func send(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(r)
	do(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	do(t, err)
	return res.StatusCode, string(body)
}

// signed makes a signed request out of a query string.
func signed(t *testing.T, method, address, query, service string) *http.Request {
	t.Helper()
	body := query
	if method == http.MethodGet {
		address, body = address+"/?"+query, ""
	}
	r, err := http.NewRequestWithContext(soon(t), method, address, strings.NewReader(body))
	do(t, err)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	hash := sha256.Sum256([]byte(body))
	keys := aws.Credentials{AccessKeyID: AccessKeyID, SecretAccessKey: SecretAccessKey}
	do(t, v4.NewSigner().SignHTTP(r.Context(), keys, r, hex.EncodeToString(hash[:]), service, DefaultRegion, time.Now()))
	return r
}

func TestQueryProtocol(t *testing.T) {
	c := New(Config{})
	s := serve(t, c)
	for _, tc := range []struct {
		name   string
		method string
		query  string
		status int
		want   string // in the answer
	}{
		{"post", "POST", "Action=DescribeInstances&Version=2016-11-15", 200, "<reservationSet></reservationSet>"},
		{"get", "GET", "Action=DescribeInstances&Version=2016-11-15", 200, "<reservationSet></reservationSet>"},
		{"no action", "POST", "Version=2016-11-15", 400, "<Code>MissingAction</Code>"},
		{"unknown action", "POST", "Action=DescribeVolumes&Version=2016-11-15", 400, "<Code>InvalidAction</Code>"},
		{"action of another service", "POST", "Action=AssumeRole&Version=2016-11-15", 400, "<Code>InvalidAction</Code>"},
		{"another version", "POST", "Action=DescribeInstances&Version=2015-10-01", 400, "<Code>NoSuchVersion</Code>"},
		{"unknown parameter", "POST", "Action=DescribeInstances&Version=2016-11-15&Colour=red", 400,
			"<Code>UnknownParameter</Code><Message>The parameter Colour is not recognized</Message>"},
		{"gap in a list", "POST", "Action=DescribeInstances&Version=2016-11-15&InstanceId.2=i-00000000", 400, "<Code>UnknownParameter</Code>"},
		{"filter without name", "POST", "Action=DescribeInstances&Version=2016-11-15&Filter.1.Value.1=x", 400, "<Code>UnknownParameter</Code>"},
		{"given twice", "POST", "Action=DescribeInstances&Version=2016-11-15&MaxResults=5&MaxResults=6", 400, "<Code>InvalidParameterValue</Code>"},
		{"not a number", "POST", "Action=DescribeInstances&Version=2016-11-15&MaxResults=many", 400, "<Code>InvalidParameterValue</Code>"},
		{"MaxResults 0", "POST", "Action=DescribeInstances&Version=2016-11-15&MaxResults=0", 400, "<Code>InvalidParameterValue</Code>"},
		{"empty NextToken", "POST", "Action=DescribeInstances&Version=2016-11-15&NextToken=", 400, "<Code>InvalidParameterValue</Code>"},
		{"not a boolean", "POST", "Action=DescribeInstances&Version=2016-11-15&DryRun=yes", 400, "<Code>InvalidParameterValue</Code>"},
		{"missing parameter", "POST", "Action=RunInstances&Version=2016-11-15&MinCount=1&MaxCount=1", 400, "<Code>MissingParameter</Code>"},
		{"no ids", "POST", "Action=StopInstances&Version=2016-11-15", 400, "<Code>MissingParameter</Code>"},
		{"no tags", "POST", "Action=CreateTags&Version=2016-11-15&ResourceId.1=i-00000000", 400, "<Code>MissingParameter</Code>"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, body := send(t, signed(t, tc.method, s.URL(), tc.query, "ec2"))
			if status != tc.status || !strings.Contains(body, tc.want) {
				t.Errorf("got %d %s, want %d %s", status, body, tc.status, tc.want)
			}
		})
	}
	if call := c.Calls()[4]; call.Service != "ec2" || call.Action != "AssumeRole" || call.Code != "InvalidAction" {
		t.Errorf("recorded as %+v", call)
	}
	if status, _ := send(t, signed(t, "POST", s.URL()+"/2013-04-01/hostedzone", "", "route53")); status != 404 {
		t.Errorf("another path: %d", status)
	}
}

func TestSignatureOnTheWire(t *testing.T) {
	s := serve(t, New(Config{}))
	for _, tc := range []struct {
		name    string
		service string
		edit    func(http.Header)
		status  int
		want    string
	}{
		{"as it should be", "ec2", func(http.Header) {}, 200, "<reservationSet>"},
		{"unsigned", "ec2", func(h http.Header) { h.Del("Authorization") }, 403, "<Code>MissingAuthenticationToken</Code>"},
		{"for another service", "s3", func(http.Header) {}, 403, "<Code>SignatureDoesNotMatch</Code>"},
		{"for the wrong one", "sts", func(http.Header) {}, 400, "<Code>NoSuchVersion</Code>"},
		{"another scheme", "ec2", func(h http.Header) { h.Set("Authorization", "Basic eDp5") }, 400, "<Code>IncompleteSignature</Code>"},
		{"half of it", "ec2", func(h http.Header) { h.Set("Authorization", h.Get("Authorization")[:60]) }, 400, "<Code>IncompleteSignature</Code>"},
		{"no date", "ec2", func(h http.Header) { h.Del("X-Amz-Date") }, 400, "<Code>IncompleteSignature</Code>"},
		{"date of another day", "ec2", func(h http.Header) { h.Set("X-Amz-Date", "20200101T000000Z") }, 400, "<Code>IncompleteSignature</Code>"},
		{"unasked token", "ec2", func(h http.Header) { h.Set("X-Amz-Security-Token", "x") }, 401, "<Code>AuthFailure</Code>"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := signed(t, "POST", s.URL(), "Action=DescribeInstances&Version=2016-11-15", tc.service)
			tc.edit(r.Header)
			status, body := send(t, r)
			if status != tc.status || !strings.Contains(body, tc.want) {
				t.Errorf("got %d %s, want %d %s", status, body, tc.status, tc.want)
			}
		})
	}
}

func TestClockOnTheWire(t *testing.T) {
	clk := &clock{now: time.Now()}
	c := New(Config{Now: clk.Now})
	client := ec2Client(t, serve(t, c))
	clk.advance(-time.Hour)
	_, err := client.DescribeInstances(soon(t), &ec2.DescribeInstancesInput{})
	if code(err) != "RequestExpired" {
		t.Errorf("an hour ahead: %v", err)
	}
	// The SDK learns the time from the answer's Date.
	if _, err := client.DescribeInstances(soon(t), &ec2.DescribeInstancesInput{}); err != nil {
		t.Errorf("once corrected: %v", err)
	}
}

func TestFaultsOnTheWire(t *testing.T) {
	for _, tc := range []struct {
		name    string
		f       Fault
		want    string // error code
		breaks  error  // or what the connection gives
		carried bool
	}{
		{"throttled", Fault{Code: "RequestLimitExceeded"}, "RequestLimitExceeded", nil, false},
		{"broken", Fault{Status: 500}, "InternalError", nil, false},
		{"late", Fault{Latency: time.Millisecond}, "", nil, true},
		{"empty", Fault{Kind: Empty}, "", nil, false},
		{"truncated", Fault{Kind: Truncate}, "", io.ErrUnexpectedEOF, true},
		{"lost", Fault{Kind: Lose}, "", io.EOF, true},
		{"dropped", Fault{Kind: Drop}, "", io.EOF, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := New(Config{})
			id := launch(t, c, Launch{})
			client := ec2Client(t, serve(t, c))
			remove := c.Inject(tc.f)
			_, err := client.StopInstances(soon(t), &ec2.StopInstancesInput{InstanceIds: []string{id}})
			if tc.breaks != nil {
				if !errors.Is(err, tc.breaks) {
					t.Errorf("got %v, want %v", err, tc.breaks)
				}
			} else if code(err) != tc.want {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if i, _ := c.Instance(id); (i.State == Stopped) != tc.carried {
				t.Errorf("state %v, want it carried out: %v", i.State, tc.carried)
			}
			remove()
			if _, err := client.DescribeInstances(soon(t), &ec2.DescribeInstancesInput{}); err != nil {
				t.Errorf("the next call: %v", err)
			}
		})
	}
}

func TestSecondPageFails(t *testing.T) {
	c := New(Config{})
	_, err := c.LaunchN(11, Launch{})
	do(t, err)
	c.Inject(Fault{Service: "ec2", Action: "DescribeInstances", Page: 2, Code: "RequestLimitExceeded", Times: 1})
	pages := ec2.NewDescribeInstancesPaginator(ec2Client(t, serve(t, c)), &ec2.DescribeInstancesInput{MaxResults: aws.Int32(5)})
	var got []string
	for n := 0; pages.HasMorePages() && n < 4; n++ {
		_, err := pages.NextPage(soon(t))
		got = append(got, code(err))
	}
	if !slices.Equal(got, []string{"", "RequestLimitExceeded", "", ""}) {
		t.Errorf("pages went %q", got)
	}
}

// TestWaitingEnds makes calls that hang or are late, and lets the client or
// the server go away.
func TestWaitingEnds(t *testing.T) {
	for _, f := range []Fault{{Kind: Hang}, {Latency: time.Hour}} {
		c := New(Config{})
		s := serve(t, c)
		client := ec2Client(t, s)
		c.Inject(f)

		ctx, cancel := context.WithCancel(context.Background())
		failed := make(chan error, 1)
		call := func(ctx context.Context) {
			_, err := client.DescribeInstances(ctx, &ec2.DescribeInstancesInput{})
			failed <- err
		}
		go call(ctx)
		do(t, c.Await(soon(t), "ec2", "DescribeInstances", 1))
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("%+v: the client gave up with %v", f, err)
		}

		go call(soon(t))
		do(t, c.Await(soon(t), "ec2", "DescribeInstances", 2))
		do(t, s.Close())
		if err := <-failed; err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%+v: the server closed and the call got %v", f, err)
		}
	}
}

func TestServe(t *testing.T) {
	s := serve(t, New(Config{}))
	u, err := url.Parse(s.URL())
	do(t, err)
	if u.Hostname() != "127.0.0.1" || u.Scheme != "http" {
		t.Errorf("serving at %s", s.URL())
	}
	if _, err := ServeAt(New(Config{}), u.Host); err == nil {
		t.Error("served twice at one address")
	}
	do(t, s.Close())
	again, err := ServeAt(New(Config{}), u.Host)
	do(t, err)
	if again.URL() != s.URL() {
		t.Errorf("asked for %s, serving at %s", s.URL(), again.URL())
	}
	do(t, again.Close())
}

// setEnv sets the environment of the test as Env gives it.
func setEnv(t *testing.T, env []string) {
	t.Helper()
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
}

func TestEnv(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_PROFILE": "own", "AWS_SESSION_TOKEN": "own", "AWS_REGION": "ap-southeast-2",
		"AWS_ENDPOINT_URL_EC2": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1",
		"AWS_ENDPOINT_URL_ROUTE_53": "http://127.0.0.1:1",
	} {
		t.Setenv(name, value)
	}
	c := New(Config{Region: "eu-central-1"})
	s := serve(t, c)
	id := launch(t, c, Launch{Region: "us-east-1"})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for _, tc := range []struct{ instance, region, user string }{
		{"", "eu-central-1", "caddy"},
		{id, "us-east-1", id},
	} {
		setEnv(t, s.Env(tc.instance))
		cfg, err := config.LoadDefaultConfig(soon(t), config.WithHTTPClient(&http.Client{Transport: transport}))
		do(t, err)
		if cfg.Region != tc.region {
			t.Errorf("region %s, want %s", cfg.Region, tc.region)
		}
		who, err := sts.NewFromConfig(cfg).GetCallerIdentity(soon(t), &sts.GetCallerIdentityInput{})
		do(t, err)
		if want := "arn:aws:iam::123456789012:user/" + tc.user; *who.Arn != want {
			t.Errorf("calling as %s, want %s", *who.Arn, want)
		}
		if _, err := route53.NewFromConfig(cfg).ListHostedZones(soon(t), nil); err != nil {
			t.Error(err)
		}
		if _, err := ec2.NewFromConfig(cfg).DescribeInstances(soon(t), &ec2.DescribeInstancesInput{}); err != nil {
			t.Error(err)
		}
	}
	if last := c.Calls()[c.Count("", "")-1]; last.Caller.Instance != id {
		t.Errorf("recorded as %+v", last)
	}
}

func TestLargeListing(t *testing.T) {
	c := New(Config{})
	for range 3 {
		_, err := c.LaunchN(1000, Launch{Tags: map[string]string{"app": "web"}})
		do(t, err)
	}
	s := serve(t, c)
	status, body := send(t, signed(t, "POST", s.URL(), "Action=DescribeInstances&Version=2016-11-15", "ec2"))
	if n := bytes.Count([]byte(body), []byte("<instanceId>")); status != 200 || n != 3000 {
		t.Errorf("status %d, %d instances", status, n)
	}
}
