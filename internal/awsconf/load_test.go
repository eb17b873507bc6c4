package awsconf

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

func TestLoadRegion(t *testing.T) {
	_, server, id := fake(t)
	env := func(v ...string) []string { return append(server.Env(id), v...) }
	const profiles = "[default]\nregion = ap-south-1\n[profile prod]\nregion = sa-east-1\n"
	for _, tc := range []struct {
		name    string
		s       Source
		env     []string
		profile string
		want    string
	}{
		{"the source first", Source{Region: "us-east-1"}, env("AWS_REGION=us-east-2", "AWS_DEFAULT_REGION=us-west-1"), profiles, "us-east-1"},
		{"then AWS_REGION", Source{}, env("AWS_REGION=us-east-2", "AWS_DEFAULT_REGION=us-west-1"), profiles, "us-east-2"},
		{"then AWS_DEFAULT_REGION", Source{}, env("AWS_REGION=", "AWS_DEFAULT_REGION=us-west-1"), profiles, "us-west-1"},
		{"then the default profile", Source{}, env("AWS_REGION="), profiles, "ap-south-1"},
		{"or the named profile", Source{Profile: "prod"}, env("AWS_REGION="), profiles, "sa-east-1"},
		{"or the profile of the environment", Source{}, env("AWS_REGION=", "AWS_PROFILE=prod"), profiles, "sa-east-1"},
		{"at last the instance", Source{}, env("AWS_REGION="), "", "eu-west-1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			isolate(t, tc.env...)
			configFile(t, tc.profile)
			if got := load(t, tc.s).Region; got != tc.want {
				t.Errorf("region %q, want %q", got, tc.want)
			}
		})
	}
}

func TestLoadNoRegion(t *testing.T) {
	const say = "loading the AWS config: region: no region: "
	const hint = "; set region, or AWS_REGION, or a region in the profile"
	t.Run("no metadata service wanted", func(t *testing.T) {
		isolate(t)
		_, err := Source{}.Load(t.Context())
		wantError(t, Classify("", err), Region, true, say+"imds:placement/region: ", "AWS_EC2_METADATA_DISABLED", hint)
	})
	t.Run("no metadata service there", func(t *testing.T) {
		isolate(t)
		metadataServer(t, nil)
		t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://"+closedPort(t))
		_, err := Source{}.Load(t.Context())
		wantError(t, Classify("", err), Region, true, say, "connection refused", "not on EC2?", hint)
	})
	t.Run("a metadata service in trouble", func(t *testing.T) {
		isolate(t)
		metadataServer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
		_, err := Source{}.Load(t.Context())
		wantError(t, Classify("", err), Region, false, say, "503", hint)
	})
	t.Run("a metadata service without one", func(t *testing.T) {
		cloud, server, id := fake(t)
		isolate(t, append(server.Env(id), "AWS_REGION=")...)
		if err := cloud.SetMetadata(id, "placement/region", ""); err != nil {
			t.Fatal(err)
		}
		_, err := Source{}.Load(t.Context())
		wantError(t, Classify("", err), Region, true, "loading the AWS config: region: no region"+hint)
	})
	t.Run("canceled", func(t *testing.T) {
		_, server, id := fake(t)
		isolate(t, append(server.Env(id), "AWS_REGION=")...)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := Source{}.Load(ctx)
		wantError(t, Classify("", err), UnknownClass, false, "canceled")
	})
}

// Credentials, roles and all are for later: loading a config must not wait for anything.
func TestLoadIsLocal(t *testing.T) {
	cloud, server, id := fake(t)
	isolate(t, append(onInstance(server, id), "AWS_REGION=eu-west-1", "AWS_DEFAULTS_MODE=auto")...)
	configFile(t, "[default]\ndefaults_mode = auto\n[profile role]\nrole_arn = arn:aws:iam::123456789012:role/x\ncredential_source = Ec2InstanceMetadata\n")
	load(t, Source{})
	load(t, Source{Profile: "role"})
	load(t, Source{RoleARN: "arn:aws:iam::123456789012:role/discovery"})
	if n := cloud.Count("", ""); n != 0 {
		t.Errorf("%d calls while loading: %+v", n, cloud.Calls())
	}
}

func TestLoadProfile(t *testing.T) {
	_, server, _ := fake(t)
	isolate(t, append(server.Env(""), "AWS_ACCESS_KEY_ID=AKIAFROMENVIRONMENT0", "AWS_SECRET_ACCESS_KEY=x")...)
	configFile(t, "[profile prod]\naws_access_key_id = "+awstest.AccessKeyID+"\naws_secret_access_key = "+awstest.SecretAccessKey+"\n")

	cfg := load(t, Source{Profile: "prod"})
	if creds, err := cfg.Credentials.Retrieve(t.Context()); err != nil || creds.AccessKeyID != awstest.AccessKeyID {
		t.Errorf("credentials %s, %v: want those of the profile", creds.AccessKeyID, err)
	}
	if err := describe(t.Context(), cfg); err != nil {
		t.Error(err)
	}
	if creds, err := load(t, Source{}).Credentials.Retrieve(t.Context()); err != nil || creds.AccessKeyID != "AKIAFROMENVIRONMENT0" {
		t.Errorf("credentials %s, %v: want those of the environment", creds.AccessKeyID, err)
	}
}

