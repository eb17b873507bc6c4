package dnsfailover

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

func TestReapNames(t *testing.T) {
	l := func(name, holder, instance string) ownLease {
		return ownLease{name, engine.Lease{Holder: holder, Instance: instance}}
	}
	for _, tc := range []struct {
		template string
		lease    ownLease
		want     bool
	}{
		{"{node}.example.com", l("lb2.example.com", "lb2", "i-2"), true},
		{"{node}.Example.com.", l("lb2.example.com", "LB2", "i-2"), true},
		{"{node}.example.com", l("lb2.example.com", "lb3", "i-2"), false},
		{"{node}.example.com", l("lb2xexample.com", "lb2", "i-2"), false},
		{"{node}.example.com", l("lb2.example.com.org", "lb2", "i-2"), false},
		{"{node}.example.com", l("a.lb2.example.com", "lb2", "i-2"), false},
		{"{ec2.instance_id}.example.com", l("i-2.example.com", "lb2", "i-2"), true},
		{"{ec2.instance_id}.example.com", l("i-3.example.com", "lb2", "i-2"), false},
		{"{node}-{ec2.zone}.example.com", l("lb2-eu-west-1a.example.com", "lb2", "i-2"), true},
		{"{node}-{ec2.zone}.example.com", l("lb2-.example.com", "lb2", "i-2"), false},
		{"lb-{ec2.private_ipv4}.example.com", l("lb-10.0.1.2.example.com", "lb2", "i-2"), true},
		{"lb2.example.com", l("lb2.example.com", "lb2", "i-2"), false},
		{"{node}.example.com", l(".example.com", "", "i-2"), false},
		{"*.{node}.example.com", l("*.lb2.example.com", "lb2", "i-2"), true},
	} {
		if got := tc.lease.nameBy(tc.template); got != tc.want {
			t.Errorf("%s by %s: %t", tc.lease.Name, tc.template, got)
		}
	}
}

// The listing finds the leases of own names in a zone of many pages, and nothing else.
func TestReapList(t *testing.T) {
	l := newLab(t)
	text := func(name, mode string) string {
		lease, err := record.Encode(engine.Lease{Epoch: 1, Holder: name, Instance: "i-1", Nonce: "x", Mode: mode})
		if err != nil {
			t.Fatal(err)
		}
		return lease
	}
	var want []string
	for i := range 30 {
		name := fmt.Sprintf("lb%d", i)
		l.setA(name+".example.com", 60, "203.0.113.1")
		l.set(awstest.RecordSet{Name: record.LeaseName(name + ".example.com"), Type: "TXT", TTL: 60, Values: []string{text(name, ownMode)}})
		l.set(awstest.RecordSet{Name: record.LeaseName("s-" + name + ".example.com"), Type: "TXT", TTL: 60, Values: []string{text(name, "one")}})
		want = append(want, name+".example.com "+name)
	}
	weight := int64(1)
	l.set(awstest.RecordSet{Name: record.LeaseName("w.example.com"), Type: "TXT", TTL: 60, SetID: "a", Weight: &weight, Values: []string{text("w", ownMode)}})
	l.set(awstest.RecordSet{Name: record.LeaseName("t.example.com"), Type: "TXT", TTL: 60, Values: []string{text("t", ownMode), text("u", ownMode)}})
	l.set(awstest.RecordSet{Name: record.LeaseName("n.example.com"), Type: "TXT", TTL: 60, Values: []string{`"no lease"`}})
	l.set(awstest.RecordSet{Name: "elsewhere.example.com", Type: "TXT", TTL: 60, Values: []string{text("e", ownMode)}})
	target := l.target("lb0.example.com")
	l.calls()
	found, err := target.ownLeases(l.ctx(), 20, time.Microsecond)
	if err != nil {
		t.Fatal(err)
	}
	l.wantCalls(5, 0)
	var got []string
	for _, f := range found {
		got = append(got, f.Name+" "+f.Lease.Holder)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the listing has %q, want %q", got, want)
	}

	l.fault(list, 1, awstest.Fault{Code: "Throttling"})
	if found, err := target.ownLeases(l.ctx(), 300, 0); err != nil || len(found) != len(want) {
		t.Errorf("after a throttle %d leases, %v", len(found), err)
	}
	l.fault(list, 0, awstest.Fault{Code: "AccessDenied", Status: 403})
	_, err = target.ownLeases(l.ctx(), 20, time.Microsecond)
	wantError(t, err, engine.Denied)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if found, err := target.ownLeases(ctx, 20, time.Hour); err == nil {
		t.Errorf("a listing that was given up has %d leases", len(found))
	}
}
