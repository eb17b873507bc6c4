package dnsfailover

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/google/go-cmp/cmp"
)

// cfgRead reads a configuration of one service with fields replaced and added. null takes one away.
func cfgRead(t *testing.T, fields string) (*Config, error) {
	t.Helper()
	all := map[string]any{
		"dns":      map[string]any{"name": "route53", "hosted_zone_id": "Z0EXAMPLE"},
		"services": []any{map[string]any{"name": "www", "records": []any{map[string]any{"name": "lb.example.com"}}}},
	}
	if err := json.Unmarshal([]byte("{"+fields+"}"), &all); err != nil {
		t.Fatalf("%v in %s", err, fields)
	}
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	c := new(Config)
	return c, caddy.StrictUnmarshalJSON(text, c)
}

// cfgPrepare is cfgRead with prepare after it.
func cfgPrepare(t *testing.T, fields string) (*Config, error) {
	t.Helper()
	c, err := cfgRead(t, fields)
	if err != nil {
		return c, err
	}
	return c, c.prepare()
}

const cfgSecret = `"heartbeat": {"secret_files": ["/etc/caddy/failover.key"]}`

// cfgService are the fields of the configuration with more in its service.
func cfgService(more string) string {
	return `"services": [{"name": "www", "records": [{"name": "lb.example.com"}], ` + more + `}]`
}

func TestDefaultsAreFilledIn(t *testing.T) {
	c, err := cfgPrepare(t, `
		"peers": ["lb1", "10.0.3.7:9000"], `+cfgSecret+`,
		"self_checks": [{"url": "https://www.example.com/healthz"}, {"url": "http://a.example.com"}, {"url": "https://a.example.com:8443/"}, {"tcp": "localhost:80"}],
		"register": [{"name": "{node}.Example.com"}],
		"services": [{"name": "www", "records": [{"name": "LB.example.com."}, {"name": "*.example.com", "zone_id": "/hostedzone/Z1"}]}]`)
	if err != nil {
		t.Fatal(err)
	}
	second, half := caddy.Duration(time.Second), caddy.Duration(500*time.Millisecond)
	minute := 60 * second
	want := &Config{
		Heartbeat: &HeartbeatConfig{Interval: second, Timeout: half, Fall: 3, Rise: 2, SecretFiles: []string{"/etc/caddy/failover.key"}},
		Peers:     []string{"lb1:8404", "10.0.3.7:9000"},
		SelfChecks: []SelfCheck{
			{URL: "https://www.example.com/healthz", Dial: "127.0.0.1:443", Interval: second, Timeout: second, Fall: 3, Rise: 2},
			{URL: "http://a.example.com", Dial: "127.0.0.1:80", Interval: second, Timeout: second, Fall: 3, Rise: 2},
			{URL: "https://a.example.com:8443/", Dial: "127.0.0.1:8443", Interval: second, Timeout: second, Fall: 3, Rise: 2},
			{TCP: "localhost:80", Interval: second, Timeout: second, Fall: 3, Rise: 2},
		},
		DNSRaw:   c.DNSRaw,
		Register: []OwnName{{Name: "{node}.Example.com", ZoneID: "Z0EXAMPLE", TTL: minute, Address: "public", Deregister: "never"}},
		Services: []ServiceConfig{{
			Name: "www",
			Records: []ServiceRecord{
				{Name: "lb.example.com", ZoneID: "Z0EXAMPLE", TTL: minute, Address: "public"},
				{Name: "*.example.com", ZoneID: "Z1", TTL: minute, Address: "public"},
			},
			Mode: "one", HoldDown: 5 * minute, Linger: minute,
		}},
		HandOver: 10 * second,
	}
	if diff := cmp.Diff(want, c, cfgEqual); diff != "" {
		t.Errorf("- is wanted, + came:\n%s", diff)
	}

	again, err := c.clone()
	if err != nil {
		t.Fatal(err)
	}
	if err := again.prepare(); err != nil {
		t.Errorf("what was prepared is refused: %v", err)
	}
	if diff := cmp.Diff(c, again, cfgEqual); diff != "" {
		t.Errorf("- is prepared, + is prepared again:\n%s", diff)
	}
}

