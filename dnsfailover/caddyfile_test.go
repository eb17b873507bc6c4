package dnsfailover

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// cfgEqual compares what a configuration says, and not what was made of it.
var cfgEqual = cmpopts.IgnoreUnexported(ServiceRecord{})

// cfgParse reads the text that begins with dnsfailover, as the adapter hands it over.
func cfgParse(text string) (*Config, error) {
	tokens, err := caddyfile.Tokenize([]byte(text), "Caddyfile")
	if err != nil {
		return nil, err
	}
	if len(tokens) == 0 {
		return nil, errors.New("no text")
	}
	c := new(Config)
	return c, c.UnmarshalCaddyfile(caddyfile.NewDispenser(tokens))
}

// cfgViaJSON writes the configuration as JSON and reads it back as Caddy does, with unknown fields refused.
func cfgViaJSON(t *testing.T, c *Config) *Config {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	back := new(Config)
	if err := caddy.StrictUnmarshalJSON(text, back); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(c, back, cfgEqual); diff != "" {
		t.Errorf("- before, + after JSON:\n%s", diff)
	}
	return back
}

// cfgLines are lines that set a field, by the path of its JSON name, and the value it gets.
var cfgLines = map[string]struct{ lines, want string }{
	"node":            {"node lb1", `"lb1"`},
	"instance":        {"instance i-1", `"i-1"`},
	"address.private": {"address {\nprivate 10.0.1.4\n}", `"10.0.1.4"`},
	"address.public":  {"address {\npublic none\n}", `"none"`},
	"address.ipv6":    {"address {\nipv6 2001:db8::1\n}", `"2001:db8::1"`},

	"heartbeat.listen":       {"heartbeat {\nlisten 10.0.1.4:9404\n}", `"10.0.1.4:9404"`},
	"heartbeat.interval":     {"heartbeat {\ninterval 2s\n}", `2000000000`},
	"heartbeat.timeout":      {"heartbeat {\ntimeout 400ms\n}", `400000000`},
	"heartbeat.fall":         {"heartbeat {\nfall 4\n}", `4`},
	"heartbeat.rise":         {"heartbeat {\nrise 5\n}", `5`},
	"heartbeat.secret_files": {"heartbeat {\nsecret_file /a /b\nsecret_file /c\n}", `["/a","/b","/c"]`},
	"heartbeat.secrets":      {"heartbeat {\nsecret {env.A}\nsecret {file./b}\n}", `["{env.A}","{file./b}"]`},
	"heartbeat.allow_public": {"heartbeat {\nallow_public\n}", `true`},
	"peers":                  {"peers a b:1\npeers c\nheartbeat {\nsecret {env.A}\n}", `["a","b:1","c"]`},

	"peers_ec2.region":      {"peers ec2 {\ntag Role lb\nregion eu-west-1\n}\nheartbeat {\nsecret {env.A}\n}", `"eu-west-1"`},
	"peers_ec2.profile":     {"peers ec2 {\ntag Role lb\nprofile p\n}\nheartbeat {\nsecret {env.A}\n}", `"p"`},
	"peers_ec2.role_arn":    {"peers ec2 {\ntag Role lb\nrole_arn arn:aws:iam::123456789012:role/r\n}\nheartbeat {\nsecret {env.A}\n}", `"arn:aws:iam::123456789012:role/r"`},
	"peers_ec2.external_id": {"peers ec2 {\ntag Role lb\nrole_arn arn:aws:iam::123456789012:role/r\nexternal_id xy\n}\nheartbeat {\nsecret {env.A}\n}", `"xy"`},
	"peers_ec2.endpoint":    {"peers ec2 {\ntag Role lb\nendpoint https://ec2.example.com\n}\nheartbeat {\nsecret {env.A}\n}", `"https://ec2.example.com"`},
	"peers_ec2.tags":        {"peers ec2 {\ntag Role lb\ntag Stage a b\n}\nheartbeat {\nsecret {env.A}\n}", `{"Role":["lb"],"Stage":["a","b"]}`},
	"peers_ec2.asg":         {"peers ec2 {\ntag Role lb\nasg a b\nasg c\n}\nheartbeat {\nsecret {env.A}\n}", `["a","b","c"]`},
	"peers_ec2.filters":     {"peers ec2 {\ntag Role lb\nfilter vpc-id vpc-1\n}\nheartbeat {\nsecret {env.A}\n}", `{"vpc-id":["vpc-1"]}`},
	"peers_ec2.port":        {"peers ec2 {\ntag Role lb\nport 9404\n}\nheartbeat {\nsecret {env.A}\n}", `9404`},
	"peers_ec2.address":     {"peers ec2 {\ntag Role lb\naddress public\n}\nheartbeat {\nsecret {env.A}\nallow_public\n}", `"public"`},
	"peers_ec2.refresh":     {"peers ec2 {\ntag Role lb\nrefresh 5s\n}\nheartbeat {\nsecret {env.A}\n}", `5000000000`},

	"self_checks.url":      {"self_check https://a.example.com/", `"https://a.example.com/"`},
	"self_checks.tcp":      {"self_check tcp 127.0.0.1:443", `"127.0.0.1:443"`},
	"self_checks.dial":     {"self_check https://a.example.com/ {\ndial 127.0.0.1:8443\n}", `"127.0.0.1:8443"`},
	"self_checks.interval": {"self_check tcp a:1 {\ninterval 3s\n}", `3000000000`},
	"self_checks.timeout":  {"self_check tcp a:1 {\ntimeout 3s\n}", `3000000000`},
	"self_checks.fall":     {"self_check tcp a:1 {\nfall 4\n}", `4`},
	"self_checks.rise":     {"self_check tcp a:1 {\nrise 5\n}", `5`},
	"self_checks.tls_ca":   {"self_check https://a.example.com/ {\ntls_ca /ca.pem\n}", `"/ca.pem"`},
	"reference":            {"reference own_address", `"own_address"`},
	"hand_over":            {"hand_over 30s", `30000000000`},

	"register.name":       {"register {node}.example.com", `"{node}.example.com"`},
	"register.zone_id":    {"register a.example.com {\nzone_id Z1\n}", `"Z1"`},
	"register.ttl":        {"register a.example.com {\nttl 5m\n}", `300000000000`},
	"register.address":    {"register a.example.com {\naddress private\n}", `"private"`},
	"register.reap_after": {"peers ec2 {\ntag a b\n}\nheartbeat {\nsecret {env.A}\n}\nregister {node}.example.com {\nreap_after 48h\n}", `172800000000000`},
	"register.deregister": {"register a.example.com {\nderegister on_stop\n}", `"on_stop"`},

	"services.records.name":           {"service s {\nrecord a.example.com\n}", `"a.example.com"`},
	"services.records.zone_id":        {"service s {\nrecord a.example.com {\nzone_id Z1\n}\n}", `"Z1"`},
	"services.records.ttl":            {"service s {\nrecord a.example.com {\nttl 5m\n}\n}", `300000000000`},
	"services.records.address":        {"service s {\nrecord a.example.com {\naddress private\n}\n}", `"private"`},
	"services.records.zone":           {"service s {\nrecord a.example.com {\nzone example.com\n}\n}", `"example.com"`},
	"dns_pause":                       {"dns_pause 1s\nservice s {\nrecord a.example.com {\nzone example.com\n}\n}", `1000000000`},
	"services.mode":                   {"service s {\nmode all\nrecord a.example.com\n}", `"all"`},
	"services.name":                   {"service s {\nrecord a.example.com\n}", `"s"`},
	"services.witness":                {"service s {\nrecord a.example.com\nwitness http://a.example.com/\n}", `"http://a.example.com/"`},
	"services.witness_ca":             {"service s {\nrecord a.example.com\nwitness https://a.example.com/ {\ntls_ca /ca.pem\n}\n}", `"/ca.pem"`},
	"services.foreign_check":          {"service s {\nrecord a.example.com\nforeign_check tcp :443\n}", `"tcp :443"`},
	"services.prefer":                 {"service s {\nrecord a.example.com\nprefer a b\n}", `["a","b"]`},
	"services.failback":               {"service s {\nrecord a.example.com\nprefer a\nfailback after 5m\n}", `300000000000`},
	"services.hold_down":              {"service s {\nrecord a.example.com\nhold_down 20s\n}", `20000000000`},
	"services.elastic_ip.address":     {"service s {\nelastic_ip 203.0.113.10\n}", `"203.0.113.10"`},
	"services.elastic_ip.private_ip":  {"service s {\nelastic_ip 203.0.113.10 {\nprivate_ip auto\n}\n}", `"auto"`},
	"services.elastic_ip.interface":   {"service s {\nelastic_ip 203.0.113.10 {\ninterface eni-0123456789abcdef0\n}\n}", `"eni-0123456789abcdef0"`},
	"services.elastic_ip.device":      {"service s {\nelastic_ip 203.0.113.10 {\ninterface device 2\n}\n}", `2`},
	"services.elastic_ip.region":      {"service s {\nelastic_ip 203.0.113.10 {\nregion eu-west-1\n}\n}", `"eu-west-1"`},
	"services.elastic_ip.profile":     {"service s {\nelastic_ip 203.0.113.10 {\nprofile p\n}\n}", `"p"`},
	"services.elastic_ip.role_arn":    {"service s {\nelastic_ip 203.0.113.10 {\nrole_arn arn:aws:iam::123456789012:role/r\n}\n}", `"arn:aws:iam::123456789012:role/r"`},
	"services.elastic_ip.external_id": {"service s {\nelastic_ip 203.0.113.10 {\nrole_arn arn:aws:iam::123456789012:role/r\nexternal_id xy\n}\n}", `"xy"`},
	"services.elastic_ip.endpoint":    {"service s {\nelastic_ip 203.0.113.10 {\nendpoint https://ec2.example.com\n}\n}", `"https://ec2.example.com"`},

	"services.linger": {"service s {\nrecord a.example.com\nlinger 0\n}", `-1`},
}

