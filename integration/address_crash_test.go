//go:build linux

package integration

import (
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// eipHalf kills the holder, lets the one that replaces it free the address, and kills that one before it can take it.
func eipHalf(e *eipLab, lb1, lb2 *node) time.Time {
	e.Helper()
	remove := e.cloud.Inject(awstest.Fault{Service: "ec2", Action: disassociate, From: lb2.id, Latency: within})
	defer remove()
	lb1.kill()
	e.eventually("the address to be free", func() bool { return e.now().Free() })
	fault := lb2.kill()
	e.called(1, 1)
	return fault
}

// The node that takes the address dies between the two calls that it needs. Another one makes the second.
func TestElasticIPCrashBetweenTheCalls(t *testing.T) {
	e := newEIP(t, 3, eipOptions{})
	e.start()
	e.ask()
	lb1, lb2, lb3 := e.nodes[0], e.nodes[1], e.nodes[2]
	fault := eipHalf(e, lb1, lb2)
	e.moved(lb3, fault, time.Second+slack)
	e.served(lb3, fault, time.Second+slack)
	e.called(1, 2)
	lb1.spawn()
	lb2.spawn()
	e.hear()
	e.calm(lb3)
	e.called(1, 2)
}

// Nobody else is there. It does so itself when it is started again, and who had the address is not asked.
func TestElasticIPCrashBetweenTheCallsOfTheLast(t *testing.T) {
	e := newEIP(t, 2, eipOptions{})
	e.start()
	lb1, lb2 := e.nodes[0], e.nodes[1]
	eipHalf(e, lb1, lb2)
	began := time.Now()
	lb2.spawn()
	e.moved(lb2, began, 3*time.Second+slack)
	e.calm(lb2)
	e.called(1, 2)
	lb1.spawn()
	e.hear()
	e.calm(lb2)
	e.called(1, 2)
}

// Between the two calls somebody else gets the address, whom EC2 protects, since nothing is taken without being judged.
func TestElasticIPIsNotTakenUnseen(t *testing.T) {
	e := newEIP(t, 2, eipOptions{})
	e.start()
	stranger, err := e.cloud.Launch(awstest.Launch{})
	e.must(err)
	lb1, lb2 := e.nodes[0], e.nodes[1]
	remove := e.cloud.Inject(awstest.Fault{Service: "ec2", Action: disassociate, From: lb2.id, Latency: time.Second})
	defer remove()
	lb1.kill()
	e.eventually("the address to be free", func() bool { return e.now().Free() })
	e.must(e.cloud.SetAddress(e.id, stranger))
	e.eventually("the node to be refused", func() bool {
		calls := e.calls(associate)
		return len(calls) == 2 && calls[1].Code == "Resource.AlreadyAssociated"
	})
	e.throughout(2*time.Second, "the stranger keeps it", func() bool { return e.now().InstanceID == stranger })
	e.called(1, 2)
}

// The answers to both calls are lost, as where the node's own connection is what is moved: that is one move.
func TestElasticIPLostReplies(t *testing.T) {
	e := newEIP(t, 2, eipOptions{})
	e.start()
	lb1, lb2 := e.nodes[0], e.nodes[1]
	for _, action := range []string{disassociate, associate} {
		e.cloud.Inject(awstest.Fault{Service: "ec2", Action: action, From: lb2.id, Kind: awstest.Lose, Times: 1})
	}
	fault := lb1.kill()
	e.moved(lb2, fault, eipKilled)
	e.holds(lb2)
	lb1.spawn()
	e.hear()
	e.calm(lb2)
	e.called(1, 2)
}

// EC2 shows for a second what was. Nothing moves because of it, and the takeover is one.
func TestElasticIPReadingsAreOld(t *testing.T) {
	e := newEIP(t, 2, eipOptions{})
	e.start()
	e.ask()
	e.cloud.SetConsistency(time.Second)
	lb1, lb2 := e.nodes[0], e.nodes[1]
	e.moved(lb2, lb1.kill(), 2*time.Second+slack)
	e.holds(lb2)
	lb1.spawn()
	e.hear()
	e.calm(lb2)
	e.called(1, 2)
}
