package dnsfailover

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-dns/route53"
	"go.uber.org/zap"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

const describe = "DescribeInstances"

// fleetLab is a fake cloud with nodes in this process that find each other by tag. Each has a loopback address of its own, which is
// that of its instance.
type fleetLab struct {
	*lab
	port  string
	store *fleetStore
}

// fleetNode is a node on an instance.
type fleetNode struct {
	*node
	lab          *fleetLab
	id, at, addr string
	share        *share
}

// fleetLabs counts those of this process, each of which has addresses of its own.
var fleetLabs atomic.Uint32

func newFleetLab(t *testing.T) *fleetLab {
	t.Helper()
	l := &fleetLab{lab: newLab(t), store: new(fleetStore)}
	l.cloud.SetRate("", awstest.Rate{})
	ln, err := net.Listen("tcp", "127.0.0.1:0") // only for a port that is free as a rule
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, l.port, _ = net.SplitHostPort(ln.Addr().String())
	t.Setenv("TEST_FLEET_SECRET", "a-secret-of-the-fleet-0123")
	return l
}

// launch starts an instance with the tag, without a process on it.
func (l *fleetLab) launch(ip string) string {
	l.t.Helper()
	id, err := l.cloud.Launch(awstest.Launch{PrivateIP: ip, PublicIP: ip, Tags: map[string]string{"Role": "lb"}})
	if err != nil {
		l.t.Fatal(err)
	}
	return id
}

// address is one that nobody else has.
func (l *fleetLab) address() string {
	n := fleetLabs.Add(1)
	return fmt.Sprintf("127.%d.%d.%d", 64+os.Getpid()%128, n>>8, n&0xff+1)
}

// begin runs a node on a new instance.
func (l *fleetLab) begin(ip string) *fleetNode {
	l.t.Helper()
	n := l.prepare(l.launch(ip), ip)
	n.run()
	return n
}

