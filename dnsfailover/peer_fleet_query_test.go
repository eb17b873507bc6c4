package dnsfailover

import (
	"slices"
	"strings"
	"testing"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// wrong reports whether a problem about the peers has a part.
func (n *fleetNode) wrong(part string) bool {
	s, _ := n.status()
	return slices.ContainsFunc(s.Problems, func(p StatusProblem) bool { return p.About == "peers" && strings.Contains(p.Error, part) })
}

// A query that suddenly matches what can be no nodes changes nothing.
func TestFleetPeersTooMany(t *testing.T) {
	l := newFleetLab(t)
	one := l.begin(l.address())
	l.until("the first claim", func() bool { return l.holder() == one.id })
	two := l.begin(l.address())
	l.until("two nodes to hear each other", func() bool { return one.hears(two) && two.hears(one) })
	others, err := l.cloud.LaunchN(maxFleet-2, awstest.Launch{Tags: map[string]string{"Role": "lb"}})
	if err != nil {
		t.Fatal(err)
	}
	l.until("as many as can be", func() bool { return len(one.peers()) == maxFleet-1 })
	if one.wrong("") {
		t.Error("that many are a problem")
	}
	for _, id := range others {
		if err := l.cloud.DeleteTags(id, "Role"); err != nil {
			t.Fatal(err)
		}
	}
	l.until("two nodes alone", func() bool { return one.hears(two) && two.hears(one) })

	more, err := l.cloud.LaunchN(maxFleet-1, awstest.Launch{Tags: map[string]string{"Role": "lb"}})
	if err != nil {
		t.Fatal(err)
	}
	l.until("the problem", func() bool {
		return one.wrong("33 running instances match tag:Role=lb") && two.wrong("a tag of their own")
	})
	if !one.hears(two) || !two.hears(one) {
		t.Errorf("the peers are %q and %q", one.peers(), two.peers())
	}
	three := l.begin(l.address())
	l.until("the problem of a node that starts", func() bool { return three.wrong("34 running instances") })
	for _, id := range more {
		if err := l.cloud.Terminate(id); err != nil {
			t.Fatal(err)
		}
	}
	l.until("three nodes", func() bool {
		return one.hears(two, three) && two.hears(one, three) && three.hears(one, two) && !one.wrong("")
	})
	l.wrote(1)
}

// A node that its own query does not find says so: the others do not find it either.
func TestFleetPeersNotFoundItself(t *testing.T) {
	l := newFleetLab(t)
	one := l.begin(l.address())
	two := l.begin(l.address())
	l.until("two nodes to hear each other", func() bool { return one.hears(two) && two.hears(one) })
	if one.wrong("") || two.wrong("") {
		t.Error("there is a problem already")
	}
	if err := l.cloud.DeleteTags(two.id, "Role"); err != nil {
		t.Fatal(err)
	}
	l.until("the problem", func() bool { return two.wrong(two.id + ", is not found by its own query (tag:Role=lb)") })
	if one.wrong("") {
		t.Error("it is a problem of the other node, too")
	}
	if err := l.cloud.SetTags(two.id, map[string]string{"Role": "lb"}); err != nil {
		t.Fatal(err)
	}
	l.until("the end of the problem", func() bool { return !two.wrong("") })
}

// Who has the Elastic IP of a service is a peer, whatever its tags are, as who is named by a record is; and one that is stopped keeps
// the address, but not the service.
func TestFleetPeersHolderOfElasticIP(t *testing.T) {
	l := newFleetLab(t)
	eip, err := l.cloud.AllocateAddress(awstest.Allocation{})
	if err != nil {
		t.Fatal(err)
	}
	ip := l.address()
	outside, err := l.cloud.Launch(awstest.Launch{PrivateIP: ip, PublicIP: ip})
	if err != nil {
		t.Fatal(err)
	}
	has := func(id string) {
		t.Helper()
		if err := l.cloud.SetAddress(eip.AllocationID, id); err != nil {
			t.Fatal(err)
		}
	}
	has(outside)
	// A node that does not answer yet, on the machine that has it.
	holder := l.prepare(outside, ip)
	configure := func(n *fleetNode) *fleetNode {
		in, _ := l.cloud.Instance(n.id)
		c := &n.share.cfg.Services[0]
		c.Records = nil
		c.ElasticIP = &ElasticIPConfig{
			Address: eip.AllocationID, PrivateIP: n.addr, Interface: in.Interfaces[0].ID, Region: in.Region,
		}
		return n
	}
	begin := func(n *fleetNode) *fleetNode {
		configure(n).run()
		return n
	}
	ip = l.address()
	one := l.prepare(l.launch(ip), ip)
	// It is found out before the node begins.
	early := configure(l.prepare(one.id, ip)).share
	early.self = &Self{Instance: one.id}
	if got := early.readHolders(l.ctx())[eip.AllocationID]; !slices.Equal(got, []string{outside}) {
		t.Errorf("the holders are %q, want %s", got, outside)
	}
	begin(one)
	l.until("the holder to be asked", func() bool { return slices.Contains(one.peers(), holder.at) })
	begin(holder)
	l.until("the holder to answer", func() bool { return one.hears(holder) })
	if a, _ := l.cloud.ElasticIP(eip.AllocationID); a.InstanceID != outside {
		t.Errorf("the address is with %s", a.InstanceID)
	}

	holder.kill()
	if err := l.cloud.Stop(outside); err != nil {
		t.Fatal(err)
	}
	l.until("the address to be taken from the stopped one", func() bool {
		a, _ := l.cloud.ElasticIP(eip.AllocationID)
		return a.InstanceID == one.id
	})
	l.until("it to be forgotten", func() bool { return one.hears() })
}

// Every member of a record that many share is a holder.
func TestFleetPeersNamed(t *testing.T) {
	r := engine.Reading{Exists: true, Lease: engine.LeaseOf([]engine.Member{
		{Node: "a", Instance: "i-a", Epoch: 1}, {Node: "b", Instance: "i-b", Epoch: 3}, {Node: "c", Instance: "i-c", Epoch: 2},
	})}
	got := named([]string{"i-a"}, &r)
	slices.Sort(got)
	if want := []string{"i-a", "i-b", "i-c"}; !slices.Equal(got, want) {
		t.Errorf("the holders are %q, want %q", got, want)
	}
	if got := named(nil, &engine.Reading{Lease: r.Lease}); got != nil {
		t.Errorf("of a record that is absent they are %q", got)
	}
}
