package iam

import (
	"slices"
	"strings"
	"testing"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// newElasticIP is the target of lb2 for an address that lb1 has.
func newElasticIP(t *testing.T) (*awstest.Cloud, *dnsfailover.ElasticIP, engine.Reading) {
	t.Helper()
	cloud := awstest.New(awstest.Config{})
	address, err := cloud.AllocateAddress(awstest.Allocation{})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for range 2 {
		id, err := cloud.Launch(awstest.Launch{PublicIP: awstest.AutoAssign})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := cloud.SetAddress(address.AllocationID, ids[0]); err != nil {
		t.Fatal(err)
	}
	serve(t, cloud, ids[1])
	cfg, err := awsconf.Source{}.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	target, err := dnsfailover.NewElasticIP(dnsfailover.ElasticIPOptions{Config: cfg, Address: address.AllocationID, Instance: ids[1]})
	if err != nil {
		t.Fatal(err)
	}
	from, err := target.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return cloud, target, from
}

// move takes the address from lb1.
func move(t *testing.T, target *dnsfailover.ElasticIP, from engine.Reading) error {
	t.Helper()
	free, err := target.Free(t.Context(), from)
	if err == nil {
		_, err = target.Swap(t.Context(), free, engine.Value{})
	}
	return err
}

// TestElasticIP holds the policy to all that a move takes.
func TestElasticIP(t *testing.T) {
	list := readPolicy(t, "elastic-ip.json")
	cloud, target, from := newElasticIP(t)
	if err := target.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if err := move(t, target, from); err != nil {
		t.Fatal(err)
	}
	if err := target.Check(t.Context()); err != nil {
		t.Error(err)
	}
	expectNoMore(t, cloud, list, "ec2")

	// EC2 judges a move by the address, the interface and the instance, and a description by nothing of them.
	const arn = "arn:aws:ec2:eu-central-1:123456789012:"
	for _, s := range list {
		want := []string{arn + "elastic-ip/eipalloc-0123456789abcdef0", arn + "instance/*", arn + "network-interface/*"}
		if slices.Contains(s.Action, "ec2:DescribeAddresses") {
			want = []string{"*"}
		}
		if !slices.Equal(s.Resource, want) {
			t.Errorf("%s is about %q, want %q", s.Sid, s.Resource, want)
		}
	}
}

// TestElasticIPNeedsAll takes each permission away in turn: a check finds out before the address is needed, and names it.
func TestElasticIPNeedsAll(t *testing.T) {
	for _, s := range readPolicy(t, "elastic-ip.json") {
		for _, action := range s.Action {
			t.Run(action, func(t *testing.T) {
				cloud, target, from := newElasticIP(t)
				cloud.Deny(action)
				err := target.Check(t.Context())
				if dnsfailover.OutcomeOf(err) != engine.Denied || !strings.Contains(err.Error(), action) {
					t.Errorf("the check says %v", err)
				}
				if action == "ec2:DescribeAddresses" {
					return
				}
				if err := move(t, target, from); dnsfailover.OutcomeOf(err) != engine.Denied || !strings.Contains(err.Error(), action) {
					t.Errorf("a move says %v", err)
				}
			})
		}
	}
}
