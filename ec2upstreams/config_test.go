package ec2upstreams

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// proxyJSON is a reverse_proxy of the least configuration there is, with fields replaced and added. null takes one away.
func proxyJSON(t *testing.T, fields, around string) string {
	t.Helper()
	source := map[string]any{"source": "ec2", "tags": map[string]any{"Role": []string{"web"}}, "port": 8080}
	proxy := map[string]any{"handler": "reverse_proxy", "dynamic_upstreams": source}
	for text, to := range map[string]map[string]any{fields: source, around: proxy} {
		if text == "" {
			continue
		}
		if err := json.Unmarshal([]byte("{"+text+"}"), &to); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		maps.DeleteFunc(to, func(_ string, v any) bool { return v == nil })
	}
	raw, err := json.Marshal(proxy)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// validate does with handlers what `caddy validate` does, and returns the log too.
func validate(t *testing.T, handlers ...string) (log string, err error) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "log")
	var cfg caddy.Config
	if err := caddy.StrictUnmarshalJSON(fmt.Appendf(nil, `{
		"admin": {"disabled": true},
		"storage": {"module": "file_system", "root": %q},
		"logging": {"logs": {"default": {"writer": {"output": "file", "filename": %q, "mode": "0600"}}}},
		"apps": {"http": {"servers": {"s": {
			"listen": ["127.0.0.1:0"],
			"automatic_https": {"disable": true},
			"routes": [{"handle": [%s]}]
		}}}}
	}`, dir, file, strings.Join(handlers, ",")), &cfg); err != nil {
		t.Fatal(err)
	}
	err = caddy.Validate(&cfg)
	raw, readErr := os.ReadFile(file)
	if readErr != nil {
		t.Fatal(readErr)
	}
	return string(raw), err
}

// joined returns how many pools are held by any configuration.
func joined() (n int) {
	pools.Range(func(_, _ any) bool {
		n++
		return true
	})
	return n
}

