package awstest

import (
	"slices"
	"testing"
	"time"
)

// allocate allocates an address that must be allocated.
func allocate(t testing.TB, c *Cloud, a Allocation) ElasticIP {
	t.Helper()
	out, err := c.AllocateAddress(a)
	do(t, err)
	return out
}

// addressNow is the address as it is.
func addressNow(t testing.TB, c *Cloud, id string) ElasticIP {
	t.Helper()
	a, ok := c.ElasticIP(id)
	if !ok {
		t.Fatalf("%s is gone", id)
	}
	return a
}

// publicOf is the public address of each private one of an instance.
func publicOf(t testing.TB, c *Cloud, id string) map[string]string {
	t.Helper()
	i, ok := c.Instance(id)
	if !ok {
		t.Fatalf("%s is gone", id)
	}
	all := make(map[string]string)
	for _, n := range i.Interfaces {
		for _, a := range n.Addresses {
			all[a.Private] = a.Public
		}
	}
	return all
}

// What the instances have as their public addresses while an Elastic IP goes round.
func TestPublicAddressOfTheLoser(t *testing.T) {
	c := New(Config{})
	lb1, lb2 := launch(t, c, Launch{PublicIP: AutoAssign}), launch(t, c, Launch{})
	first, _ := c.Instance(lb1)
	eip := allocate(t, c, Allocation{PublicIP: "203.0.113.10"})

	do(t, c.SetAddress(eip.AllocationID, lb1))
	if i, _ := c.Instance(lb1); i.PublicIP() != "203.0.113.10" || first.PublicIP() == "203.0.113.10" {
		t.Errorf("with the Elastic IP it has %s, before it had %s", i.PublicIP(), first.PublicIP())
	}
	a := addressNow(t, c, eip.AllocationID)
	if a.InstanceID != lb1 || a.PrivateIP != first.PrivateIP() || a.InterfaceID != first.Interfaces[0].ID || a.InterfaceOf != DefaultAccount {
		t.Errorf("the address tells %+v", a)
	}
	do(t, c.SetAddress(eip.AllocationID, lb2))
	i, _ := c.Instance(lb1)
	if i.PublicIP() == "" || i.PublicIP() == first.PublicIP() || i.PublicIP() == "203.0.113.10" {
		t.Errorf("after it, it has %q, before it had %q", i.PublicIP(), first.PublicIP())
	}
	if get := metadataOf(t, c, lb1); func() string { s, _ := get("meta-data/public-ipv4"); return s }() != i.PublicIP() {
		t.Error("the metadata service says something else")
	}
	do(t, c.SetAddress(eip.AllocationID, ""))
	if i, _ := c.Instance(lb2); i.PublicIP() != "" {
		t.Errorf("one that is lent none has %s", i.PublicIP())
	}

	// With a secondary address that has an Elastic IP, or a second interface, it is lent none any more.
	for name, prepare := range map[string]func(id string) error{
		"a secondary address": func(id string) error {
			ip, err := c.AddPrivateIP(id, 0, "")
			do(t, err)
			other, _ := c.Instance(id)
			_, err = c.AssociateAddress(Caller{}, AssociateAddressInput{
				AllocationID: allocate(t, c, Allocation{}).AllocationID, InterfaceID: other.Interfaces[0].ID, PrivateIP: ip,
			})
			return err
		},
		"a second interface": func(id string) error {
			_, err := c.AddInterface(id)
			return err
		},
	} {
		id := launch(t, c, Launch{PublicIP: AutoAssign})
		do(t, c.SetAddress(eip.AllocationID, id))
		do(t, prepare(id))
		do(t, c.SetAddress(eip.AllocationID, ""))
		if i, _ := c.Instance(id); i.PublicIP() != "" {
			t.Errorf("%s: it is lent %s", name, i.PublicIP())
		}
	}
}

// On a secondary private address it leaves the node's own public address alone.
func TestElasticIPOnASecondaryAddress(t *testing.T) {
	c := New(Config{})
	id := launch(t, c, Launch{PublicIP: AutoAssign})
	own, _ := c.Instance(id)
	ip, err := c.AddPrivateIP(id, 0, "10.0.9.9")
	do(t, err)
	eip := allocate(t, c, Allocation{})
	_, err = c.AssociateAddress(Caller{}, AssociateAddressInput{
		AllocationID: eip.AllocationID, InterfaceID: own.Interfaces[0].ID, PrivateIP: ip, KeepOthers: true,
	})
	do(t, err)
	if all := publicOf(t, c, id); all[own.PrivateIP()] != own.PublicIP() || all[ip] != eip.PublicIP {
		t.Errorf("its addresses are %v", all)
	}
	get := metadataOf(t, c, id)
	at := "meta-data/network/interfaces/macs/" + own.Interfaces[0].MAC
	for path, want := range map[string]string{
		"meta-data/public-ipv4":                     own.PublicIP(),
		at + "/local-ipv4s":                         own.PrivateIP() + "\n10.0.9.9",
		at + "/ipv4-associations/" + eip.PublicIP:   "10.0.9.9",
		at + "/ipv4-associations/" + own.PublicIP(): own.PrivateIP(),
	} {
		if got, err := get(path); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", path, got, err, want)
		}
	}
	if _, err := c.AddPrivateIP(id, 1, ""); code(err) != "InvalidParameterValue" {
		t.Errorf("on an interface that it has not: %v", err)
	}
}