// cfgFields returns the paths of all fields that a configuration can hold.
func cfgFields(typ reflect.Type, prefix string) (paths []string) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		if !f.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			paths = append(paths, cfgFields(inner, prefix+name+".")...)
		} else {
			paths = append(paths, prefix+name)
		}
	}
	return paths
}

// cfgAt returns the JSON at a path, "" if there is nothing. Of a list of objects it is that of the last one.
func cfgAt(t *testing.T, c *Config, path string) string {
	t.Helper()
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Split(path, ".") {
		if raw[0] == '[' {
			var list []json.RawMessage
			if err := json.Unmarshal(raw, &list); err != nil {
				t.Fatal(err)
			}
			raw = list[len(list)-1]
		}
		var object map[string]json.RawMessage
		if err := json.Unmarshal(raw, &object); err != nil {
			t.Fatal(err)
		}
		if raw = object[name]; raw == nil {
			return ""
		}
	}
	return string(raw)
}

// The test goes by the types, so that a field without an option, and an option of no field, is noticed.
func TestEveryFieldOfConfigHasAnOption(t *testing.T) {
	known := cfgFields(reflect.TypeFor[Config](), "")
	for path := range cfgLines {
		if !slices.Contains(known, path) {
			t.Errorf("there is no field %s", path)
		}
	}
	for _, path := range known {
		if path == "dns" { // the provider's own, see the next test
			continue
		}
		t.Run(path, func(t *testing.T) {
			l, ok := cfgLines[path]
			if !ok {
				t.Fatal("no line of a Caddyfile is known that sets it")
			}
			begin := "dns route53 {\nhosted_zone_id Z0\n}\nservice first {\nrecord first.example.com\n}\n"
			if path == "dns_pause" || path == "services.records.zone" {
				begin = "dns test_memory\n" // which has no hosted zones
			}
			c, err := cfgParse("dnsfailover {\n" + begin + l.lines + "\n}")
			if err != nil {
				t.Fatal(err)
			}
			if got := cfgAt(t, c, path); got != l.want {
				t.Errorf("%s is %s, want %s", path, got, l.want)
			}
			cfgViaJSON(t, c)
		})
	}
}

