package ec2upstreams

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

// parse reads the text that begins with ec2, as reverse_proxy hands it over.
func parse(text string) (*Upstreams, error) {
	tokens, err := caddyfile.Tokenize([]byte(text), "Caddyfile")
	if err != nil {
		return nil, err
	}
	if len(tokens) == 0 {
		return nil, errors.New("no text")
	}
	u := new(Upstreams)
	return u, u.UnmarshalCaddyfile(caddyfile.NewDispenser(tokens))
}

// sameConfig compares what is configured.
var sameConfig = cmp.Options{cmpopts.IgnoreUnexported(Upstreams{}), cmpopts.EquateEmpty()}

// viaJSON writes the configuration as JSON and reads it back as Caddy does, with unknown fields refused.
func viaJSON(t *testing.T, u *Upstreams) *Upstreams {
	t.Helper()
	text, err := json.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	back := new(Upstreams)
	if err := caddy.StrictUnmarshalJSON(text, back); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(u, back, sameConfig); diff != "" {
		t.Errorf("- before, + after JSON:\n%s", diff)
	}
	return back
}

// poolLines are the lines that set a field of a pool, by the path of its JSON name, and the value it gets.
var poolLines = map[string]struct{ lines, want string }{
	"region":         {"region eu-west-1", `"eu-west-1"`},
	"profile":        {"profile staging", `"staging"`},
	"role_arn":       {"role_arn arn:aws:iam::123456789012:role/lb", `"arn:aws:iam::123456789012:role/lb"`},
	"external_id":    {"role_arn arn:aws:iam::123456789012:role/lb\nexternal_id a-1", `"a-1"`},
	"endpoint":       {"endpoint https://ec2.example.com", `"https://ec2.example.com"`},
	"tags":           {"tag Role web api\ntag Stage prod", `{"Role":["web","api"],"Stage":["prod"]}`},
	"asg":            {"asg a b\nasg c", `["a","b","c"]`},
	"filters":        {"filter vpc-id vpc-1 vpc-2", `{"vpc-id":["vpc-1","vpc-2"]}`},
	"port":           {"port 8081", `8081`},
	"port_tag":       {"port tag Port", `"Port"`},
	"address":        {"address ipv6", `"ipv6"`},
	"address_tag":    {"address tag Address", `"Address"`},
	"refresh":        {"refresh 30s", `30000000000`},
	"drain_tag":      {"drain tag Drain", `"Drain"`},
	"drain_value":    {"drain state=leaving", `"leaving"`},
	"weight_tag":     {"weight tag Weight", `"Weight"`},
	"default_weight": {"weight tag Weight 50", `50`},
	"slow_start":     {"slow_start 1m", `60000000000`},

	"prefer_zone.share": {"zone prefer 50%", `0.5`},
	"prefer_zone.zone":  {"zone prefer eu-west-1a", `"eu-west-1a"`},
	"prefer_zone.any":   {"zone any", `true`},

	"health.tcp":              {"health_tcp", `true`},
	"health.uri":              {"health_uri /healthz", `"/healthz"`},
	"health.port":             {"health_port 9000", `9000`},
	"health.interval":         {"health_interval 5s", `5000000000`},
	"health.timeout":          {"health_timeout 500ms", `500000000`},
	"health.passes":           {"health_passes 3", `3`},
	"health.fails":            {"health_fails 4", `4`},
	"health.status":           {"health_uri /\nhealth_status 204", `"204"`},
	"health.body":             {"health_uri /\nhealth_body ^ok", `"^ok"`},
	"health.headers":          {"health_uri /\nhealth_headers {\nhost a\nX-B c d\n}", `{"Host":["a"],"X-B":["c","d"]}`},
	"health.method":           {"health_uri /\nhealth_method HEAD", `"HEAD"`},
	"health.request_body":     {"health_uri /\nhealth_request_body ping", `"ping"`},
	"health.follow_redirects": {"health_uri /\nhealth_follow_redirects", `true`},
}

