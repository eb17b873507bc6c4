package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// EC2 shows what was before.
func TestElasticIPStaleReadings(t *testing.T) {
	const age = 10 * time.Second
	stale := awstest.Fault{Kind: awstest.Stale, Age: age / 2}
	l := newEIPLab(t)
	lb2, from := l.held()
	l.ahead.Add(int64(time.Minute))
	free := l.free(lb2, from)

	// The association that this node has ended is not read again; others may.
	l.fault(describeAddresses, 1, stale)
	if r := l.read(lb2); r.Exists {
		t.Errorf("it reads %+v", r)
	}
	remove := l.fault(describeAddresses, 0, stale)
	_, err := lb2.Read(l.ctx())
	wantError(t, err, engine.Unknown, "has ended, and EC2 does not show that yet")
	if r := l.read(l.target(l.lb1)); r.Token != from.Token {
		t.Errorf("lb1 reads %+v", r)
	}

	// The claim counts, although it does not show, and the address is seen with the old holder.
	r, err := lb2.Swap(l.ctx(), free, engine.Value{})
	remove()
	if now := l.now(); err != nil || r.Token != now.AssociationID || r.Instance != l.lb2 || r != l.read(lb2) {
		t.Errorf("%+v, %v, and it is %+v", r, err, now)
	}

	// And although the one who had it before, of whom this node knows nothing, is shown once.
	l.ahead.Add(int64(time.Minute))
	l.must(l.cloud.SetAddress(l.id, ""))
	l.ahead.Add(int64(time.Second))
	lb1 := l.target(l.lb1)
	free = l.read(lb1)
	l.fault(describeAddresses, 1, stale)
	if r, err := lb1.Swap(l.ctx(), free, engine.Value{}); err != nil || r.Instance != l.lb1 || r.Token != l.now().AssociationID {
		t.Errorf("%+v, %v", r, err)
	}

	// Nor is it worth less for being seen free as long as anybody looks.
	l.ahead.Add(int64(time.Minute))
	l.must(l.cloud.SetAddress(l.id, ""))
	l.ahead.Add(int64(time.Minute))
	free = l.read(lb1)
	remove = l.fault(describeAddresses, 0, stale)
	if r, err := lb1.Swap(l.ctx(), free, engine.Value{}); err != nil || r.Token != l.now().AssociationID {
		t.Errorf("%+v, %v", r, err)
	}
	remove()

	// A claim that was not carried out is not taken for one of its own of the past.
	l.ahead.Add(int64(time.Minute))
	l.must(l.cloud.SetAddress(l.id, ""))
	l.ahead.Add(int64(time.Second))
	free = l.read(lb1)
	l.fault(associateAddress, 1, awstest.Fault{Kind: awstest.Drop})
	l.fault(describeAddresses, 1, stale)
	l.cloud.ResetCalls()
	if r, err := lb1.Swap(l.ctx(), free, engine.Value{}); err != nil || r.Token != l.now().AssociationID {
		t.Errorf("%+v, %v", r, err)
	}
	l.wantCalls(2, 0, 2)

	// A claim that is refused while the address is seen free was lost to somebody.
	l.ahead.Add(int64(time.Minute))
	l.must(l.cloud.SetAddress(l.id, ""))
	l.ahead.Add(int64(time.Minute))
	free = l.read(lb1)
	l.must(l.cloud.SetAddress(l.id, l.lb2))
	l.fault(describeAddresses, 1, stale)
	_, err = lb1.Swap(l.ctx(), free, engine.Value{})
	wantError(t, err, engine.Conflict, "somebody was faster, and EC2 does not show it yet")
	l.fault(describeAddresses, 1, stale)
	l.fault(describeAddresses, 1, awstest.Fault{Kind: awstest.Drop})
	_, err = lb1.Swap(l.ctx(), free, engine.Value{})
	wantError(t, err, engine.Conflict, "and why is not known")
}

// Seen late and in disorder all the time, two nodes take it from each other, and each knows what it has.
func TestElasticIPUnderEventualConsistency(t *testing.T) {
	l := newEIPLab(t)
	lb1, lb2 := l.target(l.lb1), l.target(l.lb2)
	r := l.swap(lb1, l.read(lb1))
	l.cloud.SetConsistency(time.Hour)
	for n := range 20 {
		node := []*ElasticIP{lb2, lb1}[n%2]
		free, err := node.Free(l.ctx(), r)
		l.must(err)
		r, err = node.Swap(l.ctx(), free, engine.Value{})
		if OutcomeOf(err) == engine.Conflict { // it was shown twice with somebody who has it no more
			l.has(node.instance)
			a := l.now()
			r = engine.Reading{Token: a.AssociationID, Exists: true, Instance: a.InstanceID, Raw: free.Raw}
			continue
		}
		l.must(err)
		if r.Instance != node.instance {
			t.Fatalf("round %d: %s has %+v", n, node.instance, r)
		}
	}
}

// An answer that says less than all is not taken for one that says that the address is free.
func TestElasticIPHalfAnswers(t *testing.T) {
	l := newEIPLab(t)
	lb2, from := l.held()
	for _, kind := range []awstest.FaultKind{awstest.Empty, awstest.Truncate, awstest.Lose} {
		remove := l.fault("", 0, awstest.Fault{Kind: kind})
		r, err := lb2.Read(l.ctx())
		wantError(t, err, engine.Unknown, opAddresses)
		if r.Token != "" {
			t.Errorf("kind %d: %+v", kind, r)
		}
		remove()
	}
	remove := l.fault(associateAddress, 0, awstest.Fault{Kind: awstest.Empty})
	l.must(l.cloud.SetAddress(l.id, ""))
	_, err := lb2.Swap(l.ctx(), l.read(lb2), engine.Value{})
	wantError(t, err, engine.Unknown, "it has no association")
	remove()

	whole := types.Address{
		AllocationId: &l.id, PublicIp: aws.String(eipPublic), AssociationId: &from.Token, InstanceId: &l.lb1, NetworkInterfaceId: aws.String("eni-01234567"),
	}
	for part, edit := range map[string]func(*types.Address){
		"":                           func(*types.Address) {},
		"the address is not in it":   func(a *types.Address) { a.AllocationId = aws.String("eipalloc-0") },
		"the address has no alloc":   func(a *types.Address) { a.PublicIp = nil },
		"the association has no id":  func(a *types.Address) { a.AssociationId = nil },
		"the association is with no": func(a *types.Address) { a.InstanceId, a.NetworkInterfaceId = nil, nil },
	} {
		a := whole
		edit(&a)
		lb2.describe = func(context.Context, *ec2.DescribeAddressesInput) (*ec2.DescribeAddressesOutput, error) {
			return &ec2.DescribeAddressesOutput{Addresses: []types.Address{{PublicIp: aws.String("203.0.113.99")}, a}}, nil
		}
		r, err := lb2.Read(l.ctx())
		if part == "" {
			if err != nil || r.Token != from.Token {
				t.Errorf("%+v, %v", r, err)
			}
			continue
		}
		wantError(t, err, engine.Unknown, "half an answer", part)
	}
	if err := explainAddress(opAssociate, nil); err != nil {
		t.Error(err)
	}
	if got := addressOutcome(fmt.Errorf("x: %w", errors.New("y"))); got != engine.Unknown {
		t.Error(got)
	}
}