func TestDefaultsThatFollow(t *testing.T) {
	for _, c := range []struct {
		name, fields string
		got          func(*Config) time.Duration
		want         time.Duration
	}{
		{"timeout", `"heartbeat": {"interval": "200ms"}`, func(c *Config) time.Duration { return time.Duration(c.Heartbeat.Timeout) }, 100 * time.Millisecond},
		{"self-check interval", `"heartbeat": {"interval": "200ms"}, "self_checks": [{"tcp": "a:1"}]`,
			func(c *Config) time.Duration { return time.Duration(c.SelfChecks[0].Interval) }, 200 * time.Millisecond},
		{"self-check timeout", `"self_checks": [{"tcp": "a:1", "interval": "1500ms"}]`,
			func(c *Config) time.Duration { return time.Duration(c.SelfChecks[0].Timeout) }, 1500 * time.Millisecond},
		{"self-check timeout of a long interval", `"self_checks": [{"tcp": "a:1", "interval": "1m"}]`,
			func(c *Config) time.Duration { return time.Duration(c.SelfChecks[0].Timeout) }, 2 * time.Second},
		{"linger", `"services": [{"name": "www", "records": [{"name": "a.example.com", "ttl": "20s"}, {"name": "b.example.com"}]}]`,
			func(c *Config) time.Duration { return time.Duration(c.Services[0].Linger) }, 20 * time.Second},
		{"linger of a long TTL", `"services": [{"name": "www", "records": [{"name": "a.example.com", "ttl": "24h"}]}]`,
			func(c *Config) time.Duration { return time.Duration(c.Services[0].Linger) }, time.Hour},
		{"no linger", cfgService(`"linger": -1`), func(c *Config) time.Duration { return time.Duration(c.Services[0].Linger) }, noLinger},
		{"hold_down of a long interval", `"heartbeat": {"interval": "1m"}`,
			func(c *Config) time.Duration { return time.Duration(c.Services[0].HoldDown) }, 6*time.Minute + 10*time.Second},
		{"hold_down that is given", cfgService(`"hold_down": "16s"`), func(c *Config) time.Duration { return time.Duration(c.Services[0].HoldDown) }, 16 * time.Second},
		{"failback", cfgService(`"prefer": ["a"]`), func(c *Config) time.Duration { return time.Duration(c.Services[0].Failback) }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := cfgPrepare(t, c.fields)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.got(cfg); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestWhatIsAllowed(t *testing.T) {
	for name, fields := range map[string]string{
		"only own names":            `"services": null, "register": [{"name": "{ec2.tag.Cost Center}-{node}.example.com"}]`,
		"a secret without peers":    cfgSecret,
		"secrets as placeholders":   `"peers": ["lb2"], "heartbeat": {"secrets": ["{env.NO_SUCH_SECRET}", "{file./no/such/file}"]}`,
		"a listener of all":         `"heartbeat": {"listen": "0.0.0.0:8404"}`,
		"a public listener":         `"heartbeat": {"listen": "203.0.113.4:8404", "allow_public": true}`,
		"a shared address space":    `"heartbeat": {"listen": "100.64.0.4:8404"}`,
		"no private address":        `"address": {"private": "none"}, "peers": ["lb2"], "heartbeat": {"listen": "10.0.1.4:8404", "secret_files": ["/a"]}`,
		"one name in two zones":     `"services": [{"name": "www", "records": [{"name": "lb.example.com"}, {"name": "lb.example.com", "zone_id": "Z1", "address": "private"}]}]`,
		"the zone is a placeholder": `"dns": {"name": "route53", "hosted_zone_id": "{env.CFGTEST_ZONE}"}`,
		"credentials of elsewhere":  `"dns": {"name": "route53", "hosted_zone_id": "Z1", "secret_access_key": "{env.K}", "session_token": "{file./t}"}`,
		"a missing file":            `"self_checks": [{"url": "https://a.example.com/", "tls_ca": "/no/such/file"}], ` + cfgSecret + `, "peers": ["a"]`,
		"every foreign check":       cfgService(`"foreign_check": "tcp :443"`),
		"an http witness":           cfgService(`"witness": "http://www.example.com/"`),
		"the longest":               cfgService(`"prefer": ["a"], "failback": "24h", "hold_down": "24h", "linger": "1h"`) + `, "hand_over": "10m"`,
		"the shortest":              cfgService(`"prefer": ["a"], "failback": "1s", "hold_down": "10200ms", "linger": "1ns"`) + `, "hand_over": "100ms", "heartbeat": {"interval": "100ms", "timeout": "10ms", "fall": 1, "rise": 1}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CFGTEST_ZONE", "Z0123")
			if _, err := cfgPrepare(t, fields); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestPlaceholdersOfTheConfiguration(t *testing.T) {
	t.Setenv("CFGTEST_NODE", "lb1")
	t.Setenv("CFGTEST_ZONE", "/hostedzone/Z0123")
	t.Setenv("CFGTEST_EMPTY", "")
	c, err := cfgPrepare(t, `"node": "{env.CFGTEST_NODE}-{ec2.tag.Name}", "instance": "{ec2.instance_id}", "peers": ["{env.CFGTEST_NODE}.internal"],
		"heartbeat": {"secrets": ["{env.CFGTEST_NODE}"]}, "register": [{"name": "{node}.{ec2.zone}.{env.CFGTEST_NODE}.example.com"}],
		"dns": {"name": "route53", "hosted_zone_id": "{env.CFGTEST_ZONE}"}, `+cfgService(`"witness": "https://{env.CFGTEST_NODE}.example.com/"`))
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range [][2]string{
		{c.Node, "lb1-{ec2.tag.Name}"}, {c.Instance, "{ec2.instance_id}"}, {c.Peers[0], "lb1.internal:8404"}, {c.Heartbeat.Secrets[0], "{env.CFGTEST_NODE}"},
		{c.Register[0].Name, "{node}.{ec2.zone}.lb1.example.com"}, {c.Register[0].ZoneID, "Z0123"}, {c.Services[0].Witness, "https://lb1.example.com/"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s, want %s", got[0], got[1])
		}
	}

	for _, c := range []struct{ name, fields, want string }{
		{"unset", `"node": "{env.CFGTEST_UNSET}"`, "{env.CFGTEST_UNSET} is empty"},
		{"empty", `"peers": ["lb{env.CFGTEST_EMPTY}"]`, "{env.CFGTEST_EMPTY} is empty"},
		{"of a request", cfgService(`"prefer": ["{http.request.host}"]`), "unrecognized placeholder {http.request.host}"},
		{"all of them", `"node": "{env.CFGTEST_UNSET}", "reference": "https://{env.CFGTEST_EMPTY}/"`, "{env.CFGTEST_EMPTY} is empty"},
		{"in the zone", `"dns": {"name": "route53", "hosted_zone_id": "{env.CFGTEST_UNSET}"}`, "dns: replacing placeholders in"},
		{"of the instance in a peer", `"peers": ["{ec2.zone}.internal"]`, `{ec2.zone} in "{ec2.zone}.internal" has no value there: {node} is for the names of register alone`},
		{"of the node in a record", `"services": [{"name": "www", "records": [{"name": "{node}.example.com"}]}]`, "{node} in"},
		{"of the node in the node", `"node": "lb-{node}"`, "it would stand for what is only found out with this"},
		{"of the node in the instance", `"instance": "{node}"`, "it would stand for what is only found out with this"},
		{"unknown of the instance", `"register": [{"name": "{ec2.name}.example.com"}]`, "there is no placeholder {ec2.name}: of the instance there are {ec2.instance_id}, {ec2.region}"},
		{"a tag without name", `"node": "{ec2.tag.}"`, "there is no placeholder {ec2.tag.}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := cfgPrepare(t, c.fields)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}

const cfgLiteral = "cfg-test-5ecret-cfg-test"

// What JSON can say and a Caddyfile can't, and a few of each kind that both can.
func TestBadConfigurations(t *testing.T) {
	for _, c := range []struct{ name, fields, want string }{
		{"unknown field", `"nodes": []`, `unknown field "nodes"`},
		{"nothing to do", `"services": null`, "there is neither a service nor a register: write service www"},
		{"node", `"node": "lb 1"`, `node: the name "lb 1" has something else than visible ASCII`},
		{"node too long", `"node": "` + strings.Repeat("n", 129) + `"`, "node: a name has 1 to 128 bytes, not 129"},
		{"instance", `"instance": "ü"`, "instance: the name"},
		{"private address", `"address": {"private": "10.0.1"}`, `address private: "10.0.1" is not an IP address, nor none`},
		{"public address", `"address": {"public": "2001:db8::1"}`, "address public: 2001:db8::1 is no IPv4 address: write it behind ipv6"},
		{"ipv6 address", `"address": {"ipv6": "::ffff:10.0.0.1"}`, "address ipv6:"},
		{"no public address", `"address": {"public": "none", "ipv6": "none"}`, "service www: record lb.example.com address: this node has neither a public nor an IPv6 address"},
		{"no private address", `"address": {"private": "none"}, "register": [{"name": "a.example.com", "address": "private"}]`, "register a.example.com address: this node has no private address"},

		{"interval short", `"heartbeat": {"interval": "10ms"}`, "heartbeat interval: 10ms is not between 100ms and 1m0s"},
		{"interval negative", `"heartbeat": {"interval": -1}`, "heartbeat interval: -1ns is not between"},
		{"timeout long", `"heartbeat": {"timeout": "600ms"}`, "heartbeat timeout: 600ms is not between 10ms and half the interval, 500ms"},
		{"timeout short", `"heartbeat": {"timeout": "1ms"}`, "heartbeat timeout: 1ms is not between"},
		{"fall", `"heartbeat": {"fall": -1}`, "heartbeat fall: -1 is not between 1 and 100"},
		{"rise", `"heartbeat": {"rise": 101}`, "heartbeat rise: 101 is not between 1 and 100"},
		{"listen", `"heartbeat": {"listen": "lb1:8404"}`, `heartbeat listen: "lb1:8404" is not an IP address and a port`},
		{"listen without address", `"heartbeat": {"listen": ":8404"}`, `heartbeat listen: ":8404" is not`},
		{"listen without port", `"heartbeat": {"listen": "10.0.1.4:0"}`, `heartbeat listen: "10.0.1.4:0" is not`},
		{"listen in public", `"heartbeat": {"listen": "[2001:db8::1]:8404"}`, "is a public address, and heartbeats are not encrypted"},
		{"listen nowhere", `"address": {"private": "none"}, "peers": ["a"], ` + cfgSecret, "heartbeat listen is missing: without a private address there is no default"},

		{"no secret", `"peers": ["lb2"]`, "heartbeat secret_file is missing: peers need a secret in common"},
		{"literal secret", `"heartbeat": {"secrets": ["` + cfgLiteral + `"]}`, "heartbeat secret: it is written into the configuration"},
		{"half a literal secret", `"heartbeat": {"secrets": ["{env.A}` + cfgLiteral + `"]}`, "heartbeat secret: it is written"},
		{"two placeholders", `"heartbeat": {"secrets": ["{env.A}{env.B}"]}`, "heartbeat secret: it is written"},
		{"a secret of nothing", `"heartbeat": {"secrets": [""]}`, "heartbeat secret: it is written"},
		{"a secret of the machine", `"heartbeat": {"secrets": ["{system.hostname}"]}`, "heartbeat secret: it is written"},
		{"secret twice", `"heartbeat": {"secrets": ["{env.A}", "{env.A}"]}`, "heartbeat secret {env.A} is given twice"},
		{"secret file twice", `"heartbeat": {"secret_files": ["/a", "/a"]}`, "heartbeat secret_file /a is given twice"},
		{"too many secrets", `"heartbeat": {"secret_files": ["/a", "/b", "/c"], "secrets": ["{env.A}", "{env.B}"]}`, "heartbeat has 5 secrets, 4 are the most"},

		{"peer", `"peers": ["http://lb2"], ` + cfgSecret, `peers: "http://lb2" is not a host, such as lb2.internal`},
		{"peer of nothing", `"peers": [""], ` + cfgSecret, `peers: "" is not a host`},
		{"peer twice", `"peers": ["lb2", "lb2:8404"], ` + cfgSecret, "peers: lb2:8404 is given twice"},

		{"self-check of nothing", `"self_checks": [{}]`, "self_check has neither a URL nor a tcp address"},
		{"self-check of both", `"self_checks": [{"url": "https://a.example.com/", "tcp": "a:1"}]`, "self_check https://a.example.com/ and tcp a:1 exclude each other"},
		{"self-check URL", `"self_checks": [{"url": "/healthz"}]`, `self_check: "/healthz" is not an http or https URL`},
		{"self-check with password", `"self_checks": [{"url": "https://a:` + cfgLiteral + `@b.example.com/"}]`, "self_check: a URL with user and password"},
		{"self-check with a broken password", `"self_checks": [{"url": "https://a:` + cfgLiteral + `%zz@b.example.com/"}]`, "self_check: a URL with user and password"},
		{"self-check with password, and tcp", `"self_checks": [{"url": "https://a:` + cfgLiteral + `@b.example.com/", "tcp": "a:1"}]`, "self_check URL and tcp a:1 exclude each other"},
		{"self-check dial", `"self_checks": [{"url": "https://a.example.com/", "dial": "localhost"}]`, `dial: "localhost" is not a host and a port`},
		{"self-check tcp", `"self_checks": [{"tcp": "localhost"}]`, `self_check tcp: "localhost" is not a host and a port`},
		{"self-check tcp with dial", `"self_checks": [{"tcp": "a:1", "dial": "b:2"}]`, "self_check tcp a:1 takes no dial and no tls_ca"},
		{"self-check tcp with tls_ca", `"self_checks": [{"tcp": "a:1", "tls_ca": "/ca.pem"}]`, "self_check tcp a:1 takes no dial and no tls_ca"},
		{"self-check http with tls_ca", `"self_checks": [{"url": "http://a.example.com/", "tls_ca": "/ca.pem"}]`, "tls_ca: only an https URL has a certificate"},
		{"self-check interval", `"self_checks": [{"tcp": "a:1", "interval": "2m"}]`, "self_check tcp a:1 interval: 2m0s is not between 100ms and 1m0s"},
		{"self-check timeout", `"self_checks": [{"tcp": "a:1", "timeout": "1ms"}]`, "self_check tcp a:1 timeout: 1ms is not between 10ms and 1m0s"},
		{"self-check fall", `"self_checks": [{"tcp": "a:1", "fall": 101}]`, "self_check tcp a:1 fall: 101 is not"},
		{"self-check rise", `"self_checks": [{"tcp": "a:1", "rise": -1}]`, "self_check tcp a:1 rise: -1 is not"},
		{"self-check twice", `"self_checks": [{"tcp": "a:1"}, {"tcp": "a:1", "fall": 2}]`, "self_check tcp a:1 is given twice"},
		{"self-check twice by default", `"self_checks": [{"url": "https://a/"}, {"url": "https://a/", "dial": "127.0.0.1:443"}]`, "self_check https://a/ is given twice"},
		{"reference", `"reference": "own"`, `reference: "own" is not an http or https URL, such as https://www.example.com/healthz; or write own_address`},

		{"no dns", `"dns": null`, "dns: there is none: write dns route53"},
		{"dns without name", `"dns": {"secret_access_key": "` + cfgLiteral + `"}`, `dns: the name of the provider is missing: add "name": "route53"`},
		{"dns of text", `"dns": "` + cfgLiteral + `"`, "dns: it is not an object with texts"},
		{"dns of another type", `"dns": {"name": "route53", "secret_access_key": ["` + cfgLiteral + `"]}`, "dns: it is not an object with texts"},
		{"dns of another provider", `"dns": {"name": "other", "token": "` + cfgLiteral + `"}`, `service www: record lb.example.com has no zone: write its name, such as zone example.com`},
		{"dns of another provider with own names", `"dns": {"name": "other"}, "register": [{"name": "a.example.com"}]`, "register needs Route 53"},
		{"dns of another provider with a hosted zone", `"dns": {"name": "other"}, "services": [{"name": "www", "records": [{"name": "lb.example.com", "zone_id": "Z1", "zone": "example.com"}]}]`,
			"service www: record lb.example.com: zone_id is for Route 53"},
		{"dns of another provider with another zone", `"dns": {"name": "other"}, "services": [{"name": "www", "records": [{"name": "lb.example.com", "zone": "example.net"}]}]`,
			"service www: record lb.example.com is not in the zone example.net"},
		{"dns of another provider with a long pause", `"dns": {"name": "other"}, "dns_pause": "3s", "services": [{"name": "www", "records": [{"name": "lb.example.com", "zone": "example.com"}]}]`,
			"dns_pause: 3s is not between 10ms and 2s"},
		{"dns of another provider in mode all", `"dns": {"name": "other"}, "services": [{"name": "www", "mode": "all", "records": [{"name": "lb.example.com", "zone": "example.com"}]}]`,
			"service www: mode all needs Route 53"},
		{"a zone by name", `"services": [{"name": "www", "records": [{"name": "lb.example.com", "zone": "example.com"}]}]`, "service www: record lb.example.com: zone is for other providers than route53"},
		{"dns_pause of route53", `"dns_pause": "1s"`, "dns_pause is for other providers than route53"},
		{"dns with a secret", `"dns": {"name": "route53", "secret_access_key": "` + cfgLiteral + `"}`, "dns: secret_access_key: it is written into the configuration"},
		{"dns with a token", `"dns": {"name": "route53", "session_token": "` + cfgLiteral + `"}`, "dns: session_token: it is written into the configuration"},
		{"dns zone", `"dns": {"name": "route53", "hosted_zone_id": "example.com"}`, `dns: hosted_zone_id: "example.com" is not the id of a hosted zone`},
		{"no zone", `"dns": {"name": "route53"}`, "service www: record lb.example.com has no hosted zone: write hosted_zone_id into dns route53"},

		{"own name", `"register": [{"name": "a b"}]`, `register: the name "a b": it has a space`},
		{"own name of nothing", `"register": [{}]`, `register: the name "": it has an empty label`},
		{"own name of a lease", `"register": [{"name": "_DNSfailover.a.example.com"}]`, "is one of the leases, which are kept beside the records"},
		{"own name TTL", `"register": [{"name": "a.example.com", "ttl": "500ms"}]`, "register a.example.com ttl: 500ms is not between 1s and 24h0m0s"},
		{"own name TTL of a fraction", `"register": [{"name": "a.example.com", "ttl": "1500ms"}]`, "register a.example.com ttl: 1.5s is not in whole seconds"},
		{"own name address", `"register": [{"name": "a.example.com", "address": "ipv6"}]`, `register a.example.com address: "ipv6" is none of public, private`},
		{"own name deregister", `"register": [{"name": "a.example.com", "deregister": "always"}]`, `register a.example.com deregister: "always" is none of on_stop, never`},
		{"own name zone", `"register": [{"name": "a.example.com", "zone_id": "z"}]`, `register a.example.com zone_id: "z" is not the id of a hosted zone`},
		{"own name twice", `"register": [{"name": "{node}.example.com"}, {"name": "{node}.EXAMPLE.com"}]`, "register {node}.EXAMPLE.com has the same name in the same hosted zone as register {node}.example.com"},
		{"own name of a service", `"register": [{"name": "lb.example.com."}]`, "has the same name in the same hosted zone as service www: record lb.example.com"},

		{"service without name", `"services": [{"records": [{"name": "lb.example.com"}]}]`, "service: the name of a service has 1 to 320 bytes of UTF-8, not 0"},
		{"service with control character", `"services": [{"name": "a\nb", "records": [{"name": "lb.example.com"}]}]`, "service: the name of a service has a control character"},
		{"service without records", `"services": [{"name": "www"}]`, "service www has neither a record nor an elastic_ip: write the name that clients use"},
		{"service twice", `"services": [{"name": "www", "records": [{"name": "a.example.com"}]}, {"name": "www", "records": [{"name": "b.example.com"}]}]`, "service www is given twice; put all of it into one block"},
		{"record", `"services": [{"name": "www", "records": [{"name": "a..b"}]}]`, `service www: record: the name "a..b": it has an empty label`},
		{"record TTL", `"services": [{"name": "www", "records": [{"name": "a.example.com", "ttl": -1}]}]`, "service www: record a.example.com ttl: -1ns is not between"},
		{"record address", `"services": [{"name": "www", "records": [{"name": "a.example.com", "address": "elastic"}]}]`, `service www: record a.example.com address: "elastic" is none of`},
		{"record twice", `"services": [{"name": "www", "records": [{"name": "a.example.com"}, {"name": "a.example.com", "zone_id": "/hostedzone/Z0EXAMPLE"}]}]`, "has the same name in the same hosted zone as"},
		{"witness", cfgService(`"witness": "www.example.com"`), `service www: witness: "www.example.com" is not an http or https URL`},
		{"witness_ca", cfgService(`"witness_ca": "/ca.pem"`), "service www: witness_ca is for a witness; write witness https://…, or remove it"},
		{"witness_ca of http", cfgService(`"witness": "http://a.example.com/", "witness_ca": "/ca.pem"`), "service www: witness tls_ca: only an https URL"},
		{"foreign check", cfgService(`"foreign_check": "udp :53"`), `service www: foreign_check: "udp :53" is not an http or https URL, such as https://www.example.com/healthz; or write tcp :443, or ping`},
		{"foreign check port", cfgService(`"foreign_check": "tcp :70000"`), `service www: foreign_check: "tcp :70000" names no port`},
		{"foreign check host", cfgService(`"foreign_check": "tcp a:443"`), `service www: foreign_check: "tcp a:443" names no port`},
		{"prefer twice", cfgService(`"prefer": ["a", "b", "a"]`), "service www: prefer names a twice"},
		{"prefer of nothing", cfgService(`"prefer": [""]`), "service www: prefer: a name has 1 to 128 bytes, not 0"},
		{"mode", cfgService(`"mode": "two"`), `service www: mode: "two" is none of one, all`},
		{"mode all with prefer", cfgService(`"mode": "all", "prefer": ["a"]`), "service www: mode all has no prefer"},
		{"mode all with failback", cfgService(`"mode": "all", "failback": "5m"`), "service www: mode all has no failback"},
		{"mode all with an Elastic IP", cfgService(`"mode": "all", "elastic_ip": {"address": "203.0.113.10"}`), "service www: mode all has no elastic_ip"},
		{"failback alone", cfgService(`"failback": "5m"`), "service www: failback needs prefer"},
		{"failback negative", cfgService(`"prefer": ["a"], "failback": -1`), "service www: failback after: -1ns is not between 1s and 24h0m0s"},
		{"hold_down short", cfgService(`"hold_down": "15s"`), "service www: hold_down: 15s is not between 16s (10s and twice fall × interval of the heartbeat) and 24h0m0s"},
		{"hold_down long", cfgService(`"hold_down": "25h"`), "service www: hold_down: 25h0m0s is not"},
		{"linger negative", cfgService(`"linger": -2`), "service www: linger: -2ns is not between 0s and 1h0m0s"},
		{"linger long", cfgService(`"linger": "2h"`), "service www: linger: 2h0m0s is not"},
		{"hand_over", `"hand_over": "1ms"`, "hand_over: 1ms is not between 100ms and 10m0s"},
		{"all that is wrong", `"node": "a b", "reference": "x", "dns": null, ` + cfgService(`"failback": "5m"`),
			`visible ASCII; reference: "x" is not an http or https URL, such as https://www.example.com/healthz; or write own_address; service www: failback needs prefer, ` +
				"which names the nodes that get the service back; dns: there is none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := cfgPrepare(t, c.fields)
			switch {
			case err == nil || !strings.Contains(err.Error(), c.want):
				t.Errorf("error %v, want %s", err, c.want)
			case strings.Contains(err.Error(), "\n"):
				t.Errorf("more than one line: %v", err)
			case strings.Contains(err.Error(), cfgLiteral):
				t.Errorf("a secret shows: %v", err)
			}
		})
	}
}

// What is prepared for one configuration must not show in another, nor in the raw one.
func TestPrepareOpensNoFileAndKeepsSecretsUnread(t *testing.T) {
	t.Setenv("CFGTEST_SECRET", cfgLiteral)
	missing := filepath.Join(t.TempDir(), "missing")
	c, err := cfgPrepare(t, `"peers": ["lb2"], "heartbeat": {"secret_files": ["`+filepath.ToSlash(missing)+`"], "secrets": ["{env.CFGTEST_SECRET}"]},
		`+cfgService(`"witness": "https://a.example.com/", "witness_ca": "`+filepath.ToSlash(missing)+`"`))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), cfgLiteral) {
		t.Errorf("the secret is in the configuration: %s", text)
	}
}

func TestCheckZones(t *testing.T) {
	c, err := cfgRead(t, `"register": [{"name": "a.example.com"}, {"name": "b.example.com", "zone_id": "/hostedzone/Z1"}]`)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := c.clone()
	if err != nil {
		t.Fatal(err)
	}
	if err := bare.checkZones(""); err == nil || strings.Count(err.Error(), "has no hosted zone") != 2 {
		t.Errorf("without a zone: %v", err)
	}
	for range 2 {
		if err := c.checkZones("/hostedzone/Z0"); err != nil {
			t.Fatal(err)
		}
		if a, b, lb := c.Register[0].ZoneID, c.Register[1].ZoneID, c.Services[0].Records[0].ZoneID; a != "Z0" || b != "Z1" || lb != "Z0" {
			t.Errorf("the zones are %s, %s, %s", a, b, lb)
		}
	}
}
