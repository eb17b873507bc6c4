package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// ownIn is the own name of an instance in a lab.
func ownIn(l *lab, instance string, addrs ...string) *ownNode {
	l.t.Helper()
	n := newOwnNode(l.t, instance, l.zone, addrs...)
	cfg, err := awsconf.Source{}.Load(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	n.access.Config = cfg
	return n
}

// await waits until the name is in a state, with an error that has a part.
func (n *ownNode) await(state ownState, part string) ownStatus {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), time.Minute)
	defer cancel()
	for {
		s := n.one()
		if s.State == state && strings.Contains(s.Error, part) {
			return s
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			n.t.Fatalf("the status is %+v, want %s with %q", s, state, part)
		}
	}
}

// ownHolds compares what the zone has of the name: one text for each set, a lease by its holder's instance and epoch.
func (l *lab) ownHolds(want ...string) {
	l.t.Helper()
	r := l.read(l.target(ownLabName))
	var got []string
	if r.Exists {
		got = append(got, fmt.Sprintf("%s %d", r.Addrs, r.TTL))
	}
	if r.Lease.Holder != "" {
		got = append(got, fmt.Sprintf("%s %s %s %d", r.Lease.Mode, r.Lease.Holder, r.Lease.Instance, r.Lease.Epoch))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		l.t.Errorf("the zone holds %q, want %q", got, want)
	}
}

// The whole life of a name needs no more permission than CREATE and DELETE of this name.
func TestOwnNameInRoute53(t *testing.T) {
	l := newLab(t)
	l.cloud.AllowChanges(awstest.ChangePolicy{
		Names: []string{ownLabName, "_dnsfailover." + ownLabName}, Types: []string{"A", "AAAA", "TXT"},
		Actions: []awstest.ChangeAction{awstest.Create, awstest.Delete},
	})
	l.setA(ownLabName, 300, "203.0.113.9")
	n := ownIn(l, "i-1", "203.0.113.1", "2001:db8::1")
	n.begin(func(n *ownName) { n.OnStop = true })
	n.await(ownRegistered, "")
	l.wantCalls(1, 1)
	l.ownHolds("203.0.113.1,2001:db8::1 60", "own lb1 i-1 1")
	l.calls()

	// Another process of the same instance finds it as it is to be.
	n.close()
	n = ownIn(l, "i-1", "203.0.113.1", "2001:db8::1")
	n.begin(func(n *ownName) { n.OnStop = true })
	n.await(ownRegistered, "")
	l.wantCalls(1, 0)

	n.begin(func(n *ownName) { n.Addrs = "203.0.113.2" })
	if err := l.cloud.Await(l.ctx(), "route53", change, 1); err != nil {
		t.Fatal(err)
	}
	n.stop(l.ctx())
	l.wantCalls(1, 2)
	l.ownHolds()
}

func TestOwnNameFaults(t *testing.T) {
	for _, tc := range []struct {
		name   string
		action string
		fault  awstest.Fault
		times  int
	}{
		{"lost reply", change, awstest.Fault{Kind: awstest.Lose}, 1},
		{"lost request", change, awstest.Fault{Kind: awstest.Drop}, 1},
		{"throttled", "", awstest.Fault{Code: "Throttling"}, 1},
		{"zone at work", change, awstest.Fault{Code: "PriorRequestNotComplete"}, 2},
		{"outage", "", awstest.Fault{Kind: awstest.Drop}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLab(t)
			l.setA("zz.example.com", 60, "203.0.113.99") // so that the first listing shows something
			n := ownIn(l, "i-1", "203.0.113.1")
			l.fault(tc.action, tc.times, tc.fault)
			n.begin()
			n.await(ownRegistered, "")
			l.ownHolds("203.0.113.1 60", "own lb1 i-1 1")
			n.wantLogs("own name registered")
		})
	}
}