// What JSON can say and a Caddyfile cannot.
func TestBadJSONIsRefused(t *testing.T) {
	for _, c := range []struct{ name, fields, want string }{
		{"unknown field", `"prot": 80`, `unknown field "prot"`},
		{"unknown field in health", `"health": {"url": "/"}`, `unknown field "url"`},
		{"unknown field in or", `"or": [{"subset": 2}]`, `unknown field "subset"`},
		{"no selection", `"tags": null`, "no tag, asg or filter"},
		{"tag without value", `"tags": {"Role": []}`, "filter tag:Role has no value"},
		{"empty key", `"tags": {"": ["a"]}`, "tag: the key is empty"},
		{"empty group", `"asg": [""]`, "asg: the name of a group is empty"},
		{"no port", `"port": null`, "port is missing: write port 8080"},
		{"port zero", `"port": 0`, "port is missing"},
		{"port negative", `"port": -1`, "port -1 is not between 1 and 65535"},
		{"port out of range", `"port": 65536`, "port 65536 is not between 1 and 65535"},
		{"port of text", `"port": "80"`, "cannot unmarshal string into Go struct field"},
		{"address", `"address": "elastic"`, "address elastic is none of private, public, ipv6, tag NAME"},
		{"address tag without tag", `"address": "tag"`, "address tag needs an address_tag"},
		{"address_tag alone", `"address_tag": "A"`, "address_tag A has no effect with address private; write address tag A"},
		{"address_tag alone in or", `"address": "tag", "address_tag": "A", "or": [{"address_tag": "B"}]`, "or 1: address_tag B has no effect"},
		{"refresh short", `"refresh": "100ms"`, "refresh 100ms is not between 1s and 24h0m0s"},
		{"refresh negative", `"refresh": -1`, "refresh -1ns is not between"},
		{"refresh long", `"refresh": "25h"`, "refresh 25h0m0s is not between"},
		{"zone share negative", `"prefer_zone": {"share": -0.1}`, "prefer_zone: a share of -0.1 is not above 0 and at most 1"},
		{"zone share in percent", `"prefer_zone": {"share": 70}`, "prefer_zone: a share of 70 is not above 0 and at most 1"},
		{"zone name", `"prefer_zone": {"zone": "A"}`, "zone prefer A: not an availability zone"},
		{"zone any and share", `"prefer_zone": {"any": true, "share": 0.5}`, "prefer_zone: any takes neither share nor zone"},
		{"drain_value alone", `"drain_value": "yes"`, "drain_value yes needs a drain_tag"},
		{"drain_value alone in or", `"drain_tag": "D", "or": [{"drain_value": "yes"}]`, "or 1: drain_value yes needs a drain_tag"},
		{"default_weight alone", `"subset": 2, "default_weight": 10`, "default_weight needs a weight_tag"},
		{"default_weight negative", `"subset": 2, "weight_tag": "W", "default_weight": -1`, "default_weight -1 is not between 1 and 1000"},
		{"default_weight out of range", `"subset": 2, "weight_tag": "W", "default_weight": 1001`, "default_weight 1001 is not between 1 and 1000"},
		{"weight without subset", `"weight_tag": "W"`, "weight needs subset"},
		{"slow_start without subset", `"slow_start": "10s"`, "slow_start needs subset"},
		{"slow_start negative", `"subset": 2, "slow_start": "-10s"`, "slow_start -10s is not between 0s and"},
		{"subset negative", `"subset": -1`, "subset -1 is not between 1 and 16"},
		{"subset out of range", `"subset": 17`, "subset 17 is not between 1 and 16"},
		{"subset_by without subset", `"subset_by": "{http.request.host}"`, "subset_by needs a subset"},
		{"subset_by of text", `"subset": 2, "subset_by": "session"`, "subset by session: not a placeholder"},
		{"subset_by of empty braces", `"subset": 2, "subset_by": "{}"`, "subset by {}: not a placeholder"},
		{"role_arn", `"role_arn": "lb"`, `role_arn: "lb" is not the ARN of a role`},
		{"external_id alone", `"external_id": "abc"`, "external_id: it is sent when a role is assumed"},
		{"interval short", `"health": {"interval": "10ms"}`, "health_interval 10ms is not between 100ms and"},
		{"timeout negative", `"health": {"timeout": "-1s"}`, "health_timeout -1s is not between 1ms and"},
		{"passes negative", `"health": {"passes": -1}`, "health_passes -1 is not between 1 and 1000"},
		{"fails out of range", `"health": {"fails": 1001}`, "health_fails 1001 is not between 1 and 1000"},
		{"health port", `"health": {"port": 65536}`, "health_port 65536 is not between 1 and 65535"},
		{"status", `"health": {"uri": "/", "status": "600"}`, `"600" is neither a code (200 to 599) nor a class`},
		{"status without uri", `"health": {"status": "200"}`, "health_status needs health_uri"},
		{"headers without uri", `"health": {"tcp": true, "headers": {"Host": ["a"]}}`, "health_headers needs health_uri"},
		{"tcp and uri", `"health": {"tcp": true, "uri": "/"}`, "health_tcp and health_uri exclude each other"},
		{"uri", `"health": {"uri": "healthz"}`, "health_uri healthz does not begin with a slash"},
		{"body", `"health": {"uri": "/", "body": "("}`, "health_body: error parsing regexp"},
		{"method", `"health": {"uri": "/", "method": "GET "}`, `method: "GET " is not a method to check with`},
		{"header", `"health": {"uri": "/", "headers": {"A B": ["x"]}}`, `"A B" cannot be the name of a header`},
		{"or empty", `"or": [{}]`, "or 1: this fallback is the same as a pool above it"},
		{"or with a bad value", `"or": [{"port": 9090}, {"port": 70000}]`, "or 2: port 70000 is not between"},
		{"static and more", `"or": [{"static": ["10.0.0.9:80"], "port": 80}]`, "or 1: static addresses take no other setting"},
		{"static not last", `"or": [{"static": ["10.0.0.9:80"]}, {"port": 9090}]`, "or 1: nothing below static addresses is ever used"},
		{"static without port", `"or": [{"static": ["10.0.0.9"]}]`, "or 1: static 10.0.0.9 is not a host and a port"},
		{"static port zero", `"or": [{"static": ["10.0.0.9:0"]}]`, "the port is not between 1 and 65535"},
		{"static host", `"or": [{"static": ["a b:80"]}]`, "static a b:80 is not a host and a port"},
		{"all that is wrong", `"tags": null, "port": null, "health": {"fails": -1}`, "name at least one; port is missing: write port 8080, " +
			"or port tag NAME [DEFAULT]; health_fails -1 is not"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := validate(t, proxyJSON(t, c.fields, ""))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			} else if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %v", err)
			}
			if n := joined(); n != 0 {
				t.Errorf("%d pools are left", n)
			}
		})
	}
}

