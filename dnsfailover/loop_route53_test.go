package dnsfailover

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// pair joins two loops of one process, in real time.
type pair struct {
	loops [2]atomic.Pointer[Loop]
	ended [2]chan struct{}
	asked chan struct{} // gets a value with each heartbeat, unless one waits there
}

// end is one end of a pair. It has no probes.
type end struct {
	*pair
	self int
}

func (e end) Ask(context.Context, string) (PeerAnswer, engine.Reply, error) {
	select {
	case e.asked <- struct{}{}:
	default:
	}
	if l := e.loops[1-e.self].Load(); l != nil {
		if bodies := l.Bodies(); bodies != nil {
			name := lbs(2)[1-e.self]
			return PeerAnswer{Node: name, Instance: "i-" + name, Services: bodies}, engine.Answered, nil
		}
	}
	return PeerAnswer{}, engine.Refused, errors.New("connection refused")
}

func (e end) Ended(string) <-chan struct{} { return e.ended[e.self] }

func (e end) Offer(_ context.Context, _, service string, o engine.Offer) error {
	e.loops[1-e.self].Load().Offered(service, o)
	return nil
}

func (end) Witness(context.Context, string, engine.Reading) bool         { return false }
func (end) Control(context.Context, string) bool                         { return false }
func (end) Foreign(context.Context, string, string, engine.Reading) bool { return true }

// TestLoopRoute53 has two loops at work on a record behind the real client: a claim, the death of the one that has it, and
// the other in its place.
func TestLoopRoute53(t *testing.T) {
	l := newLab(t)
	p := &pair{ended: [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}, asked: make(chan struct{}, 1)}
	claims := make(chan string, 16)
	run := func(i int) *Loop {
		name := lbs(2)[i]
		s := settings(name, lbs(2))
		loop, err := Start(LoopOptions{Network: end{p, i}, Prober: end{p, i}, Tell: func(_ string, told engine.Tell) {
			if told.What == engine.Claimed {
				claims <- told.To
			}
		}}, only(s, l.target(svc)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := loop.Close(); err != nil {
				t.Error(err)
			}
		})
		loop.Health(true, time.Now())
		p.loops[i].Store(loop)
		return loop
	}
	claimed := func(want string) {
		t.Helper()
		select {
		case got := <-claims:
			if got != want {
				t.Fatalf("%s has claimed it, want %s", got, want)
			}
		case <-l.ctx().Done():
			t.Fatalf("%s has not claimed it", want)
		}
	}
	first := run(0)
	claimed("lb1")
	second := run(1)
	for ctx := l.ctx(); second.Status().Services[svc].Holder != "lb1"; {
		select {
		case <-p.asked:
		case <-ctx.Done():
			t.Fatal("lb2 does not see lb1")
		}
	}
	killed := time.Now()
	p.loops[0].Store(nil)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	p.ended[1] <- struct{}{}
	claimed("lb2")
	t.Logf("taken over %s after the death", time.Since(killed).Round(time.Millisecond))
	if n := l.cloud.Count("route53", change); n != 2 {
		t.Errorf("%d writes", n)
	}
	r := l.read(l.target(svc))
	if r.Addrs != "192.0.2.2" || r.Lease.Holder != "lb2" || r.Lease.Epoch != 2 {
		t.Errorf("the record is %+v", r)
	}
}
