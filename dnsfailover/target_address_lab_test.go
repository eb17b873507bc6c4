package dnsfailover

import (
	"context"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

const eipPublic = "203.0.113.10"

// eipLab is a fake EC2 with an Elastic IP and two instances, lb1 and lb2, each with a public address that AWS lends it.
type eipLab struct {
	t        testing.TB
	cloud    *awstest.Cloud
	server   *awstest.Server
	id       string // of the allocation
	lb1, lb2 string
	ahead    atomic.Int64 // how far the cloud's clock is ahead of the real one
}

func newEIPLab(t testing.TB) *eipLab {
	t.Helper()
	l := &eipLab{t: t}
	l.cloud = awstest.New(awstest.Config{Now: func() time.Time { return time.Now().Add(time.Duration(l.ahead.Load())) }})
	l.cloud.SetRate("", awstest.Rate{})
	var err error
	if l.server, err = awstest.Serve(l.cloud); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.server.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	l.id = l.allocate(awstest.Allocation{PublicIP: eipPublic})
	l.lb1, l.lb2 = l.launch(awstest.Launch{PublicIP: awstest.AutoAssign}), l.launch(awstest.Launch{PublicIP: awstest.AutoAssign})
	return l
}

func (l *eipLab) launch(launch awstest.Launch) string {
	l.t.Helper()
	id, err := l.cloud.Launch(launch)
	l.must(err)
	return id
}

func (l *eipLab) allocate(a awstest.Allocation) string {
	l.t.Helper()
	out, err := l.cloud.AllocateAddress(a)
	l.must(err)
	return out.AllocationID
}

func (l *eipLab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// target is that of an instance.
func (l *eipLab) target(instance string, edit ...func(*ElasticIPOptions)) *ElasticIP {
	l.t.Helper()
	for _, v := range l.server.Env(instance) {
		name, value, _ := strings.Cut(v, "=")
		l.t.Setenv(name, value)
	}
	cfg, err := awsconf.Source{}.Load(l.t.Context())
	l.must(err)
	o := ElasticIPOptions{Config: cfg, Address: l.id, Instance: instance, Timeout: 30 * time.Second}
	for _, f := range edit {
		f(&o)
	}
	t, err := NewElasticIP(o)
	l.must(err)
	t.pause = time.Millisecond
	return t
}

// held is the reading of lb2's target when lb1 has the address.
func (l *eipLab) held(edit ...func(*ElasticIPOptions)) (lb2 *ElasticIP, from engine.Reading) {
	l.t.Helper()
	l.must(l.cloud.SetAddress(l.id, l.lb1))
	lb2 = l.target(l.lb2, edit...)
	from = l.read(lb2)
	l.cloud.ResetCalls()
	return lb2, from
}

// idle is the reading of lb2's target when nobody has the address.
func (l *eipLab) idle(edit ...func(*ElasticIPOptions)) (lb2 *ElasticIP, from engine.Reading) {
	l.t.Helper()
	lb2 = l.target(l.lb2, edit...)
	from = l.read(lb2)
	l.cloud.ResetCalls()
	return lb2, from
}

// now is the address as it is.
func (l *eipLab) now() awstest.ElasticIP {
	l.t.Helper()
	a, ok := l.cloud.ElasticIP(l.id)
	if !ok {
		l.t.Fatal("the address is gone")
	}
	return a
}

// has fails unless an instance has the address, or nobody if it is empty.
func (l *eipLab) has(instance string) {
	l.t.Helper()
	if a := l.now(); a.InstanceID != instance || a.Free() != (instance == "") {
		l.t.Errorf("the address is with %q, want %q: %+v", a.InstanceID, instance, a)
	}
}

func (l *eipLab) read(t Target) engine.Reading {
	l.t.Helper()
	r, err := t.Read(l.ctx())
	l.must(err)
	return r
}

// free frees what was read, and checks that it is.
func (l *eipLab) free(t Freer, from engine.Reading) engine.Reading {
	l.t.Helper()
	r, err := t.Free(l.ctx(), from)
	l.must(err)
	if r.Exists || r.Token != freeToken || r.Addrs != eipPublic {
		l.t.Errorf("freed, it reads %+v", r)
	}
	l.has("")
	return r
}

// swap claims a free address, and checks that what comes back is what a new reading tells.
func (l *eipLab) swap(t *ElasticIP, from engine.Reading) engine.Reading {
	l.t.Helper()
	r, err := t.Swap(l.ctx(), from, engine.Value{})
	l.must(err)
	l.has(t.instance)
	if again := l.read(t); again != r || r.Token != l.now().AssociationID || r.Instance != t.instance || !r.Exists {
		l.t.Errorf("the swap left %+v, and there is %+v", r, again)
	}
	return r
}

// wantCalls compares how often each action was called since the last time.
func (l *eipLab) wantCalls(reads, frees, claims int) {
	l.t.Helper()
	got := [3]int{l.cloud.Count("ec2", "DescribeAddresses"), l.cloud.Count("ec2", "DisassociateAddress"), l.cloud.Count("ec2", "AssociateAddress")}
	if want := [3]int{reads, frees, claims}; got != want {
		l.t.Errorf("%v readings, disassociations and associations, want %v", got, want)
	}
	l.cloud.ResetCalls()
}

// fault injects a fault of EC2.
func (l *eipLab) fault(action string, times int, f awstest.Fault) (remove func()) {
	f.Service, f.Action, f.Times = "ec2", action, times
	return l.cloud.Inject(f)
}

func (l *eipLab) ctx() context.Context {
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	l.t.Cleanup(cancel)
	return ctx
}

// meanwhile lets something happen just before the first association is sent.
func (t *ElasticIP) meanwhile(f func()) {
	send := t.associate
	t.associate = func(ctx context.Context, in *ec2.AssociateAddressInput) (*ec2.AssociateAddressOutput, error) {
		if f != nil {
			f()
			f = nil
		}
		return send(ctx, in)
	}
}
