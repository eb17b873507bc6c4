package iam

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

const (
	zone   = "Z0123456789EXAMPLE"
	shared = "www.example.com"
	own    = "lb1.example.com"
	byTag  = "i-0123456789abcdef0.lb.example.com" // the own name of a node that is found by its tag

	privateZone = "Z9876543210EXAMPLE"
	private     = "www.example.internal"
)

// arn is how policies call a zone.
func arn(zone string) string { return "arn:aws:route53:::hostedzone/" + zone }

// oneOrMore is what a policy may write as a text or as a list of texts.
type oneOrMore []string

func (l *oneOrMore) UnmarshalJSON(raw []byte) error {
	*l = make(oneOrMore, 1)
	if err := json.Unmarshal(raw, &(*l)[0]); err == nil {
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(l))
}

// statement is a statement of a policy, as far as the examples go.
type statement struct {
	Sid, Effect      string
	Action, Resource oneOrMore
	Condition        struct {
		Equals struct {
			Names   []string               `json:"route53:ChangeResourceRecordSetsNormalizedRecordNames"`
			Types   []string               `json:"route53:ChangeResourceRecordSetsRecordTypes"`
			Actions []awstest.ChangeAction `json:"route53:ChangeResourceRecordSetsActions"`
		} `json:"ForAllValues:StringEquals"`
		Like struct {
			Names []string `json:"route53:ChangeResourceRecordSetsNormalizedRecordNames"`
		} `json:"ForAllValues:StringLike"`
	}
}

// readPolicy reads an example. What it does not understand is an error.
func readPolicy(t *testing.T, file string) []statement {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var p struct {
		Version   string
		Statement []statement
	}
	dec := json.NewDecoder(f)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for _, s := range p.Statement {
		open := slices.ContainsFunc(s.Action, func(a string) bool { return a == "" || strings.Contains(a, "*") })
		if s.Effect != "Allow" || open || len(s.Action) == 0 || len(s.Resource) == 0 || slices.Contains(s.Resource, "") {
			t.Errorf("%s: %+v is not about certain things", file, s)
		}
	}
	return p.Statement
}

// changePolicies are the statements about changes of records of a zone, each of which has all three conditions.
func changePolicies(t *testing.T, list []statement, zone string) (policies []awstest.ChangePolicy) {
	t.Helper()
	for _, s := range list {
		if !slices.Equal(s.Action, oneOrMore{"route53:ChangeResourceRecordSets"}) || !slices.Contains(s.Resource, arn(zone)) {
			continue
		}
		c, like := s.Condition.Equals, s.Condition.Like.Names
		if len(c.Names)+len(like) == 0 || len(c.Types) == 0 || len(c.Actions) == 0 {
			t.Errorf("%s lacks a condition", s.Sid)
		}
		if slices.ContainsFunc(c.Names, func(name string) bool { return strings.ContainsAny(name, "*?") }) || len(c.Names) > 0 && len(like) > 0 {
			t.Errorf("%s has patterns where AWS takes them for names, or needs both a name and a pattern", s.Sid)
		}
		policies = append(policies, awstest.ChangePolicy{Names: slices.Concat(c.Names, like), Types: c.Types, Actions: c.Actions})
	}
	return policies
}

// newCloud is a cloud with one zone, in which an example is in force, and the environment leads to it.
func newCloud(t *testing.T, list []statement, zone string) *awstest.Cloud {
	t.Helper()
	cloud := awstest.New(awstest.Config{})
	cloud.SetRate(awstest.AnyRoute53, awstest.Rate{})
	domain, hidden := "example.com", zone == privateZone
	if hidden {
		domain = "example.internal"
	}
	if _, err := cloud.AddZone(awstest.HostedZone{ID: zone, Name: domain, Private: hidden}); err != nil {
		t.Fatal(err)
	}
	cloud.AllowChanges(changePolicies(t, list, zone)...)
	serve(t, cloud, "")
	return cloud
}