func TestLoadFails(t *testing.T) {
	for _, tc := range []struct {
		name, file string
		env        []string
		s          Source
		parts      []string
	}{
		{"missing profile", "[default]\n", nil, Source{Profile: "prod"}, []string{"loading the AWS config: credentials: ", "prod", "check profile and AWS_PROFILE"}},
		{"missing profile of the environment", "", []string{"AWS_PROFILE=prod"}, Source{}, []string{"prod", "check profile and AWS_PROFILE"}},
		{"role without credentials", "[profile a]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = b\n", nil, Source{Profile: "a"}, []string{"b"}},
		{"half a key", "[profile a]\naws_access_key_id = AKIA\nrole_arn = x\n", nil, Source{Profile: "a"}, []string{"credentials"}},
		{"bad variable", "", []string{"AWS_MAX_ATTEMPTS=many"}, Source{}, []string{"many"}},
		{"missing CA bundle", "", []string{"AWS_CA_BUNDLE=/nonexistent/ca.pem"}, Source{}, []string{"/nonexistent/ca.pem"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			isolate(t, append(tc.env, "AWS_REGION=eu-west-1")...)
			if tc.file != "" {
				configFile(t, tc.file)
			}
			_, err := tc.s.Load(t.Context())
			wantError(t, Classify("", err), Credentials, true, tc.parts...)
		})
	}
}

// The endpoint is for EC2 clients to set: STS would not be found there.
func TestLoadLeavesEndpointAlone(t *testing.T) {
	cloud, server, _ := fake(t)
	isolate(t, append(server.Env(""), "AWS_ENDPOINT_URL_EC2=http://"+closedPort(t))...)
	s := Source{Endpoint: server.URL()}
	cfg := load(t, s)
	if whoAmI(t, cfg) == "" || cloud.Count("sts", "") != 1 {
		t.Error("STS was not asked at AWS_ENDPOINT_URL")
	}
	wantError(t, describe(t.Context(), cfg), Network, false, "connection refused")
	if err := describe(t.Context(), cfg, func(o *ec2.Options) { o.BaseEndpoint = aws.String(s.Endpoint) }); err != nil {
		t.Error(err)
	}
}

func TestLoadMakesOneAttempt(t *testing.T) {
	cloud, server, _ := fake(t)
	isolate(t, append(server.Env(""), "AWS_MAX_ATTEMPTS=5", "AWS_RETRY_MODE=adaptive")...)
	cloud.Inject(awstest.Fault{Service: "ec2", Code: "RequestLimitExceeded"})
	wantError(t, describe(t.Context(), load(t, Source{})), Throttled, false)
	if n := cloud.Count("ec2", ""); n != 1 {
		t.Errorf("%d attempts, want 1", n)
	}
}

func TestLoadSharesConnections(t *testing.T) {
	isolate(t, "AWS_REGION=eu-west-1")
	a, b := load(t, Source{}), load(t, Source{Region: "us-east-1"})
	if a.HTTPClient != b.HTTPClient {
		t.Error("two configs have two clients")
	}
	client := a.HTTPClient.(client).HTTPClient.(*http.Client)
	tr := buildable.GetTransport()
	if client.Timeout != attemptTimeout || tr.TLSHandshakeTimeout != tlsTimeout || tr.ResponseHeaderTimeout != headerTimeout ||
		buildable.GetDialer().Timeout != dialTimeout || tr.Proxy == nil {
		t.Errorf("not bounded as intended, or without proxies: %+v", client)
	}
}

// A server that is reached and does not answer costs no more than the bound that was asked for.
func TestLoadHonoursDeadline(t *testing.T) {
	cloud, server, _ := fake(t)
	isolate(t, server.Env("")...)
	cloud.Inject(awstest.Fault{Service: "ec2", Kind: awstest.Hang})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	wantError(t, describe(ctx, load(t, Source{})), Timeout, false)
}

func TestLoadCABundle(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(503)
	}))
	s.Config.ErrorLog = quiet
	s.TLS = &tls.Config{}
	s.StartTLS()
	t.Cleanup(s.Close)
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	isolate(t, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_ENDPOINT_URL="+s.URL)
	wantError(t, describe(t.Context(), load(t, Source{})), Network, false, "unknown authority", "AWS_CA_BUNDLE")

	t.Setenv("AWS_CA_BUNDLE", bundle)
	cfg := load(t, Source{})
	if c := cfg.HTTPClient.(client).HTTPClient.(*http.Client); c.Timeout != attemptTimeout {
		t.Error("the client with the bundle is not bounded")
	}
	wantError(t, describe(t.Context(), cfg), Server, false)
}

func TestLoadNamesItself(t *testing.T) {
	agents := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		agents <- r.UserAgent()
		w.WriteHeader(503)
	}))
	t.Cleanup(s.Close)
	isolate(t, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_ENDPOINT_URL="+s.URL)
	describe(t.Context(), load(t, Source{}))
	if agent := <-agents; !strings.Contains(agent, "app/caddy-ec2") {
		t.Errorf("user agent %q", agent)
	}
	t.Setenv("AWS_SDK_UA_APP_ID", "mine")
	describe(t.Context(), load(t, Source{}))
	if agent := <-agents; !strings.Contains(agent, "app/mine") {
		t.Errorf("user agent %q", agent)
	}
}

// A long answer that begins at once arrives whole. See client.
func TestLoadReadsLongAnswers(t *testing.T) {
	answer := "<DescribeInstancesResponse>" + strings.Repeat("<x/>", 10_000) + "</DescribeInstancesResponse>"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	isolate(t, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_ENDPOINT_URL="+s.URL)
	cfg := load(t, Source{})
	for range 200 {
		if err := describe(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
}
