package awsconf

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// Errors as the SDK makes them from what comes over the wire.
func TestClassifyAnswers(t *testing.T) {
	for _, tc := range []struct {
		name      string
		fault     awstest.Fault
		class     Class
		permanent bool
		parts     []string
	}{
		{"throttled", awstest.Fault{Code: "RequestLimitExceeded", Message: "Request limit exceeded."}, Throttled, false, []string{"ec2:DescribeInstances: throttled (RequestLimitExceeded): Request limit exceeded.; the limit is per account and region"}},
		{"throttled by status", awstest.Fault{Code: "Odd", Status: 429}, Throttled, false, nil},
		{"internal error", awstest.Fault{Code: "InternalError"}, Server, false, nil},
		{"unavailable", awstest.Fault{Code: "Unavailable", Status: 503}, Server, false, nil},
		{"server error of an unknown code", awstest.Fault{Code: "Odd", Status: 500}, Server, false, []string{"(Odd)"}},
		{"request timed out there", awstest.Fault{Code: "RequestTimeout", Status: 400}, Timeout, false, nil},
		{"request timed out by status", awstest.Fault{Code: "Odd", Status: 408}, Timeout, false, nil},
		{"auth failure", awstest.Fault{Code: "AuthFailure"}, Credentials, true, []string{"region enabled"}},
		{"unknown key", awstest.Fault{Code: "InvalidClientTokenId"}, Credentials, true, []string{"access key"}},
		{"wrong secret", awstest.Fault{Code: "SignatureDoesNotMatch", Message: "The request signature we calculated does not match.\n\nThe Canonical String was 'x-amz-security-token:SECRET'"}, Credentials, true, []string{"secret key belong"}},
		{"signature of the past", awstest.Fault{Code: "SignatureDoesNotMatch", Message: "Signature expired: 20260101T000000Z is now earlier than ..."}, Clock, false, []string{"clock"}},
		{"wrong region in the signature", awstest.Fault{Code: "SignatureDoesNotMatch", Message: "Credential should be scoped to a valid region."}, Region, true, nil},
		{"expired session", awstest.Fault{Code: "ExpiredToken"}, Credentials, false, []string{"renew"}},
		{"expired request", awstest.Fault{Code: "RequestExpired"}, Clock, false, []string{"either this machine's clock is wrong or the credentials have expired"}},
		{"region not enabled", awstest.Fault{Code: "OptInRequired", Status: 403}, Region, true, []string{"enable the region"}},
		{"bad parameter", awstest.Fault{Code: "InvalidParameterValue", Message: "The filter 'x' is invalid"}, Request, true, []string{"request (InvalidParameterValue): The filter 'x' is invalid"}},
		{"not found", awstest.Fault{Code: "InvalidInstanceID.NotFound"}, Request, true, nil},
		{"dry run", awstest.Fault{Code: "DryRunOperation"}, Request, false, []string{"would have been allowed"}},
		{"taken", awstest.Fault{Code: "Resource.AlreadyAssociated"}, Request, false, nil},
		{"stale association", awstest.Fault{Code: "InvalidAssociationID.NotFound"}, Request, false, nil},
		{"odd text", awstest.Fault{Code: "InvalidFilter", Message: "a\nb" + strings.Repeat("ä", 1000)}, Request, true, nil},
		{"half an answer", awstest.Fault{Kind: awstest.Truncate}, Network, false, []string{"unexpected EOF"}},
		{"cut off", awstest.Fault{Kind: awstest.Drop}, Network, false, []string{"ec2:DescribeInstances: network: Post ", "EOF"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cloud, server, _ := fake(t)
			isolate(t, server.Env("")...)
			tc.fault.Service = "ec2"
			cloud.Inject(tc.fault)
			err := describe(t.Context(), load(t, Source{}))
			wantError(t, err, tc.class, tc.permanent, tc.parts...)
			if err.Code != tc.fault.Code {
				t.Errorf("code %q", err.Code)
			}
			if answered := tc.fault.Code != ""; answered != (err.RequestID != "" && strings.Contains(err.Error(), " (request "+err.RequestID+")")) {
				t.Errorf("request id %q in %v", err.RequestID, err)
			}
			if strings.Contains(err.Error(), "SECRET") {
				t.Errorf("a session token is in the error: %v", err)
			}
		})
	}
}

