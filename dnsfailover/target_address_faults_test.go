package dnsfailover

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

const (
	describeAddresses = "DescribeAddresses"
	associateAddress  = "AssociateAddress"
	endAddress        = "DisassociateAddress"
)

// The answer to a write is lost, as when it cuts the connection that it came by. The address tells.
func TestElasticIPLostReply(t *testing.T) {
	for _, kind := range []awstest.FaultKind{awstest.Lose, awstest.Truncate} {
		l := newEIPLab(t)
		lb2, from := l.held()
		l.fault(endAddress, 1, awstest.Fault{Kind: kind})
		free := l.free(lb2, from)
		l.wantCalls(1, 1, 0)
		l.fault(associateAddress, 1, awstest.Fault{Kind: kind})
		r, err := lb2.Swap(l.ctx(), free, engine.Value{})
		if err != nil || r.Instance != l.lb2 || r.Token != l.now().AssociationID {
			t.Errorf("%+v, %v", r, err)
		}
		l.wantCalls(1, 0, 1)
	}
}

// The answer is late: what is left of the time is enough to find out.
func TestElasticIPSlowAnswer(t *testing.T) {
	l := newEIPLab(t)
	lb2, from := l.idle()
	l.fault(associateAddress, 1, awstest.Fault{Latency: time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	r, err := lb2.Swap(ctx, from, engine.Value{})
	if err != nil || r.Instance != l.lb2 || ctx.Err() != nil {
		t.Errorf("%+v, %v", r, err)
	}
	l.wantCalls(1, 0, 1)
}

// Without an answer a write is sent again, if what it was made for is still there.
func TestElasticIPNoAnswer(t *testing.T) {
	for name, fault := range map[string]awstest.Fault{
		"connection closed": {Kind: awstest.Drop},
		"no answer":         {Kind: awstest.Hang},
		"server error":      {Status: 500},
		"unavailable":       {Status: 503},
	} {
		t.Run(name, func(t *testing.T) {
			l := newEIPLab(t)
			lb2, from := l.held(func(o *ElasticIPOptions) {
				if fault.Kind == awstest.Hang {
					o.Timeout = 500 * time.Millisecond
				}
			})
			remove := l.fault(endAddress, 1, fault)
			free, err := lb2.Free(l.ctx(), from)
			l.must(err)
			remove()
			remove = l.fault(associateAddress, 1, fault)
			r, err := lb2.Swap(l.ctx(), free, engine.Value{})
			l.must(err)
			remove()
			l.wantCalls(3, 2, 2)
			l.has(l.lb2)
			if fault.Kind == awstest.Hang {
				return // of the rest this is the slowest, and not another, way
			}

			// Of every write.
			remove = l.fault(endAddress, 0, fault)
			_, err = lb2.Free(l.ctx(), r)
			wantError(t, err, engine.Unknown, opDisassociate)
			l.wantCalls(attempts, attempts, 0)
			remove()
			l.must(l.cloud.SetAddress(l.id, ""))
			remove = l.fault(associateAddress, 0, fault)
			_, err = lb2.Swap(l.ctx(), free, engine.Value{})
			wantError(t, err, engine.Unknown, opAssociate)
			l.wantCalls(attempts, 0, attempts)
			remove()

			// Of everything.
			remove = l.fault("*", 0, fault)
			_, err = lb2.Read(l.ctx())
			wantError(t, err, engine.Unknown, opAddresses, "reading the Elastic IP "+l.id)
			l.wantCalls(attempts, 0, 0)
			_, err = lb2.Free(l.ctx(), r)
			wantError(t, err, engine.Unknown, opDisassociate, "whether it was done is not known")
			_, err = lb2.Swap(l.ctx(), free, engine.Value{})
			wantError(t, err, engine.Unknown, opAssociate, "whether it was done is not known")
			l.wantCalls(2, 1, 1)
			remove()
			l.has("")
		})
	}
}

// After an attempt that may yet be carried out, the end of the others does not make it sure that it was not.
func TestElasticIPUnsureStaysUnsure(t *testing.T) {
	for _, code := range []string{"RequestLimitExceeded", "UnauthorizedOperation"} {
		l := newEIPLab(t)
		lb2, from := l.held()
		l.fault(endAddress, 1, awstest.Fault{Kind: awstest.Drop})
		l.fault(endAddress, 0, awstest.Fault{Code: code})
		_, err := lb2.Free(l.ctx(), from)
		wantError(t, err, engine.Unknown, "network", "and then: ", code)
		l.must(l.cloud.SetAddress(l.id, ""))
		l.fault(associateAddress, 1, awstest.Fault{Kind: awstest.Drop})
		l.fault(associateAddress, 0, awstest.Fault{Code: code})
		_, err = lb2.Swap(l.ctx(), l.read(lb2), engine.Value{})
		wantError(t, err, engine.Unknown, "network", "and then: ", code)
	}
}

// The association of our own that was lost on the way arrives when it is sent again, whatever EC2 says of the second.
func TestElasticIPLateWriteMeetsItsRepetition(t *testing.T) {
	for _, rule := range []awstest.AgainRule{awstest.AgainFails, awstest.AgainSucceeds} {
		l := newEIPLab(t)
		l.cloud.SetAddressRules(awstest.AddressRules{Again: rule})
		lb2, from := l.idle()
		send, late := lb2.associate, []*ec2.AssociateAddressInput(nil)
		lb2.associate = func(ctx context.Context, in *ec2.AssociateAddressInput) (*ec2.AssociateAddressOutput, error) {
			if late = append(late, in); len(late) == 1 {
				return nil, context.DeadlineExceeded
			}
			if _, err := send(ctx, late[0]); err != nil {
				t.Errorf("the late one: %v", err)
			}
			return send(ctx, in)
		}
		r, err := lb2.Swap(l.ctx(), from, engine.Value{})
		if err != nil || r.Token != l.now().AssociationID || len(late) != 2 {
			t.Errorf("%+v, %v after %d", r, err, len(late))
		}
		l.has(l.lb2)
	}
}

func TestElasticIPBusy(t *testing.T) {
	l := newEIPLab(t)
	lb2, from := l.held()
	throttled := awstest.Fault{Code: "RequestLimitExceeded"}
	l.fault(endAddress, attempts-1, throttled)
	free := l.free(lb2, from)
	l.fault(associateAddress, attempts-1, throttled)
	r, err := lb2.Swap(l.ctx(), free, engine.Value{})
	l.must(err)
	l.wantCalls(1, attempts, attempts)
	l.fault(describeAddresses, attempts-1, throttled)
	if again := l.read(lb2); again != r {
		t.Errorf("it reads %+v", again)
	}

	l.fault("*", 0, throttled)
	_, err = lb2.Read(l.ctx())
	wantError(t, err, engine.Busy, "RequestLimitExceeded")
	_, err = lb2.Free(l.ctx(), r)
	wantError(t, err, engine.Busy, "RequestLimitExceeded")

	// Nobody waits for an attempt that would come too late.
	lb2.pause = time.Hour
	l.cloud.ResetCalls()
	_, err = lb2.Swap(l.ctx(), free, engine.Value{})
	wantError(t, err, engine.Busy, "RequestLimitExceeded")
	l.wantCalls(0, 0, 1)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	lb2 = l.target(l.lb2, func(o *ElasticIPOptions) { l.here(o) })
	_, err = lb2.Free(ctx, r)
	wantError(t, err, engine.Busy, "nothing was sent")
	_, err = lb2.Swap(ctx, free, engine.Value{})
	wantError(t, err, engine.Busy, "nothing was sent")
	l.wantCalls(0, 0, 0)
}

// here makes options name the very place of lb2.
func (l *eipLab) here(o *ElasticIPOptions) {
	i, _ := l.cloud.Instance(l.lb2)
	o.Interface, o.PrivateIP = i.Interfaces[0].ID, i.PrivateIP()
}

// The own instance is still starting, or stopping: that passes.
func TestElasticIPWrongMoment(t *testing.T) {
	l := newEIPLab(t)
	lb2, from := l.idle()
	l.fault(associateAddress, 0, awstest.Fault{Code: "IncorrectInstanceState"})
	_, err := lb2.Swap(l.ctx(), from, engine.Value{})
	wantError(t, err, engine.Busy, "IncorrectInstanceState")
}

func TestElasticIPPermissions(t *testing.T) {
	l := newEIPLab(t)
	lb2, from := l.held()
	for op, call := range map[string]func() error{
		opAddresses:    func() error { _, err := lb2.Read(l.ctx()); return err },
		opDisassociate: func() error { _, err := lb2.Free(l.ctx(), from); return err },
		opAssociate: func() error {
			_, err := lb2.Swap(l.ctx(), engine.Reading{Token: freeToken, Raw: from.Raw}, engine.Value{})
			return err
		},
	} {
		allow := l.cloud.Deny(op)
		l.cloud.ResetCalls()
		err := call()
		wantError(t, err, engine.Denied, "UnauthorizedOperation", "add "+op+" to the policy", "(request ")
		if n := l.cloud.Count("ec2", ""); n != 1 {
			t.Errorf("%s: %d calls", op, n)
		}
		// It is found out before it is needed.
		wantError(t, lb2.Check(l.ctx()), engine.Denied, "checking whether the Elastic IP "+l.id+" can be moved here", "add "+op+" to the policy")
		allow()
		l.has(l.lb1)
	}
	before := l.now()
	l.must(lb2.Check(l.ctx()))
	l.must(l.target(l.lb1).Check(l.ctx()))
	if l.now().AssociationID != before.AssociationID {
		t.Error("checking has moved it")
	}
	l.must(l.cloud.SetAddress(l.id, ""))
	l.must(lb2.Check(l.ctx()))
	l.has("")
}

// An address of another network border group is known as such before it is taken from its holder.
func TestElasticIPOfAnotherBorderGroup(t *testing.T) {
	l := newEIPLab(t)
	l.id = l.allocate(awstest.Allocation{PublicIP: "203.0.113.11", BorderGroup: "eu-west-1-lon-1"})
	lb2 := l.target(l.lb2, func(o *ElasticIPOptions) { o.Zone = "eu-west-1b" })
	_, err := lb2.Read(l.ctx())
	wantError(t, err, engine.Denied, "network border group eu-west-1-lon-1", "this instance is in eu-west-1,", "allocate one in eu-west-1")
	l.read(l.target(l.lb2, func(o *ElasticIPOptions) { o.Zone = "eu-west-1-lon-1a" }))

	// Who does not know its own learns it from EC2.
	lb2, from := l.idle()
	wantError(t, lb2.Check(l.ctx()), engine.Denied, "border group")
	_, err = lb2.Swap(l.ctx(), from, engine.Value{})
	wantError(t, err, engine.Denied, "border group")
	for zone, want := range map[string]string{
		"": "", "eu-west-1a": "eu-west-1", "us-west-2-lax-1a": "us-west-2-lax-1", "us-east-1-wl1-bos-wlz-1": "us-east-1-wl1-bos-wlz-1",
	} {
		if got := borderGroup(zone); got != want {
			t.Errorf("that of %s is %q", zone, got)
		}
	}
}

func TestElasticIPReleased(t *testing.T) {
	l := newEIPLab(t)
	byID, byAddress := l.target(l.lb2), l.target(l.lb2, func(o *ElasticIPOptions) { o.Address = eipPublic })
	from := l.read(byID)
	l.must(l.cloud.ReleaseAddress(l.id))
	_, err := byID.Read(l.ctx())
	wantError(t, err, engine.Denied, "InvalidAllocationID.NotFound", "was the address released")
	_, err = byAddress.Read(l.ctx())
	wantError(t, err, engine.Denied, "InvalidAddress.NotFound", "was the address released")
	_, err = byID.Swap(l.ctx(), from, engine.Value{})
	wantError(t, err, engine.Denied, "InvalidAllocationID.NotFound")
}

// A person, or a tool, moves the address while it is being taken.
func TestElasticIPMovedBySomebody(t *testing.T) {
	l := newEIPLab(t)
	lb2, from := l.held()
	stranger := l.launch(awstest.Launch{})
	l.must(l.cloud.SetAddress(l.id, stranger))
	_, err := lb2.Free(l.ctx(), from)
	wantError(t, err, engine.Conflict, stranger+" has it", codeEnded)
	l.has(stranger)

	// With the answer lost, it is seen to have gone elsewhere.
	from = l.read(lb2)
	l.must(l.cloud.SetAddress(l.id, l.lb1))
	l.fault(endAddress, 1, awstest.Fault{Kind: awstest.Drop})
	_, err = lb2.Free(l.ctx(), from)
	wantError(t, err, engine.Conflict, l.lb1+" has it", "network")

	// Where EC2 calls the end of what has ended a success, the second call decides.
	l.cloud.SetAddressRules(awstest.AddressRules{EndedIsSuccess: true})
	free, err := lb2.Free(l.ctx(), from)
	l.must(err)
	_, err = lb2.Swap(l.ctx(), free, engine.Value{})
	wantError(t, err, engine.Conflict, l.lb1+" has it", codeTaken)
	l.has(l.lb1)

	// Between the two calls.
	from = l.read(lb2)
	free = l.free(lb2, from)
	lb2.meanwhile(func() { l.must(l.cloud.SetAddress(l.id, stranger)) })
	l.fault(associateAddress, 1, awstest.Fault{Kind: awstest.Drop})
	_, err = lb2.Swap(l.ctx(), free, engine.Value{})
	wantError(t, err, engine.Conflict, stranger+" has it", "network")
	l.has(stranger)

	// Just after them.
	free = l.free(lb2, l.read(lb2))
	send := lb2.associate
	lb2.associate = func(ctx context.Context, in *ec2.AssociateAddressInput) (*ec2.AssociateAddressOutput, error) {
		out, err := send(ctx, in)
		l.must(l.cloud.SetAddress(l.id, l.lb1))
		return out, err
	}
	_, err = lb2.Swap(l.ctx(), free, engine.Value{})
	wantError(t, err, engine.Conflict, "and then taken by "+l.lb1)

	// Freed before its end could be told, and nobody can be asked.
	from = l.read(lb2)
	l.must(l.cloud.SetAddress(l.id, ""))
	l.cloud.SetAddressRules(awstest.AddressRules{})
	l.fault(describeAddresses, 1, awstest.Fault{Kind: awstest.Drop})
	_, err = lb2.Free(l.ctx(), from)
	wantError(t, err, engine.Conflict, codeEnded, "who has it now is not known")
}
