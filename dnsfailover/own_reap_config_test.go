package dnsfailover

import (
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

func TestReapAfterByDefault(t *testing.T) {
	query := &PeerQuery{Tags: map[string][]string{"Role": {"lb"}}}
	for _, tc := range []struct {
		name  string
		peers *PeerQuery
		given time.Duration
		want  time.Duration
	}{
		{"{node}.example.com", query, 0, defaultReap},
		{"{node}.example.com", query, 2 * time.Hour, 2 * time.Hour},
		{"{node}.example.com", query, neverReap, neverReap},
		{"lb1.example.com", query, 0, 0},
		{"{node}.example.com", nil, 0, 0},
	} {
		c := Config{PeersEC2: tc.peers, Register: []OwnName{{Name: tc.name, ReapAfter: caddy.Duration(tc.given)}}}
		c.fill()
		if got := time.Duration(c.Register[0].ReapAfter); got != tc.want {
			t.Errorf("%s, %t, %s: %s, want %s", tc.name, tc.peers != nil, tc.given, got, tc.want)
		}
	}
}

// A node of the app reaps what the configuration says, by the real calls.
func TestReapByApp(t *testing.T) {
	l := newAddressApp(t)
	l.eip.must(l.cloud.SetTags(l.eip.lb1, map[string]string{"Role": "lb"}))
	l.eip.must(l.cloud.Terminate(l.eip.lb2))
	raw := l.with(`"elastic_ip": null`, func(app map[string]any) {
		delete(app, "address")
		app["peers_ec2"] = map[string]any{"tags": map[string]any{"Role": []string{"lb"}}}
		app["register"] = []map[string]any{{"name": "{node}.example.com"}}
	})
	l.load(raw)
	l.until("the service, and the own name", func() bool { return l.active() && l.own().State == ownRegistered })
	in, _ := l.cloud.Instance(l.eip.lb1)
	lease := l.read(l.target("lb1.example.com")).Lease
	if want := in.Region + ":" + in.Account; lease.Hash != want || lease.Mode != ownMode {
		t.Errorf("the lease of the own name is %+v, want the place %s", lease, want)
	}
	lease.Holder, lease.Instance, lease.Nonce = "lb2", l.eip.lb2, "x"
	text, err := record.Encode(lease)
	l.eip.must(err)
	l.setA("lb2.example.com", 60, lease.Addrs)
	l.set(awstest.RecordSet{Name: record.LeaseName("lb2.example.com"), Type: "TXT", TTL: 60, Values: []string{text}})

	p := l.status().setup.own.reaper
	p.mu.Lock()
	r := p.now
	p.mu.Unlock()
	if !r.turn() || !r.here(l.eip.lb1) || r.here(l.eip.lb2) || r.names[0].after != defaultReap {
		t.Fatalf("it reaps %+v: it is the turn of this node %t, lb1 is here %t, lb2 %t", r.names, r.turn(), r.here(l.eip.lb1), r.here(l.eip.lb2))
	}
	p.round(l.ctx())
	key := ownKey{l.zone, "lb2.example.com"}
	if g, ok := p.gone[key]; !ok || len(p.gone) != 1 || l.read(l.target("lb2.example.com")).Lease != lease {
		t.Fatalf("after the first look the gone are %+v, and the lease was %+v", p.gone, g)
	}
	p.gone[key] = goneOwner{"x", time.Now().Add(-defaultReap)}
	p.round(l.ctx())
	if r := l.read(l.target("lb2.example.com")); r.Exists || r.Lease != (engine.Lease{}) {
		t.Errorf("there is still %+v", r)
	}
	if r := l.read(l.target("lb1.example.com")); !r.Exists || r.Lease.Instance != l.eip.lb1 {
		t.Errorf("the own name is %+v", r)
	}

	// A configuration that reaps nothing.
	l.load([]byte(strings.Replace(string(raw), `"name":"{node}.example.com"`, `"name":"{node}.example.com","reap_after":-1`, 1)))
	l.until("the end of it", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.now == nil })
}

// Without a service the first one that EC2 shows reaps.
func TestReapTurnWithoutServices(t *testing.T) {
	l := newFleetLab(t)
	begin := func() *fleetNode {
		ip := l.address()
		n := l.prepare(l.launch(ip), ip)
		n.share.cfg.Services = nil
		n.share.cfg.Register = []OwnName{{
			Name: "{node}.example.com", ZoneID: l.zone, TTL: caddy.Duration(time.Minute), Address: addressPublic, ReapAfter: caddy.Duration(defaultReap),
		}}
		n.run()
		return n
	}
	turn := func(n *fleetNode) bool {
		s, ok := n.snapshot()
		return ok && s.setup != nil && s.setup.reaping(s.setup.wanted()).turn()
	}
	first, second := begin(), begin()
	if first.id > second.id {
		first, second = second, first
	}
	l.until("both to know both", func() bool {
		return first.known(first.id) && first.known(second.id) && second.known(first.id) && turn(first) && !turn(second)
	})
	first.kill()
	if err := l.cloud.Terminate(first.id); err != nil {
		t.Fatal(err)
	}
	l.until("the turn of the other one", func() bool { return turn(second) })
}
