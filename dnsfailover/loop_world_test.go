package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/sim/core"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

const svc = "lb.example.com"

// cluster is some loops in one bubble, joined by wires in memory and a record in the core of a fake Route 53.
type cluster struct {
	t   *testing.T
	rec *core.Record

	mu      sync.Mutex
	members map[string]*member
}

// member is one node. What is exported to a loop, it does itself: it is the network, the prober and the target.
type member struct {
	c    *cluster
	name string
	loop *Loop

	up    bool // under c.mu, as the next four
	cut   bool
	told  []engine.Tell
	ended map[string]chan struct{} // by peer

	read func(ctx context.Context) // instead of the latency of a reading, if set

	asks  atomic.Int64
	swap  func(ctx context.Context) // the same for a swap
	ask   func()                    // before a heartbeat
	probe func(ctx context.Context) bool
	sees  func(engine.Reading) bool // the witness, instead of probe
	offer error                     // of every offer
	lose  string                    // the service whose offers are lost
	sink  func(engine.Tell)
	with  func(engine.Settings) map[string]Service
	log   *zap.Logger
}

func newCluster(t *testing.T) *cluster {
	return &cluster{t: t, rec: core.New(svc, time.Now), members: map[string]*member{}}
}

// lbs are the names of so many nodes.
func lbs(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("lb%d", i+1))
	}
	return names
}

// settings are those of one node of some.
func settings(name string, of []string) engine.Settings {
	s := engine.Settings{
		Node: name, Instance: "i-" + name, Boot: name + ".1",
		HoldDown: 5 * time.Minute, Interval: time.Second, Fall: 3, Rise: 2,
		Targets: []engine.Target{{ID: svc, Addrs: "192.0.2." + name[2:], TTL: 60}}, Hash: "h", Mode: "one",
	}
	for _, p := range of {
		if p != name {
			s.Peers = append(s.Peers, p)
		}
	}
	return s
}

// only is the service of a cluster as its one, at a target.
func only(s engine.Settings, t Target) map[string]Service {
	return map[string]Service{svc: {Settings: s, Targets: map[string]Target{svc: t}}}
}

// start runs nodes, healthy ones, of which the first has claimed the service before the others begin. Each edit is made
// before a loop begins.
func (c *cluster) start(names []string, edits ...func(*member)) {
	c.t.Helper()
	c.create(names, edits...)
	c.run(names, names[:1])
	c.holder(10 * time.Second)
	c.run(names, names[1:])
	c.holder(10 * time.Second)
}

func (c *cluster) create(names []string, edits ...func(*member)) {
	for _, name := range names {
		m := &member{c: c, name: name, ended: map[string]chan struct{}{}}
		m.with = func(s engine.Settings) map[string]Service { return only(s, m) }
		for _, p := range names {
			m.ended[p] = make(chan struct{}, 1)
		}
		for _, edit := range edits {
			edit(m)
		}
		c.members[name] = m
	}
}

// run starts some of all nodes.
func (c *cluster) run(names, some []string) {
	c.t.Helper()
	for _, name := range some {
		m := c.members[name]
		loop, err := Start(LoopOptions{Network: m, Prober: m, Tell: m.tell, Log: m.log}, m.with(settings(name, names)))
		if err != nil {
			c.t.Fatal(err)
		}
		c.t.Cleanup(func() { loop.Close() })
		c.mu.Lock()
		m.loop, m.up = loop, true
		c.mu.Unlock()
		loop.Health(true, time.Now())
	}
}

// kill ends a process as SIGKILL does: its host tells the peers.
func (c *cluster) kill(name string) {
	c.t.Helper()
	c.mu.Lock()
	m := c.members[name]
	m.up = false
	c.mu.Unlock()
	if err := m.loop.Close(); err != nil {
		c.t.Error(err)
	}
	for _, p := range c.members {
		p.end(name)
	}
}

// end tells a node that its connection to a peer has ended.
func (m *member) end(peer string) {
	select {
	case m.ended[peer] <- struct{}{}:
	default:
	}
}

func (m *member) tell(_ string, t engine.Tell) {
	m.c.mu.Lock()
	m.told = append(m.told, t)
	m.c.mu.Unlock()
	if m.sink != nil {
		m.sink(t)
	}
}