func TestClassifyDenied(t *testing.T) {
	for _, tc := range []struct {
		name, code, message, permission, part string
	}{
		{
			"as EC2 says it now", "UnauthorizedOperation",
			"You are not authorized to perform this operation. User: arn:aws:sts::1:assumed-role/lb/i-1 is not authorized to perform: ec2:DescribeInstances because no identity-based policy allows the ec2:DescribeInstances action. Encoded authorization failure message: " + strings.Repeat("Zm9v", 500),
			"ec2:DescribeInstances", "action.; add ec2:DescribeInstances to the policy of the instance's role",
		},
		{"as EC2 said it before", "UnauthorizedOperation", "You are not authorized to perform this operation.", "ec2:DescribeInstances", "; add ec2:DescribeInstances to"},
		{"another action is missing", "AccessDenied", "User: x is not authorized to perform: kms:Decrypt on resource: y", "kms:Decrypt", "; add kms:Decrypt to"},
		{"denied on purpose", "AccessDeniedException", "User: x is not authorized to perform: ec2:DescribeInstances with an explicit deny in a service control policy", "ec2:DescribeInstances", "; a policy, permissions boundary or organization denies it explicitly"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cloud, server, _ := fake(t)
			isolate(t, server.Env("")...)
			cloud.Inject(awstest.Fault{Service: "ec2", Code: tc.code, Status: 403, Message: tc.message})
			err := describe(t.Context(), load(t, Source{}))
			wantError(t, err, Denied, true, tc.part)
			if err.Permission != tc.permission {
				t.Errorf("permission %q, want %q", err.Permission, tc.permission)
			}
			if strings.Contains(err.Error(), "Zm9v") {
				t.Errorf("the encoded message is in the error: %v", err)
			}
		})
	}
	t.Run("an operation that is no action", func(t *testing.T) {
		err := Classify("looking around", &smithy.GenericAPIError{Code: "AccessDenied", Message: "no"})
		wantError(t, err, Denied, true, "looking around: denied (AccessDenied): no")
		if err.Permission != "" || err.Hint != "" {
			t.Errorf("permission %q, hint %q", err.Permission, err.Hint)
		}
	})
}

// The other side is not AWS at all, or not there.
func TestClassifyStrangers(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	const html = "<html><body>Please log in</body></html>"
	for _, tc := range []struct {
		name      string
		handler   http.HandlerFunc
		class     Class
		permanent bool
		part      string
	}{
		{"login page", answer(200, html), Server, false, "the answer is not AWS's"},
		{"XML that is broken later", answer(200, "<DescribeInstancesResponse><reservationSet></x>"), Server, false, "the answer is not AWS's"},
		{"XML that ends early", answer(200, "<DescribeInstancesResponse><reservationSet><item>"), Server, false, ""},
		{"forbidden by a proxy", answer(403, html), Request, true, "HTTP status 403; the answer is not AWS's"},
		{"forbidden with no XML", answer(403, "no <"), Request, true, "the answer is not AWS's"},
		{"nothing but forbidden", answer(403, ""), Request, true, ""},
		{"bad gateway", answer(502, html), Server, false, ""},
		{"cut off at once", func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, "<Descr")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, Network, false, "reading the answer: unexpected EOF"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			http.Redirect(w, r, "/login", http.StatusFound)
		}, Request, true, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := httptest.NewServer(tc.handler)
			t.Cleanup(s.Close)
			isolate(t, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_ENDPOINT_URL="+s.URL)
			wantError(t, describe(t.Context(), load(t, Source{})), tc.class, tc.permanent, tc.part)
		})
	}
	t.Run("nobody", func(t *testing.T) {
		addr := closedPort(t)
		isolate(t, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_ENDPOINT_URL=http://"+addr)
		wantError(t, describe(t.Context(), load(t, Source{})), Network, false, `network: Post "http://`+addr+`/": dial tcp `+addr+`: connect: connection refused`)
	})
}

