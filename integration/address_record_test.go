//go:build linux

package integration

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// eipBoth is how soon a killed holder is replaced at an address with a record. The goal is 0.8 s.
const eipBoth = 800*time.Millisecond + slack

// still checks that the record is the Elastic IP, and that no write to it was in vain.
func (e *eipLab) still() {
	e.Helper()
	for _, c := range e.writes() {
		if c.Code != "" {
			e.Errorf("a write of Route 53 was refused: %s", c.Code)
		}
	}
	if got := e.points(); !slices.Equal(got, []string{e.public}) {
		e.Errorf("the record is %v, want %s", got, e.public)
	}
}

// A record and an Elastic IP in one service: the record is the address, and only its lease moves.
func TestElasticIPWithARecord(t *testing.T) {
	e := newEIP(t, 2, eipOptions{record: true})
	e.each(func(c *conf) { c.address = "elastic_ip " + e.id })
	e.start()
	e.wrote(1)
	e.ask()
	lb1, lb2 := e.nodes[0], e.nodes[1]
	fault := lb1.kill()
	e.moved(lb2, fault, eipBoth)
	e.served(lb2, fault, eipBoth)
	e.holds(lb2)
	e.still()
	e.wrote(2)
	e.called(1, 2)

	lb1.spawn()
	e.hear()
	e.calm(lb2)
	for _, n := range e.nodes {
		n.reload()
	}
	e.calm(lb2)
	fault = lb2.term()
	e.moved(lb1, fault, time.Second+slack)
	e.eventually("the lease to follow", func() bool { return e.lease().Holder == lb1.name })
	lb2.ended()
	lb2.spawn()
	e.hear()
	e.calm(lb1)
	e.still()
	e.wrote(3)
	e.called(2, 3)
	if epoch := e.lease().Epoch; epoch != 3 {
		t.Errorf("the epoch is %d, want 3", epoch)
	}
}

// A record in a private zone has the private address of whoever has the Elastic IP.
func TestElasticIPWithAPrivateRecord(t *testing.T) {
	e := newEIP(t, 2, eipOptions{record: true})
	zone, err := e.cloud.AddZone(awstest.HostedZone{Name: "example.internal", Private: true})
	e.must(err)
	e.each(func(c *conf) {
		c.rest += fmt.Sprintf("\nrecord %s {\naddress private\nzone_id %s\nttl 5s\n}", insideName, zone)
	})
	e.start()
	follows := func(n *node) {
		t.Helper()
		since := time.Now()
		e.eventually("the private record to follow to "+n.name, func() bool {
			set, _ := e.cloud.Record(zone, insideName, "A")
			return slices.Equal(set.Values, []string{n.addr}) && e.has(n)
		})
		t.Logf("the private record followed to %s %s after the fault", n.name, time.Since(since).Round(time.Millisecond))
		e.holds(n)
		e.still() // the public record stays at the Elastic IP
	}
	lb1, lb2 := e.nodes[0], e.nodes[1]
	follows(lb1)
	lb1.kill()
	follows(lb2)
	lb1.spawn()
	e.hear()
	lb2.term()
	lb2.ended()
	follows(lb1)
	e.called(2, 3)
}

// Route 53 does not answer while the holder dies. The address moves all the same, and the lease follows when it can.
func TestElasticIPWhileRoute53IsDown(t *testing.T) {
	for name, c := range map[string]struct {
		kind awstest.FaultKind
		most time.Duration
	}{
		"no connection": {awstest.Drop, 6 * time.Second},
		"no answer":     {awstest.Hang, 12 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			eipWhileRoute53IsDown(t, awstest.Fault{Service: "route53", Kind: c.kind}, c.most+slack)
		})
	}
}

func eipWhileRoute53IsDown(t *testing.T, outage awstest.Fault, most time.Duration) {
	e := newEIP(t, 2, eipOptions{record: true})
	e.start()
	e.ask()
	lb1, lb2 := e.nodes[0], e.nodes[1]
	restore := e.cloud.Inject(outage)
	defer restore()
	fault := lb1.kill()
	took := e.moved(lb2, fault, most)
	e.served(lb2, fault, took+slack)
	e.called(1, 2)

	// Who had it comes back, and does not take it again, whatever the lease says.
	lb1.spawn()
	e.hear()
	e.throughout(2*time.Second, "the new holder keeps the address", func() bool { return e.has(lb2) })
	if h := e.lease().Holder; h != lb1.name {
		t.Errorf("the lease says %q while nobody can write it", h)
	}
	e.called(1, 2)
	restored := time.Now()
	restore()
	e.holds(lb2)
	t.Logf("the lease followed %s after the outage", time.Since(restored).Round(time.Millisecond))
	e.calm(lb2)
	e.still()
	e.called(1, 2)
	e.moved(lb1, lb2.kill(), eipBoth)
	e.holds(lb1)
	e.called(2, 3)
}