// count is how often something was told.
func (m *member) count(what engine.What) (n int) {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	for _, t := range m.told {
		if t.What == what {
			n++
		}
	}
	return n
}

func (m *member) state() engine.State { return m.loop.Status().Services[svc].State }

// holder waits until one node of those that are up is active and all others agree, and returns it.
func (c *cluster) holder(within time.Duration) *member {
	c.t.Helper()
	for end := time.Now().Add(within); ; pass(10 * time.Millisecond) {
		var active []*member
		agree := true
		for _, m := range c.members {
			if !m.up {
				continue
			}
			s := m.loop.Status().Services[svc]
			if s.State.Role == engine.Active {
				active = append(active, m)
			}
			agree = agree && s.State.Role != engine.Starting
		}
		if len(active) == 1 && agree {
			return active[0]
		}
		if time.Now().After(end) {
			c.t.Fatalf("%d nodes are active after %s", len(active), within)
		}
	}
}

// writes and reads are the requests so far.
func (c *cluster) writes() int { return c.rec.Cloud.Count("route53", change) }
func (c *cluster) reads() int  { return c.rec.Cloud.Count("route53", list) }

// fail loses the requests of an action until remove.
func (c *cluster) fail(action string) (remove func()) {
	return c.rec.Cloud.Inject(awstest.Fault{Service: "route53", Action: action, Kind: awstest.Drop})
}

// delay is a latency in virtual time.
func delay(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *member) Ask(ctx context.Context, peer string) (PeerAnswer, engine.Reply, error) {
	m.asks.Add(1)
	if m.ask != nil {
		m.ask()
	}
	if err := delay(ctx, time.Millisecond); err != nil {
		return PeerAnswer{}, engine.Silent, err
	}
	m.c.mu.Lock()
	p := m.c.members[peer]
	up, cut, loop := p.up, p.cut || m.cut, p.loop
	m.c.mu.Unlock()
	if cut {
		<-ctx.Done()
		return PeerAnswer{}, engine.Silent, ctx.Err()
	}
	if up {
		if bodies := loop.Bodies(); bodies != nil {
			return PeerAnswer{Node: peer, Instance: "i-" + peer, Services: bodies}, engine.Answered, nil
		}
	}
	return PeerAnswer{}, engine.Refused, errors.New("connection refused")
}

func (m *member) Ended(peer string) <-chan struct{} { return m.ended[peer] }

func (m *member) Offer(ctx context.Context, peer, service string, o engine.Offer) error {
	if err := delay(ctx, time.Millisecond); err != nil {
		return err
	}
	if m.offer == nil && service != m.lose {
		m.c.members[peer].loop.Offered(service, o)
	}
	return m.offer
}

func (m *member) Witness(ctx context.Context, _ string, r engine.Reading) bool {
	if m.sees != nil {
		return m.sees(r)
	}
	return m.asked(ctx)
}

func (m *member) Control(ctx context.Context, _ string) bool { return m.asked(ctx) }
func (m *member) Foreign(ctx context.Context, _, _ string, _ engine.Reading) bool {
	return m.asked(ctx)
}

func (m *member) asked(ctx context.Context) bool { return m.probe != nil && m.probe(ctx) }

func (m *member) Read(ctx context.Context) (engine.Reading, error) {
	m.c.mu.Lock()
	before := m.read
	m.c.mu.Unlock()
	if before != nil {
		before(ctx)
	} else if err := delay(ctx, 20*time.Millisecond); err != nil {
		return engine.Reading{}, err
	}
	r, o := m.c.rec.Read()
	return r, failed(o)
}

func (m *member) Swap(ctx context.Context, from engine.Reading, to engine.Value) (engine.Reading, error) {
	if m.swap != nil {
		m.swap(ctx)
	} else if err := delay(ctx, 20*time.Millisecond); err != nil {
		return engine.Reading{}, err
	}
	r, o := m.c.rec.Swap(from, to)
	return r, failed(o)
}

func failed(o engine.Outcome) error {
	if o == engine.Done {
		return nil
	}
	return &outcomeError{o, errors.New(o.String())}
}

// inBubble runs a test in virtual time, with a cluster whose loops end before the bubble does.
func inBubble(t *testing.T, f func(t *testing.T, c *cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(t, newCluster(t))
	})
}

// pass lets time pass in the bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
