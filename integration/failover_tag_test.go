//go:build linux

package integration

import (
	"fmt"
	"slices"
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

// oneCaddyfile is the same text on every machine. What differs is where the tests of one host have to keep their nodes apart, and
// comes from the environment.
func (l *lab) oneCaddyfile() string {
	return fmt.Sprintf(`{
	admin {$LB_ADDR}:%s
	persist_config off
	auto_https off
	storage file_system {$LB_DIR}/storage
	dnsfailover {
		node {ec2.tag.Name}
		heartbeat {
			secret_file {$LB_DIR}/secret
			interval 200ms
		}
		peers ec2 {
			tag Role lb
			refresh 1s
		}
		self_check https://%s:%s/healthz {
			dial {$LB_ADDR}:%[3]s
			tls_ca %[4]s
		}
		dns route53 {
			hosted_zone_id %[5]s
		}
		register {node}%[6]s
		service www {
			record %[2]s {
				ttl 1s
			}
			witness https://%[2]s:%[3]s/healthz {
				tls_ca %[4]s
			}
		}
	}
}
https://*.example.com:%[3]s {
	bind {$LB_ADDR}
	tls %[7]s %[8]s
	respond /healthz ok
}
`, adminPort, recordName, l.port, l.file(caFile), l.zone, ownSuffix, l.file(certFile), l.file(keyFile))
}

// One image and one Caddyfile do for all nodes, in time also for those that replace every one of the first.
func TestOneCaddyfileForAll(t *testing.T) {
	l := newLab(t, 4)
	begin := func(n *node) {
		l.must(l.cloud.SetMetadataOptions(n.id, awstest.MetadataOptions{HopLimit: 1, Hops: 1, InstanceTags: true}))
		l.must(l.cloud.SetTags(n.id, map[string]string{"Role": "lb"}))
		n.conf.whole = l.oneCaddyfile()
		n.env = append(n.env, "LB_ADDR="+n.addr, "LB_DIR="+n.dir)
		n.spawn()
	}
	hear := func(nodes ...*node) {
		t.Helper()
		l.eventually("the nodes to hear each other", func() bool {
			for _, n := range nodes {
				s := n.status()
				for i := range s.Peers {
					if !s.Peers[i].Up {
						return false
					}
				}
				if len(s.Peers) != len(nodes)-1 || !s.AsConfigured || len(s.Problems) != 0 {
					return false
				}
			}
			return true
		})
	}
	named := func(n *node) bool {
		set, _ := l.cloud.Record(l.zone, n.name+ownSuffix, "A")
		return slices.Equal(set.Values, []string{n.addr})
	}
	begin(l.nodes[0])
	l.eventually("the first node to hold the service", func() bool { return l.lease().Holder == l.nodes[0].name })
	begin(l.nodes[1])
	hear(l.nodes[:2]...)
	for i := range 2 {
		holder, heir, next := l.nodes[i], l.nodes[i+1], l.nodes[i+2]
		fault := holder.kill()
		l.must(l.cloud.Terminate(holder.id))
		l.moved(heir, fault, 500*time.Millisecond+slack)
		begin(next)
		hear(heir, next)
	}
	// Four own names, which stay for a day, and three holders.
	l.eventually("all to have had their names", func() bool {
		return !slices.ContainsFunc(l.nodes, func(n *node) bool { return !named(n) })
	})
	l.wrote(7)
}
