//go:build linux

package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// eipKilled is how soon a killed holder is replaced. The goal is half a second.
const eipKilled = 500*time.Millisecond + slack

func TestElasticIPHolderIsKilled(t *testing.T) {
	e := newEIP(t, 2, eipOptions{gap: 50 * time.Millisecond})
	e.start()
	e.ask()
	lb1, lb2 := e.nodes[0], e.nodes[1]
	if a := e.now(); a.PrivateIP == lb1.addr {
		t.Error("the address is at the primary private address, although there is a secondary one")
	}
	if n := e.cloud.Count("route53", ""); n > 0 {
		t.Errorf("%d calls of Route 53, of which nothing is configured", n)
	}

	fault := lb1.kill()
	e.moved(lb2, fault, eipKilled)
	e.served(lb2, fault, eipKilled)
	e.holds(lb2)
	e.called(1, 2)

	lb1.spawn()
	e.hear()
	e.calm(lb2)
	e.called(1, 2)

	// A second failure, the other way round.
	e.moved(lb1, lb2.kill(), eipKilled)
	lb2.spawn()
	e.hear()
	e.calm(lb1)
	e.called(2, 3)
}

func TestElasticIPFirstStartOfBothAtOnce(t *testing.T) {
	e := newEIP(t, 2, eipOptions{})
	for _, n := range e.nodes {
		n.spawn()
	}
	e.eventually("somebody to have the address", func() bool { return !e.now().Free() })
	holder := e.places[e.now().PrivateIP]
	e.holds(holder)
	e.ask()
	e.calm(holder)
	if n := len(e.calls(disassociate)); n > 0 {
		t.Errorf("it was taken from somebody %d times", n)
	}
}

// A planned stop hands the address over while the old node serves, so no new request fails.
func TestElasticIPStopHandsOver(t *testing.T) {
	e := newEIP(t, 2, eipOptions{})
	e.start()
	e.ask()
	lb1, lb2 := e.nodes[0], e.nodes[1]
	fault := lb1.term()
	e.moved(lb2, fault, time.Second+slack)
	lb1.ended()
	if len(lb1.logged("handed over")) != 1 {
		t.Error("it is not logged that the service was handed over")
	}
	e.calm(lb2)
	lb1.spawn()
	e.hear()
	e.calm(lb2)
	e.called(1, 2)
	e.unfailed()
}

func TestElasticIPTenReloads(t *testing.T) {
	e := newEIP(t, 2, eipOptions{})
	e.start()
	e.ask()
	lb1 := e.nodes[0]
	for i := range 10 {
		for _, n := range e.nodes {
			n.conf.site = fmt.Sprintf("header X-Reload %d\n%s", i, n.standard().site)
			n.reload()
		}
		e.holds(lb1)
		more := e.crowd.now().sent + 8 // one reload after the other at once would cut the same request more often than it is tried
		e.eventually("clients to ask", func() bool { return e.crowd.now().sent >= more })
	}
	e.calm(lb1)
	e.called(0, 1)
	e.unfailed()
}

// The holder is woken up when another one has taken its place: that was one move, and no second one, and few calls.
func TestElasticIPHolderIsFrozen(t *testing.T) {
	e := newEIP(t, 2, eipOptions{})
	e.start()
	lb1, lb2 := e.nodes[0], e.nodes[1]
	e.witnessed(lb2)
	e.ask()
	fault := lb1.freeze()
	took := e.moved(lb2, fault, settled)
	e.served(lb2, fault, took+slack)
	e.holds(lb2)

	woken := time.Now()
	lb1.thaw()
	e.hear()
	e.holds(lb2)
	e.calm(lb2)
	e.called(1, 2)
	calls := 0
	for _, c := range e.cloud.Calls() {
		if c.Service == "ec2" && c.Caller.Instance == lb1.id && c.Time.After(woken) {
			calls++
		}
	}
	if calls > 6 {
		t.Errorf("the node that was woken made %d calls, want some readings", calls)
	}
	e.moved(lb1, lb2.kill(), eipKilled)
	e.holds(lb1)
	e.called(2, 3)
}

// The heartbeats are lost, while both reach the API. With a witness nothing moves, without one that is one move.
func TestElasticIPPartition(t *testing.T) {
	for _, witness := range []bool{true, false} {
		t.Run(fmt.Sprintf("witness %t", witness), func(t *testing.T) {
			e := newEIP(t, 2, eipOptions{wired: true})
			lb1, lb2 := e.nodes[0], e.nodes[1]
			if !witness {
				e.each(func(c *conf) { c.rest = "" })
			}
			e.start()
			if witness {
				e.witnessed(lb2)
			}
			e.ask()
			holder, other, moves := lb1, lb2, 0
			fault := time.Now()
			e.cut()
			if witness {
				e.unmoved(settled, "the witness passes")
			} else {
				e.moved(lb2, fault, settled)
				e.unmoved(3*time.Second, "a partition moves an address once")
				holder, other, moves = lb2, lb1, 1
			}
			e.heal()
			e.hear()
			e.calm(holder)
			e.called(moves, moves+1)
			e.moved(other, holder.kill(), eipKilled)
			e.holds(other)
			e.called(moves+1, moves+2)
		})
	}
}

// A host is stopped in the middle of its work. The address stays with the stopped instance, and is taken from it.
func TestElasticIPOfAStoppedHost(t *testing.T) {
	e := newEIP(t, 2, eipOptions{})
	e.start()
	e.ask()
	lb1, lb2 := e.nodes[0], e.nodes[1]
	restore := e.cloud.Outage("ec2")
	defer restore()
	lb1.kill()
	e.must(e.cloud.Stop(lb1.id))
	e.throughout(time.Second, "the stopped instance has the address", func() bool { return e.has(lb1) })
	restored := time.Now()
	restore()
	e.moved(lb2, restored, 2*time.Second+slack)
	e.calm(lb2)

	// It comes back without.
	e.must(e.cloud.Start(lb1.id))
	lb1.spawn()
	e.hear()
	e.calm(lb2)
	e.moved(lb1, lb2.kill(), eipKilled)
	e.holds(lb1)
}

// All nodes were away, and the address is with an instance that is none of them any more: nobody knows better than to leave it.
func TestElasticIPOfAStranger(t *testing.T) {
	e := newEIP(t, 2, eipOptions{})
	stranger, err := e.cloud.Launch(awstest.Launch{})
	e.must(err)
	e.must(e.cloud.SetAddress(e.id, stranger))
	for _, n := range e.nodes {
		n.spawn()
	}
	for _, n := range e.nodes {
		e.eventually(n.name+" to know who has it", func() bool {
			s := n.status()
			return len(s.Services) == 1 && s.Services[0].Role == "standby" && s.Services[0].Waiting != ""
		})
	}
	e.unmoved(2*time.Second, "the stranger may be at work")
	e.called(0, 0)
	e.must(e.cloud.SetAddress(e.id, ""))
	e.nodes[1].kill()
	e.nodes[1].spawn() // which looks at it sooner than the other one would
	e.eventually("one to take the free address", func() bool { return e.has(e.nodes[0]) || e.has(e.nodes[1]) })
	e.called(0, 1)
}
