package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

const (
	list   = "ListResourceRecordSets"
	change = "ChangeResourceRecordSets"
)

// lab is a fake Route 53 with one zone, example.com, which real clients talk to.
type lab struct {
	t     testing.TB
	cloud *awstest.Cloud
	zone  string
	ahead atomic.Int64 // how far the cloud's clock is ahead of the real one
}

func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{t: t}
	l.cloud = awstest.New(awstest.Config{Now: func() time.Time { return time.Now().Add(time.Duration(l.ahead.Load())) }})
	l.cloud.SetRate(awstest.AnyRoute53, awstest.Rate{})
	l.zone = l.addZone(awstest.HostedZone{Name: "example.com"})
	server, err := awstest.Serve(l.cloud)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	for _, v := range server.Env("") {
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	return l
}

func (l *lab) addZone(z awstest.HostedZone) string {
	l.t.Helper()
	id, err := l.cloud.AddZone(z)
	if err != nil {
		l.t.Fatal(err)
	}
	return id
}

// target is that of a node, which does not wait long for anything but an answer.
func (l *lab) target(name string, edit ...func(*Route53Options)) *Route53 {
	l.t.Helper()
	cfg, err := awsconf.Source{}.Load(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	o := Route53Options{Config: cfg, Zone: l.zone, Name: name, Timeout: 30 * time.Second}
	for _, f := range edit {
		f(&o)
	}
	r, err := NewRoute53(o)
	if err != nil {
		l.t.Fatal(err)
	}
	r.pause = time.Millisecond
	return r
}

// set puts a record set into the zone by somebody else's hand.
func (l *lab) set(r awstest.RecordSet) {
	l.t.Helper()
	if err := l.cloud.SetRecord(l.zone, r); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) setA(name string, ttl int64, values ...string) {
	l.t.Helper()
	l.set(awstest.RecordSet{Name: name, Type: "A", TTL: ttl, Values: values})
}

// fault injects a fault of Route 53.
func (l *lab) fault(action string, times int, f awstest.Fault) (remove func()) {
	f.Service, f.Action, f.Times = "route53", action, times
	return l.cloud.Inject(f)
}

// calls are how many listings and changes were asked for since the last time.
func (l *lab) calls() [2]int {
	n := [2]int{l.cloud.Count("route53", list), l.cloud.Count("route53", change)}
	l.cloud.ResetCalls()
	return n
}

func (l *lab) wantCalls(lists, changes int) {
	l.t.Helper()
	if got := l.calls(); got != [2]int{lists, changes} {
		l.t.Errorf("%d listings and %d changes, want %d and %d", got[0], got[1], lists, changes)
	}
}

// holds compares what the zone has of a name and of its lease: one text for each set.
func (l *lab) holds(name string, want ...string) {
	l.t.Helper()
	var got []string
	for _, r := range l.cloud.Records(l.zone) {
		if record.Same(r.Name, name) && (r.Type == "A" || r.Type == "AAAA" || r.Type == "CNAME") || record.Same(r.Name, record.LeaseName(name)) {
			value := strings.Join(r.Values, " ")
			if lease, err := record.Decode(value); err == nil {
				value = lease.Nonce
			}
			got = append(got, r.Type+" "+(time.Duration(r.TTL)*time.Second).String()+" "+value)
		}
	}
	if !slices.Equal(got, want) {
		l.t.Errorf("the zone holds %q, want %q", got, want)
	}
}

// ctx is for what takes no time unless it fails.
func (l *lab) ctx() context.Context {
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	l.t.Cleanup(cancel)
	return ctx
}

func (l *lab) read(t Target) engine.Reading {
	l.t.Helper()
	r, err := t.Read(l.ctx())
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// swap swaps from a reading, and checks that what comes back is what a new one tells.
func (l *lab) swap(t Target, from engine.Reading, to engine.Value) engine.Reading {
	l.t.Helper()
	got, err := t.Swap(l.ctx(), from, to)
	if err != nil {
		l.t.Fatal(err)
	}
	calls := l.cloud.Count("route53", list)
	if again := l.read(t); again.Token != got.Token || again.Addrs != to.Addrs || again.Lease != to.Lease || again.TTL != to.TTL {
		l.t.Errorf("the swap left %+v, and there is %+v", got, again)
	}
	if n := l.cloud.Count("route53", list) - calls; n != 1 {
		l.t.Errorf("reading a record with a lease took %d calls", n)
	}
	return got
}

// value is what a node writes at an epoch.
func value(epoch uint64, holder string, ttl int, addrs ...string) engine.Value {
	canonical, err := record.Addrs(addrs...)
	if err != nil {
		panic(err)
	}
	return engine.Value{Addrs: canonical, TTL: ttl, Lease: engine.Lease{
		Epoch: epoch, Holder: holder, Nonce: fmt.Sprintf("%s-%d", holder, epoch), Addrs: canonical, Mode: "one",
	}}
}

// wantError compares an error's outcome, and parts of its text.
func wantError(t testing.TB, err error, want engine.Outcome, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", want)
	}
	if got := OutcomeOf(err); got != want {
		t.Errorf("%s, want %s: %v", got, want, err)
	}
	if (want == engine.Conflict) != errors.Is(err, ErrConflict) {
		t.Errorf("a conflict: %v", err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in the error: %v", part, err)
		}
	}
	if strings.ContainsAny(err.Error(), "\r\n") {
		t.Errorf("more than a line: %q", err)
	}
}
