package awsconf

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"go.uber.org/goleak"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quiet is the log of servers that are failed on purpose.
var quiet = log.New(io.Discard, "", 0)

// closedPort is an address that nobody listens on.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// isolate takes every AWS setting of the machine away: no variable, no file, no metadata service. The settings given
// come in their place, as NAME=value.
func isolate(t *testing.T, env ...string) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "") // has the test put it back
			os.Unsetenv(name)
		}
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
}

// configFile writes a shared config file and makes it the one in use.
func configFile(t *testing.T, text string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", name)
}

// fake starts a cloud with one instance that has everything, and a server for it.
func fake(t *testing.T) (cloud *awstest.Cloud, server *awstest.Server, id string) {
	t.Helper()
	cloud = awstest.New(awstest.Config{})
	server, err := awstest.Serve(cloud)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	id, err = cloud.Launch(awstest.Launch{
		ID: "i-0123456789abcdef0", Zone: "eu-west-1b",
		PrivateIP: "10.0.16.5", PublicIP: "198.51.100.7", IPv6: "2001:db8::5", Role: "web",
	})
	if err != nil {
		t.Fatal(err)
	}
	return cloud, server, id
}

// onInstance is the environment of a program on the instance that has no keys of its own.
func onInstance(server *awstest.Server, id string) []string {
	return append(server.Env(id), "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=")
}

// metadataServer is something at the address of the metadata service.
func metadataServer(t *testing.T, handler http.HandlerFunc) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", s.URL)
}

func load(t *testing.T, s Source) aws.Config {
	t.Helper()
	cfg, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

const describeInstances = "ec2:DescribeInstances"

// describe makes a real call and classifies its error.
func describe(ctx context.Context, cfg aws.Config, opts ...func(*ec2.Options)) *Error {
	_, err := ec2.NewFromConfig(cfg, opts...).DescribeInstances(ctx, &ec2.DescribeInstancesInput{MaxResults: aws.Int32(1000)})
	return Classify(describeInstances, err)
}

// whoAmI is the ARN that a config's credentials stand for.
func whoAmI(t *testing.T, cfg aws.Config) string {
	t.Helper()
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(Classify("sts:GetCallerIdentity", err))
	}
	return aws.ToString(out.Arn)
}

// wantError compares what matters to callers, and with parts of the text.
func wantError(t *testing.T, got *Error, class Class, permanent bool, parts ...string) {
	t.Helper()
	if got == nil {
		t.Fatalf("no error, want class %s", class)
	}
	if got.Class != class || got.Permanent() != permanent {
		t.Errorf("class %s, permanent %v, want %s, %v: %v", got.Class, got.Permanent(), class, permanent, got)
	}
	for _, part := range parts {
		if !strings.Contains(got.Error(), part) {
			t.Errorf("%q is not in the error: %v", part, got)
		}
	}
	if len(got.Error()) > 1000 || strings.ContainsAny(got.Error(), "\r\n\x00\x1b") {
		t.Errorf("not fit for a log line: %q", got.Error())
	}
}
