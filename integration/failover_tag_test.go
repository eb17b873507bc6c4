//go:build linux

package integration

import (
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// Nodes with one configuration for all find each other by a tag, and who they are through the metadata service. One of them dies for
// good, and another takes its place in the fleet, without a reload.
func TestPeersByTag(t *testing.T) {
	l := newLab(t, 3)
	lb1, lb2, lb3 := l.nodes[0], l.nodes[1], l.nodes[2]
	for _, n := range l.nodes {
		l.must(l.cloud.SetMetadataOptions(n.id, awstest.MetadataOptions{HopLimit: 1, Hops: 1, InstanceTags: true}))
		n.conf.identity = "node {ec2.tag.Name}"
		n.conf.peers = "peers ec2 {\ntag Role lb\nrefresh 1s\n}"
	}
	tagged := map[string]string{"Role": "lb"}
	l.must(l.cloud.SetTags(lb1.id, tagged))
	l.must(l.cloud.SetTags(lb2.id, tagged))
	peers := func(n *node, want int) bool {
		s := n.status()
		up := 0
		for i := range s.Peers {
			if s.Peers[i].Up {
				up++
			}
		}
		return up == want && len(s.Peers) == want
	}

	lb1.spawn()
	l.eventually("the first node to hold the service", func() bool { return l.lease().Holder == lb1.name })
	lb2.spawn()
	l.eventually("two nodes to hear each other", func() bool { return peers(lb1, 1) && peers(lb2, 1) })
	l.must(l.cloud.SetTags(lb3.id, tagged))
	lb3.spawn()
	l.eventually("three nodes to hear each other", func() bool { return peers(lb1, 2) && peers(lb2, 2) && peers(lb3, 2) })
	l.holds(lb1)
	l.wrote(1)

	fault := lb1.kill()
	l.must(l.cloud.Terminate(lb1.id))
	l.moved(lb2, fault, 500*time.Millisecond+slack)
	l.eventually("the dead one to be gone", func() bool { return peers(lb2, 1) && peers(lb3, 1) })
	l.holds(lb2)
	l.wrote(2)

	restore := l.cloud.Outage("ec2")
	fault = lb2.kill()
	l.moved(lb3, fault, 500*time.Millisecond+slack)
	restore()
	l.wrote(3)
}
