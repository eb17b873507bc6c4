package dnsfailover

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

const eipAllocation = "eipalloc-0123456789abcdef0"

// wantedAt is what a configuration of one service wants on lb1, at 192.0.2.1, which asks nobody. Known are the public addresses
// of Elastic IPs.
func wantedAt(t *testing.T, known map[string]string, services string) *wanted {
	t.Helper()
	cfg, err := cfgPrepare(t, `"instance": "i-0123456789abcdef0", "services": [`+services+`]`)
	if err != nil {
		t.Fatal(err)
	}
	w := &wanted{
		share: &share{cfg: cfg, access: &awsAccess{}, elastic: map[string]*checkedAddress{}}, elastic: known,
		self: Self{Node: "lb1", Instance: "i-0123456789abcdef0", Private: netip.MustParseAddr("10.0.1.4"), Public: netip.MustParseAddr("192.0.2.1")},
	}
	w.share.self = &w.self
	for i := range cfg.Services {
		if cfg.Services[i].ElasticIP == nil {
			continue
		}
		at := cfg.Services[i].ElasticIP.Address
		e, err := NewElasticIP(ElasticIPOptions{Config: aws.Config{Region: "eu-west-1"}, Address: at, Instance: w.self.Instance})
		if err != nil {
			t.Fatal(err)
		}
		w.share.elastic[at] = &checkedAddress{ElasticIP: e}
	}
	w.addServices(t.Context(), nil)
	return w
}

func TestTargetsOfServices(t *testing.T) {
	const lb, private = `{"name": "lb.example.com", "ttl": "30s"}`, `{"name": "lb-int.example.internal", "address": "private", "zone_id": "Z2"}`
	const eip = `"elastic_ip": {"address": "203.0.113.10"}`
	for _, tc := range []struct {
		name, service, key string
		want               []engine.Target
	}{
		{"a record", `"records": [` + lb + `]`, "lb.example.com", []engine.Target{{ID: "lb.example.com", Addrs: "192.0.2.1", TTL: 30}}},
		{"a second one in a private zone", `"records": [` + lb + `, ` + private + `]`, "lb.example.com", []engine.Target{
			{ID: "lb.example.com", Addrs: "192.0.2.1", TTL: 30}, {ID: "lb-int.example.internal", Addrs: "10.0.1.4", TTL: 60},
		}},
		{"an Elastic IP", eip, "203.0.113.10", []engine.Target{{ID: "203.0.113.10", Kind: engine.Address}}},
		{"all of it", `"records": [` + lb + `, ` + private + `], ` + eip, "lb.example.com", []engine.Target{
			{ID: "lb.example.com", Addrs: "203.0.113.10", TTL: 30, Shared: true},
			{ID: "lb-int.example.internal", Addrs: "10.0.1.4", TTL: 60},
			{ID: "203.0.113.10", Kind: engine.Address},
		}},
	} {
		w := wantedAt(t, map[string]string{"203.0.113.10": "203.0.113.10"}, `{"name": "www", `+tc.service+`}`)
		s := w.services[tc.key]
		if diff := cmp.Diff(tc.want, s.Settings.Targets); diff != "" || w.missing != nil {
			t.Errorf("%s: missing %v; - is wanted, + came:\n%s", tc.name, w.missing, diff)
		}
		for _, target := range tc.want {
			if _, address := s.Targets[target.ID].(Freer); s.Targets[target.ID] == nil || address != (target.Kind == engine.Address) {
				t.Errorf("%s: the means for %s are %T", tc.name, target.ID, s.Targets[target.ID])
			}
		}
	}
}

