//go:build linux

package integration

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// eipOwn is a lab of nodes that have names of their own, and no secondary private address: each loses its public address to the Elastic IP
// when that comes.
type eipOwn struct{ *eipLab }

func newEIPOwn(t *testing.T) *eipOwn {
	t.Helper()
	e := &eipOwn{newEIP(t, 2, eipOptions{lent: true})}
	for _, n := range e.nodes {
		n.conf.identity = "node " + n.name
		n.conf.dns = n.standard().dns
		n.conf.checks += "\nregister {node}" + ownSuffix
	}
	return e
}

// name is what the own name of a node points at, which is the Elastic IP at no moment.
func (e *eipOwn) name(n *node) string {
	e.Helper()
	set, _ := e.cloud.Record(e.zone, n.name+ownSuffix, "A")
	if slices.Contains(set.Values, e.public) {
		e.Fatalf("the own name of %s is the Elastic IP", n.name)
	}
	return strings.Join(set.Values, " ")
}

// lent is the public address of a node.
func (e *eipOwn) lent(n *node) string {
	i, _ := e.cloud.Instance(n.id)
	return i.Interfaces[0].Addresses[0].Public
}

// follows waits until the own name of a node points at its public address.
func (e *eipOwn) follows(n *node) {
	e.Helper()
	e.eventually("the own name of "+n.name+" to follow its address", func() bool {
		for _, other := range e.nodes {
			e.name(other)
		}
		return e.lent(n) != "" && e.name(n) == e.lent(n)
	})
}

// release has a node give the service away, as soon as it knows that it has it.
func (e *eipOwn) release(n *node) {
	e.Helper()
	e.eventually(n.name+" to know that it has the service", func() bool {
		s := n.status()
		return len(s.Services) == 1 && s.Services[0].Role == "active"
	})
	_, err := n.admin(http.MethodPost, "/dnsfailover/release?reason=the+tests", "")
	e.must(err)
}

// Nodes that lose the Elastic IP are lent another public address. Their own names follow.
func TestElasticIPOwnNamesFollow(t *testing.T) {
	e := newEIPOwn(t)
	lb1, lb2 := e.nodes[0], e.nodes[1]
	e.start()
	e.follows(lb2)
	before := e.lent(lb2)

	e.moved(lb2, lb1.kill(), eipKilled)
	if e.lent(lb2) != e.public || e.lent(lb1) == lb1.addr || e.lent(lb1) == "" {
		t.Errorf("the public addresses are %q and %q", e.lent(lb1), e.lent(lb2))
	}
	lb1.spawn()
	e.hear()
	e.follows(lb1)
	if got := e.name(lb2); got != "" && got != before {
		t.Errorf("the own name of the holder is %q", got)
	}

	// While it runs.
	e.release(lb2)
	e.holds(lb1)
	e.follows(lb2)
	e.throughout(3*time.Second, "the own names stay", func() bool { return e.name(lb2) == e.lent(lb2) && e.name(lb1) != "" })
	e.called(2, 3)
}

// With a second interface nothing is lent any more. The own name stays as it was, since there is nothing better, and all else works.
func TestElasticIPOwnAddressVanishes(t *testing.T) {
	e := newEIPOwn(t)
	lb1, lb2 := e.nodes[0], e.nodes[1]
	e.start()
	e.follows(lb2)
	before := e.name(lb2)
	_, err := e.cloud.AddInterface(lb2.id)
	e.must(err)
	e.release(lb1)
	e.eventually("the other one to have the address", func() bool { return e.has(lb2) })
	e.release(lb2)
	e.eventually("the first one to have it again", func() bool { return e.has(lb1) })
	if got := e.lent(lb2); got != "" {
		t.Errorf("the public address of %s is %q", lb2.name, got)
	}
	e.throughout(3*time.Second, "the own name stays", func() bool { return e.name(lb2) == before })
	e.moved(lb2, lb1.kill(), eipKilled)
	e.called(3, 4)
}