func TestPoliciesThatDoNotGoTogether(t *testing.T) {
	affinity := []string{"cookie", "ip_hash", "client_ip_hash", "uri_hash", "header", "query"}
	const random, by = `"subset": 2`, `"subset": 2, "subset_by": "{http.request.host}"`
	type test struct{ name, policy, fields, want string }
	tests := []test{
		{"without policy", "", "", ""},
		{"first by key", "first", by, ""},
		{"least_conn of a few", "least_conn", random, ""},
		{"least_conn of all", "least_conn", "", ""},
		{"positions", "weighted_round_robin", "", "lb_policy weighted_round_robin counts positions"},
		{"positions of a few", "weighted_round_robin", random, "lb_policy weighted_round_robin counts positions"},
		{"positions by key", "weighted_round_robin", by, "lb_policy weighted_round_robin counts positions"},
	}
	for _, p := range affinity {
		tests = append(tests,
			test{p + " of all", p, "", ""},
			test{p + " of a few", p, random, "lb_policy " + p + " loses its sessions with a random subset; leave subset out, or use subset 2 by"},
			test{p + " by key", p, by, ""},
		)
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			policy := map[string]any{"policy": c.policy}
			switch c.policy {
			case "header":
				policy["field"] = "X-Session"
			case "query":
				policy["key"] = "session"
			case "weighted_round_robin":
				policy["weights"] = []int{1, 2}
			}
			around := ""
			if c.policy != "" {
				raw, err := json.Marshal(policy)
				if err != nil {
					t.Fatal(err)
				}
				around = fmt.Sprintf(`"load_balancing": {"selection_policy": %s}`, raw)
			}
			_, err := validate(t, proxyJSON(t, c.fields, around))
			if c.want == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}

func TestChecksOfReverseProxyAreWarnedOf(t *testing.T) {
	const active = `"health_checks": {"active": {"uri": "/healthz"}}`
	for _, c := range []struct {
		name, fields, around string
		warned               bool
	}{
		{"checks there alone", "", active, true},
		{"port there alone", "", `"health_checks": {"active": {"port": 9000}}`, true},
		{"checks in both", `"health": {"uri": "/healthz"}`, active, false},
		{"checks here", `"health": {"uri": "/healthz"}`, "", false},
		{"passive ones there", "", `"health_checks": {"passive": {"fail_duration": "10s"}}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			log, err := validate(t, proxyJSON(t, c.fields, c.around))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(log, "move them into the dynamic ec2 block"); got != c.warned {
				t.Errorf("warned %v, want %v:\n%s", got, c.warned, log)
			}
		})
	}
}

func TestPlaceholdersAreReplaced(t *testing.T) {
	for k, v := range map[string]string{
		"EC2TEST_ROLE": "web", "EC2TEST_ZONE": "eu-west-1a", "EC2TEST_STATUS": "204", "EC2TEST_REGION": "eu-west-1a", "EC2TEST_EMPTY": "",
	} {
		t.Setenv(k, v)
	}
	t.Run("filled in", func(t *testing.T) {
		_, err := validate(t, proxyJSON(t, `"tags": {"Role": ["{env.EC2TEST_ROLE}-{env.EC2TEST_STATUS}"]}, "prefer_zone": {"zone": "{env.EC2TEST_ZONE}"},
			"health": {"uri": "/", "status": "{env.EC2TEST_STATUS}"}, "or": [{"static": ["{env.EC2TEST_ROLE}:80"]}],
			"subset": 2, "subset_by": "{http.request.header.X-{env.EC2TEST_EMPTY}}"`, ""))
		if err != nil {
			t.Error(err)
		}
	})
	for _, c := range []struct{ name, fields, want string }{
		// The value is what is judged, and named.
		{"judged by the value", `"region": "{env.EC2TEST_REGION}"`, `region: "eu-west-1a" is an availability zone, its region is "eu-west-1"`},
		{"judged in a list", `"or": [{"static": ["{env.EC2TEST_ROLE}"]}]`, "static web is not a host and a port"},
		{"unset", `"tags": {"Role": ["{env.EC2TEST_UNSET}"]}`, "{env.EC2TEST_UNSET} is empty"},
		{"empty", `"asg": ["web-{env.EC2TEST_EMPTY}"]`, "{env.EC2TEST_EMPTY} is empty"},
		{"unset in health", `"health": {"uri": "/", "headers": {"Host": ["{env.EC2TEST_UNSET}"]}}`, "{env.EC2TEST_UNSET} is empty"},
		{"unset in or", `"or": [{"region": "{env.EC2TEST_UNSET}"}]`, "{env.EC2TEST_UNSET} is empty"},
		{"of a request", `"region": "{http.request.host}"`, "unrecognized placeholder {http.request.host}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := validate(t, proxyJSON(t, c.fields, ""))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}

// watcher is a handler that notes how many hold each pool at the time when it is provisioned.
type watcher struct{}

var watched []int

func init() { caddy.RegisterModule(watcher{}) }

func (watcher) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_watcher", New: func() caddy.Module { return new(watcher) }}
}

func (watcher) Provision(caddy.Context) error {
	watched = nil
	pools.Range(func(key, _ any) bool {
		n, _ := pools.References(key)
		watched = append(watched, n)
		return true
	})
	slices.Sort(watched)
	return nil
}

func (watcher) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return next.ServeHTTP(w, r)
}

func TestEqualHandlersShareAPool(t *testing.T) {
	const watch = `{"handler": "test_watcher"}`
	for _, c := range []struct {
		name, one, other string
		want             []int
	}{
		{"equal", `"health": {"uri": "/"}`, `"health": {"uri": "/"}`, []int{2}},
		{"defaults", ``, `"address": "private", "health": {"interval": "2s"}`, []int{2}},
		{"order of values", `"asg": ["a", "b"]`, `"asg": ["b", "a"]`, []int{2}},
		{"how often to ask", `"refresh": "10s"`, `"refresh": "20s"`, []int{2}},
		{"how many to offer", `"subset": 2`, `"subset": 3`, []int{2}},
		{"one is the other's fallback", `"or": [{"port": 9090}]`, `"port": 9090`, []int{1, 2}},
		{"port", `"port": 8080`, `"port": 8081`, []int{1, 1}},
		{"check", `"health": {"uri": "/"}`, `"health": {"uri": "/healthz"}`, []int{1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			watched = nil
			if _, err := validate(t, proxyJSON(t, c.one, ""), proxyJSON(t, c.other, ""), watch); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(watched, c.want) {
				t.Errorf("the pools have %d users, want %d", watched, c.want)
			}
			if n := joined(); n != 0 {
				t.Errorf("%d pools are left", n)
			}
		})
	}
}

// goroutines returns the stacks of this project's own goroutines that are not tests.
func goroutines() (stacks []string) {
	all := make([]byte, 4<<20)
	all = all[:runtime.Stack(all, true)]
	for stack := range strings.SplitSeq(string(all), "\n\n") {
		if strings.Contains(stack, "caddy-ec2/internal/fleet.") || strings.Contains(stack, "ec2upstreams.(*pool)") || strings.Contains(stack, "ec2upstreams.(*emitter)") {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

func TestConfigThatFailsHalfWayLeavesNothing(t *testing.T) {
	good := proxyJSON(t, `"port": null, "port_tag": "Port", "or": [{"tags": {"Role": ["backup"]}}]`, "")
	for _, c := range []struct{ name, fields, around, want string }{
		{"bad value", `"port": 70000`, "", "port 70000"},
		{"bad fallback", `"or": [{"port": 70000}]`, "", "or 1: port 70000"},
		{"bad policy", `"subset": 2`, `"load_balancing": {"selection_policy": {"policy": "ip_hash"}}`, "lb_policy ip_hash"},
		// The module itself is provisioned when the rest of its handler fails.
		{"bad handler", ``, `"trusted_proxies": ["nobody"]`, "nobody"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			watched = nil
			_, err := validate(t, good, `{"handler": "test_watcher"}`, proxyJSON(t, c.fields, c.around))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %s", err, c.want)
			}
			if !slices.Equal(watched, []int{1, 1}) {
				t.Errorf("the good handler's pools had %d users", watched)
			}
			if n := joined(); n != 0 {
				t.Errorf("%d pools are left", n)
			}

			// A share in the poller that was left behind would keep it alive after the last one who uses it.
			a := l.launch("Role", "web")
			l.load("dynamic ec2 {\ntag Role web\nport tag Port\n}")
			l.serves(a.id)
			if len(goroutines()) == 0 {
				t.Error("a running pool has no goroutine")
			}
			l.must(caddy.Stop())
			if left := goroutines(); len(left) > 0 {
				t.Errorf("left behind:\n%s", strings.Join(left, "\n\n"))
			}
		})
	}
}

// Interface guards
var (
	_ caddy.Provisioner           = watcher{}
	_ caddyhttp.MiddlewareHandler = watcher{}
)
