//go:build linux

package integration

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// serves checks that a node serves clients, whatever the record says.
func (n *node) serves() {
	l := n.lab
	l.Helper()
	n.up()
	if who, _, err := l.clients().get(context.Background(), net.JoinHostPort(n.addr, l.port), "/"); err != nil || who != n.name {
		l.Errorf("%s answers %q, %v", n.name, who, err)
	}
}

// A node that may not read or write the zone serves, and another one takes the service.
func TestPermissionIsMissing(t *testing.T) {
	l := newLab(t, 2)
	lb1, lb2 := l.nodes[0], l.nodes[1]
	allow := l.cloud.Inject(awstest.Fault{
		Service: "route53", From: lb1.id, Code: "AccessDenied", Status: 403, Message: "User is not authorized to perform this",
	})
	lb1.spawn()
	lb1.serves()
	l.eventually("the missing permission to be named", func() bool {
		return hasProblem(lb1.status(), "service www", "route53:ListResourceRecordSets")
	})
	lb2.spawn()
	l.eventually("the other node to take the service", func() bool { return l.lease().Holder == lb2.name })
	l.unmoved(time.Second, "the other one is able")
	l.wrote(1)

	// With the permission, and a new look at it, all is well.
	allow()
	lb1.reload()
	l.holds(lb2)
	l.hear()
	fault := lb2.kill()
	l.moved(lb1, fault, 500*time.Millisecond+slack)
	l.wrote(2)
}

// The holder loses the right to write. It has what it has; when it matters it is known.
func TestHolderMayNotWrite(t *testing.T) {
	l := newLab(t, 2)
	l.start()
	l.hear()
	l.ask()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	l.cloud.Inject(awstest.Fault{
		Service: "route53", Action: "ChangeResourceRecordSets", From: lb1.id, Code: "AccessDenied", Status: 403, Message: "User is not authorized to perform this",
	})
	l.calm(lb1)
	lb1.conf.ttl = "2s" // it has to write
	fault := time.Now()
	lb1.reload()
	l.moved(lb2, fault, 2*time.Second+slack)
	if s := lb1.status(); !hasProblem(s, "service www", "route53:ChangeResourceRecordSets") {
		t.Errorf("the missing permission is not named: %v", s.Problems)
	}
	l.holds(lb2)
	l.calm(lb2)
	l.unfailed()
}

func TestZoneDoesNotExist(t *testing.T) {
	const zone = "Z0NOTTHERE00000000"
	l := newLab(t, 2)
	l.each(func(c *conf) { c.dns = "dns route53 {\nhosted_zone_id " + zone + "\n}" })
	for _, n := range l.nodes {
		n.spawn()
		n.serves()
	}
	for _, n := range l.nodes {
		l.eventually(n.name+" to say that there is no such zone", func() bool { return hasProblem(n.status(), "service www", zone) })
	}
	if n := l.cloud.Count("route53", ""); n > 12 {
		t.Errorf("%d calls for a zone that does not exist", n)
	}
	var err error
	l.zone, err = l.cloud.AddZone(awstest.HostedZone{ID: zone, Name: "example.com"})
	l.must(err)
	for _, n := range l.nodes {
		n.reload()
	}
	l.eventually("somebody to have the service", func() bool { return l.lease().Holder != "" })
	l.wrote(1)
}

func TestHeartbeatPortIsInUse(t *testing.T) {
	l := newLab(t, 2)
	lb1, lb2 := l.nodes[0], l.nodes[1]
	ln, err := net.Listen("tcp", net.JoinHostPort(lb1.addr, beatPort))
	l.must(err)
	defer ln.Close()
	lb1.spawn()
	lb1.serves()
	l.eventually("it to be said", func() bool { return hasProblem(lb1.status(), "heartbeat", "address already in use") })
	if s := lb1.status(); s.AsConfigured {
		t.Error("the node is set up as configured without its listener")
	}
	lb2.spawn()
	l.eventually("the other node to take the service", func() bool { return l.lease().Holder == lb2.name })
	ln.Close()
	l.holds(lb2)
	l.hear()
	if lines := lb1.logged(`"level":"error"`, "heartbeat"); len(lines) != 1 {
		t.Errorf("%d lines about it, want 1: %s", len(lines), strings.Join(lines, "\n"))
	}
	l.calm(lb2)
	l.wrote(1)
}
