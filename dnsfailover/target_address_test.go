package dnsfailover

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// A takeover ends the association that was judged, and makes one. What the loser had before is lent to it anew.
func TestElasticIPTakeover(t *testing.T) {
	l := newEIPLab(t)
	lb2, from := l.held()
	before := l.now()
	if from.Token != before.AssociationID || from.Instance != l.lb1 || !from.Exists || from.Addrs != eipPublic || from.Refuse != "" {
		t.Fatalf("held by lb1, it reads %+v", from)
	}
	own, _ := l.cloud.Instance(l.lb1)

	free := l.free(lb2, from)
	l.wantCalls(0, 1, 0)
	r, err := lb2.Swap(l.ctx(), free, engine.Value{})
	l.must(err)
	l.wantCalls(1, 0, 1)
	if now := l.now(); now.InstanceID != l.lb2 || r.Token != now.AssociationID || r.Token == from.Token || r.Instance != l.lb2 || !r.Exists {
		t.Errorf("it reads %+v, and is %+v", r, now)
	}
	if again := l.read(lb2); again != r {
		t.Errorf("read again: %+v", again)
	}
	if lost, _ := l.cloud.Instance(l.lb1); lost.PublicIP() == "" || lost.PublicIP() == own.PublicIP() {
		t.Errorf("lb1 has the public address %q", lost.PublicIP())
	}

	// The token is the same to every node, and what was read long ago changes nothing.
	lb1 := l.target(l.lb1)
	if seen := l.read(lb1); seen.Token != r.Token || seen.Instance != l.lb2 {
		t.Errorf("lb1 reads %+v", seen)
	}
	_, err = lb1.Free(l.ctx(), from)
	wantError(t, err, engine.Conflict, "freeing the Elastic IP "+l.id+" from "+l.lb1, l.lb2+" has it", "InvalidAssociationID.NotFound")
	_, err = lb1.Swap(l.ctx(), free, engine.Value{})
	wantError(t, err, engine.Conflict, "associating the Elastic IP "+l.id+" with "+l.lb1, l.lb2+" has it", "Resource.AlreadyAssociated")
	l.has(l.lb2)

	// What is not free is not claimed, and what is free need not be freed.
	l.cloud.ResetCalls()
	_, err = lb1.Swap(l.ctx(), r, engine.Value{})
	wantError(t, err, engine.Denied, "not free")
	if got, err := lb1.Free(l.ctx(), free); err != nil || got != free {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = lb1.Free(l.ctx(), engine.Reading{Exists: true, Token: "x"})
	wantError(t, err, engine.Denied, "not the reading of an Elastic IP")
	l.wantCalls(0, 0, 0)
}

func TestElasticIPByItsAddress(t *testing.T) {
	l := newEIPLab(t)
	lb2, from := l.held(func(o *ElasticIPOptions) { o.Address = eipPublic })
	l.swap(lb2, l.free(lb2, from))
}

// Reassociation is forbidden in each request, in so many words: without them it is allowed.
func TestElasticIPNeverTakes(t *testing.T) {
	l := newEIPLab(t)
	lb2, from := l.idle()
	var sent []*ec2.AssociateAddressInput
	send := lb2.associate
	lb2.associate = func(ctx context.Context, in *ec2.AssociateAddressInput) (*ec2.AssociateAddressOutput, error) {
		sent = append(sent, in)
		return send(ctx, in)
	}
	l.swap(lb2, from)
	l.must(lb2.Check(l.ctx()))
	for _, in := range sent {
		if in.AllowReassociation == nil || *in.AllowReassociation || in.InstanceId != nil || in.PublicIp != nil {
			t.Errorf("sent %+v", in)
		}
	}
	if len(sent) != 2 {
		t.Errorf("%d requests", len(sent))
	}
}

// The node that has freed the address dies before it claims it: another does, and so does the one that comes back.
func TestElasticIPCrashBetweenTheCalls(t *testing.T) {
	l := newEIPLab(t)
	lb2, from := l.held()
	lb3 := l.target(l.launch(awstest.Launch{}))
	l.read(lb3)
	l.free(lb2, from)

	r := l.swap(lb3, l.read(lb3))

	// The same with the one that comes back.
	free := l.free(lb2, r)
	again := l.target(l.lb2)
	if seen := l.read(again); seen.Exists || seen.Token != free.Token {
		t.Fatalf("it reads %+v", seen)
	}
	l.swap(again, l.read(again))

	// A free reading is as good as that of the one who freed it.
	l.free(again, l.read(again))
	_, err := lb3.Free(l.ctx(), r)
	if err != nil {
		t.Errorf("somebody else has ended it: %v", err)
	}
}

func TestElasticIPRaceHasOneWinner(t *testing.T) {
	l := newEIPLab(t)
	nodes := []*ElasticIP{l.target(l.lb1), l.target(l.lb2), l.target(l.launch(awstest.Launch{}))}
	stranger := l.launch(awstest.Launch{})
	for range 10 {
		l.must(l.cloud.SetAddress(l.id, stranger))
		from := l.read(nodes[0])
		var wg sync.WaitGroup
		errs := make([]error, len(nodes))
		for i, node := range nodes {
			wg.Go(func() {
				free, err := node.Free(l.ctx(), from)
				if err == nil {
					_, err = node.Swap(l.ctx(), free, engine.Value{})
				}
				errs[i] = err
			})
		}
		wg.Wait()
		winner := ""
		for i, err := range errs {
			if err == nil {
				if winner != "" {
					t.Fatalf("%s and %s have won", winner, nodes[i].instance)
				}
				winner = nodes[i].instance
				continue
			}
			wantError(t, err, engine.Conflict)
		}
		if winner == "" {
			t.Fatalf("nobody has won: %v", errs)
		}
		l.has(winner)
	}
}

// A stopped holder keeps the address, and it is taken without waiting for it.
func TestElasticIPOfAStoppedInstance(t *testing.T) {
	l := newEIPLab(t)
	l.must(l.cloud.SetAddress(l.id, l.lb1))
	l.must(l.cloud.Stop(l.lb1))
	lb2 := l.target(l.lb2)
	from := l.read(lb2)
	if from.Instance != l.lb1 {
		t.Fatalf("it reads %+v", from)
	}
	l.swap(lb2, l.free(lb2, from))
	l.must(l.cloud.Start(l.lb1))
	if back, _ := l.cloud.Instance(l.lb1); back.PublicIP() == eipPublic || back.PublicIP() == "" {
		t.Errorf("lb1 comes back with %q", back.PublicIP())
	}
	l.has(l.lb2)
}

// A terminated holder loses it by itself, unless its interface stays: it is still the instance's then to who has seen it, and to
// others a stranger's.
func TestElasticIPOfATerminatedInstance(t *testing.T) {
	l := newEIPLab(t)
	lb2, _ := l.held()
	l.must(l.cloud.Terminate(l.lb1))
	l.swap(lb2, l.read(lb2))

	i, _ := l.cloud.Instance(l.lb2)
	l.must(l.cloud.KeepInterface(l.lb2, i.Interfaces[0].ID))
	lb3, lb4 := l.target(l.launch(awstest.Launch{})), l.target(l.launch(awstest.Launch{}))
	l.read(lb3)
	l.must(l.cloud.Terminate(l.lb2))
	if seen := l.read(lb3); seen.Instance != l.lb2 || !seen.Exists {
		t.Errorf("who has seen it reads %+v", seen)
	}
	from := l.read(lb4)
	if from.Instance != i.Interfaces[0].ID || !from.Exists || from.Refuse != "" {
		t.Errorf("who has not reads %+v", from)
	}
	l.swap(lb4, l.free(lb4, from))
}

// What a service of AWS has is never touched: either it says so, or EC2 refuses.
func TestElasticIPOfAService(t *testing.T) {
	l := newEIPLab(t)
	l.must(l.cloud.SetAddressService(l.id, "alb"))
	lb2 := l.target(l.lb2)
	r := l.read(lb2)
	if r.Refuse != "managed by alb" {
		t.Errorf("refused for %q", r.Refuse)
	}
	l.cloud.ResetCalls()
	_, err := lb2.Free(l.ctx(), r)
	wantError(t, err, engine.Denied, "managed by alb")
	_, err = lb2.Swap(l.ctx(), r, engine.Value{})
	wantError(t, err, engine.Denied, "managed by alb")
	wantError(t, lb2.Check(l.ctx()), engine.Denied, "managed by alb", "checking whether")
	l.wantCalls(1, 0, 0)

	l.must(l.cloud.SetAddressService(l.id, "nat"))
	r = l.read(lb2)
	if !r.Exists || !strings.HasPrefix(r.Instance, "eni-") || r.Refuse != "" {
		t.Errorf("a NAT gateway's reads %+v", r)
	}
	_, err = lb2.Free(l.ctx(), r)
	wantError(t, err, engine.Denied, "AuthFailure", "a service such as a NAT gateway")
}

func TestElasticIPOptions(t *testing.T) {
	good := ElasticIPOptions{Address: "eipalloc-0123456789abcdef0", Instance: "i-0123456789abcdef0"}
	for part, edit := range map[string]func(*ElasticIPOptions){
		`"x" is neither the id of an Elastic IP`:       func(o *ElasticIPOptions) { o.Address = "x" },
		`"2001:db8::1" is neither`:                     func(o *ElasticIPOptions) { o.Address = "2001:db8::1" },
		"needs the id of the instance":                 func(o *ElasticIPOptions) { o.Instance = "" },
		`"eth0" is not the id of a network interface`:  func(o *ElasticIPOptions) { o.Interface = "eth0" },
		"either an id or a device index":               func(o *ElasticIPOptions) { o.Interface, o.Device = "eni-01234567", 1 },
		"device index from 0":                          func(o *ElasticIPOptions) { o.Device = -1 },
		`"10.0.1.256" is not the private IPv4 address`: func(o *ElasticIPOptions) { o.PrivateIP = "10.0.1.256" },
		"": func(o *ElasticIPOptions) { o.Address, o.PrivateIP, o.Device = eipPublic, "auto", 1 },
	} {
		o := good
		edit(&o)
		_, err := NewElasticIP(o)
		if part == "" && err != nil || part != "" && (err == nil || !strings.Contains(err.Error(), part)) {
			t.Errorf("%q: %v", part, err)
		}
	}
}
