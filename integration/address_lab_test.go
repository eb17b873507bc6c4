//go:build linux

package integration

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// eipLab is a lab whose service is an Elastic IP, alone or with a record. In the lab that is an address of loopback, at which the data
// plane forwards to the site of whoever has it.
type eipLab struct {
	*lab
	eipOptions
	id, public string
	plane      *awstest.DataPlane
	places     map[string]*node // by private address
}

// eipOptions are what the labs differ in. The zero value is an Elastic IP alone.
type eipOptions struct {
	record bool          // there is one, too, and it is the home
	wired  bool          // heartbeats go over wires
	lent   bool          // nodes have no secondary private address: the Elastic IP replaces the one that AWS lends them
	group  string        // the border group of the address; "" is that of the nodes
	gap    time.Duration // from a move until the new holder is reached
}

// newEIP makes a lab with some nodes, none of which runs yet.
func newEIP(t *testing.T, nodes int, o eipOptions) *eipLab {
	t.Helper()
	l := newLab(t, nodes)
	if o.wired {
		l.wired()
	}
	last, err := netip.ParseAddr(l.nodes[nodes-1].addr)
	l.must(err)
	return newEIPAt(l, last.Next().String(), o)
}

// newEIPAt gives a lab an Elastic IP, which is that address.
func newEIPAt(l *lab, public string, o eipOptions) *eipLab {
	l.Helper()
	e := &eipLab{lab: l, eipOptions: o, public: public, places: map[string]*node{}}
	a, err := l.cloud.AllocateAddress(awstest.Allocation{PublicIP: public, BorderGroup: o.group})
	l.must(err)
	e.id = a.AllocationID
	for _, n := range l.nodes {
		e.places[n.addr] = n
		if !o.lent {
			second, err := l.cloud.AddPrivateIP(n.id, 0, "")
			l.must(err)
			e.places[second] = n
		}
		n.conf = e.conf(n)
	}
	e.plane, err = awstest.ServeDataPlane(l.cloud, e.id, net.JoinHostPort(public, l.port), awstest.DataPlaneOptions{
		Gap: o.gap,
		Dial: func(a awstest.ElasticIP) string {
			if n := e.places[a.PrivateIP]; n != nil {
				return net.JoinHostPort(n.addr, l.port)
			}
			return net.JoinHostPort(a.PrivateIP, "1") // nobody is there
		},
	})
	l.must(err)
	l.Cleanup(func() { l.must(e.plane.Close()) })
	return e
}

// conf is the standard one, with the Elastic IP.
func (e *eipLab) conf(n *node) conf {
	c := n.standard()
	c.address = "elastic_ip " + e.public
	if !e.record {
		c.record, c.dns = "", ""
		e.at = net.JoinHostPort(e.public, e.port)
	}
	return c
}

// now is the address as it is.
func (e *eipLab) now() awstest.ElasticIP {
	a, _ := e.cloud.ElasticIP(e.id)
	return a
}

// has reports whether the address is at a node, at one of its places.
func (e *eipLab) has(n *node) bool {
	a := e.now()
	return a.InstanceID == n.id && e.places[a.PrivateIP] == n
}

// agree reports whether the address, the record if there is one, and every process that runs say that a node has the service, and that
// all is well.
func (e *eipLab) agree(holder *node) bool {
	if !e.has(holder) {
		return false
	}
	if !e.record {
		return e.say(holder, 0)
	}
	lease := e.lease()
	return lease.Holder == holder.name && lease.Instance == holder.id && slices.Equal(e.points(), []string{e.public}) &&
		e.say(holder, lease.Epoch)
}

// holds waits until all agree that a node has the service.
func (e *eipLab) holds(n *node) {
	e.Helper()
	e.eventually("all to agree that "+n.name+" has the service", func() bool { return e.agree(n) })
}

// begin runs all nodes, the first of them first, so that it has the service, and returns when all hear each other.
func (e *eipLab) begin() {
	e.Helper()
	e.nodes[0].spawn()
	e.eventually("the first node to have the service", func() bool { return e.agree(e.nodes[0]) })
	for _, n := range e.nodes[1:] {
		n.spawn()
	}
	e.hear()
}

// start runs all nodes, and returns when all agree that the first one has the service.
func (e *eipLab) start() {
	e.Helper()
	e.begin()
	e.holds(e.nodes[0])
	e.called(0, 1)
}

// calls are those of an action that change, or try to change, where the address is.
func (e *eipLab) calls(action string) (calls []awstest.Call) {
	for _, c := range e.cloud.Calls() {
		if c.Service == "ec2" && c.Action == action && !c.DryRun {
			calls = append(calls, c)
		}
	}
	return calls
}

const (
	associate    = "AssociateAddress"
	disassociate = "DisassociateAddress"
)

// called checks how often, since the start, the address was taken from somebody, and how often somebody asked for it, in vain too. That
// an association to end has ended already is no harm.
func (e *eipLab) called(ends, begins int) {
	e.Helper()
	got := 0
	for _, c := range e.calls(disassociate) {
		if c.Code == "" {
			got++
		}
	}
	if got != ends {
		e.Errorf("the address was taken from somebody %d times, want %d", got, ends)
	}
	if got := len(e.calls(associate)); got != begins {
		e.Errorf("somebody asked for the address %d times, want %d", got, begins)
	}
}

// changes counts all that was written.
func (e *eipLab) changes() int {
	return len(e.calls(associate)) + len(e.calls(disassociate)) + len(e.writes())
}

// moved waits until a node has the address, and returns how long that took since a fault, which must not be more than most.
func (e *eipLab) moved(to *node, fault time.Time, most time.Duration) time.Duration {
	e.Helper()
	e.eventually(to.name+" to have the address", func() bool { return e.has(to) })
	return e.since(fault, to, e.calls(associate), "address", most)
}

// unmoved checks that nothing is written for a while, although something is wrong.
func (e *eipLab) unmoved(d time.Duration, why string) {
	e.Helper()
	changes := e.changes()
	e.throughout(d, why, func() bool { return e.changes() == changes })
}

// calm checks that nothing is written, and the holder stays, while clients ask sixty times more.
func (e *eipLab) calm(holder *node) {
	e.Helper()
	changes := e.changes()
	more := e.clients().now().sent + 60
	e.eventually("clients to ask sixty times more", func() bool {
		if got := e.changes(); got != changes {
			e.Fatalf("%d writes for nothing", got-changes)
		}
		return e.crowd.now().sent >= more
	})
	e.holds(holder)
}

// problem waits until a node says what keeps it from having the service.
func (e *eipLab) problem(n *node, parts ...string) {
	e.Helper()
	e.eventually(fmt.Sprintf("%s to say %q", n.name, parts), func() bool { return hasProblem(n.status(), "service www", parts...) })
}
