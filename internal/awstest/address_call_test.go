package awstest

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestAddressesOnTheWire(t *testing.T) {
	c := New(Config{})
	client, ctx := ec2Client(t, serve(t, c)), soon(t)
	id := launch(t, c, Launch{})
	i, _ := c.Instance(id)
	eip := allocate(t, c, Allocation{PublicIP: "203.0.113.10", Tags: map[string]string{"app": "lb"}})
	want := types.Address{
		AllocationId: &eip.AllocationID, PublicIp: aws.String("203.0.113.10"), Domain: "vpc", PublicIpv4Pool: aws.String("amazon"),
		NetworkBorderGroup: aws.String(DefaultRegion), Tags: []types.Tag{{Key: aws.String("app"), Value: aws.String("lb")}},
	}
	look := func() types.Address {
		t.Helper()
		out, err := client.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{AllocationIds: []string{eip.AllocationID}})
		do(t, err)
		return out.Addresses[0]
	}
	ignore := cmpopts.IgnoreUnexported(types.Address{}, types.Tag{})
	if diff := cmp.Diff(want, look(), ignore); diff != "" {
		t.Errorf("free: %s", diff)
	}
	out, err := client.AssociateAddress(ctx, &ec2.AssociateAddressInput{
		AllocationId: &eip.AllocationID, NetworkInterfaceId: &i.Interfaces[0].ID, PrivateIpAddress: aws.String(i.PrivateIP()),
		AllowReassociation: aws.Bool(false),
	})
	do(t, err)
	want.AssociationId, want.InstanceId, want.NetworkInterfaceId = out.AssociationId, &id, &i.Interfaces[0].ID
	want.NetworkInterfaceOwnerId, want.PrivateIpAddress = aws.String(DefaultAccount), aws.String(i.PrivateIP())
	if diff := cmp.Diff(want, look(), ignore); diff != "" {
		t.Errorf("associated: %s", diff)
	}
	instances, err := client.DescribeInstances(ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	do(t, err)
	if a := instances.Reservations[0].Instances[0].NetworkInterfaces[0].Association; *a.PublicIp != "203.0.113.10" || *a.IpOwnerId != DefaultAccount {
		t.Errorf("the instance tells %+v", a)
	}
	_, err = client.DisassociateAddress(ctx, &ec2.DisassociateAddressInput{AssociationId: out.AssociationId})
	do(t, err)
	if now := look(); now.AssociationId != nil || now.InstanceId != nil || now.NetworkInterfaceId != nil {
		t.Errorf("free again: %+v", now)
	}
	do(t, c.SetAddressService(eip.AllocationID, "alb"))
	if now := look(); now.ServiceManaged != "alb" || now.InstanceId != nil || now.AssociationId == nil {
		t.Errorf("managed: %+v", now)
	}

	for name, err := range map[string]error{
		"InvalidAddress.NotFound": func() error {
			_, err := client.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{PublicIps: []string{"203.0.113.99"}})
			return err
		}(),
		"InvalidParameterValue": func() error {
			_, err := client.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{PublicIps: []string{eip.AllocationID}})
			return err
		}(),
		"InvalidAllocationID.NotFound": func() error {
			_, err := client.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{AllocationIds: []string{eip.AllocationID, "eipalloc-0"}})
			return err
		}(),
		"InvalidParameterCombination": func() error {
			_, err := client.AssociateAddress(ctx, &ec2.AssociateAddressInput{PublicIp: &eip.PublicIP, InstanceId: &id})
			return err
		}(),
		"MissingParameter": func() error {
			_, err := client.DisassociateAddress(ctx, &ec2.DisassociateAddressInput{})
			return err
		}(),
	} {
		if code(err) != name {
			t.Errorf("%v, want %s", err, name)
		}
	}
}