func TestProviderOfCaddyfile(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	c, err := cfgParse("dnsfailover {\ndns route53 {\nhosted_zone_id Z0\nprofile dns\n}\nregister {node}.example.com\n}")
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(c.DNSRaw, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"name": "route53", "hosted_zone_id": "Z0", "profile": "dns", "region": "us-east-1", "skip_route53_sync_on_delete": true}
	if diff := cmp.Diff(want, got, cfgEqual); diff != "" {
		t.Errorf("- is wanted, + came:\n%s", diff)
	}
}

// Options that errors name are those that are read, block by block.
func TestKnownOptionsAreRead(t *testing.T) {
	enter := map[string]string{
		"dnsfailover": "%", "address": "address {\n%\n}", "heartbeat": "heartbeat {\n%\n}", "self_check": "self_check tcp a:1 {\n%\n}", "register": "register a.b {\n%\n}",
		"peers ec2": "peers ec2 {\n%\n}", "service": "service s {\n%\n}", "record": "service s {\nrecord a.b {\n%\n}\n}", "elastic_ip": "service s {\nelastic_ip 203.0.113.10 {\n%\n}\n}",
		"witness": "service s {\nwitness http://a.b/ {\n%\n}\n}",
	}
	for _, b := range blocks {
		for _, option := range append([]string{"nothing_known"}, b.options...) {
			_, err := cfgParse("dnsfailover {\n" + strings.Replace(enter[b.name], "%", option, 1) + "\n}")
			unknown := err != nil && strings.Contains(err.Error(), b.name+" has no option")
			if unknown != (option == "nothing_known") {
				t.Errorf("%s in %s: error %v", option, b.name, err)
			}
			if unknown && !strings.Contains(err.Error(), "it has "+strings.Join(b.options, ", ")) {
				t.Errorf("%s does not name what there is: %v", b.name, err)
			}
		}
	}
}

