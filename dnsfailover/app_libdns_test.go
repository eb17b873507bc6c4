package dnsfailover

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/libdns/libdns"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

func init() {
	caddy.RegisterModule(new(memProvider))
	caddy.RegisterModule(new(memReader))
}

// memZone is the zone of the providers of this process.
var memZone *memDNS

// memProvider is a DNS provider as Caddy loads it, with a secret. memReader can do no more than read.
type memProvider struct {
	*memDNS `json:"-"`
	Token   string `json:"token,omitempty"`
}

type memReader struct{}

func (*memProvider) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "dns.providers.test_memory", New: func() caddy.Module { return &memProvider{memDNS: memZone} }}
}

func (p *memProvider) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // its name
	for d.NextBlock(0) {
		if d.Val() != "token" || !d.AllArgs(&p.Token) {
			return d.ArgErr()
		}
	}
	return nil
}

func (*memReader) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "dns.providers.test_reader", New: func() caddy.Module { return new(memReader) }}
}

func (*memReader) GetRecords(context.Context, string) ([]libdns.Record, error) { return nil, nil }

// logged is the log so far.
func (l *appLab) logged() string {
	raw, _ := os.ReadFile(l.log()) // empty before the first line
	return string(raw)
}

// advisory is a node alone whose record is with a provider that can't compare and swap.
func (l *appLab) advisory(provider string) []byte {
	return l.config(func(app map[string]any) {
		app["dns"], app["dns_pause"] = map[string]any{"name": provider}, "10ms"
		app["services"] = []map[string]any{{"name": "www", "records": []map[string]any{{"name": svc, "zone": "example.com"}}}}
	})
}

// Any provider that can write will do, and its user is told what that is worth.
func TestOtherProvider(t *testing.T) {
	l := newAppLab(t)
	memZone = newMemDNS(t)
	raw := l.advisory("test_memory")
	l.load(raw)
	l.until("the record", l.active)
	r, err := memZone.target(memZone).Read(l.ctx())
	if err != nil || r.Addrs != "192.0.2.1" || r.Lease.Holder != "lb1" {
		t.Errorf("the zone holds %+v, error %v", r, err)
	}
	if reads, writes := l.counts(); reads+writes != 0 {
		t.Errorf("Route 53 was asked %d times", reads+writes)
	}
	v, err := caddy.ActiveContext().AppIfConfigured("dnsfailover")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := v.(*App).node.status()
	if len(s.Services) != 1 || !strings.Contains(s.Services[0].Guarantee, "advisory") || !s.Services[0].Targets[0].Advisory || s.Services[0].Targets[0].Zone != "example.com" {
		t.Errorf("the status is %+v", s.Services)
	}
	l.until("the warning", func() bool { return strings.Contains(l.logged(), "compare and swap, so what it holds is advisory") })

	memZone.mu.Lock()
	writes := memZone.calls["set"]
	memZone.mu.Unlock()
	l.load(raw)
	l.until("the reload", func() bool { s, ok := v.(*App).node.status(); return ok && s.AsConfigured })
	memZone.mu.Lock()
	defer memZone.mu.Unlock()
	if memZone.calls["set"] != writes {
		t.Errorf("a reload caused %d writes", memZone.calls["set"]-writes)
	}
}

// A provider that can't write is found out when the configuration is loaded.
func TestProviderThatOnlyReads(t *testing.T) {
	l := newAppLab(t)
	err := caddy.Load(l.advisory("test_reader"), true)
	if err == nil || !strings.Contains(err.Error(), "can't list, set and delete records") {
		t.Errorf("error %v", err)
	}
}

// The modes and the zones are part of what nodes have to agree on, but nothing changes for those that were there before.
func TestDefinitions(t *testing.T) {
	record := ServiceRecord{Name: "lb.example.com", ZoneID: "Z1", Address: addressPublic}
	before := ServiceConfig{Mode: modeOne, Records: []ServiceRecord{record}}
	if h := before.hash(); h != "64c9a405" {
		t.Errorf("the hash is %s now", h)
	}
	seen := map[string]int{before.hash(): -1}
	for i, c := range []ServiceConfig{
		{Mode: engine.ModeAll, Records: []ServiceRecord{record}},
		{Mode: modeOne, Records: []ServiceRecord{{Name: "lb.example.com", Zone: "example.com", Address: addressPublic}}},
		{Mode: modeOne, Records: []ServiceRecord{record}, ElasticIP: &ElasticIPConfig{Address: "203.0.113.10"}},
		{Mode: modeOne, Records: []ServiceRecord{record}, ElasticIP: &ElasticIPConfig{Address: "203.0.113.11"}},
		{Mode: modeOne, ElasticIP: &ElasticIPConfig{Address: "203.0.113.10"}},
	} {
		if other, ok := seen[c.hash()]; ok {
			t.Errorf("%d has the hash of %d", i, other)
		}
		seen[c.hash()] = i
	}
	// Nodes may each have their own interface and private address.
	a := ServiceConfig{Mode: modeOne, ElasticIP: &ElasticIPConfig{Address: "203.0.113.10", PrivateIP: "10.0.1.20", Device: 1}}
	if b := (&ServiceConfig{Mode: modeOne, ElasticIP: &ElasticIPConfig{Address: "203.0.113.10"}}); a.hash() != b.hash() || a.key() != b.key() || a.key() != "203.0.113.10" {
		t.Errorf("%s %s and %s %s", a.key(), a.hash(), b.key(), b.hash())
	}
}
