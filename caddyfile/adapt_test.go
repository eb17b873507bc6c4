package caddyfile

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/caddyevents"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/standard"
	"github.com/google/go-cmp/cmp"
	"github.com/libdns/libdns"
	"go.uber.org/goleak"

	_ "github.com/caddy-dns/route53"
	_ "github.com/caddy-ec2/caddy-ec2/ec2upstreams"
)

var update = flag.Bool("update", false, "rewrite the JSON parts of the golden files, and fill empty second parts")

func TestMain(m *testing.M) {
	flag.Parse()
	goleak.VerifyTestMain(m,
		// Caddy and its libraries start these once per process and never end them.
		goleak.IgnoreAnyFunction("github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy.(*Upstream).fillDynamicHost.func1.1"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
		goleak.IgnoreAnyFunction("github.com/DeRuina/timberjack.(*Logger).millRun"),
	)
}

func init() { caddy.RegisterModule(new(testDNS)) }

// testDNS is a DNS provider that can do everything that is needed, but for comparing and swapping.
type testDNS struct {
	Token string `json:"token,omitempty"`
}

func (*testDNS) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "dns.providers.testdns", New: func() caddy.Module { return new(testDNS) }}
}

func (p *testDNS) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // its name
	for d.NextBlock(0) {
		if d.Val() != "token" {
			return d.Errf("unrecognized subdirective '%s'", d.Val())
		}
		if !d.AllArgs(&p.Token) {
			return d.ArgErr()
		}
	}
	return nil
}

func (*testDNS) GetRecords(context.Context, string) ([]libdns.Record, error) { return nil, nil }

func (*testDNS) SetRecords(_ context.Context, _ string, recs []libdns.Record) ([]libdns.Record, error) {
	return recs, nil
}

func (*testDNS) DeleteRecords(_ context.Context, _ string, recs []libdns.Record) ([]libdns.Record, error) {
	return recs, nil
}

const separator = "----------\n"

// secretText stands in golden files for what must show neither in JSON nor in an error.
const secretText = "5ecret-5ecret-5ecret"

// goldens are the golden files: a Caddyfile, the separator, and the JSON or the error that it becomes.
func goldens(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/adapt/*.caddytest")
	if err != nil || len(files) < 100 {
		t.Fatalf("%d golden files, error %v", len(files), err)
	}
	return files
}

// read returns the two parts of a golden file.
func read(t *testing.T, file string) (caddyfile, want string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	caddyfile, want, ok := strings.Cut(strings.ReplaceAll(string(text), "\r\n", "\n"), separator)
	if !ok {
		t.Fatalf("%s has no line of dashes", file)
	}
	return caddyfile, strings.TrimSpace(want)
}

// adapt returns the tab-indented JSON that a Caddyfile becomes.
func adapt(t *testing.T, caddyfile string) (string, error) {
	t.Helper()
	adapted, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return "", err
	}
	for _, w := range warnings {
		t.Errorf("line %d: %s", w.Line, w.Message)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, adapted, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return indented.String(), nil
}

var where = regexp.MustCompile(`\bCaddyfile:[0-9]+\b`)

// prefix is what Caddy says before an error about a directive or a global option.
var prefix = regexp.MustCompile(`^parsing caddyfile tokens for '[a-z0-9_]+': `)

func TestAdapt(t *testing.T) {
	t.Setenv("AWS_REGION", "") // the DNS provider puts it into its JSON
	t.Setenv("EC2TEST_SECRET", secretText)
	for _, file := range goldens(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddytest"), func(t *testing.T) {
			caddyfile, want := read(t, file)
			got, err := adapt(t, caddyfile)
			if strings.Contains(got, secretText) || err != nil && strings.Contains(err.Error(), secretText) {
				t.Fatal("a secret shows")
			}
			if *update && (want == "" || err == nil && want[0] == '{') {
				want = got
				if err != nil {
					want = prefix.ReplaceAllString(err.Error(), "")
				}
				if err := os.WriteFile(file, []byte(caddyfile+separator+want+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			switch {
			case want == "":
				t.Fatal("nothing is expected")
			case (want[0] != '{') != strings.Contains(file, "_error_"):
				t.Error("the name of the file does not say whether an error is expected")
			case want[0] == '{' && err != nil:
				t.Errorf("refused: %v", err)
			case want[0] == '{':
				if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
					t.Errorf("- is expected, + is what came:\n%s", diff)
				}
			case err == nil:
				t.Errorf("accepted, expected the error %s\n%s", want, got)
			case !strings.Contains(err.Error(), want):
				t.Errorf("error   %v\nexpected %s", err, want)
			case !where.MatchString(want):
				t.Errorf("no file and line in: %s", want)
			}
		})
	}
}

// Whatever adapts must also load, and validating it must not ask anything of any network: it happens on laptops, in CI, and
// in a running server before each reload.
func TestAdaptedValidates(t *testing.T) {
	asked := loopback(t)
	for k, v := range map[string]string{
		"EC2TEST_ROLE": "web", "EC2TEST_ZONE": "eu-west-1a", "EC2TEST_STATUS": "204", "EC2TEST_STATIC": "10.0.0.9:8080",
		"EC2TEST_HOSTED_ZONE": "Z0EXAMPLE", "EC2TEST_EIP": "eipalloc-0123456789abcdef0", "EC2TEST_PRIVATE": "10.0.1.20",
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_PROFILE": "",
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_ENDPOINT_URL": asked.url, "AWS_EC2_METADATA_SERVICE_ENDPOINT": asked.url, "AWS_EC2_METADATA_DISABLED": "",
	} {
		t.Setenv(k, v)
	}
	validated := 0
	for _, file := range goldens(t) {
		_, want := read(t, file)
		if !strings.HasPrefix(want, "{") {
			continue
		}
		validated++
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddytest"), func(t *testing.T) {
			var cfg caddy.Config
			if err := caddy.StrictUnmarshalJSON([]byte(want), &cfg); err != nil {
				t.Fatal(err)
			}
			if err := caddy.Validate(&cfg); err != nil {
				t.Fatal(err)
			}
			if n := asked.count(t); n > 0 {
				t.Errorf("%d connections were made", n)
			}
		})
	}
	if validated < 40 {
		t.Errorf("only %d golden files hold JSON", validated)
	}
}

// listener counts the connections that are made to it.
type listener struct {
	addr, url string
	accepted  atomic.Int64
	own       int64
}

func loopback(t *testing.T) *listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{addr: ln.Addr().String(), url: "http://" + ln.Addr().String()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			l.accepted.Add(1)
			c.Close()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	return l
}

// count returns how many connections there were. It makes one of its own and waits for its end: connections are
// accepted in order, so all earlier ones are counted then.
func (l *listener) count(t *testing.T) int64 {
	t.Helper()
	c, err := net.Dial("tcp", l.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Fatal("the listener sent something")
	}
	l.own++
	return l.accepted.Load() - l.own
}