// EC2 does not answer while the holder dies. The lease moves, and the address follows, once.
func TestElasticIPWhileEC2IsDown(t *testing.T) {
	for name, fault := range map[string]awstest.Fault{
		"no answer":            {Kind: awstest.Drop},
		"RequestLimitExceeded": {Code: "RequestLimitExceeded", Message: "Request limit exceeded."},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEIP(t, 2, eipOptions{record: true})
			e.start()
			e.ask()
			lb1, lb2 := e.nodes[0], e.nodes[1]
			fault.Service = "ec2"
			restore := e.cloud.Inject(fault)
			defer restore()
			before := e.cloud.Count("ec2", "")
			lb1.kill()
			e.eventually("the lease to move", func() bool { return e.lease().Holder == lb2.name })
			lb1.spawn()
			e.hear()
			e.throughout(3*time.Second, "the address stays where it is", func() bool { return e.has(lb1) })
			if n := e.cloud.Count("ec2", "") - before; n > 40 {
				t.Errorf("%d calls of an API that does not answer", n)
			}
			restored := time.Now()
			restore()
			e.moved(lb2, restored, 4*time.Second+slack)
			e.calm(lb2)
			e.still()
			e.wrote(2)
			e.moved(lb1, lb2.kill(), eipBoth)
			e.holds(lb1)
		})
	}
}

// Nothing of AWS answers while the holder dies. Both follow when it does again, each on its own.
func TestElasticIPWhileAllIsDown(t *testing.T) {
	e := newEIP(t, 2, eipOptions{record: true})
	e.start()
	lb1, lb2 := e.nodes[0], e.nodes[1]
	route53, ec2 := e.cloud.Outage("route53"), e.cloud.Outage("ec2")
	defer route53()
	defer ec2()
	lb1.kill()
	e.throughout(2*time.Second, "nobody can move anything", func() bool { return e.has(lb1) && e.lease().Holder == lb1.name })
	restored := time.Now()
	ec2()
	e.moved(lb2, restored, 4*time.Second+slack)
	route53()
	e.holds(lb2)
	e.calm(lb2)
	e.still()
	if n := e.plane.Count().Moves; n != 2 {
		t.Errorf("the address was given to somebody %d times, want 2", n)
	}
}

// The account's five requests a second are used up by others. That is no matter of the address.
func TestElasticIPWhileRoute53IsThrottled(t *testing.T) {
	e := newEIP(t, 2, eipOptions{record: true})
	e.start()
	lb1, lb2 := e.nodes[0], e.nodes[1]
	restore := e.cloud.Inject(awstest.Fault{Service: "route53", Code: "Throttling", Status: 400, Message: "Rate exceeded"})
	defer restore()
	before := e.cloud.Count("route53", "")
	e.moved(lb2, lb1.kill(), 6*time.Second+slack)
	e.unmoved(2*time.Second, "the lease can't be written")
	if n := e.cloud.Count("route53", "") - before; n > 40 {
		t.Errorf("%d calls that were throttled", n)
	}
	restore()
	e.holds(lb2)
	e.calm(lb2)
	e.still()
	e.called(1, 2)
}

// The address is denied to the holder's heir, who has the record's permission. It has neither, then.
func TestElasticIPHalfIsDenied(t *testing.T) {
	e := newEIP(t, 3, eipOptions{record: true})
	lb1, lb2, lb3 := e.nodes[0], e.nodes[1], e.nodes[2]
	e.cloud.Inject(awstest.Fault{
		Service: "ec2", Action: associate, From: lb2.id, Code: "UnauthorizedOperation", Message: "You are not authorized to perform this operation.",
	})
	e.start()
	e.problem(lb2, "ec2:"+associate)
	e.moved(lb3, lb1.kill(), eipBoth)
	e.holds(lb3)
	e.still()
	e.wrote(2)
	e.called(1, 2)
}