func TestElasticIPOverALife(t *testing.T) {
	c := New(Config{})
	id := launch(t, c, Launch{PublicIP: AutoAssign})
	eip := allocate(t, c, Allocation{})
	do(t, c.SetAddress(eip.AllocationID, id))
	held := addressNow(t, c, eip.AllocationID)
	do(t, c.Stop(id))
	if a := addressNow(t, c, eip.AllocationID); a.AssociationID != held.AssociationID || a.InstanceID != id {
		t.Errorf("stopped: %+v", a)
	}
	if err := c.SetPublicIP(id, "198.51.100.1"); code(err) != "InvalidParameterCombination" {
		t.Errorf("another in its place: %v", err)
	}
	do(t, c.Start(id))
	if i, _ := c.Instance(id); i.PublicIP() != eip.PublicIP {
		t.Errorf("started again it has %s", i.PublicIP())
	}
	do(t, c.SetPrivateIP(id, "127.0.0.9"))
	if a := addressNow(t, c, eip.AllocationID); a.PrivateIP != "127.0.0.9" {
		t.Errorf("its private address is %s now", a.PrivateIP)
	}
	do(t, c.Terminate(id))
	if a := addressNow(t, c, eip.AllocationID); !a.Free() || a.InstanceID != "" || a.InterfaceID != "" || a.PrivateIP != "" {
		t.Errorf("terminated: %+v", a)
	}

	// An interface that outlives the instance keeps the address.
	id = launch(t, c, Launch{})
	i, _ := c.Instance(id)
	do(t, c.KeepInterface(id, i.Interfaces[0].ID))
	if err := c.KeepInterface(id, "eni-0"); code(err) != "InvalidNetworkInterfaceID.NotFound" {
		t.Errorf("keeping nothing: %v", err)
	}
	do(t, c.SetAddress(eip.AllocationID, id))
	held = addressNow(t, c, eip.AllocationID)
	do(t, c.Terminate(id))
	if a := addressNow(t, c, eip.AllocationID); a.AssociationID != held.AssociationID || a.InstanceID != "" || a.InterfaceID != i.Interfaces[0].ID {
		t.Errorf("terminated without its interface: %+v", a)
	}
	do(t, c.DisassociateAddress(Caller{}, held.AssociationID))
	do(t, c.ReleaseAddress(eip.AllocationID))
	if _, ok := c.ElasticIP(eip.AllocationID); ok {
		t.Error("it is still there")
	}
	for _, err := range []error{c.ReleaseAddress(eip.AllocationID), c.SetAddress(eip.AllocationID, "")} {
		if code(err) != "InvalidAllocationID.NotFound" {
			t.Errorf("of an address that is gone: %v", err)
		}
	}
}

func TestAllocateAddress(t *testing.T) {
	c := New(Config{})
	a := allocate(t, c, Allocation{PublicIP: "203.0.113.10", Tags: map[string]string{"b": "2", "a": "1"}})
	if a.Region != DefaultRegion || a.BorderGroup != DefaultRegion || a.Account != DefaultAccount || !a.Free() ||
		!slices.Equal(a.Tags, []Tag{{"a", "1"}, {"b", "2"}}) {
		t.Errorf("%+v", a)
	}
	for name, bad := range map[string]Allocation{
		"InvalidAddress.InUse":  {PublicIP: "203.0.113.10"},
		"InvalidParameterValue": {PublicIP: "2001:db8::1"},
	} {
		if _, err := c.AllocateAddress(bad); code(err) != name {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if other := allocate(t, c, Allocation{Account: "210987654321"}); other.PublicIP == a.PublicIP {
		t.Error("two have one address")
	}
}

// What an answer tells may be what was before, for a while.
func TestAddressesSeenLate(t *testing.T) {
	clk := newClock()
	c := New(Config{Now: clk.Now})
	id := launch(t, c, Launch{})
	eip := allocate(t, c, Allocation{})
	clk.advance(time.Minute)
	c.SetConsistency(10 * time.Second)
	do(t, c.SetAddress(eip.AllocationID, id))
	seen := make(map[bool]int)
	look := func() bool {
		t.Helper()
		all, err := c.DescribeAddresses(Caller{}, DescribeAddressesInput{AllocationIDs: []string{eip.AllocationID}})
		do(t, err)
		return all[0].Free()
	}
	for range 50 {
		seen[look()]++
	}
	if seen[true] == 0 || seen[false] == 0 {
		t.Errorf("all answers agree: %v", seen)
	}
	clk.advance(10 * time.Second)
	for range 50 {
		if look() {
			t.Fatal("it is seen late for too long")
		}
	}
	c.Inject(Fault{Service: "ec2", Action: "DescribeAddresses", Kind: Stale, Age: 15 * time.Second, Times: 1})
	if !look() {
		t.Error("what was long ago is not told")
	}
	c.Inject(Fault{Service: "ec2", Action: "DescribeAddresses", Kind: Stale, Age: 5 * time.Second, Times: 1})
	if look() {
		t.Error("what was five seconds ago is not told")
	}
}