// serve leads the environment to a cloud, as on one of its instances if there is one.
func serve(t *testing.T, cloud *awstest.Cloud, instance string) {
	t.Helper()
	server, err := awstest.Serve(cloud)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	for _, kv := range server.Env(instance) {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
}

// value is what a node makes of a name.
func value(node, addrs, nonce string, epoch uint64) engine.Value {
	return engine.Value{Addrs: addrs, TTL: 60, Lease: engine.Lease{Epoch: epoch, Holder: node, Instance: "i-" + node, Nonce: nonce, Addrs: addrs}}
}

// write gives a name to one node after the other, and removes it if it is one that is removed, at a stop or by another node.
func write(t *testing.T, zone, name string, removed bool, values ...engine.Value) {
	t.Helper()
	cfg, err := awsconf.Source{}.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := dnsfailover.NewRoute53(dnsfailover.Route53Options{Config: cfg, Zone: zone, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	at, err := r.Read(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, to := range values {
		if at, err = r.Swap(t.Context(), at, to); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if !removed {
		return
	}
	if err := r.Remove(t.Context(), at); err != nil {
		t.Errorf("removing %s: %v", name, err)
	}
}

// TestLoadBalancer holds the policies to all that is written: a name is created, goes to a node without IPv6 and back, and an own
// name is removed.
func TestLoadBalancer(t *testing.T) {
	list := slices.Concat(readPolicy(t, "load-balancer.json"), readPolicy(t, "own-names.json"))
	cloud := newCloud(t, list, zone)
	for _, name := range []string{shared, own, byTag} {
		write(t, zone, name, name != shared,
			value("lb1", "203.0.113.1,2001:db8::1", "a-1", 1), value("lb2", "203.0.113.2", "b-1", 2), value("lb1", "203.0.113.1,2001:db8::1", "a-2", 3))
	}
	if r, ok := cloud.Record(zone, shared, "AAAA"); !ok || r.Values[0] != "2001:db8::1" {
		t.Errorf("the name was not written: %+v", r)
	}
	expectNoMore(t, cloud, list, "route53")
	expectZone(t, list, zone)
}

// TestPrivateZone holds the policy to a name with private addresses, which moves and is never removed.
func TestPrivateZone(t *testing.T) {
	list := readPolicy(t, "private-zone.json")
	cloud := newCloud(t, list, privateZone)
	write(t, privateZone, private, false, value("lb1", "10.0.1.4", "a-1", 1), value("lb2", "10.0.2.4", "b-1", 2))
	if r, ok := cloud.Record(privateZone, private, "A"); !ok || r.Values[0] != "10.0.2.4" {
		t.Errorf("the name was not written: %+v", r)
	}
	expectNoMore(t, cloud, list, "route53")
	expectZone(t, list, privateZone)
}

// expectZone says that all that a policy allows of Route 53 is about one zone.
func expectZone(t *testing.T, list []statement, zone string) {
	t.Helper()
	for _, s := range list {
		if strings.HasPrefix(s.Action[0], "route53:") && !slices.Equal(s.Resource, oneOrMore{arn(zone)}) {
			t.Errorf("%s is about %s, want %s", s.Sid, s.Resource, arn(zone))
		}
	}
}

// expectNoMore says that the policy allows the actions of a service that were used, and no other.
func expectNoMore(t *testing.T, cloud *awstest.Cloud, list []statement, service string) {
	t.Helper()
	var used, allowed []string
	for _, c := range cloud.Calls() {
		switch {
		case c.Service != service:
			continue
		case c.Code != "" && !c.DryRun:
			t.Errorf("%s: %s", c.Action, c.Code)
		}
		used = append(used, service+":"+c.Action)
	}
	for _, s := range list {
		for _, a := range s.Action {
			if strings.HasPrefix(a, service+":") {
				allowed = append(allowed, a)
			}
		}
	}
	slices.Sort(used)
	slices.Sort(allowed)
	if d := cmp.Diff(slices.Compact(used), slices.Compact(allowed)); d != "" {
		t.Errorf("(-used +allowed)\n%s", d)
	}
}

// TestOthersAreRefused holds each policy to what it is for.
func TestOthersAreRefused(t *testing.T) {
	a := func(name string) awstest.RecordSet {
		return awstest.RecordSet{Name: name, Type: "A", TTL: 60, Values: []string{"203.0.113.9"}}
	}
	challenge := awstest.RecordSet{Name: "_acme-challenge." + shared, Type: "TXT", TTL: 60, Values: []string{`"x"`}}
	tests := []struct {
		name, file string
		change     awstest.Change
		allowed    bool
	}{
		{"a name is created", "load-balancer.json", awstest.Change{Action: awstest.Create, Set: a(shared)}, true},
		{"a name is overwritten", "load-balancer.json", awstest.Change{Action: awstest.Upsert, Set: a(shared)}, false},
		{"another name", "load-balancer.json", awstest.Change{Action: awstest.Create, Set: a("mail.example.com")}, false},
		{"the apex", "load-balancer.json", awstest.Change{Action: awstest.Create, Set: a("example.com")}, false},
		{"another type", "load-balancer.json", awstest.Change{Action: awstest.Create, Set: awstest.RecordSet{
			Name: own, Type: "CNAME", TTL: 60, Values: []string{"elsewhere.example.net."},
		}}, false},
		{"an own name by pattern", "own-names.json", awstest.Change{Action: awstest.Create, Set: a(byTag)}, true},
		{"an own name by pattern is overwritten", "own-names.json", awstest.Change{Action: awstest.Upsert, Set: a(byTag)}, false},
		{"a pattern gives no name of a service away", "own-names.json", awstest.Change{Action: awstest.Create, Set: a(shared)}, false},
		{"nor the one above", "own-names.json", awstest.Change{Action: awstest.Create, Set: a("lb.example.com")}, false},
		{"nor others below that", "own-names.json", awstest.Change{Action: awstest.Create, Set: a("www.lb.example.com")}, false},
		{"nor a challenge", "own-names.json", awstest.Change{Action: awstest.Create, Set: awstest.RecordSet{
			Name: "_acme-challenge." + byTag, Type: "TXT", TTL: 60, Values: []string{`"x"`},
		}}, false},
		{"a challenge without its policy", "load-balancer.json", awstest.Change{Action: awstest.Upsert, Set: challenge}, false},
		{"a challenge", "certificates.json", awstest.Change{Action: awstest.Upsert, Set: challenge}, true},
		{"a name of the private zone", "private-zone.json", awstest.Change{Action: awstest.Create, Set: a(private)}, true},
		{"a name of the private zone is overwritten", "private-zone.json", awstest.Change{Action: awstest.Upsert, Set: a(private)}, false},
		{"another name of the private zone", "private-zone.json", awstest.Change{Action: awstest.Create, Set: a("db.example.internal")}, false},
		{"the private zone gives no public name away", "private-zone.json", awstest.Change{Action: awstest.Create, Set: a(shared)}, false},
		{"a name of the private zone without its policy", "load-balancer.json", awstest.Change{Action: awstest.Create, Set: a(private)}, false},
		{"certificates give no name away", "certificates.json", awstest.Change{Action: awstest.Create, Set: a(shared)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			zone := zone
			if strings.HasSuffix(tt.change.Set.Name, ".internal") {
				zone = privateZone
			}
			cloud := newCloud(t, readPolicy(t, tt.file), zone)
			_, err := cloud.ChangeResourceRecordSets(awstest.Caller{}, awstest.ChangeRecordsInput{ZoneID: zone, Changes: []awstest.Change{tt.change}})
			if (err == nil) != tt.allowed {
				t.Errorf("got %v, want it to be allowed: %v", err, tt.allowed)
			}
		})
	}
}
