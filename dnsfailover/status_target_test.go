package dnsfailover

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// viewOf is viewPair with another service www and its one target, as it was read.
func viewOf(t *testing.T, c ServiceConfig, target engine.Target, r engine.Reading, edit func(*ServiceStatus)) StatusService {
	t.Helper()
	v := viewPair(t)
	s := v.loop.Services["lb.example.com"]
	c.Name, s.Settings.Mode, s.Settings.Targets = "www", c.Mode, []engine.Target{target}
	s.Targets = []TargetStatus{{Target: target, Known: true, Reading: r, Age: time.Second}}
	if edit != nil {
		edit(&s)
	}
	v.wanted.share.cfg.Services[0] = c
	v.loop.Services[c.key()] = s
	return v.status().Services[0]
}

func TestStatusOfAnElasticIP(t *testing.T) {
	const id = "eipalloc-0123456789abcdef0"
	c := ServiceConfig{Mode: modeOne, ElasticIP: &ElasticIPConfig{Address: id}}
	target := engine.Target{ID: id, Kind: engine.Address}
	held := func(instance string) engine.Reading {
		return engine.Reading{Token: "eipassoc-1", Exists: true, Addrs: eipPublic, Instance: instance, Raw: association{allocation: id}}
	}
	for _, tc := range []struct {
		name string
		r    engine.Reading
		want string // of the target, as JSON
	}{
		{"this node has it", held("i-1"), `"holder":"lb1","association":{"id":"eipassoc-1","allocation":"` + id + `","instance":"i-1"},"holds":"` + eipPublic + `"`},
		{"a peer has it", held("i-2"), `"holder":"lb2","association":{"id":"eipassoc-1","allocation":"` + id + `","instance":"i-2"}`},
		{"a stranger has it", held("i-9"), `"kind":"address","association":{"id":"eipassoc-1","allocation":"` + id + `","instance":"i-9"}`},
		{"nobody has it", engine.Reading{Token: "free", Addrs: eipPublic}, `"kind":"address","holds":"` + eipPublic + `"`},
	} {
		s := viewOf(t, c, target, tc.r, nil)
		got, err := json.Marshal(s.Targets[0])
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(got), tc.want) || s.Guarantee != guaranteeAddress {
			t.Errorf("%s: %s, want %s; guarantee %s", tc.name, got, tc.want, s.Guarantee)
		}
	}
	c.Records = []ServiceRecord{{Name: "lb.example.com", ZoneID: "Z1"}}
	if s := viewOf(t, c, engine.Target{ID: "lb.example.com", Shared: true}, engine.Reading{}, nil); s.Guarantee != guaranteeRoute53+"; "+guaranteeAddress {
		t.Errorf("the guarantee of both is %s", s.Guarantee)
	}
}

func TestStatusOfModeAll(t *testing.T) {
	c := ServiceConfig{Mode: modeAll, Witness: "https://lb.example.com/", Records: []ServiceRecord{{Name: "lb.example.com", ZoneID: "Z1"}}}
	lease := engine.LeaseOf([]engine.Member{
		{Node: "lb1", Instance: "i-1", Epoch: 3, Nonce: "a-1", Addrs: "192.0.2.1"}, {Node: "lb2", Instance: "i-2", Epoch: 4, Nonce: "b-1", Addrs: "192.0.2.2"},
	})
	s := viewOf(t, c, engine.Target{ID: "lb.example.com"}, engine.Reading{Token: "t", Exists: true, Addrs: lease.Addrs, Lease: lease}, func(s *ServiceStatus) {
		s.State.Role = engine.Active
		s.State.Members = []engine.MemberProbe{{Node: "lb2", Probe: engine.Probe{Armed: true, Ended: true, OK: true, Started: time.Hour - time.Second}}}
		s.State.Peers[0].Body.UnseenOf = []string{"lb1"}
	})
	got, err := json.Marshal(s.Targets[0].Members)
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"node":"lb1","instance":"i-1","epoch":3,"holds":"192.0.2.1"},` +
		`{"node":"lb2","instance":"i-2","epoch":4,"holds":"192.0.2.2","witness":{"configured":true,"armed":true,"ok":true,"age_seconds":1}}]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if s.Mode != "all" || s.Targets[0].Holder != "" || !strings.Contains(s.Detection, "after 3 missed heartbeats (3s) if its witness fails, too, and after 6") {
		t.Errorf("the status is %+v", s)
	}
	if p := s.Peers[0]; len(p.UnseenOf) != 1 || p.UnseenOf[0] != "lb1" {
		t.Errorf("the peer is %+v", p)
	}
}

// A record that somebody has edited is nobody's, whatever the lease beside it says.
func TestStatusOfAnEditedRecord(t *testing.T) {
	c := ServiceConfig{Mode: modeOne, Records: []ServiceRecord{{Name: "lb.example.com", ZoneID: "Z1"}}}
	r := engine.Reading{Token: "t", Exists: true, Addrs: "192.0.2.9", Lease: engine.Lease{Holder: "lb2", Addrs: "192.0.2.2"}}
	if s := viewOf(t, c, engine.Target{ID: "lb.example.com"}, r, nil); s.Targets[0].Holder != "" || s.Targets[0].Lease.Holder != "lb2" {
		t.Errorf("the target is %+v", s.Targets[0])
	}
}