// ownLines are those of the fields that only the whole has.
var ownLines = map[string]struct{ lines, want string }{
	"subset":    {"subset 3", `3`},
	"subset_by": {"subset 3 by {http.request.host}", `"{http.request.host}"`},
	"fail_open": {"fail_open off", `false`},
	"or.static": {"or static 10.0.0.9:80 b.example.com:80", `["10.0.0.9:80","b.example.com:80"]`},
}

// fields returns the paths of all fields that a configuration can hold.
func fields(typ reflect.Type, prefix string) (paths []string) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		switch {
		case !f.IsExported():
		case f.Anonymous:
			paths = append(paths, fields(inner, prefix)...)
		case inner.Kind() == reflect.Struct:
			paths = append(paths, fields(inner, prefix+name+".")...)
		default:
			paths = append(paths, prefix+name)
		}
	}
	return paths
}

// at returns the JSON at a path, "" if there is nothing. Of a list it is that of the last element.
func at(t *testing.T, u *Upstreams, path string) string {
	t.Helper()
	raw, err := json.Marshal(u)
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

// TestEveryFieldHasAnOption goes by the types, so that a field without an option, and an option of no field, is noticed.
func TestEveryFieldHasAnOption(t *testing.T) {
	all := make(map[string]struct{ lines, want string })
	for path, l := range poolLines {
		all[path] = l
		l.lines = "or {\n" + l.lines + "\n}"
		all["or."+path] = l
	}
	for path, l := range ownLines {
		all[path] = l
	}
	known := fields(reflect.TypeFor[Upstreams](), "")
	for path := range all {
		if !slices.Contains(known, path) {
			t.Errorf("there is no field %s", path)
		}
	}

	for _, path := range known {
		t.Run(path, func(t *testing.T) {
			l, ok := all[path]
			if !ok {
				t.Fatal("no line of a Caddyfile is known that sets it")
			}
			block := l.lines
			for option, line := range map[string]string{"tag": "tag Base b", "port": "port 80", "subset": "subset 2"} {
				if !strings.HasPrefix(l.lines, option) && (option != "tag" || path != "asg" && path != "filters") {
					block = line + "\n" + block
				}
			}
			u, err := parse("ec2 {\n" + block + "\n}")
			if err != nil && strings.Contains(err.Error(), "same as a pool above") { // only the refresh or what is the default
				u, err = parse("ec2 {\n" + strings.Replace(block, "or {", "or {\nregion us-east-1", 1) + "\n}")
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := at(t, u, path); got != l.want {
				t.Errorf("%s is %s, want %s", path, got, l.want)
			}
			viaJSON(t, u)
		})
	}
}

// What is inherited in a fallback shows in what is asked and checked, not in the configuration.
func TestFallbackTakesTheRestFromThePoolAbove(t *testing.T) {
	const above = `
		region eu-west-1
		tag Role web
		port tag Port 8080
		address tag Address
		refresh 30s
		zone prefer 50% eu-west-1a
		drain state=leaving
		subset 2
		weight tag Weight 50
		slow_start 1m
		health_uri /healthz
		health_status 204
		health_port 9000
		health_interval 5s
		health_fails 5
`
	for _, c := range []struct {
		name, or string
		want     func(*tier)
	}{
		{"region", "region us-east-1", func(t *tier) { t.settings.Query.Source.Region = "us-east-1" }},
		{"query", "asg backup", func(t *tier) {
			t.settings.Query.Filters[0].Name, t.settings.Query.Filters[0].Values = "tag:aws:autoscaling:groupName", []string{"backup"}
		}},
		{"port", "port 9090", func(t *tier) { t.settings.Port, t.settings.PortTag = 9090, "" }},
		{"port tag", "port tag P", func(t *tier) { t.settings.Port, t.settings.PortTag = 0, "P" }},
		{"address", "address public", func(t *tier) { t.settings.Address, t.settings.AddressTag = addressPublic, "" }},
		{"refresh", "address public\nrefresh 60s", func(t *tier) {
			t.settings.Address, t.settings.AddressTag = addressPublic, ""
			t.refresh *= 2
		}},
		{"no own zone", "zone any", func(t *tier) {
			t.settings.PreferZone, t.settings.ZoneShare, t.settings.OwnZone = false, 0, ""
		}},
		{"zone", "zone prefer", func(t *tier) { t.settings.ZoneShare, t.settings.OwnZone = defaultZoneShare, "" }},
		{"drain", "drain tag Drain", func(t *tier) { t.settings.DrainTag, t.settings.DrainValue = "Drain", "" }},
		{"weight", "weight tag W", func(t *tier) { t.settings.WeightTag, t.settings.DefaultWeight = "W", defaultWeight }},
		{"slow start", "slow_start 2m", func(t *tier) { t.settings.SlowStart *= 2 }},
		{"how often to check", "health_interval 10s", func(t *tier) { t.settings.Check.Interval *= 2 }},
		{"how many checks", "health_passes 3\nhealth_fails 1", func(t *tier) { t.settings.Check.Passes, t.settings.Check.Fails = 3, 1 }},
		{"where to check", "health_port 9001", func(t *tier) { t.settings.Check.Port = 9001 }},
		{"what to ask", "health_uri /", func(t *tier) { t.settings.Check.URI, t.settings.Check.Status = "/", "2xx" }},
		{"only to connect", "health_tcp", func(t *tier) {
			c := &t.settings.Check
			c.TCP, c.URI, c.Scheme, c.Method, c.Status = true, "", "", "", ""
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, err := parse("ec2 {" + above + "or {\n" + c.or + "\n}\n}")
			if err != nil {
				t.Fatal(err)
			}
			tiers, err := u.tiers()
			if err != nil || len(tiers) != 2 {
				t.Fatalf("%d tiers, error %v", len(tiers), err)
			}
			want := tiers[0]
			want.settings.Query.Filters = slices.Clone(want.settings.Query.Filters)
			c.want(&want)
			opts := cmp.Options{cmp.AllowUnexported(tier{}), cmpopts.IgnoreUnexported(poolSettings{})}
			if diff := cmp.Diff(want, tiers[1], opts); diff != "" {
				t.Errorf("- is wanted, + is the fallback:\n%s", diff)
			}
		})
	}
}

// placeholders reports whether there are braces other than those of blocks.
func placeholders(text string) bool {
	tokens, _ := caddyfile.Tokenize([]byte(text), "Caddyfile")
	return slices.ContainsFunc(tokens, func(t caddyfile.Token) bool {
		return strings.Contains(t.Text, "{") && (t.Text != "{" || t.Quoted())
	})
}

// FuzzCaddyfile looks for text that makes the parser panic, or that is accepted and then is not what it was.
func FuzzCaddyfile(f *testing.F) {
	files, err := filepath.Glob("../caddyfile/testdata/adapt/ec2_*.caddytest")
	if err != nil || len(files) < 100 {
		f.Fatalf("%d golden files, error %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if _, block, ok := strings.Cut(string(text), "dynamic ec2"); ok {
			block, _, _ = strings.Cut(block, "\n----------")
			f.Add("ec2" + block)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := parse(text)
		if err != nil {
			if u != nil && !strings.Contains(err.Error(), "Caddyfile:") {
				t.Errorf("no file and line in: %v", err)
			}
			return
		}
		tiers, err := u.tiers()
		if err != nil && !placeholders(text) {
			t.Errorf("accepted, and refused when it is loaded: %v", err)
		}
		back, err2 := viaJSON(t, u).tiers()
		if (err == nil) != (err2 == nil) || len(tiers) != len(back) {
			t.Fatalf("%d pools, error %v; after JSON %d pools, error %v", len(tiers), err, len(back), err2)
		}
		for i := range tiers {
			if tiers[i].settings.key() != back[i].settings.key() || tiers[i].refresh != back[i].refresh || !slices.Equal(tiers[i].static, back[i].static) {
				t.Errorf("pool %d is another one after JSON", i)
			}
		}
	})
}