// A service whose Elastic IP can't be found out now is not run, or goes on as it is; the others are not affected.
func TestServiceOfUnknownElasticIP(t *testing.T) {
	const services = `{"name": "www", "records": [{"name": "lb.example.com"}], "elastic_ip": {"address": "` + eipAllocation + `"}},
		{"name": "api", "records": [{"name": "api.example.com", "address": "private"}]}`
	w := wantedAt(t, map[string]string{eipAllocation: ""}, services)
	if _, runs := w.services["lb.example.com"]; runs || w.missing == nil || w.missing.about != "service www" || len(w.services) != 1 {
		t.Errorf("services %v, missing %v", w.services, w.missing)
	}
	up := &setup{now: wantedAt(t, map[string]string{eipAllocation: "203.0.113.10"}, services)}
	w.missing, w.peers, w.self.Node, w.self.Instance = nil, []string{"10.0.2.4:8404"}, "lb9", "i-9"
	w.share.cfg.Heartbeat.Interval *= 2
	w.addServices(t.Context(), up)
	s := w.services["lb.example.com"]
	if len(s.Settings.Targets) != 2 || s.Settings.Targets[0].Addrs != "203.0.113.10" || len(s.Settings.Peers) != 1 || w.missing == nil {
		t.Errorf("it goes on as %+v, missing %v", s.Settings, w.missing)
	}
	if err := checkServices(w.servicesOf("boot")); err != nil || s.Settings.Node != "lb9" || s.Settings.Instance != "i-9" {
		t.Errorf("it goes on as node %s, instance %s, beside the others: %v", s.Settings.Node, s.Settings.Instance, err)
	}
	w.findElastic(t.Context(), up)
	if w.elastic[eipAllocation] != "203.0.113.10" {
		t.Errorf("what was known is forgotten: %v", w.elastic)
	}
}

func TestOneElasticIPWrittenInTwoWays(t *testing.T) {
	w := wantedAt(t, map[string]string{eipAllocation: "203.0.113.10", "203.0.113.10": "203.0.113.10"},
		`{"name": "www", "records": [{"name": "lb.example.com"}], "elastic_ip": {"address": "`+eipAllocation+`", "private_ip": "10.0.1.20"}},
		{"name": "api", "elastic_ip": {"address": "203.0.113.10", "private_ip": "10.0.1.21"}}`)
	if _, runs := w.services["203.0.113.10"]; runs || w.missing == nil || w.missing.about != "service api" || !strings.Contains(w.missing.Error(), "Elastic IP of service www") {
		t.Errorf("services %v, missing %v", w.services, w.missing)
	}
}

// The Elastic IP of a service is no address of the node that has it at the moment.
func TestElasticIPIsNotTheNodesOwn(t *testing.T) {
	const service = `{"name": "www", "elastic_ip": {"address": "203.0.113.10"}}`
	for _, tc := range []struct {
		name, public string
		known        map[string]string
		want, err    string
	}{
		{"its own", "192.0.2.1", map[string]string{"203.0.113.10": "203.0.113.10"}, "192.0.2.1", ""},
		{"the service's", "203.0.113.10", map[string]string{"203.0.113.10": "203.0.113.10"}, "", "moves with it"},
		{"perhaps the service's", "192.0.2.1", map[string]string{eipAllocation: ""}, "", "is not known"},
	} {
		w := wantedAt(t, nil, service)
		w.self.Public = netip.MustParseAddr(tc.public)
		if tc.known[eipAllocation] == "" && tc.known["203.0.113.10"] == "" {
			w.elastic = tc.known
		} else {
			w.findElastic(t.Context(), nil)
		}
		got, err := w.addrs(addressPublic)
		if got != tc.want || (err != nil) != (tc.err != "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: %q, error %v", tc.name, got, err)
		}
		if tc.name == "the service's" && (w.self.Public.IsValid() || w.lent.String() != tc.public) {
			t.Errorf("the node is at %v, lent %v", w.self.Public, w.lent)
		}
		if private, err := w.addrs(addressPrivate); private != "10.0.1.4" || err != nil {
			t.Errorf("%s: private %q, error %v", tc.name, private, err)
		}
	}
}

