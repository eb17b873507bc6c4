package dnsfailover

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// addressApp is a Caddy in this process that is lb1 of an [eipLab].
type addressApp struct {
	*appLab
	eip *eipLab
}

func newAddressApp(t *testing.T) *addressApp {
	t.Helper()
	e := newEIPLab(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0") // only for a free port
	e.must(err)
	ln.Close()
	l := &lab{t: t, cloud: e.cloud}
	l.zone = l.addZone(awstest.HostedZone{Name: "example.com"})
	for _, v := range e.server.Env(e.lb1) {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	t.Setenv("TEST_FAILOVER_SECRET", "a-secret-of-the-test-0123")
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &addressApp{&appLab{l, t.TempDir(), ln.Addr().String()}, e}
}

// with is the configuration with these fields in its service; null takes one away.
func (l *addressApp) with(service string, more func(app map[string]any)) []byte {
	return l.config(func(app map[string]any) {
		app["instance"] = l.eip.lb1
		s := app["services"].([]map[string]any)[0]
		if err := json.Unmarshal([]byte("{"+service+"}"), &s); err != nil {
			l.t.Fatal(err)
		}
		if more != nil {
			more(app)
		}
	})
}

// service is the status of the first service.
func (l *addressApp) service() StatusService {
	s, _ := l.full()
	if len(s.Services) == 0 {
		return StatusService{}
	}
	return s.Services[0]
}

func (l *addressApp) full() (Status, bool) {
	v, err := caddy.ActiveContext().AppIfConfigured("dnsfailover")
	if err != nil {
		return Status{}, false
	}
	return v.(*App).node.status()
}

func (l *addressApp) isActive() bool { return l.service().Role == "active" }

// An Elastic IP alone needs no DNS, and reloads do nothing about it.
func TestAddressAlone(t *testing.T) {
	l := newAddressApp(t)
	raw := l.with(`"records": null, "elastic_ip": {"address": "`+l.eip.id+`"}`, func(app map[string]any) { delete(app, "dns") })
	l.load(raw)
	l.until("the address", func() bool { return l.isActive() && !l.eip.now().Free() })
	l.eip.has(l.eip.lb1)
	s := l.service()
	if len(s.Targets) != 1 || s.Targets[0].Kind != "address" || s.Targets[0].Name != l.eip.id {
		t.Errorf("the status is %+v", s)
	}
	l.eip.cloud.ResetCalls()
	for range 3 {
		l.load(raw)
		l.until("the reload", func() bool { s, ok := l.full(); return ok && s.AsConfigured })
	}
	if n := l.eip.cloud.Count("ec2", "DisassociateAddress") + l.eip.cloud.Count("ec2", "AssociateAddress") + l.eip.cloud.Count("route53", ""); n != 0 {
		t.Errorf("reloads caused %d writes, or calls of Route 53", n)
	}
}

// A record of the service holds the Elastic IP, which is found out by its id.
func TestAddressAndRecord(t *testing.T) {
	l := newAddressApp(t)
	l.load(l.with(`"elastic_ip": {"address": "`+l.eip.id+`"}`, nil))
	l.until("the service", func() bool { return l.isActive() && !l.eip.now().Free() })
	l.eip.has(l.eip.lb1)
	s := l.service()
	if len(s.Targets) != 2 || s.Targets[0].Holds != eipPublic || s.Targets[1].Kind != "address" {
		t.Errorf("the status is %+v", s)
	}
}

// While the Elastic IP of a service is not known nothing is written for it, and everything else works.
func TestAddressNotKnown(t *testing.T) {
	l := newAddressApp(t)
	works := l.eip.fault("DescribeAddresses", 0, awstest.Fault{Code: "RequestLimitExceeded"})
	l.load(l.with(`"elastic_ip": {"address": "`+l.eip.id+`"}`, func(app map[string]any) {
		app["services"] = append(app["services"].([]map[string]any), map[string]any{
			"name": "api", "records": []map[string]any{{"name": "api.example.com", "address": "private"}},
		})
	}))
	l.until("the other service", func() bool {
		s, _ := l.full()
		return len(s.Services) == 2 && s.Services[1].Role == "active"
	})
	l.holds("lb.example.com")
	s, _ := l.full()
	if s.AsConfigured || len(s.Problems) != 1 || s.Problems[0].About != "service www" || !strings.Contains(s.Problems[0].Error, l.eip.id) {
		t.Errorf("the status is %+v", s)
	}
	works()
	l.until("the service", l.isActive)
	if s, _ := l.full(); !s.AsConfigured || len(s.Problems) != 0 {
		t.Errorf("the status is %+v", s)
	}
}

// While a service can't be run that is tried again and again; what is denied to another one is not.
func TestDeniedIsNotTriedAgainWithWhatIsMissing(t *testing.T) {
	l := newAddressApp(t)
	l.eip.cloud.Deny("ec2:DescribeAddresses")
	l.eip.cloud.Deny("route53:ListResourceRecordSets")
	l.load(l.with(`"elastic_ip": {"address": "`+l.eip.id+`"}`, func(app map[string]any) {
		app["services"] = append(app["services"].([]map[string]any), map[string]any{
			"name": "api", "records": []map[string]any{{"name": "api.example.com", "address": "private"}},
		})
	}))
	l.until("the denial", func() bool {
		s, _ := l.full()
		return len(s.Services) == 2 && len(s.Services[1].Targets) == 1 && s.Services[1].Targets[0].Denied
	})
	for range 4 { // each of which begins after the one before has ended
		attempts := l.eip.cloud.Count("ec2", "DescribeAddresses")
		l.look()
		l.until("another attempt", func() bool { return l.eip.cloud.Count("ec2", "DescribeAddresses") > attempts })
	}
	if n := l.eip.cloud.Count("route53", "ListResourceRecordSets"); n != 1 {
		t.Errorf("what is denied was tried %d times", n)
	}
	raw, err := os.ReadFile(l.log())
	l.eip.must(err)
	if n := strings.Count(string(raw), "failover is not set up as configured"); n != 1 {
		t.Errorf("the log says %d times that a service is missing, want once:\n%s", n, raw)
	}
}

// A service begins as soon as there are credentials for it, though all of its addresses were known before.
func TestAddressWithoutCredentials(t *testing.T) {
	l := newAddressApp(t)
	profiles := filepath.Join(l.dir, "profiles")
	t.Setenv("AWS_CONFIG_FILE", profiles)
	l.load(l.with(`"records": null, "elastic_ip": {"address": "`+eipPublic+`", "profile": "address"}`, nil))
	l.until("the problem", func() bool { s, _ := l.full(); return len(s.Problems) == 1 && s.Problems[0].About == "service www" })
	text := "[profile address]\naws_access_key_id = " + os.Getenv("AWS_ACCESS_KEY_ID") + "\naws_secret_access_key = " + os.Getenv("AWS_SECRET_ACCESS_KEY") + "\n"
	l.eip.must(os.WriteFile(profiles, []byte(text), 0o600))
	l.until("the address", func() bool { return l.isActive() && !l.eip.now().Free() })
	if s, _ := l.full(); len(s.Problems) != 0 {
		t.Errorf("the problems are %+v", s.Problems)
	}
}

// The endpoint of the configuration is that of the Elastic IP, and of no other service.
func TestEndpointOfAnElasticIP(t *testing.T) {
	l := newAddressApp(t)
	endpoint := l.eip.server.URL()
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1") // where nobody listens
	s := &share{self: &Self{Instance: l.eip.lb1}}
	for _, tc := range []struct {
		name, endpoint string
		want           engine.Outcome
	}{{l.eip.id, endpoint, engine.Done}, {eipPublic, "", engine.Unknown}} {
		e, err := s.elasticIP(t.Context(), &ElasticIPConfig{Address: tc.name, Endpoint: tc.endpoint, Region: os.Getenv("AWS_REGION")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.look(l.ctx()); OutcomeOf(err) != tc.want {
			t.Errorf("at %q: %v", tc.endpoint, err)
		}
	}
}
