package dnsfailover

import (
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// viewPair is the view of lb1, which is a standby for www and holds api, has a peer that answers and one that does not.
func viewPair(t *testing.T) *view {
	t.Helper()
	const peer, silent = "lb2.internal:8404", "10.0.3.7:8404"
	s, err := NewPeerSecret([]byte("5ecret-5ecret-5ecret"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := &Config{
		Reference: "own_address",
		Services: []ServiceConfig{
			{Name: "www", Mode: "one", Witness: "https://www.example.com/", HoldDown: caddy.Duration(5 * time.Minute), Records: []ServiceRecord{{Name: "lb.example.com", ZoneID: "Z1"}}},
			{Name: "api", Mode: "one", HoldDown: caddy.Duration(time.Minute), Records: []ServiceRecord{{Name: "api.example.com", ZoneID: "Z2"}}},
		},
	}
	settings := func(id string) engine.Settings {
		return engine.Settings{
			Node: "lb1", Instance: "i-1", Peers: []string{peer, silent}, Interval: time.Second, Fall: 3, Rise: 2, Hash: "h",
			Targets: []engine.Target{{ID: id, Addrs: "192.0.2.1", TTL: 60}},
		}
	}
	health := engine.HealthState{Known: true, OK: true}
	peers := []engine.PeerState{
		{ID: peer, Up: true, Known: true, Body: engine.Body{
			Name: "lb2", Instance: "i-2", Active: true, Epoch: 7, Healthy: true, Able: true, Hash: "h", Hears: []string{"lb1"},
		}},
		{ID: silent, Misses: 4},
	}
	others := []engine.PeerState{
		{ID: peer, Up: true, Known: true, Body: engine.Body{Name: "lb2", Instance: "i-2", Hash: "other"}},
		{ID: silent, Misses: 4},
	}
	denied := errors.New("reading api.example.com in hosted zone Z2: access denied: allow route53:ListResourceRecordSets")
	share := &share{cfg: cfg, secrets: []PeerSecret{s}, access: &awsAccess{}}
	v := &view{
		snapshot: snapshot{cfg: cfg},
		wanted: &wanted{
			share: share,
			self:  Self{Node: "lb1", Instance: "i-1", Private: netip.MustParseAddr("10.0.1.4"), Public: netip.MustParseAddr("192.0.2.1")},
			who:   PeerSelf{Node: "lb1", Instance: "i-1", Secrets: share.secrets},
			peers: []string{peer, silent},
		},
		loop: LoopStatus{
			Now:     time.Hour,
			Dropped: 2,
			Peers: map[string]PeerStatus{
				peer:   {Asked: true, Reply: engine.Answered, Node: "lb2", Instance: "i-2"},
				silent: {Asked: true, Reply: engine.Silent, Err: errors.New("asking the peer 10.0.3.7:8404: i/o timeout")},
			},
			Services: map[string]ServiceStatus{
				"lb.example.com": {
					Settings: settings("lb.example.com"), Holder: "lb2",
					State: engine.State{
						Role: engine.Standby, Epoch: 7, Health: health, Peers: peers, Waiting: engine.Why{Code: engine.HolderAnswers, Node: "lb2"},
						Witness: engine.Probe{Armed: true, Ended: true, OK: true, Started: time.Hour - 12*time.Second},
					},
					Targets: []TargetStatus{{
						Target: settings("lb.example.com").Targets[0], Known: true, Age: 2500 * time.Millisecond, Called: true,
						Reading: engine.Reading{Token: "t", Exists: true, Addrs: "192.0.2.2", TTL: 60, Lease: engine.Lease{
							Epoch: 7, Holder: "lb2", Instance: "i-2", Nonce: "b-1", Addrs: "192.0.2.2",
						}},
					}},
				},
				"api.example.com": {
					Settings: settings("api.example.com"), Holder: "lb1",
					State: engine.State{Role: engine.Active, Epoch: 2, Provisional: 3, Health: health, Paused: true, Peers: others,
						Control: engine.Probe{Armed: true, Ended: true, Started: time.Hour - time.Second}},
					Targets: []TargetStatus{{
						Target: settings("api.example.com").Targets[0], Denied: true, Called: true, Outcome: engine.Denied, Err: denied,
					}},
				},
			},
		},
		checks: []SelfCheckStatus{{Name: "https://www.example.com/healthz", Known: true, OK: true, Since: time.Unix(1e9, 0).UTC(), InARow: 9}},
		probes: map[string][]ProbeStatus{
			"lb.example.com":  {{What: "witness", OK: true, Ended: time.Unix(1e9, 0).UTC()}},
			"api.example.com": {{What: "api.example.com", Error: "refused", Ended: time.Unix(1e9, 0).UTC()}, {What: "reference", Error: "no route to host"}},
		},
		own:      []ownStatus{{Name: "lb1.example.com", Zone: "Z1", State: ownRegistered, Addresses: "192.0.2.1", Since: time.Unix(1e9, 0).UTC()}},
		rejected: map[Rejection]uint64{RejectedForgery: 3, RejectedCrowd: 0},
	}
	return v
}

func TestStatusGolden(t *testing.T) {
	want, err := os.ReadFile("testdata/status.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(viewPair(t).status(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(string(want)), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("- is expected, + is what came:\n%s\n%s", diff, got)
	}
}

// Before the first setup is complete there is the problem, and nothing else.
func TestStatusBeforeTheSetup(t *testing.T) {
	v := &view{snapshot: snapshot{cfg: &Config{}, problem: &Problem{About: "secret", Error: "no such file: create it", Since: time.Unix(1e9, 0).UTC()}}}
	got, err := json.Marshal(v.status())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"as_configured":false,"leaving":false,"problems":[{"about":"secret","error":"no such file: create it","since":"2001-09-09T01:46:40Z"}],` +
		`"services":[],"peers":[],"self_checks":[],"own_names":[],"dropped_notes":0}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestStatusWhileLeaving(t *testing.T) {
	v := viewPair(t)
	v.snapshot.leaving, v.snapshot.lingers = true, time.Unix(1e9, 0)
	v.loop = LoopStatus{} // as it is closed
	s := v.status()
	if !s.Leaving || s.LingersUntil.Unix() != 1e9 || len(s.Services) != 2 || s.Services[0].Role != "starting" || s.Services[0].Waiting == "" {
		t.Errorf("the status is %+v", s)
	}
}

func TestStatusWithoutServices(t *testing.T) {
	v := viewPair(t)
	v.wanted.share.cfg, v.wanted.peers = &Config{}, nil
	v.loop.Services, v.loop.Peers = nil, nil
	if s := v.status(); s.Node != "lb1" || len(s.Services)+len(s.Peers) != 0 || len(s.OwnNames) != 1 || len(s.Problems) != 0 {
		t.Errorf("the status is %+v", s)
	}
}

func TestStatusDetection(t *testing.T) {
	for _, tc := range []struct {
		name    string
		edit    func(*ServiceStatus)
		witness bool
		want    string
	}{
		{"an armed witness", func(*ServiceStatus) {}, true, "lb2 is taken for dead after 3 missed heartbeats (3s) if the witness fails, too"},
		{"one that never passed", func(s *ServiceStatus) { s.State.Witness.Armed = false }, true,
			"lb2 is taken for dead after 6 missed heartbeats (6s), which is twice fall, because the witness has not passed since the holder's claim"},
		{"none", func(s *ServiceStatus) { s.State.Witness = engine.Probe{} }, false,
			"lb2 is taken for dead after 6 missed heartbeats (6s), which is twice fall, because there is no witness"},
		{"nobody knows who", func(s *ServiceStatus) { s.Holder = "" }, true, "a holder is taken for dead after 3 missed heartbeats (3s) if the witness fails, too"},
		{"this node has it", func(s *ServiceStatus) { s.State.Role = engine.Active }, true, ""},
		{"there are no others", func(s *ServiceStatus) { s.Settings.Peers = nil }, true, ""},
	} {
		s := viewPair(t).loop.Services["lb.example.com"]
		tc.edit(&s)
		if got := detection(&s, tc.witness); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestStatusProblems(t *testing.T) {
	const peer, silent = "lb2.internal:8404", "10.0.3.7:8404"
	answer := func(v *view, address, node, instance string) {
		v.loop.Peers[address] = PeerStatus{Asked: true, Node: node, Instance: instance}
	}
	for _, tc := range []struct {
		name  string
		edit  func(*view)
		about string
		parts []string // of one problem
	}{
		{"another machine of this name", func(v *view) { answer(v, peer, "lb1", "i-9") }, "peers", []string{"i-9", peer, "give each node its own name"}},
		{"a cloned machine", func(v *view) { answer(v, peer, "lb2", "i-1") }, "peers", []string{"lb2", "with this node's instance id"}},
		{"itself", func(v *view) { answer(v, peer, "lb1", "i-1") }, "peers", []string{peer, "is this node itself"}},
		{"two of one name", func(v *view) { answer(v, silent, "lb2", "i-9") }, "peers", []string{"two machines", "i-2", "i-9", "lb2"}},
		{"another secret", func(v *view) {
			v.loop.Peers[peer] = PeerStatus{Asked: true, Reply: engine.Mismatched, Err: errors.New("check secret_file on both nodes")}
		}, "peers", []string{"check secret_file"}},
		{"old addresses", func(v *view) { v.wanted.self.Stale = errors.New("no route to host") }, "identity", []string{"no route to host"}},
		{"another definition", func(*view) {}, "service api", []string{"lb2 was told other records"}},
		{"denied", func(*view) {}, "service api", []string{"allow route53:ListResourceRecordSets"}},
		{"an alias", func(v *view) { v.loop.Services["lb.example.com"].Targets[0].Reading.Refuse = "it is an alias" }, "service www", []string{"it is an alias", "never overwritten"}},
		{"an own name", func(v *view) { v.own[0].Error = "lb9 has it" }, "register lb1.example.com", []string{"lb9 has it"}},
		{"not as configured", func(v *view) { v.snapshot.problem = &Problem{About: "heartbeat", Error: "address in use"} }, "heartbeat", []string{"address in use"}},
	} {
		v := viewPair(t)
		tc.edit(v)
		s := v.status()
		found := 0
	next:
		for _, p := range s.Problems {
			for _, part := range tc.parts {
				if p.About != tc.about || !strings.Contains(p.Error, part) {
					continue next
				}
			}
			found++
		}
		if found != 1 {
			t.Errorf("%s: found %d times among %+v", tc.name, found, s.Problems)
		}
	}
}

func TestShorten(t *testing.T) {
	long := strings.Repeat("ä", maxStatusText)
	if got := shorten("a" + long); len(got) > maxStatusText+len("…") || !utf8.ValidString(got) || !strings.HasSuffix(got, "ä…") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
	if got := shorten("ok\xff"); got != "ok�" {
		t.Errorf("%q", got)
	}
}