func TestAddressFilters(t *testing.T) {
	c := New(Config{})
	id := launch(t, c, Launch{})
	i, _ := c.Instance(id)
	held, idle := allocate(t, c, Allocation{Tags: map[string]string{"app": "lb"}}), allocate(t, c, Allocation{BorderGroup: "eu-west-1-lon-1"})
	do(t, c.SetAddress(held.AllocationID, id))
	held = addressNow(t, c, held.AllocationID)
	allocate(t, c, Allocation{Region: "us-east-1"})
	allocate(t, c, Allocation{Account: "210987654321"})
	for name, want := range map[string]struct {
		value string
		id    string
	}{
		"allocation-id":              {held.AllocationID, held.AllocationID},
		"association-id":             {held.AssociationID, held.AllocationID},
		"instance-id":                {id, held.AllocationID},
		"network-border-group":       {"eu-west-1-lon-1", idle.AllocationID},
		"network-interface-id":       {i.Interfaces[0].ID, held.AllocationID},
		"network-interface-owner-id": {DefaultAccount, held.AllocationID},
		"private-ip-address":         {i.PrivateIP(), held.AllocationID},
		"public-ip":                  {idle.PublicIP, idle.AllocationID},
		"tag:app":                    {"l?", held.AllocationID},
		"tag-key":                    {"app", held.AllocationID},
	} {
		all, err := c.DescribeAddresses(Caller{}, DescribeAddressesInput{Filters: []Filter{{name, []string{want.value}}}})
		if err != nil || len(all) != 1 || all[0].AllocationID != want.id {
			t.Errorf("%s: %+v, %v", name, all, err)
		}
	}
	if all, err := c.DescribeAddresses(Caller{}, DescribeAddressesInput{}); err != nil || len(all) != 2 {
		t.Errorf("all: %+v, %v", all, err)
	}
	for _, name := range []string{"tag:", "domain-name"} {
		if _, err := c.DescribeAddresses(Caller{}, DescribeAddressesInput{Filters: []Filter{{name, []string{"x"}}}}); code(err) != "InvalidParameterValue" {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestAssociateAddress(t *testing.T) {
	clk := newClock()
	c := New(Config{
		Now: clk.Now, StopTime: time.Second, Zones: []Zone{{"eu-west-1a", "euw1-az1"}, {"eu-west-1-lon-1a", "euw1-lon1-az1"}},
	})
	c.SetAddressRules(AddressRules{Again: AgainSucceeds})
	lb1, lb2, many := launch(t, c, Launch{}), launch(t, c, Launch{}), launch(t, c, Launch{})
	_, err := c.AddInterface(many)
	do(t, err)
	local := launch(t, c, Launch{Zone: "eu-west-1-lon-1a"})
	ended, stopping := launch(t, c, Launch{}), launch(t, c, Launch{})
	do(t, c.Terminate(ended))
	clk.advance(time.Second)
	i1, _ := c.Instance(lb1)
	i2, _ := c.Instance(lb2)
	iLocal, _ := c.Instance(local)
	eip, other := allocate(t, c, Allocation{}), allocate(t, c, Allocation{})
	managed := allocate(t, c, Allocation{})
	do(t, c.SetAddressService(managed.AllocationID, "nat"))
	do(t, c.SetAddress(other.AllocationID, lb2))
	first, err := c.AssociateAddress(Caller{}, AssociateAddressInput{AllocationID: eip.AllocationID, InstanceID: lb1, KeepOthers: true})
	do(t, err)

	for _, tc := range []struct {
		name string
		in   AssociateAddressInput
		code string
		part string
	}{
		{"taken", AssociateAddressInput{InstanceID: lb2, KeepOthers: true}, "Resource.AlreadyAssociated",
			"resource " + eip.AllocationID + " is already associated with associate-id " + first},
		{"its place is", AssociateAddressInput{AllocationID: "new", InterfaceID: i2.Interfaces[0].ID, KeepOthers: true}, "Resource.AlreadyAssociated",
			"resource " + i2.Interfaces[0].ID + " and " + i2.PrivateIP() + " is already associated with public address " + other.PublicIP},
		{"both", AssociateAddressInput{InstanceID: lb1, InterfaceID: i1.Interfaces[0].ID}, "InvalidParameterCombination", ""},
		{"neither", AssociateAddressInput{}, "MissingParameter", ""},
		{"many", AssociateAddressInput{InstanceID: many}, "InvalidInstanceID", "There are multiple interfaces attached to instance '" + many},
		{"terminated", AssociateAddressInput{InstanceID: ended}, "InvalidInstanceID", "The terminated instance '" + ended + "' is not in a valid state"},
		{"no instance", AssociateAddressInput{InstanceID: "i-00000000"}, "InvalidInstanceID.NotFound", ""},
		{"no interface", AssociateAddressInput{InterfaceID: "eni-0"}, "InvalidNetworkInterfaceID.NotFound", "The networkInterface ID 'eni-0' does not exist"},
		{"no such private address", AssociateAddressInput{InstanceID: lb1, PrivateIP: "10.9.9.9"}, "InvalidParameterValue", "10.9.9.9"},
		{"no address", AssociateAddressInput{AllocationID: "eipalloc-0", InstanceID: lb1}, "InvalidAllocationID.NotFound", "The allocation ID 'eipalloc-0' does not exist"},
		{"another border group", AssociateAddressInput{InterfaceID: iLocal.Interfaces[0].ID}, "InvalidParameterCombination", "border group"},
		{"a service's", AssociateAddressInput{AllocationID: managed.AllocationID, InstanceID: lb1}, "AuthFailure", "permission"},
		{"dry", AssociateAddressInput{InstanceID: lb2, DryRun: true}, "DryRunOperation", ""},
	} {
		switch tc.in.AllocationID {
		case "":
			tc.in.AllocationID = eip.AllocationID
		case "new":
			tc.in.AllocationID = allocate(t, c, Allocation{}).AllocationID
		}
		_, err := c.AssociateAddress(Caller{}, tc.in)
		if code(err) != tc.code || !strings.Contains(err.Error(), tc.part) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if a := addressNow(t, c, eip.AllocationID); a.AssociationID != first {
			t.Fatalf("%s: it has moved: %+v", tc.name, a)
		}
	}

	// Where it is already: whatever the rule, it stays.
	again := AssociateAddressInput{AllocationID: eip.AllocationID, InstanceID: lb1, KeepOthers: true}
	if id, err := c.AssociateAddress(Caller{}, again); err != nil || id != first {
		t.Errorf("again: %s, %v", id, err)
	}
	c.SetAddressRules(AddressRules{Again: AgainFails})
	if _, err := c.AssociateAddress(Caller{}, again); code(err) != "Resource.AlreadyAssociated" {
		t.Errorf("again: %v", err)
	}
	// Without an explicit false it is taken, and the address that was there is freed.
	id, err := c.AssociateAddress(Caller{}, AssociateAddressInput{AllocationID: eip.AllocationID, InstanceID: lb2})
	do(t, err)
	if a, b := addressNow(t, c, eip.AllocationID), addressNow(t, c, other.AllocationID); id == first || a.InstanceID != lb2 || !b.Free() {
		t.Errorf("taken: %+v, and the other %+v", a, b)
	}
	do(t, c.SetAddress(eip.AllocationID, ""))
	do(t, c.Stop(stopping))
	iStopping, _ := c.Instance(stopping)
	for _, in := range []AssociateAddressInput{{InstanceID: stopping}, {InterfaceID: iStopping.Interfaces[0].ID}} {
		in.AllocationID = eip.AllocationID
		if _, err := c.AssociateAddress(Caller{}, in); code(err) != "IncorrectInstanceState" {
			t.Errorf("stopping: %v", err)
		}
	}
}

// Of many that ask for a free address at once, one has it.
func TestOneAssociates(t *testing.T) {
	c := New(Config{})
	eip := allocate(t, c, Allocation{})
	var wg sync.WaitGroup
	won := make([]bool, 8)
	ids := make([]string, len(won))
	for n := range won {
		ids[n] = launch(t, c, Launch{})
	}
	for n := range won {
		wg.Go(func() {
			_, err := c.AssociateAddress(Caller{}, AssociateAddressInput{AllocationID: eip.AllocationID, InstanceID: ids[n], KeepOthers: true})
			won[n] = err == nil
			if err != nil && code(err) != "Resource.AlreadyAssociated" {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	winner := slices.Index(won, true)
	if winner < 0 || slices.Contains(won[winner+1:], true) || addressNow(t, c, eip.AllocationID).InstanceID != ids[winner] {
		t.Errorf("won by %v, and %+v", won, addressNow(t, c, eip.AllocationID))
	}
}

func TestDisassociateAddress(t *testing.T) {
	c := New(Config{})
	lb1, lb2 := launch(t, c, Launch{}), launch(t, c, Launch{})
	eip := allocate(t, c, Allocation{})
	do(t, c.SetAddress(eip.AllocationID, lb1))
	old := addressNow(t, c, eip.AllocationID).AssociationID
	do(t, c.SetAddress(eip.AllocationID, lb2))
	now := addressNow(t, c, eip.AllocationID)
	if err := c.DisassociateAddress(Caller{}, old); code(err) != "InvalidAssociationID.NotFound" || err.Error() != "InvalidAssociationID.NotFound: The association ID '"+old+"' does not exist" {
		t.Errorf("one that has ended: %v", err)
	}
	c.SetAddressRules(AddressRules{EndedIsSuccess: true})
	do(t, c.DisassociateAddress(Caller{}, old))
	if a := addressNow(t, c, eip.AllocationID); a.AssociationID != now.AssociationID {
		t.Errorf("the present one has ended: %+v", a)
	}
	if err := c.DisassociateAddress(Caller{Account: "210987654321"}, now.AssociationID); err != nil || addressNow(t, c, eip.AllocationID).Free() {
		t.Errorf("another account's: %v", err)
	}
	allow := c.Deny("ec2:DisassociateAddress")
	if err := c.DisassociateAddress(Caller{}, now.AssociationID); code(err) != "UnauthorizedOperation" {
		t.Errorf("denied: %v", err)
	}
	allow()
	do(t, c.DisassociateAddress(Caller{}, now.AssociationID))
	do(t, c.SetAddressService(eip.AllocationID, "nat"))
	if err := c.DisassociateAddress(Caller{}, addressNow(t, c, eip.AllocationID).AssociationID); code(err) != "AuthFailure" {
		t.Errorf("a service's: %v", err)
	}
	c.SetRate("ec2:DisassociateAddress", Rate{Burst: 1})
	c.DisassociateAddress(Caller{}, "x")
	if err := c.DisassociateAddress(Caller{}, "x"); code(err) != "RequestLimitExceeded" {
		t.Errorf("throttled: %v", err)
	}
}
