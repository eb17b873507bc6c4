//go:build linux

package integration

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// The heartbeats are lost, while clients reach the holder: nothing moves. Afterwards a death is found as ever.
func TestPartitionWithAWitness(t *testing.T) {
	l := newLab(t, 2)
	l.wired()
	l.start()
	l.hear()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	l.witnessed(lb2)
	l.ask()
	l.cut()
	l.unmoved(engine.Settle+2*time.Second, "the witness passes")
	if s := lb2.status(); !strings.Contains(s.Services[0].Waiting, "still answers") {
		t.Errorf("the standby waits because %q", s.Services[0].Waiting)
	}
	l.heal()
	l.hear()
	l.wires(refused)
	l.eventually("the standby to be refused", func() bool { return len(lb2.logged("a peer does not answer")) > 1 })
	l.unmoved(time.Second, "the witness passes")
	l.heal()
	l.hear()
	l.unfailed()
	fault := lb1.kill()
	l.moved(lb2, fault, 500*time.Millisecond+slack)
	l.holds(lb2)
	l.wrote(2)
}

// Both reach the API, and neither has a way to know better: that is one move.
func TestPartitionWithoutAWitness(t *testing.T) {
	l := newLab(t, 2)
	l.wired()
	l.each(func(c *conf) { c.rest = "" })
	l.start()
	l.hear()
	l.ask()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	fault := time.Now()
	l.cut()
	l.moved(lb2, fault, settled)
	l.unmoved(3*time.Second, "a partition moves a service once")
	l.heal()
	l.holds(lb2)
	l.hear()
	l.calm(lb2)
	l.wrote(2)
	l.unfailed()
	fault = lb2.kill()
	l.moved(lb1, fault, 500*time.Millisecond+slack)
	l.holds(lb1)
	l.wrote(3)
}

// The standby's questions arrive, and the answers do not; then the other way round.
func TestOneWayLoss(t *testing.T) {
	l := newLab(t, 2)
	l.wired()
	l.start()
	l.hear()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	l.witnessed(lb2)
	l.ask()
	l.wire(lb2, lb1).set(passes, dropped)
	l.unmoved(engine.Settle+time.Second, "the holder answers")
	l.heal()
	l.hear()
	l.wire(lb1, lb2).set(dropped, passes)
	l.eventually("the holder not to hear the standby", func() bool { return len(lb1.logged("a peer does not answer")) > 0 })
	l.unmoved(time.Second, "the holder answers")
	l.heal()
	l.hear()

	// What is late, but not too late, counts.
	l.wire(lb1, lb2).slow(20 * time.Millisecond)
	l.wire(lb2, lb1).slow(20 * time.Millisecond)
	l.calm(lb1)
	l.wrote(1)
	l.unfailed()
	fault := lb1.kill()
	l.moved(lb2, fault, 500*time.Millisecond+slack)
	l.wrote(2)
}

// The witness does not know the authority of the certificate. It believes what the holder signs.
func TestHealthHandlerIsTheWitness(t *testing.T) {
	const path = "/failover"
	l := newLab(t, 2)
	l.wired()
	for _, n := range l.nodes {
		n.conf.rest = fmt.Sprintf("witness https://%s:%s%s", recordName, l.port, path)
		n.conf.site = "failover_health " + path + " www\n" + n.conf.site
	}
	l.start()
	l.hear()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	l.witnessed(lb2)
	l.ask()
	health := func(n *node) (string, error) {
		body, _, err := l.crowd.get(context.Background(), net.JoinHostPort(n.addr, l.port), path)
		return body, err
	}
	l.eventually("the holder to say that it is active", func() bool {
		body, err := health(lb1)
		return err == nil && strings.Contains(body, `"active":true`)
	})
	if body, err := health(lb2); err == nil || !strings.Contains(body, `"holder":"lb1"`) {
		t.Errorf("the standby says %s, %v", body, err)
	}
	l.wires(refused)
	l.eventually("the standby to be refused", func() bool { return len(lb2.logged("a peer does not answer")) > 0 })
	l.unmoved(time.Second, "the holder's signature is good")
	l.heal()
	l.hear()
	l.unfailed()
	fault := lb1.kill()
	l.moved(lb2, fault, 500*time.Millisecond+slack)
	l.holds(lb2)
	l.wrote(2)
	if body, err := health(lb2); err != nil {
		t.Errorf("the new holder says %s, %v", body, err)
	}
}