// A configuration that holds for now only in part is not judged by the parser, but when it is loaded.
func TestPlaceholdersAreJudgedWhenTheyHaveValues(t *testing.T) {
	for _, c := range []struct {
		line   string
		judged bool
	}{
		{"peers {env.PEER}", false}, {"node {env.NODE}", false}, {"self_check {env.URL}", false}, {"register {env.NAME}.example.com", false},
		{"node {ec2.tag.Name}", true}, {"register {node}.example.com", true}, {"heartbeat {\nsecret {env.A}\n}", true},
	} {
		_, err := cfgParse("dnsfailover {\n" + c.line + "\nreference nothing\ndns route53 {\nhosted_zone_id Z0\n}\nregister a.example.com\n}")
		if judged := err != nil && strings.Contains(err.Error(), "reference"); judged != c.judged {
			t.Errorf("%s: error %v", c.line, err)
		}
	}
}

// cfgPlaceholders reports whether there are braces other than those of blocks.
func cfgPlaceholders(text string) bool {
	tokens, _ := caddyfile.Tokenize([]byte(text), "Caddyfile")
	return slices.ContainsFunc(tokens, func(t caddyfile.Token) bool {
		return strings.Contains(t.Text, "{") && (t.Text != "{" || t.Quoted())
	})
}

// FuzzFailoverCaddyfile looks for text that makes the parser panic, or that is accepted and then is not what it was.
func FuzzFailoverCaddyfile(f *testing.F) {
	files, err := filepath.Glob("../caddyfile/testdata/adapt/failover_*.caddytest")
	if err != nil || len(files) < 200 {
		f.Fatalf("%d golden files, error %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if _, block, ok := strings.Cut(string(text), "\tdnsfailover"); ok {
			block, _, _ = strings.Cut(block, "\n}\n")
			f.Add("dnsfailover" + block)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := cfgParse(text)
		if err != nil {
			if c != nil && !strings.Contains(err.Error(), "Caddyfile:") {
				t.Errorf("no file and line in: %v", err)
			}
			return
		}
		back := cfgViaJSON(t, c)
		err = c.prepare()
		if err != nil && !cfgPlaceholders(text) {
			t.Errorf("accepted, and refused when it is loaded: %v", err)
		}
		err2 := back.prepare()
		if (err == nil) != (err2 == nil) {
			t.Fatalf("error %v; after JSON %v", err, err2)
		}
		if err != nil {
			return
		}
		if diff := cmp.Diff(c, back, cfgEqual); diff != "" {
			t.Errorf("- is prepared, + after JSON:\n%s", diff)
		}
		again, err := c.clone()
		if err == nil {
			err = again.prepare()
		}
		if diff := cmp.Diff(c, again, cfgEqual); err != nil || diff != "" {
			t.Errorf("prepared again: error %v\n%s", err, diff)
		}
	})
}