// Calls that fail before they are sent.
func TestClassifyCredentials(t *testing.T) {
	t.Run("no role on the instance", func(t *testing.T) {
		cloud, server, id := fake(t)
		isolate(t, onInstance(server, id)...)
		if err := cloud.SetRole(id, awstest.InstanceRole{}); err != nil {
			t.Fatal(err)
		}
		wantError(t, describe(t.Context(), load(t, Source{})), Credentials, true, "the instance has no role: attach an instance profile")
	})
	t.Run("a role that EC2 may not assume", func(t *testing.T) {
		cloud, server, id := fake(t)
		isolate(t, onInstance(server, id)...)
		if err := cloud.SetRole(id, awstest.InstanceRole{Name: "web", Code: "AssumeRoleUnauthorizedAccess"}); err != nil {
			t.Fatal(err)
		}
		wantError(t, describe(t.Context(), load(t, Source{})), Credentials, true, "(AssumeRoleUnauthorizedAccess)", "check the trust policy of the instance's role")
	})
	t.Run("expired keys of the instance's role", func(t *testing.T) {
		cloud, server, id := fake(t)
		isolate(t, onInstance(server, id)...)
		cfg := load(t, Source{})
		if err := describe(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		if err := cloud.SetRole(id, awstest.InstanceRole{Name: "web", Lifetime: -time.Minute, Frozen: true}); err != nil {
			t.Fatal(err)
		}
		cloud.Inject(awstest.Fault{Service: "ec2", Code: "RequestExpired"})
		wantError(t, describe(t.Context(), cfg), Clock, false, "or the credentials have expired")
	})
	t.Run("a container behind the hop limit", func(t *testing.T) {
		cloud, server, id := fake(t)
		isolate(t, onInstance(server, id)...)
		// Version 1 would work, and must not be tried.
		if err := cloud.SetMetadataOptions(id, awstest.MetadataOptions{HopLimit: 1, Hops: 2, TokensOptional: true}); err != nil {
			t.Fatal(err)
		}
		wantError(t, describe(t.Context(), load(t, Source{})), Credentials, false, "getting credentials: ", "HttpPutResponseHopLimit")
		if n := cloud.Count("imds", "meta-data/*"); n != 0 {
			t.Errorf("%d requests without a token", n)
		}
	})
	t.Run("no metadata service", func(t *testing.T) {
		isolate(t, "AWS_REGION=eu-west-1", "AWS_EC2_METADATA_DISABLED=false", "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://"+closedPort(t))
		err := describe(t.Context(), load(t, Source{}))
		wantError(t, err, Credentials, false, "getting credentials: Put ", "neither the environment nor a profile has any, and the instance metadata service is not reachable: not on EC2?")
	})
	t.Run("no metadata service wanted", func(t *testing.T) {
		isolate(t, "AWS_REGION=eu-west-1")
		wantError(t, describe(t.Context(), load(t, Source{})), Credentials, true, "neither the environment nor a profile has any, and AWS_EC2_METADATA_DISABLED")
	})
	t.Run("a profile whose program fails", func(t *testing.T) {
		isolate(t, "AWS_REGION=eu-west-1")
		configFile(t, "[profile p]\ncredential_process = false\n")
		wantError(t, describe(t.Context(), load(t, Source{Profile: "p"})), Credentials, true, "check the profile, or AWS_ACCESS_KEY_ID")
	})
	t.Run("empty static credentials", func(t *testing.T) {
		isolate(t, "AWS_REGION=eu-west-1")
		cfg := load(t, Source{})
		cfg.Credentials = credentials.NewStaticCredentialsProvider("", "", "")
		wantError(t, describe(t.Context(), cfg), Credentials, true, "getting credentials: ", "check the profile, or AWS_ACCESS_KEY_ID")
	})
	t.Run("no region", func(t *testing.T) {
		isolate(t)
		wantError(t, describe(t.Context(), aws.Config{}, func(o *ec2.Options) {
			o.Credentials = credentials.NewStaticCredentialsProvider("a", "b", "")
		}), Region, true, "set region")
	})
}

// A wrong clock costs one call: the SDK reads the right time in the answer.
func TestClassifyClock(t *testing.T) {
	cloud := awstest.New(awstest.Config{Now: func() time.Time { return time.Now().Add(time.Hour) }})
	server, err := awstest.Serve(cloud)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	isolate(t, server.Env("")...)
	client := ec2.NewFromConfig(load(t, Source{}))
	call := func() *Error {
		_, err := client.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{MaxResults: aws.Int32(1000)})
		return Classify(describeInstances, err)
	}
	wantError(t, call(), Clock, false, "clock is wrong")
	if err := call(); err != nil {
		t.Error(err)
	}
}

