package dnsfailover

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// Whatever kind of home a service has, the addresses of its reading are asked.
func TestProbesOfKinds(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer web.Close()
	_, port, _ := strings.Cut(web.Listener.Addr().String(), ":")
	cfg := probeConfig(func(_ *Config, s *ServiceConfig) {
		s.Witness, s.ForeignCheck = "http://example.com:"+port+"/", "tcp :"+port
	})
	alone := cfg.Services[0]
	alone.Name, alone.Records, alone.ElasticIP = "alone", nil, &ElasticIPConfig{Address: eipAllocation}
	cfg.Services = append(cfg.Services, alone)
	p := mustProber(t, cfg, Self{})

	// An Elastic IP has no lease that says who answers.
	held := engine.Reading{Token: "eipassoc-1", Exists: true, Addrs: "127.0.0.1", Instance: "i-2"}
	if !p.Witness(t.Context(), eipAllocation, held) || !p.Foreign(t.Context(), eipAllocation, eipAllocation, held) {
		t.Errorf("asked at the Elastic IP: %+v", p.status(eipAllocation))
	}
	held.Addrs = "127.0.0.2" // where nobody listens
	if p.Witness(t.Context(), eipAllocation, held) || p.Foreign(t.Context(), eipAllocation, eipAllocation, held) {
		t.Errorf("asked where nobody listens: %+v", p.status(eipAllocation))
	}

	// In mode all each member is asked by itself, and has an outcome of its own.
	part := func(node, addr string) engine.Reading {
		l := engine.LeaseOf([]engine.Member{{Node: "lb2", Addrs: "127.0.0.1"}, {Node: "lb3", Addrs: "127.0.0.2"}})
		l.Holder = node
		return engine.Reading{Exists: true, Addrs: addr, Lease: l}
	}
	if !p.Witness(t.Context(), probedKey, part("lb2", "127.0.0.1")) || p.Witness(t.Context(), probedKey, part("lb3", "127.0.0.2")) {
		t.Errorf("asked for the members: %+v", p.status(probedKey))
	}
	all := p.status(probedKey)
	if len(all) != 2 || all[0].What != "witness of lb2" || !all[0].OK || all[1].What != "witness of lb3" || all[1].OK {
		t.Errorf("the outcomes are %+v", all)
	}
}
