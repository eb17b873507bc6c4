//go:build linux

package integration

import (
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// A standby that may not move the address knows before it matters, and the others take over without waiting for it.
func TestElasticIPPermissionIsMissing(t *testing.T) {
	for _, action := range []string{associate, disassociate} {
		t.Run(action, func(t *testing.T) {
			e := newEIP(t, 3, eipOptions{})
			lb1, lb2, lb3 := e.nodes[0], e.nodes[1], e.nodes[2]
			allow := e.cloud.Inject(awstest.Fault{
				Service: "ec2", Action: action, From: lb2.id, Code: "UnauthorizedOperation", Message: "You are not authorized to perform this operation.",
			})
			e.begin()
			e.problem(lb2, "ec2:"+action)
			e.ask()
			fault := lb1.kill()
			e.moved(lb3, fault, eipKilled)
			e.served(lb3, fault, eipKilled)
			e.called(1, 2)

			// With the permission, and a new look at it, it is as good as any.
			allow()
			lb2.reload()
			e.eventually("the problem to be gone", func() bool { return !hasProblem(lb2.status(), "service www") && lb2.status().AsConfigured })
			e.moved(lb2, lb3.kill(), eipKilled)
			e.called(2, 3)
		})
	}
}

// The private address of the configuration has another Elastic IP, which nobody takes away from it.
func TestElasticIPPlaceHasAnother(t *testing.T) {
	e := newEIP(t, 3, eipOptions{})
	lb1, lb2, lb3 := e.nodes[0], e.nodes[1], e.nodes[2]
	const taken = "10.200.0.1"
	_, err := e.cloud.AddPrivateIP(lb2.id, 0, taken)
	e.must(err)
	other, err := e.cloud.AllocateAddress(awstest.Allocation{})
	e.must(err)
	i, _ := e.cloud.Instance(lb2.id)
	_, err = e.cloud.AssociateAddress(awstest.Caller{}, awstest.AssociateAddressInput{
		AllocationID: other.AllocationID, InterfaceID: i.Interfaces[0].ID, PrivateIP: taken,
	})
	e.must(err)
	e.cloud.ResetCalls()
	lb2.conf.address = "elastic_ip " + e.id + " {\nprivate_ip " + taken + "\n}"
	e.nodes[0].conf.address = "elastic_ip " + e.id
	lb3.conf.address = "elastic_ip " + e.id
	e.begin()
	e.problem(lb2, taken, other.PublicIP)
	fault := lb1.kill()
	e.moved(lb3, fault, eipKilled)
	e.called(1, 2)
	if a, _ := e.cloud.ElasticIP(other.AllocationID); a.PrivateIP != taken {
		t.Errorf("the other address is at %q", a.PrivateIP)
	}
}

// An address of another network border group can't be moved to any of them. They say so, serve, and ask little.
func TestElasticIPOfAnotherBorderGroup(t *testing.T) {
	e := newEIP(t, 2, eipOptions{group: "eu-west-1-wlz-1"})
	for _, n := range e.nodes {
		n.spawn()
		n.serves()
	}
	for _, n := range e.nodes {
		e.problem(n, "eu-west-1-wlz-1")
	}
	e.unmoved(2*time.Second, "it can't be moved")
	e.called(0, 0)
	if n := e.cloud.Count("ec2", ""); n > 12 {
		t.Errorf("%d calls for an address that can't be had", n)
	}
}

// The address is given back to AWS while it is in use. There is nothing to have, and no storm of calls.
func TestElasticIPIsReleased(t *testing.T) {
	e := newEIP(t, 2, eipOptions{})
	e.start()
	before := e.cloud.Count("ec2", "")
	e.must(e.cloud.ReleaseAddress(e.id))
	e.nodes[0].kill()
	e.nodes[0].spawn()
	for _, n := range e.nodes {
		e.problem(n, "ec2:DescribeAddresses", "was the address released")
	}
	e.unmoved(2*time.Second, "there is no address")
	if n := e.cloud.Count("ec2", "") - before; n > 12 {
		t.Errorf("%d calls for an address that is gone", n)
	}
}
