package awsconf

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

const otherAccountRole = "arn:aws:iam::210987654321:role/team/discovery"

func TestAssumeRole(t *testing.T) {
	for _, from := range []string{"keys", "the instance's role"} {
		t.Run(from, func(t *testing.T) {
			cloud, server, id := fake(t)
			env := server.Env("")
			if from != "keys" {
				env = onInstance(server, id)
			}
			isolate(t, env...)
			if err := cloud.AddRole(awstest.Role{ARN: otherAccountRole, ExternalID: "right"}); err != nil {
				t.Fatal(err)
			}
			s := Source{RoleARN: otherAccountRole, ExternalID: "right"}
			cfg := load(t, s)
			if err := describe(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			want := "arn:aws:sts::210987654321:assumed-role/discovery/" + sessionName(os.Hostname())
			if got := whoAmI(t, cfg); got != want {
				t.Errorf("acting as %s, want %s", got, want)
			}
			creds, err := cfg.Credentials.Retrieve(t.Context())
			if left := time.Until(creds.Expires) + roleWindow; err != nil || left < roleDuration-10*time.Minute || left > roleDuration {
				t.Errorf("credentials for %s, %v; want an hour", left, err)
			}
			if n := cloud.Count("sts", "AssumeRole"); n != 1 {
				t.Errorf("the role was assumed %d times for two calls", n)
			}

			s.ExternalID = "wrong"
			refused := describe(t.Context(), load(t, s))
			wantError(t, refused, Credentials, true, describeInstances+": credentials (AccessDenied): getting credentials: ", "sts:AssumeRole", "trust policy", "external_id")
			if refused.Permission != "sts:AssumeRole" || refused.RequestID == "" {
				t.Errorf("permission %q, request %q", refused.Permission, refused.RequestID)
			}
		})
	}
}

// What befalls STS is not the fault of the credentials, and passes.
func TestAssumeRoleFaults(t *testing.T) {
	for _, tc := range []struct {
		name      string
		fault     awstest.Fault
		class     Class
		permanent bool
		part      string
	}{
		{"throttled", awstest.Fault{Code: "Throttling", Status: 400}, Throttled, false, "Throttling"},
		{"down", awstest.Fault{Status: 503}, Server, false, "getting credentials: "},
		{"cut off", awstest.Fault{Kind: awstest.Drop}, Network, false, "EOF"},
		{"own token expired", awstest.Fault{Code: "ExpiredToken"}, Credentials, false, "renew"},
		{"own key deleted", awstest.Fault{Code: "InvalidClientTokenId"}, Credentials, true, "access key"},
		{"clock", awstest.Fault{Code: "SignatureDoesNotMatch", Message: "Signature not yet current: 20260101T000000Z is still later than ..."}, Clock, false, "clock"},
		{"not in this region", awstest.Fault{Code: "RegionDisabledException", Status: 403}, Region, true, "activate STS"},
		{"denied in few words", awstest.Fault{Code: "AccessDenied", Message: "Access denied"}, Credentials, true, "the caller's policy must allow sts:AssumeRole"},
		{"bad request", awstest.Fault{Code: "ValidationError"}, Credentials, true, "check the role"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cloud, server, _ := fake(t)
			isolate(t, server.Env("")...)
			tc.fault.Service = "sts"
			cloud.Inject(tc.fault)
			wantError(t, describe(t.Context(), load(t, Source{RoleARN: otherAccountRole})), tc.class, tc.permanent, tc.part)
		})
	}
}

// An outage of STS must not stop what works with credentials that are still valid.
func TestRoleOutlivesOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("STS is down")
		var broken bool
		asked := 0
		cache := aws.NewCredentialsCache(&roleProvider{assume: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			asked++
			if broken {
				return aws.Credentials{}, down
			}
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b", CanExpire: true, Expires: time.Now().Add(roleDuration)}, nil
		})}, roleCache)
		retrieve := func() error {
			_, err := cache.Retrieve(t.Context())
			return err
		}
		if err := retrieve(); err != nil {
			t.Fatal(err)
		}
		broken = true
		time.Sleep(roleDuration - roleWindow - time.Second)
		if err := retrieve(); err != nil || asked != 1 {
			t.Fatalf("asked %d times before the window, error %v", asked, err)
		}
		time.Sleep(roleWindow - roleReserve) // to one second before the reserve
		if err := retrieve(); err != nil || asked != 2 {
			t.Fatalf("asked %d times within the window, error %v", asked, err)
		}
		time.Sleep(time.Second)
		if err := retrieve(); !errors.Is(err, down) {
			t.Fatalf("at the end of the credentials: error %v", err)
		}
		broken = false
		if err := retrieve(); err != nil || asked != 4 {
			t.Fatalf("after the outage: asked %d times, error %v", asked, err)
		}
	})
}

func TestSessionName(t *testing.T) {
	for _, tc := range []struct {
		host string
		err  error
		want string
	}{
		{"ip-10-0-1-5.eu-west-1.compute.internal", nil, "caddy-ec2-ip-10-0-1-5"},
		{"lb1", nil, "caddy-ec2-lb1"},
		{"büro (1)/x", nil, "caddy-ec2-b-ro--1--x"},
		{"", nil, "caddy-ec2"},
		{".", nil, "caddy-ec2"},
		{"lb1", errors.New("no name"), "caddy-ec2"},
		{strings.Repeat("x", 100), nil, "caddy-ec2-" + strings.Repeat("x", 54)},
	} {
		if got := sessionName(tc.host, tc.err); got != tc.want {
			t.Errorf("%q: %q, want %q", tc.host, got, tc.want)
		}
	}
}
