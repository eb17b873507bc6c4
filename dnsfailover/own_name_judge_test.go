package dnsfailover

import (
	"strings"
	"testing"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
)

func TestJudgeOwn(t *testing.T) {
	const name = "lb1.example.com"
	want := ownName{Name: name, Addrs: "203.0.113.1", TTL: 60, Node: "lb1", Instance: "i-1"}
	lease := engine.Lease{Epoch: 5, Holder: "lb1", Instance: "i-1", Nonce: "x", Addrs: "203.0.113.1", Mode: ownMode}
	// at is the name as a lease's holder would have left it, with an edit.
	at := func(ttl int, edit func(*engine.Lease), addrs ...string) engine.Reading {
		l := lease
		if edit != nil {
			edit(&l)
		}
		r := engine.Reading{Token: "t", Exists: len(addrs) > 0, Addrs: strings.Join(addrs, ","), TTL: ttl, Lease: l}
		return r
	}
	other := func(l *engine.Lease) { l.Instance = "i-2" }
	for _, tc := range []struct {
		name      string
		r         engine.Reading
		epoch     uint64
		converged bool
		alive     bool
		write     bool
		state     ownState
		again     string
		place     string
		part      string
	}{
		{name: "as it is to be", r: at(60, nil, "203.0.113.1"), state: ownRegistered},
		{name: "absent", r: record.Read(name, nil), write: true},
		{name: "somebody's without a lease", r: engine.Reading{Exists: true, Addrs: "203.0.113.9", TTL: 60}, write: true},
		{name: "right, without a lease", r: engine.Reading{Exists: true, Addrs: "203.0.113.1", TTL: 60}, write: true},
		{name: "another address", r: at(60, nil, "203.0.113.9"), write: true},
		{name: "one address more", r: at(60, nil, "203.0.113.1", "2001:db8::1"), write: true},
		{name: "the lease alone", r: at(60, nil), write: true},
		{name: "a lease of other addresses", r: at(60, func(l *engine.Lease) { l.Addrs = "203.0.113.9" }, "203.0.113.1"), write: true},
		{name: "under another node name", r: at(60, func(l *engine.Lease) { l.Holder = "lb9" }, "203.0.113.1"), write: true},
		{name: "at its place", r: at(60, func(l *engine.Lease) { l.Hash = "eu-west-1:1" }, "203.0.113.1"), place: "eu-west-1:1", state: ownRegistered},
		{name: "without its place", r: at(60, nil, "203.0.113.1"), place: "eu-west-1:1", write: true},
		{name: "at a place that is not known now", r: at(60, func(l *engine.Lease) { l.Hash = "eu-west-1:1" }, "203.0.113.1"), state: ownRegistered},
		{name: "another TTL at first", r: at(300, nil, "203.0.113.1"), write: true},
		{name: "another TTL later", r: at(300, nil, "203.0.113.1"), converged: true, state: ownRegistered},
		{name: "an alias", r: engine.Reading{Exists: true, Refuse: "the A is an alias"}, state: ownRefused, part: "the A is an alias"},
		{name: "a service's", r: at(60, func(l *engine.Lease) { l.Mode = "one" }, "203.0.113.1"), state: ownRefused, part: "the TXT at _dnsfailover.lb1.example.com"},
		{name: "a dead one's", r: at(60, other, "203.0.113.2"), write: true},
		{name: "a dead one's, older", r: at(60, other, "203.0.113.2"), epoch: 5, write: true},
		{name: "a living one's", r: at(60, other, "203.0.113.2"), alive: true, state: ownContested, again: "i-2", part: `instance "i-2" (node "lb1"), which is alive`},
		{name: "a living one's at this address", r: at(60, other, "203.0.113.1"), alive: true, state: ownContested, again: "i-2", part: "a name of its own"},
		{name: "taken from here", r: at(60, other, "203.0.113.2"), epoch: 4, state: ownContested, part: "delete the TXT at _dnsfailover.lb1.example.com"},
		{name: "taken from here by a living one", r: at(60, other, "203.0.113.2"), epoch: 4, alive: true, state: ownContested, part: "has taken it over"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			alive := func(instance string) bool {
				if instance == "i-1" {
					t.Error("this instance was asked for")
				}
				return tc.alive
			}
			want := want
			want.Place = tc.place
			v := judgeOwn(want, tc.r, tc.epoch, tc.converged, alive)
			if v.write != tc.write || v.state != tc.state || v.other != tc.again {
				t.Errorf("%+v", v)
			}
			switch {
			case (v.err == nil) != (tc.part == ""):
				t.Errorf("the error is %v", v.err)
			case v.err != nil && !strings.Contains(v.err.Error(), tc.part):
				t.Errorf("%q is not in %q", tc.part, v.err)
			}
		})
	}
}