// What fails for longer is in the status, with what to do, and a configuration that was mended is tried at once.
func TestOwnNameErrors(t *testing.T) {
	weight := int64(1)
	for _, tc := range []struct {
		name  string
		spoil func(l *lab, n *ownNode) (mend func())
		state ownState
		part  string
	}{
		{"no permission", func(l *lab, _ *ownNode) func() { return l.cloud.Deny(opChange) }, ownFailed, "add " + opChange + " to the policy"},
		{"no permission to read", func(l *lab, _ *ownNode) func() { return l.cloud.Deny(opList) }, ownFailed, "add " + opList + " to the policy"},
		{"another's zone", func(l *lab, n *ownNode) func() {
			n.want.Zone = "ZOTHER"
			return func() { n.want.Zone = l.zone }
		}, ownFailed, "check the id of the hosted zone"},
		{"no zone", func(l *lab, n *ownNode) func() {
			n.want.Zone = ""
			return func() { n.want.Zone = l.zone }
		}, ownFailed, "is not the id of a hosted zone"},
		{"weighted", func(l *lab, _ *ownNode) func() {
			l.set(awstest.RecordSet{Name: ownLabName, Type: "A", TTL: 60, Values: []string{"203.0.113.9"}, SetID: "x", Weight: &weight})
			return func() { l.cloud.DeleteRecord(l.zone, ownLabName, "A", "x") }
		}, ownRefused, "is weighted"},
		{"an alias", func(l *lab, _ *ownNode) func() {
			l.set(awstest.RecordSet{Name: ownLabName, Type: "A", Alias: &awstest.AliasTarget{ZoneID: "Z32O12XQLNTSW2", DNSName: "elb.example.net"}})
			return func() { l.cloud.DeleteRecord(l.zone, ownLabName, "A", "") }
		}, ownRefused, "is an alias of"},
		{"a service", func(l *lab, _ *ownNode) func() {
			lb2 := l.target(ownLabName)
			l.swap(lb2, l.read(lb2), value(1, "lb2", 60, "203.0.113.2"))
			return func() {
				if err := lb2.Remove(l.ctx(), l.read(lb2)); err != nil {
					l.t.Error(err)
				}
			}
		}, ownRefused, "the record of a service"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLab(t)
			n := ownIn(l, "i-1", "203.0.113.1")
			mend := tc.spoil(l, n)
			before := fmt.Sprint(l.cloud.Records(l.zone))
			n.begin()
			n.await(tc.state, tc.part)
			if after := fmt.Sprint(l.cloud.Records(l.zone)); after != before {
				t.Errorf("written: %s", after)
			}
			mend()
			a := *n.access
			n.access = &a
			n.begin()
			n.await(ownRegistered, "")
			l.ownHolds("203.0.113.1 60", "own lb1 i-1 1")
		})
	}
}

// An exit during an outage ends with its deadline, or before, and says what stays.
func TestOwnNameStopInOutage(t *testing.T) {
	l := newLab(t)
	n := ownIn(l, "i-1", "203.0.113.1")
	n.begin(func(n *ownName) { n.OnStop = true })
	n.await(ownRegistered, "")
	n.wantLogs("own name registered")
	restore := l.cloud.Outage("route53")
	n.stop(l.ctx())
	restore()
	n.wantLogs("own name is not deleted: it stays in the DNS until this instance starts again, or somebody deletes it")
	l.ownHolds("203.0.113.1 60", "own lb1 i-1 1")
}

// Two that begin at the same moment end with one owner, and the other knows it.
func TestOwnNameRace(t *testing.T) {
	l := newLab(t)
	nodes := []*ownNode{ownIn(l, "i-0", "203.0.113.100"), ownIn(l, "i-1", "203.0.113.101"), ownIn(l, "i-2", "203.0.113.102")}
	for i, n := range nodes {
		for j := range nodes {
			n.live(fmt.Sprint("i-", j), j != i)
		}
		n.begin()
	}
	registered, contested := 0, 0
	ctx := l.ctx()
	for registered+contested < len(nodes) {
		registered, contested = 0, 0
		for _, n := range nodes {
			switch n.one().State {
			case ownRegistered:
				registered++
			case ownContested:
				contested++
			}
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			t.Fatal(errors.New("they are not done"))
		}
	}
	if registered != 1 {
		t.Errorf("%d are registered", registered)
	}
	if r := l.read(l.target(ownLabName)); r.Lease.Epoch != 1 {
		t.Errorf("the name moved: %+v", r)
	}
}