// prepare makes a node on an instance, which does not run yet.
func (l *fleetLab) prepare(id, ip string) *fleetNode {
	l.t.Helper()
	raw, err := json.Marshal(map[string]any{
		"instance":  id,
		"address":   map[string]any{"private": ip, "public": ip, "ipv6": "none"},
		"heartbeat": map[string]any{"listen": net.JoinHostPort(ip, l.port), "interval": "100ms", "secrets": []string{"{env.TEST_FLEET_SECRET}"}},
		"peers_ec2": map[string]any{"tags": map[string]any{"Role": []string{"lb"}}},
		"dns":       map[string]any{"name": "route53", "hosted_zone_id": l.zone},
		"services": []map[string]any{{
			"name": "www", "records": []map[string]any{{"name": "lb.example.com"}},
		}},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	cfg := new(Config)
	if err := json.Unmarshal(raw, cfg); err != nil {
		l.t.Fatal(err)
	}
	if err := cfg.prepare(); err != nil {
		l.t.Fatal(err)
	}
	fmt.Sscan(l.port, &cfg.PeersEC2.Port)
	n := &fleetNode{node: newNode(), lab: l, id: id, addr: ip, at: net.JoinHostPort(ip, l.port)}
	n.share = &share{cfg: cfg, provider: route53.Provider{}.CaddyModule().New().(*route53.Provider), log: zap.NewNop(), tell: func(string, engine.Tell) {}}
	n.share.fleet = newFleetPeers(cfg.PeersEC2, zap.NewNop(), l.store)
	n.share.fleet.options.Refresh = 50 * time.Millisecond // quicker than anybody may configure
	return n
}

func (n *fleetNode) run() {
	n.attach(n.share)
	n.lab.t.Cleanup(n.kill)
}

// kill ends the node as if its machine had lost its power: nothing is offered.
func (n *fleetNode) kill() {
	n.mu.Lock()
	cancel, done := n.cancel, n.done
	n.cancel = nil
	n.mu.Unlock()
	if cancel == nil {
		return
	}
	cancel()
	<-done
	n.share.fleet.stop()
	n.mu.Lock()
	up := n.setup
	n.mu.Unlock()
	if up != nil {
		up.close()
	}
}

// peers are those that the node asks, without those that do not run.
func (n *fleetNode) peers() []string {
	if s, ok := n.snapshot(); ok && s.setup != nil {
		return s.setup.wanted().peers
	}
	return nil
}

// hears reports whether these are its peers, in that order, and all of them answer.
func (n *fleetNode) hears(others ...*fleetNode) bool {
	slices.SortFunc(others, func(a, b *fleetNode) int { return strings.Compare(a.id, b.id) })
	var want []string
	for _, o := range others {
		want = append(want, o.at)
	}
	s, ok := n.snapshot()
	if !ok || s.setup == nil || !slices.Equal(n.peers(), want) {
		return false
	}
	known := s.setup.loop.Status().Peers
	for _, o := range others {
		if p := known[o.at]; p.Reply != engine.Answered || p.Instance != o.id {
			return false
		}
	}
	return len(known) == len(others)
}

// known reports whether EC2 has told this node of an instance.
func (n *fleetNode) known(id string) bool {
	return slices.ContainsFunc(n.share.fleet.all.State().Instances, func(in *fleet.Instance) bool { return in.ID == id })
}

// holder is the instance that the record names.
func (l *fleetLab) holder() string {
	set, _ := l.cloud.Record(l.zone, record.LeaseName("lb.example.com"), "TXT")
	lease, err := record.Decode(strings.Join(set.Values, " "))
	if err != nil {
		return ""
	}
	return lease.Instance
}

// wrote compares the number of writes that were carried out.
func (l *fleetLab) wrote(n int) {
	l.t.Helper()
	got := 0
	for _, c := range l.cloud.Calls() {
		if c.Service == "route53" && c.Action == change && c.Code == "" {
			got++
		}
	}
	if got != n {
		l.t.Errorf("%d writes, want %d", got, n)
	}
}

// until waits for what only a failure makes take long.
func (l *fleetLab) until(what string, cond func() bool) {
	l.t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			l.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// polled waits for so many further answers of EC2.
func (l *fleetLab) polled(n int) {
	l.t.Helper()
	if err := l.cloud.Await(l.ctx(), "ec2", describe, l.cloud.Count("ec2", describe)+n); err != nil {
		l.t.Fatal(err)
	}
}

// fleetStore is a storage in memory.
type fleetStore struct{ of sync.Map }

func (s *fleetStore) Load(_ context.Context, key string) ([]byte, error) {
	if v, ok := s.of.Load(key); ok {
		return v.([]byte), nil
	}
	return nil, fs.ErrNotExist
}

func (s *fleetStore) Store(_ context.Context, key string, value []byte) error {
	s.of.Store(key, slices.Clone(value))
	return nil
}

// Nodes join and leave without anybody loading a configuration, and nothing moves because of that.
func TestFleetPeersJoinAndLeave(t *testing.T) {
	l := newFleetLab(t)
	one := l.begin(l.address())
	l.until("the first claim", func() bool { return l.holder() == one.id })
	two := l.begin(l.address())
	l.until("two nodes to hear each other", func() bool { return one.hears(two) && two.hears(one) })
	// Somebody edits the TTL. Only a configuration that is loaded would bring it back.
	l.setA("lb.example.com", 33, one.addr)
	three := l.begin(l.address())
	l.until("three nodes to hear each other", func() bool { return one.hears(two, three) && two.hears(one, three) && three.hears(one, two) })

	restore := l.cloud.Outage("ec2")
	l.until("EC2 to be missed", func() bool { return one.share.fleet.all.State().Failures > 0 })
	l.polled(1)
	if !one.hears(two, three) || !two.hears(one, three) {
		t.Errorf("without EC2 the peers are %q and %q", one.peers(), two.peers())
	}
	restore()

	// One answer without them is none.
	for _, n := range []*fleetNode{one, two, three} {
		if err := l.cloud.Hide(n.id, 1); err != nil {
			t.Fatal(err)
		}
	}
	l.until("EC2 to answer again", func() bool { s := one.share.fleet.all.State(); return s.Err == nil && len(s.Unconfirmed) == 0 })
	if !one.hears(two, three) || !two.hears(one, three) {
		t.Errorf("after an empty answer the peers are %q and %q", one.peers(), two.peers())
	}

	three.kill()
	if err := l.cloud.Terminate(three.id); err != nil {
		t.Fatal(err)
	}
	l.until("the terminated one to be gone", func() bool { return one.hears(two) && two.hears(one) })
	l.wrote(1)
	if set, _ := l.cloud.Record(l.zone, "lb.example.com", "A"); set.TTL != 33 {
		t.Errorf("the TTL is %d", set.TTL)
	}

	// The holder dies for good.
	one.kill()
	if err := l.cloud.Terminate(one.id); err != nil {
		t.Fatal(err)
	}
	l.until("the other one to have the service", func() bool { return l.holder() == two.id })
	l.until("the holder before to be gone", func() bool { return two.hears() })
	l.wrote(2)
}

// A holder that is no node any more stays a peer for as long as it runs and holds the service.
func TestFleetPeersKeepTheHolder(t *testing.T) {
	l := newFleetLab(t)
	one := l.begin(l.address())
	l.until("the first claim", func() bool { return l.holder() == one.id })
	two := l.begin(l.address())
	l.until("two nodes to hear each other", func() bool { return one.hears(two) && two.hears(one) })
	if err := l.cloud.DeleteTags(one.id, "Role"); err != nil {
		t.Fatal(err)
	}
	l.until("EC2 to tell of it", func() bool { return !two.known(one.id) })
	l.polled(4)
	if !two.hears(one) {
		t.Errorf("the peers are %q", two.peers())
	}
	// A node that starts now never knew it as one.
	three := l.begin(l.address())
	l.until("the new one to hear both", func() bool { return three.hears(one, two) })
	l.wrote(1)

	if err := one.command("www", engine.Release, "the test"); err != nil {
		t.Fatal(err)
	}
	l.until("another one to have the service", func() bool { return l.holder() == two.id || l.holder() == three.id })
	l.until("the holder before to be gone", func() bool { return two.hears(three) && three.hears(two) })
	l.wrote(2)
}

// The place of a dead holder is taken by another instance at its address before anybody could take the service from it.
func TestFleetPeersReplacedAtTheSameAddress(t *testing.T) {
	l := newFleetLab(t)
	one := l.begin(l.address())
	l.until("the first claim", func() bool { return l.holder() == one.id })
	two := l.begin(l.address())
	l.until("two nodes to hear each other", func() bool { return one.hears(two) && two.hears(one) })
	restore := l.cloud.Outage("route53")
	one.kill()
	if err := l.cloud.Terminate(one.id); err != nil {
		t.Fatal(err)
	}
	l.until("EC2 to tell of it", func() bool { return !two.known(one.id) })
	three := l.begin(one.addr)
	l.until("the new one in its place", func() bool {
		s, _ := two.snapshot()
		p := s.setup.loop.Status().Peers[three.at]
		return p.Reply == engine.Answered && p.Instance == three.id && slices.Equal(s.setup.wanted().notRunning(), []string{one.id})
	})
	restore()
	l.until("a node to have the service", func() bool { return l.holder() == two.id || l.holder() == three.id })
	l.until("the dead one to be forgotten", func() bool { return two.hears(three) && three.hears(two) })
}

// Of the nodes that ran before none is left, and the record names one of them.
func TestFleetPeersReplacedAltogether(t *testing.T) {
	l := newFleetLab(t)
	one := l.begin(l.address())
	l.until("the first claim", func() bool { return l.holder() == one.id })
	one.kill()
	if err := l.cloud.Terminate(one.id); err != nil {
		t.Fatal(err)
	}
	l.store = new(fleetStore) // the others have never run
	// A machine that refuses, since its process has not begun, is not the holder.
	ip := l.address()
	three := l.prepare(l.launch(ip), ip)
	two := l.begin(l.address())
	l.until("the dead one to be asked for", func() bool {
		s, _ := two.snapshot()
		return s.setup != nil && slices.Equal(s.setup.wanted().notRunning(), []string{one.id})
	})
	if l.holder() != one.id {
		t.Error("it was not judged as any silent holder is")
	}
	l.until("the new one to have the service", func() bool { return l.holder() == two.id })
	three.run()
	l.until("the dead one to be forgotten", func() bool { return two.hears(three) && three.hears(two) })
	l.wrote(2)
}

// A node that does not know the others does nothing; what it knew when it last ran is enough.
func TestFleetPeersWithoutEC2(t *testing.T) {
	l := newFleetLab(t)
	restore := l.cloud.Outage("ec2")
	one := l.begin(l.address())
	l.until("the problem", func() bool { s, _ := one.snapshot(); return s.problem != nil && s.problem.About == "peers" })
	if n := l.cloud.Count("route53", list); n > 0 {
		t.Errorf("%d reads by a node that does not know the others", n)
	}
	restore()
	l.until("the claim", func() bool { return l.holder() == one.id })
	two := l.begin(l.address())
	l.until("two nodes to hear each other", func() bool { return one.hears(two) && two.hears(one) })

	one.kill()
	two.kill() // with the last one the query ends, and what was stored is all there is
	l.cloud.Outage("ec2")
	again, other := l.prepare(one.id, one.addr), l.prepare(two.id, two.addr)
	again.run()
	other.run()
	l.until("them to hear each other", func() bool { return again.hears(other) && other.hears(again) })
	if o := again.share.fleet.all.State().Origin; o != fleet.Snapshot {
		t.Errorf("the fleet is from %q", o)
	}
}