func TestClassifyGivingUp(t *testing.T) {
	cloud, server, _ := fake(t)
	isolate(t, server.Env("")...)
	cfg := load(t, Source{})
	cloud.Inject(awstest.Fault{Service: "ec2", Kind: awstest.Hang})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		cloud.Await(ctx, "ec2", "DescribeInstances", 1)
		cancel()
	}()
	err := describe(ctx, cfg)
	wantError(t, err, UnknownClass, false, "ec2:DescribeInstances: unknown: canceled")
	if !errors.Is(err, context.Canceled) {
		t.Error("context.Canceled is lost")
	}
}

// Errors that a test on a loopback address cannot bring about.
func TestClassifyNetwork(t *testing.T) {
	send := func(err error) error {
		return &smithy.OperationError{ServiceID: "EC2", OperationName: "DescribeInstances", Err: err}
	}
	dial := func(err error) error { return send(&net.OpError{Op: "dial", Net: "tcp", Err: err}) }
	for _, tc := range []struct {
		name  string
		err   error
		class Class
		part  string
	}{
		{"no such host", dial(&net.DNSError{Err: "no such host", Name: "ec2.eu-wst-1.amazonaws.com", IsNotFound: true}), Network, "is the region spelt right"},
		{"no name server", dial(&net.DNSError{Err: "server misbehaving", Name: "x", IsTemporary: true}), Network, "server misbehaving"},
		{"no route", dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), Network, "no route to host"},
		{"unreachable", dial(os.NewSyscallError("connect", syscall.ENETUNREACH)), Network, "network is unreachable"},
		{"dial timed out", dial(os.ErrDeadlineExceeded), Network, "security groups"},
		{"read timed out", send(&net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}), Timeout, ""},
		{"deadline", send(&smithy.CanceledError{Err: context.DeadlineExceeded}), Timeout, ""},
		{"own clock far off", send(x509.CertificateInvalidError{Reason: x509.Expired}), Clock, "clock"},
		{"bad certificate", send(&net.OpError{Op: "remote error", Err: x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign}}), Network, ""},
		{"odd text", send(&smithy.GenericAPIError{Code: "\x1b[31m" + strings.Repeat("x", 500), Message: "\x00\x1b[31m" + strings.Repeat("x\n", 500)}), Request, ""},
		{"something else", send(errors.New("odd")), UnknownClass, "ec2:DescribeInstances: unknown: odd"},
		{"zone change in progress", send(&smithy.GenericAPIError{Code: "PriorRequestNotComplete", Message: "busy"}), Throttled, "hosted zone"},
		{"conflict in a zone", send(&smithy.GenericAPIError{Code: "InvalidChangeBatch", Message: "not found"}), Request, ""},
		{"fault of a server, no status", send(&smithy.GenericAPIError{Code: "Odd", Fault: smithy.FaultServer}), Request, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			wantError(t, Classify(describeInstances, tc.err), tc.class, tc.name == "odd text", tc.part)
		})
	}
}

func TestClassifyTwice(t *testing.T) {
	if Classify("x", nil) != nil {
		t.Error("nil is an error")
	}
	first := Classify(describeInstances, errors.New("odd"))
	if again := Classify("other:Op", fmt.Errorf("page 2: %w", first)); again != first {
		t.Errorf("%v was classified again, as %v", first, again)
	}
}

func TestOneLine(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{" a\r\n\tb  c\x00d\u2028e ", "a b c d e"},
		{"0123456789", "0123456789"},
		{"0123456789x", "0123456789…"},
		{"012345678ä", "012345678…"},
		{"a\xffb", "a?b"},
		{strings.Repeat("\n", 10_000) + "a", ""},
	} {
		if got := oneLine(tc.in, 10); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.want)
		}
	}
}