// What a probe of the node's own address has said counts for nothing when that is another one.
func TestProbesOfAnAddressThatChanges(t *testing.T) {
	w := wantedAt(t, nil, `{"name": "www", "elastic_ip": {"address": "203.0.113.10"}}`)
	c := &w.share.cfg.Services[0]
	w.findElastic(t.Context(), nil)
	before := w.probesOf(c)
	w.self.Public = netip.MustParseAddr("192.0.2.2")
	if w.probesOf(c) != before {
		t.Error("it counts, though nobody asks there")
	}
	w.share.cfg.Reference = referenceOwn
	before = w.probesOf(c)
	w.self.Public = netip.Addr{}
	if w.probesOf(c) == before {
		t.Error("it does not count")
	}
}

// A node that has lost its only public address with the Elastic IP has no view of its own to count, and does all the rest.
func TestSelfWithoutAddressOfItsOwn(t *testing.T) {
	for _, tc := range []struct {
		service string
		ok      bool
	}{{`"elastic_ip": {"address": "203.0.113.10"}`, true}, {`"records": [{"name": "lb.example.com", "address": "private"}]`, false}} {
		cfg, err := cfgPrepare(t, `"instance": "i-0123456789abcdef0", "reference": "own_address", "address": {"private": "10.0.1.4", "public": "none", "ipv6": "none"},
			"services": [{"name": "www", `+tc.service+`}]`)
		if err != nil {
			t.Fatal(err)
		}
		if self, err := findSelf(t.Context(), cfg); (err == nil) != tc.ok {
			t.Errorf("%s: %+v, error %v", tc.service, self, err)
		}
	}
}

// A node that has no public address without the Elastic IP runs the service that has it, and all that does not need another one.
func TestServiceWaitsForAnAddress(t *testing.T) {
	const services = `{"name": "www", "elastic_ip": {"address": "203.0.113.10"}},
		{"name": "api", "records": [{"name": "api.example.com"}]}, {"name": "int", "records": [{"name": "int.example.com", "address": "private"}]}`
	w := wantedAt(t, map[string]string{"203.0.113.10": "203.0.113.10"}, services)
	l := newSelfLab(t)
	l.set("public-ipv4", "")
	l.must(*w.share.cfg)
	w.missing, w.self.Public = nil, netip.Addr{}
	for range 2 { // there is an IPv6 address, or none
		w.addServices(t.Context(), nil)
		_, www := w.services["203.0.113.10"]
		_, api := w.services["api.example.com"]
		_, private := w.services["int.example.com"]
		if !www || api || !private || w.missing == nil || w.missing.about != "service api" || !strings.Contains(w.missing.Error(), "no public IPv4 address now") {
			t.Errorf("with IPv6 %v: services %v, missing %v", w.self.IPv6, w.services, w.missing)
		}
		w.missing, w.self.IPv6 = nil, netip.MustParseAddr("2001:db8::5")
	}
}

// Of several addresses that are not known the same one is named each time: another text would be news.
func TestUnknownAddressIsTheSameEachTime(t *testing.T) {
	w := wantedAt(t, map[string]string{"eipalloc-0000000b": "", "eipalloc-0000000a": "", "eipalloc-0000000c": ""}, `{"name": "www", "elastic_ip": {"address": "203.0.113.10"}}`)
	for range 20 {
		if _, err := w.addrs(addressPublic); err == nil || !strings.Contains(err.Error(), "eipalloc-0000000a") {
			t.Fatalf("error %v", err)
		}
	}
}

// A record of a service is never a node's own name, in whichever zone of its name it is.
func TestOwnNameIsNoRecordOfAService(t *testing.T) {
	w := wantedAt(t, nil, `{"name": "www", "records": [{"name": "lb1.example.com"}, {"name": "lb1.example.com", "zone_id": "Z2"}]}`)
	for zone, free := range map[string]bool{w.share.cfg.Services[0].Records[0].ZoneID: false, "Z2": false, "Z3": true} {
		w.share.cfg.Register, w.own = []OwnName{{Name: "lb1.example.com", ZoneID: zone, Address: addressPrivate}}, nil
		if err := w.addOwnNames(t.Context()); (err == nil) != free || len(w.own) > 0 != free {
			t.Errorf("in zone %s: own names %v, error %v", zone, w.own, err)
		}
	}
}
