package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
)

const (
	opAddresses    = "ec2:DescribeAddresses"
	opAssociate    = "ec2:AssociateAddress"
	opDisassociate = "ec2:DisassociateAddress"

	// How EC2 refuses a write for what the address is associated with.
	codeTaken = "Resource.AlreadyAssociated"
	codeEnded = "InvalidAssociationID.NotFound"

	// codeDryRun is how EC2 says that a call would have been carried out.
	codeDryRun = "DryRunOperation"
)

// connect makes the operations.
func (t *ElasticIP) connect(cfg aws.Config) {
	client := ec2.NewFromConfig(cfg, func(o *ec2.Options) {
		o.Retryer = awsconf.NoRetries()
		o.HTTPClient = freshClient(cfg)
	})
	t.describe = func(ctx context.Context, in *ec2.DescribeAddressesInput) (*ec2.DescribeAddressesOutput, error) {
		return client.DescribeAddresses(ctx, in)
	}
	t.associate = func(ctx context.Context, in *ec2.AssociateAddressInput) (*ec2.AssociateAddressOutput, error) {
		return client.AssociateAddress(ctx, in)
	}
	t.disassociate = func(ctx context.Context, in *ec2.DisassociateAddressInput) (*ec2.DisassociateAddressOutput, error) {
		return client.DisassociateAddress(ctx, in)
	}
	t.metadata = metadataReader(cfg)
}

// attempt bounds one request: something of the time has to be left for finding out what became of it.
func (t *ElasticIP) attempt(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := t.timeout
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)/2)
	}
	return context.WithTimeout(ctx, limit)
}

// look asks for the address once.
func (t *ElasticIP) look(ctx context.Context) (engine.Reading, error) {
	in := &ec2.DescribeAddressesInput{AllocationIds: []string{t.address}}
	if isIPv4(t.address) {
		in = &ec2.DescribeAddressesInput{PublicIps: []string{t.address}}
	}
	ctx, cancel := t.attempt(ctx)
	defer cancel()
	out, err := t.describe(ctx, in)
	if err != nil {
		return engine.Reading{}, explainAddress(opAddresses, err)
	}
	for i := range out.Addresses { // there may be others in it, whatever was asked for
		a := &out.Addresses[i]
		if t.address == aws.ToString(a.AllocationId) || t.address == aws.ToString(a.PublicIp) {
			return t.reading(a)
		}
	}
	return engine.Reading{}, halfAddress("the address is not in it")
}

// halfAddress is the error of an answer that lacks something. It must not be taken for that of a free address.
func halfAddress(what string) error { return fmt.Errorf("%s: half an answer: %s", opAddresses, what) }

// reading is what EC2 tells of the address.
func (t *ElasticIP) reading(a *types.Address) (engine.Reading, error) {
	now := association{
		allocation: aws.ToString(a.AllocationId), public: aws.ToString(a.PublicIp),
		id: aws.ToString(a.AssociationId), instance: aws.ToString(a.InstanceId),
	}
	iface, group := aws.ToString(a.NetworkInterfaceId), aws.ToString(a.NetworkBorderGroup)
	switch {
	case now.allocation == "" || now.public == "":
		return engine.Reading{}, halfAddress("the address has no allocation")
	case t.group != "" && group != "" && group != t.group:
		return engine.Reading{}, &outcomeError{engine.Denied, fmt.Errorf("the address belongs to the network border group %s, and this "+
			"instance is in %s, to which it can't be moved: allocate one in %[2]s, or move the node", group, t.group)}
	case now.id == "" && (now.instance != "" || iface != ""):
		return engine.Reading{}, halfAddress("the association has no id")
	case now.id == "":
		return now.freed(), nil
	case now.instance == "" && iface == "":
		return engine.Reading{}, halfAddress("the association is with nothing")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case now.id == t.ended:
		return engine.Reading{}, &outcomeError{engine.Unknown, fmt.Errorf("%s: the association %s has ended, and EC2 does not show that yet",
			opAddresses, now.id)}
	case now.instance == t.instance:
		t.mine, t.seen = now.id, now
	case now.instance != "":
		t.seen = now
	case now.id == t.seen.id:
		now.instance = t.seen.instance
	default:
		now.instance = iface
	}
	r := engine.Reading{Token: now.id, Exists: true, Addrs: now.public, Instance: now.instance, Raw: now}
	if a.ServiceManaged != "" {
		r.Refuse = "managed by " + string(a.ServiceManaged)
	}
	return r, nil
}

