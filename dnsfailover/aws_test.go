package dnsfailover

import (
	"strings"
	"testing"

	caddyroute53 "github.com/caddy-dns/route53"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// awsProvider is a provider as Caddy makes it.
func awsProvider(edit func(*caddyroute53.Provider)) *caddyroute53.Provider {
	p := caddyroute53.Provider{}.CaddyModule().New().(*caddyroute53.Provider)
	edit(p)
	return p
}

func TestRoute53Access(t *testing.T) {
	for _, tc := range []struct {
		name         string
		env          map[string]string
		edit         func(*caddyroute53.Provider)
		region, key  string
		token        string
		err          string // part of it
		wantedSecret string
	}{
		{name: "nothing is set", edit: func(*caddyroute53.Provider) {}, region: "us-east-1", key: "AKIAenvironment", wantedSecret: "hidden2"},
		{name: "its own keys", edit: func(p *caddyroute53.Provider) {
			p.Region, p.AccessKeyId, p.SecretAccessKey, p.SessionToken, p.HostedZoneID = "eu-west-1", "AKIAexample", "hidden0", "hidden1", "Z1"
		}, region: "eu-west-1", key: "AKIAexample", token: "hidden1", wantedSecret: "hidden0"},
		{name: "the region of the environment", env: map[string]string{"AWS_REGION": "cn-north-1"},
			edit: func(*caddyroute53.Provider) {}, region: "cn-north-1", key: "AKIAenvironment", wantedSecret: "hidden2"},
		{name: "the default region of the environment", env: map[string]string{"AWS_DEFAULT_REGION": "cn-northwest-1"},
			edit: func(*caddyroute53.Provider) {}, region: "cn-northwest-1", key: "AKIAenvironment", wantedSecret: "hidden2"},
		{name: "half of the keys", edit: func(p *caddyroute53.Provider) { p.SecretAccessKey = "hidden0" }, err: "set both, or neither"},
		{name: "the other half", edit: func(p *caddyroute53.Provider) { p.AccessKeyId = "AKIAexample" }, err: "set both, or neither"},
		{name: "a token alone", edit: func(p *caddyroute53.Provider) { p.SessionToken = "hidden1" }, err: "which are not set"},
		{name: "a zone for a region", edit: func(p *caddyroute53.Provider) {
			p.Region, p.AccessKeyId, p.SecretAccessKey = "eu-west-1a", "AKIAexample", "hidden0"
		}, err: "is an availability zone"},
		{name: "a profile that does not exist", edit: func(p *caddyroute53.Provider) {
			p.Profile, p.AccessKeyId, p.SecretAccessKey = "missing", "AKIAexample", "hidden0"
		}, err: "check profile"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLab(t)
			t.Setenv("AWS_REGION", "")
			t.Setenv("AWS_ACCESS_KEY_ID", "AKIAenvironment")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "hidden2")
			for name, value := range tc.env {
				t.Setenv(name, value)
			}
			p := awsProvider(tc.edit)
			a, err := route53Access(t.Context(), p)
			if n := l.cloud.Count("", ""); n != 0 {
				t.Errorf("%d requests were made", n)
			}
			if tc.err != "" {
				wantError(t, err, engine.Denied, tc.err, "finding the credentials of the DNS provider route53: ")
				for _, secret := range []string{"AKIAexample", "hidden0", "hidden1"} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("a key is in the error: %v", err)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := a.Config.Credentials.Retrieve(t.Context())
			if err != nil || got.AccessKeyID != tc.key || got.SecretAccessKey != tc.wantedSecret || got.SessionToken != tc.token {
				t.Errorf("the credentials are %+v, %v", got, err)
			}
			if a.Config.Region != tc.region {
				t.Errorf("the region is %q", a.Config.Region)
			}
		})
	}
}

// What it makes is good for reading a record.
func TestRoute53AccessReads(t *testing.T) {
	l := newLab(t)
	a, err := route53Access(t.Context(), awsProvider(func(*caddyroute53.Provider) {}))
	if err != nil {
		t.Fatal(err)
	}
	l.setA("lb1.example.com", 60, "203.0.113.1")
	target, err := NewRoute53(Route53Options{Config: a.Config, Zone: l.zone, Name: "lb1.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if r := l.read(target); r.Addrs != "203.0.113.1" {
		t.Errorf("read %+v", r)
	}
}
