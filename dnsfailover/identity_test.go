package dnsfailover

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// selfLab is an instance with a metadata service, and a process on it.
type selfLab struct {
	t     *testing.T
	cloud *awstest.Cloud
	id    string
	imds  awsconf.Self
}

func newSelfLab(t *testing.T) *selfLab {
	t.Helper()
	l := &selfLab{t: t, cloud: awstest.New(awstest.Config{})}
	server, err := awstest.Serve(l.cloud)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	l.id, err = l.cloud.Launch(awstest.Launch{
		ID: "i-0123456789abcdef0", Zone: "eu-west-1b", PrivateIP: "10.0.16.5", PublicIP: "198.51.100.7", IPv6: "2001:db8::5",
		Tags: map[string]string{"Name": "lb1", "Spaced": "lb 1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	l.options(awstest.MetadataOptions{HopLimit: 1, Hops: 1, InstanceTags: true})
	selfEnv(t, server.Env(l.id)...)
	return l
}

// selfEnv makes the environment one of no AWS settings but those given.
func selfEnv(t *testing.T, env ...string) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	for _, v := range env {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
}

func (l *selfLab) options(o awstest.MetadataOptions) {
	l.t.Helper()
	if err := l.cloud.SetMetadataOptions(l.id, o); err != nil {
		l.t.Fatal(err)
	}
}

func (l *selfLab) set(path, value string) {
	l.t.Helper()
	if err := l.cloud.SetMetadata(l.id, path, value); err != nil {
		l.t.Fatal(err)
	}
}

func (l *selfLab) asked() int { return l.cloud.Count("imds", "*") }

func (l *selfLab) find(cfg Config) (Self, error) {
	l.t.Helper()
	return findSelfBy(l.t.Context(), &cfg, &l.imds)
}

func (l *selfLab) must(cfg Config) Self {
	l.t.Helper()
	s, err := l.find(cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// fails compares the error with parts of its text.
func (l *selfLab) fails(cfg Config, parts ...string) {
	l.t.Helper()
	s, err := l.find(cfg)
	if err == nil {
		l.t.Errorf("no error, but %+v", s)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			l.t.Errorf("%q is not in the error: %v", part, err)
		}
	}
}

var selfFields = cmp.Options{cmpopts.IgnoreUnexported(Self{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })}

// records is a configuration with a record of each kind.
func records(kinds ...string) Config {
	var records []ServiceRecord
	for _, kind := range kinds {
		records = append(records, ServiceRecord{Name: "lb.example.com", Address: kind})
	}
	return Config{Services: []ServiceConfig{{Name: "www", Records: records}}}
}

func TestSelfOfInstance(t *testing.T) {
	l := newSelfLab(t)
	want := Self{
		Node: "i-0123456789abcdef0", Instance: "i-0123456789abcdef0",
		Private: netip.MustParseAddr("10.0.16.5"), Public: netip.MustParseAddr("198.51.100.7"), IPv6: netip.MustParseAddr("2001:db8::5"),
	}
	got := l.must(records("", "private"))
	if diff := cmp.Diff(want, got, selfFields); diff != "" {
		t.Error(diff)
	}
	for kind, addrs := range map[string]string{"": "198.51.100.7,2001:db8::5", "public": "198.51.100.7,2001:db8::5", "private": "10.0.16.5"} {
		if a, err := got.addrs(kind); err != nil || a != addrs {
			t.Errorf("address %s is %q, %v, want %q", kind, a, err, addrs)
		}
	}
	for text, own := range map[string]bool{"10.0.16.5": true, "::ffff:198.51.100.7": true, "2001:db8::5": true, "10.0.16.6": false} {
		if got.has(netip.MustParseAddr(text)) != own {
			t.Errorf("%s is its own: %v", text, !own)
		}
	}
	if (Self{}).has(netip.Addr{}) {
		t.Error("no address is an address of it")
	}

	l.set("public-ipv4", "198.51.100.8")
	l.set("ipv6", "")
	if a, err := l.must(records("public")).addrs("public"); err != nil || a != "198.51.100.8" {
		t.Errorf("after a change of its addresses: %q, %v", a, err)
	}
}

func TestSelfPlaceholders(t *testing.T) {
	l := newSelfLab(t)
	s := l.must(Config{
		Node: "{ec2.tag.Name}.{ec2.zone}", Instance: "{ec2.region}/{ec2.instance_id}",
		Register: []OwnName{{Name: "{node}.{ec2.private_ipv4}.{ec2.public_ipv4}.example.com"}, {Name: "{ec2.tag.Name}.example.com"}},
	})
	if s.Node != "lb1.eu-west-1b" || s.Instance != "eu-west-1/i-0123456789abcdef0" {
		t.Errorf("node %s, instance %s", s.Node, s.Instance)
	}
	for text, want := range map[string]string{
		"{node}.{ec2.private_ipv4}.{ec2.public_ipv4}.example.com": "lb1.eu-west-1b.10.0.16.5.198.51.100.7.example.com",
		"{ec2.tag.Name}.example.com":                              "lb1.example.com",
		"plain.example.com":                                       "plain.example.com",
	} {
		if got, err := s.expand(text); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", text, got, err, want)
		}
	}
	if got, err := s.expand("{ec2.tag.Other}"); err == nil {
		t.Errorf("a placeholder that the configuration does not have is %q", got)
	}
	if given := l.must(Config{
		Node: "{ec2.private_ipv4}", Instance: "{ec2.public_ipv4}", Address: &Addresses{Private: "10.9.9.9", Public: "192.0.2.9"},
	}); given.Node != "10.9.9.9" || given.Instance != "192.0.2.9" {
		t.Errorf("with addresses of the configuration: node %s, instance %s", given.Node, given.Instance)
	}
}

// Outside EC2 nothing is asked, and nothing made up.
func TestSelfAsksOnlyWhatIsNeeded(t *testing.T) {
	l := newSelfLab(t)
	cfg := records("public", "private")
	cfg.Node, cfg.Instance = "lb1", "host-1"
	cfg.Address = &Addresses{Private: "fd00::1", Public: "192.0.2.1", IPv6: "none"}
	s := l.must(cfg)
	if n := l.asked(); n != 0 {
		t.Errorf("the metadata service was asked %d times", n)
	}
	if a, err := s.addrs("public"); err != nil || a != "192.0.2.1" || s.Node != "lb1" || s.Instance != "host-1" {
		t.Errorf("%+v: %q, %v", s, a, err)
	}
	if s := l.must(Config{Instance: "host-1"}); s.Node != "host-1" || s.Private.IsValid() || s.Public.IsValid() || s.IPv6.IsValid() {
		t.Errorf("without use for addresses: %+v", s)
	}
	if n := l.asked(); n != 0 {
		t.Errorf("the metadata service was asked %d times", n)
	}
	cfg.Address.Public, cfg.Address.IPv6 = "none", "2001:db8::1"
	if a, err := l.must(cfg).addrs("public"); err != nil || a != "2001:db8::1" {
		t.Errorf("with IPv6 alone: %q, %v", a, err)
	}
}

func TestSelfErrors(t *testing.T) {
	l := newSelfLab(t)
	l.fails(Config{Node: "{ec2.tag.Nam}"}, "finding out who this node is: node {ec2.tag.Nam}: ", "this instance has no tag Nam, but Name, Spaced")
	l.fails(Config{Node: "{ec2.tag.Spaced}"}, "visible ASCII", "choose another with: node NAME")
	l.fails(Config{Node: "{ec2.ip}"}, "there is no placeholder {ec2.ip}", "{ec2.private_ipv4}")
	l.fails(Config{Node: "a-{node}"}, "{node} is for the names of register alone")
	l.fails(Config{Instance: "{node}"}, "{node} is for the names of register alone")
	l.fails(Config{Instance: strings.Repeat("a", MaxPeerName+1)}, "a name has 1 to 128 bytes", "instance NAME")
	bad := records("private")
	bad.Address = &Addresses{Private: "10.0.0.300"}
	l.fails(bad, `"10.0.0.300" is not an address for: address { private … }`)
	bad.Address = &Addresses{Public: "2001:db8::1"}
	l.fails(bad, "address { public … }")

	l.options(awstest.MetadataOptions{HopLimit: 1, Hops: 1})
	l.fails(Config{Node: "{ec2.tag.Name}"}, "aws ec2 modify-instance-metadata-options --instance-id "+l.id+" --instance-metadata-tags enabled")

	l.set("public-ipv4", "")
	l.fails(records("public"), "the instance has no public IPv4 address, and names point at it", "address { public none }")
	if s := l.must(Config{Register: []OwnName{{Name: "a.example.com"}}}); s.Public.IsValid() {
		t.Errorf("for an own name, which can wait: %+v", s)
	}
	l.fails(Config{Node: "{ec2.public_ipv4}"}, "nothing for {ec2.public_ipv4}")
	v6 := records("public")
	v6.Address = &Addresses{Public: "none"}
	if a, err := l.must(v6).addrs("public"); err != nil || a != "2001:db8::5" {
		t.Errorf("with IPv6 alone: %q, %v", a, err)
	}
	if s := l.must(Config{Reference: "own_address"}); s.Public.IsValid() || !s.IPv6.IsValid() {
		t.Errorf("for own_address: %+v", s)
	}
	l.set("ipv6", "")
	l.fails(v6, "neither a public IPv4 nor an IPv6 address", "address private")
	l.fails(Config{Reference: "own_address"}, "reference own_address: ")
	none := records("private")
	none.Address = &Addresses{Private: "none"}
	l.fails(none, "no private address")
	peers := Config{Peers: []string{"lb2:8404"}, Address: none.Address}
	l.fails(peers, "heartbeat { listen ADDRESS:PORT }")
	peers.Heartbeat = &HeartbeatConfig{Listen: "127.0.0.1:8404"}
	l.must(peers)
}

func TestSelfWithoutMetadataService(t *testing.T) {
	l := newSelfLab(t)
	selfEnv(t, "AWS_EC2_METADATA_DISABLED=true")
	l.fails(Config{}, "its instance id: ", "AWS_EC2_METADATA_DISABLED", "instance {system.hostname}")
	cfg := records("public")
	cfg.Instance = "host-1"
	l.fails(cfg, "its public address: ", "address { public ADDRESS }, or none")
	cfg.Address = &Addresses{Public: "192.0.2.1"}
	l.fails(cfg, "its ipv6 address: ", "address { ipv6 ADDRESS }, or none")
}

// A process that knows itself goes on when the metadata service stops answering.
func TestSelfOverAnOutage(t *testing.T) {
	l := newSelfLab(t)
	cfg := records("public")
	cfg.Node = "{ec2.tag.Name}"
	before := l.must(cfg)
	if before.Stale != nil {
		t.Errorf("stale at once: %v", before.Stale)
	}
	heal := l.cloud.Inject(awstest.Fault{Service: "imds", Action: "*", Status: 429})
	l.set("public-ipv4", "198.51.100.9")
	during := l.must(cfg)
	if during.Stale == nil || !strings.Contains(during.Stale.Error(), "throttled") {
		t.Errorf("stale because of %v", during.Stale)
	}
	if diff := cmp.Diff(before, during, selfFields, cmpopts.IgnoreFields(Self{}, "Stale")); diff != "" {
		t.Error(diff)
	}
	heal()
	if after := l.must(cfg); after.Stale != nil || after.Public.String() != "198.51.100.9" || after.Node != "lb1" {
		t.Errorf("after the outage: %+v", after)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := findSelfBy(ctx, &cfg, new(awsconf.Self)); err == nil {
		t.Error("a finding out that was given up finds something")
	}
}