// begin associates the address once.
func (t *ElasticIP) begin(ctx context.Context, allocation string, to place) (id string, err error) {
	ctx, cancel := t.attempt(ctx)
	defer cancel()
	out, err := t.associate(ctx, associateInput(allocation, to))
	if err != nil {
		return "", explainAddress(opAssociate, err)
	}
	if aws.ToString(out.AssociationId) == "" {
		return "", fmt.Errorf("%s: half an answer: it has no association", opAssociate)
	}
	return *out.AssociationId, nil
}

// associateInput asks for an association. AllowReassociation is sent with its value, since without one it is true.
func associateInput(allocation string, to place) *ec2.AssociateAddressInput {
	return &ec2.AssociateAddressInput{
		AllocationId: &allocation, NetworkInterfaceId: &to.iface, PrivateIpAddress: &to.private, AllowReassociation: aws.Bool(false),
	}
}

// end ends an association once.
func (t *ElasticIP) end(ctx context.Context, id string) error {
	ctx, cancel := t.attempt(ctx)
	defer cancel()
	_, err := t.disassociate(ctx, &ec2.DisassociateAddressInput{AssociationId: &id})
	err = explainAddress(opDisassociate, err)
	if o := addressOutcome(err); o == engine.Done || o == engine.Conflict {
		t.mu.Lock()
		t.ended = id
		t.mu.Unlock()
	}
	return err
}

// try asks whether both writes would be allowed.
func (t *ElasticIP) try(ctx context.Context, a association, to place) error {
	attempt, cancel := t.attempt(ctx)
	defer cancel()
	in := associateInput(a.allocation, to)
	in.DryRun = aws.Bool(true)
	_, err := t.associate(attempt, in)
	if err := tried(opAssociate, err); err != nil || a.id == "" {
		return err
	}
	attempt, cancel = t.attempt(ctx)
	defer cancel()
	_, err = t.disassociate(attempt, &ec2.DisassociateAddressInput{AssociationId: &a.id, DryRun: aws.Bool(true)})
	return tried(opDisassociate, err)
}

// tried is what an answer says of the permission. Refused for what the address is associated with now, it is there.
func tried(op string, err error) error {
	err = explainAddress(op, err)
	if codeOf(err) == codeDryRun || addressOutcome(err) == engine.Conflict {
		return nil
	}
	return err
}

// occupant returns the Elastic IP that a place has, or nothing.
func (t *ElasticIP) occupant(ctx context.Context, at place) (public string, err error) {
	ctx, cancel := t.attempt(ctx)
	defer cancel()
	out, err := t.describe(ctx, &ec2.DescribeAddressesInput{Filters: []types.Filter{
		{Name: aws.String("network-interface-id"), Values: []string{at.iface}},
		{Name: aws.String("private-ip-address"), Values: []string{at.private}},
	}})
	if err != nil {
		return "", explainAddress(opAddresses, err)
	}
	for _, a := range out.Addresses {
		if aws.ToString(a.NetworkInterfaceId) == at.iface && aws.ToString(a.PrivateIpAddress) == at.private {
			return aws.ToString(a.PublicIp), nil
		}
	}
	return "", nil
}

// codeOf is EC2's own code of an error, or empty.
func codeOf(err error) string {
	var call *awsconf.Error
	if errors.As(err, &call) {
		return call.Code
	}
	return ""
}

// addressOutcome is that of one request, of which EC2 may say that the address is not what it was.
func addressOutcome(err error) engine.Outcome {
	if code := codeOf(err); code == codeTaken || code == codeEnded {
		return engine.Conflict
	}
	return OutcomeOf(err)
}

// explainAddress makes an error of the SDK one that says what to do.
func explainAddress(op string, err error) error {
	call := awsconf.Classify(op, err)
	if call == nil {
		return nil
	}
	hint := ""
	switch call.Code {
	case "InvalidAllocationID.NotFound", "InvalidAddress.NotFound":
		hint = "was the address released, or is it in another region or account?"
	case "InvalidNetworkInterfaceID.NotFound":
		hint = "check the interface of elastic_ip"
	case "AuthFailure":
		hint = "or does the address belong to another account, or to a service such as a NAT gateway?"
	case "Gateway.NotAttached":
		hint = "attach an internet gateway to the VPC"
	case "IncorrectInstanceState":
		// It passes when the instance has started, or stopped.
		return &outcomeError{engine.Busy, call}
	}
	if hint != "" {
		return fmt.Errorf("%w; %s", call, hint)
	}
	return call
}
