package iam

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// example is a Caddyfile, as far as the role of its instances goes.
type example struct {
	text     string   // with the values of the environment that CI has
	policies []string // that it names
	names    []name
}

// name is a name that a node writes.
type name struct {
	zone, name string
	own        bool // of one node alone
}

var (
	namedFile   = regexp.MustCompile(`[a-z-]+\.json`)
	variable    = regexp.MustCompile(`\{\$([A-Z0-9_]+)(?::([^}]*))?\}`)
	setting     = regexp.MustCompile(`^(hosted_zone_id|zone_id|record|register) (\S+)`)
	certificate = regexp.MustCompile(`(?m)^([a-z][a-z0-9.]+)[ ,].*\{$`) // the first name of a site that is not by HTTP alone
)

// readExample reads the Caddyfile at a path.
func readExample(t *testing.T, path string) (e example) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile("../../.ci/examples.env")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for line := range strings.Lines(string(list)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			values[name] = value
		}
	}
	e.text = variable.ReplaceAllStringFunc(string(text), func(v string) string {
		m := variable.FindStringSubmatch(v)
		if value, ok := values[m[1]]; ok {
			return value
		}
		return m[2]
	})
	for _, file := range namedFile.FindAllString(e.text, -1) {
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), file)); err != nil && !slices.Contains(e.policies, file) {
			e.policies = append(e.policies, file)
		}
	}
	nodes := []string{"lb1", "lb2"}
	if !strings.Contains(e.text, "node {ec2.tag.Name}") {
		nodes = []string{"i-0123456789abcdef0"}
	}
	var zone string
	for line := range strings.Lines(e.text) {
		m := setting.FindStringSubmatch(strings.TrimSpace(line))
		switch {
		case m == nil:
		case m[1] == "hosted_zone_id":
			zone = m[2]
		case m[1] == "zone_id":
			e.names[len(e.names)-1].zone = m[2]
		case m[1] == "record":
			e.names = append(e.names, name{zone, m[2], false})
		default:
			for _, node := range nodes {
				e.names = append(e.names, name{zone, strings.ReplaceAll(m[2], "{node}", node), true})
			}
		}
	}
	return e
}

// allows says whether some statement allows an action for a resource.
func allows(list []statement, action, resource string) bool {
	return slices.ContainsFunc(list, func(s statement) bool {
		return slices.Contains(s.Action, action) && (slices.Contains(s.Resource, resource) || slices.Contains(s.Resource, "*"))
	})
}

// TestCaddyfiles holds the policies that a Caddyfile names to all that its nodes do.
func TestCaddyfiles(t *testing.T) {
	paths, err := filepath.Glob("../aws/Caddyfile*")
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, path := range paths {
		e := readExample(t, path)
		if len(e.policies) == 0 {
			continue
		}
		seen = append(seen, filepath.Base(path))
		t.Run(filepath.Base(path), func(t *testing.T) { e.test(t) })
	}
	for _, want := range []string{"Caddyfile.both", "Caddyfile.by-tag", "Caddyfile.elastic-ip"} {
		if !slices.Contains(seen, want) {
			t.Errorf("%s names no policy", want)
		}
	}
}

func (e example) test(t *testing.T) {
	var list []statement
	for _, file := range e.policies {
		list = append(list, readPolicy(t, file)...)
	}
	for _, n := range e.names {
		newCloud(t, list, n.zone)
		write(t, n.zone, n.name, n.own, value("lb1", "192.0.2.1", "a-1", 1), value("lb2", "192.0.2.2", "b-1", 2))
		if !allows(list, "route53:ListResourceRecordSets", arn(n.zone)) {
			t.Errorf("no policy allows to read the zone of %s", n.name)
		}
	}
	for option, action := range map[string]string{
		"dynamic ec2 {": "ec2:DescribeInstances", "peers ec2 {": "ec2:DescribeInstances", "elastic_ip ": "ec2:DescribeAddresses",
	} {
		if strings.Contains(e.text, "\t"+option) && !allows(list, action, "*") {
			t.Errorf("no policy allows %s, which %q needs", action, option)
		}
	}
	for _, site := range certificate.FindAllStringSubmatch(e.text, -1) {
		cloud := newCloud(t, list, zone)
		challenge := awstest.RecordSet{Name: "_acme-challenge." + site[1], Type: "TXT", TTL: 60, Values: []string{`"x"`}}
		if _, err := cloud.ChangeResourceRecordSets(awstest.Caller{}, awstest.ChangeRecordsInput{
			ZoneID: zone, Changes: []awstest.Change{{Action: awstest.Upsert, Set: challenge}},
		}); err != nil {
			t.Errorf("a certificate for %s: %v", site[1], err)
		}
	}
}
