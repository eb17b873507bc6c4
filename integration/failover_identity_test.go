//go:build linux

package integration

import (
	"slices"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// All that a node is can come from the metadata service.
func TestIdentityFromTheMetadataService(t *testing.T) {
	l := newLab(t, 2)
	for _, n := range l.nodes {
		l.must(l.cloud.SetMetadataOptions(n.id, awstest.MetadataOptions{HopLimit: 1, Hops: 1, InstanceTags: true}))
		n.conf.identity = "node {ec2.tag.Name}"
	}
	l.start()
	l.ask()
	if s := l.nodes[0].status(); s.Node != "lb1" || s.Instance != l.nodes[0].id {
		t.Errorf("the node is %s on %s", s.Node, s.Instance)
	}
	fault := l.nodes[0].kill()
	l.moved(l.nodes[1], fault, 500*time.Millisecond+slack)
	if l.cloud.Count("imds", "") == 0 {
		t.Error("nobody has asked the metadata service")
	}
}

// Without it, nobody asks.
func TestMetadataServiceIsNotNeeded(t *testing.T) {
	l := newLab(t, 1)
	l.start()
	l.ask()
	if n := l.cloud.Count("imds", ""); n > 0 {
		t.Errorf("%d questions to the metadata service, although all is configured", n)
	}
}

// Each node keeps a name of its own, beside the one that only one of them has.
func TestOwnNames(t *testing.T) {
	l := newLab(t, 2)
	lb1, lb2 := l.nodes[0], l.nodes[1]
	for _, n := range l.nodes {
		n.conf.checks += "\nregister {node}" + ownSuffix + " {\nderegister on_stop\n}"
		n.spawn()
	}
	has := func(n *node) bool {
		set, _ := l.cloud.Record(l.zone, n.name+ownSuffix, "A")
		return slices.Equal(set.Values, []string{n.addr})
	}
	l.eventually("each to have its name", func() bool { return has(lb1) && has(lb2) })
	l.eventually("one to have the service", func() bool { return l.agree(lb1) || l.agree(lb2) })
	l.wrote(3)
	for _, n := range l.nodes {
		n.reload()
	}
	l.unmoved(time.Second, "all have their names")

	// A crash leaves the name, a stop removes it.
	lb2.kill()
	if !has(lb2) {
		t.Error("the name of the killed node is gone")
	}
	lb2.spawn()
	l.hear()
	lb2.term()
	lb2.ended()
	if _, ok := l.cloud.Record(l.zone, lb2.name+ownSuffix, "A"); ok || !has(lb1) {
		t.Errorf("of the one that was stopped there is a name: %t; of the other: %t", ok, has(lb1))
	}
	l.eventually("the other one to have the service", func() bool { return l.agree(lb1) })
}
