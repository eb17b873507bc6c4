//go:build linux

package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

type status = dnsfailover.Status

// within bounds every wait.
const within = 20 * time.Second

// lab is a fake cloud with a DNS server, and load balancers that are real processes at loopback addresses of their own.
type lab struct {
	*testing.T
	binary string
	cloud  *awstest.Cloud
	aws    *awstest.Server
	dns    *awstest.DNSServer
	zone   string
	certs  *certs
	dir    string
	port   string // of the site, on every node
	nodes  []*node
	crowd  *crowd
}

// policy is what the nodes may do to the zone: no UPSERT, and no other names. With it every test shows that no more is needed.
var policy = awstest.ChangePolicy{
	Names:   []string{recordName, otherName, "_dnsfailover.*.example.com"},
	Types:   []string{"A", "AAAA", "TXT"},
	Actions: []awstest.ChangeAction{awstest.Create, awstest.Delete},
}

const secretText = "an-old-secret-of-the-tests"

// newLab makes a lab with some nodes, lb1 and so on, none of which runs yet. Others may run at the same time.
func newLab(t *testing.T, nodes int) *lab {
	t.Helper()
	if testing.Short() {
		t.Skip("it runs real processes for some seconds")
	}
	t.Parallel()
	return newLabAt(t, "127.0.0.1", loopback(nodes))
}

// newLabAt makes a lab whose cloud and nodes have these addresses.
func newLabAt(t *testing.T, hub string, addrs []string) *lab {
	t.Helper()
	l := &lab{T: t, cloud: awstest.New(awstest.Config{}), dir: t.TempDir()}
	var err error
	l.binary, err = binary()
	l.must(err)
	l.certs, err = theCerts()
	l.must(err)
	l.must(l.certs.write(l.dir))
	l.zone, err = l.cloud.AddZone(awstest.HostedZone{Name: "example.com"})
	l.must(err)
	l.cloud.AllowChanges(policy)
	l.aws, err = awstest.ServeAt(l.cloud, net.JoinHostPort(hub, "0"))
	l.must(err)
	t.Cleanup(func() { l.aws.Close() })
	l.dns, err = awstest.ServeDNS(l.cloud, net.JoinHostPort(hub, "0"), awstest.DNSOptions{})
	l.must(err)
	t.Cleanup(func() { l.dns.Close() })
	t.Cleanup(l.end)

	l.port = l.freePort(addrs)
	for i, addr := range addrs {
		n := &node{lab: l, name: fmt.Sprintf("lb%d", i+1), addr: addr}
		n.dir = filepath.Join(l.dir, n.name)
		l.must(os.Mkdir(n.dir, 0o700))
		n.id, err = l.cloud.Launch(awstest.Launch{PrivateIP: addr, PublicIP: addr, Tags: map[string]string{"Name": n.name}})
		l.must(err)
		for _, kv := range os.Environ() {
			if !strings.HasPrefix(kv, "AWS_") && !strings.HasPrefix(kv, "CADDY_") {
				n.env = append(n.env, kv)
			}
		}
		n.env = append(n.env, l.aws.Env(n.id)...)
		n.env = append(n.env, "XDG_DATA_HOME="+filepath.Join(n.dir, "data"), "XDG_CONFIG_HOME="+filepath.Join(n.dir, "config"))
		n.secrets(secretText)
		l.nodes = append(l.nodes, n)
	}
	for _, n := range l.nodes {
		n.conf = n.standard()
	}
	return l
}

// wired puts a wire between any two nodes. It is called before the first start, and makes the standard conf anew.
func (l *lab) wired() {
	l.Helper()
	for _, n := range l.nodes {
		n.via = make([]*wire, len(l.nodes))
		for i, other := range l.nodes {
			if other == n {
				continue
			}
			w, err := newWire("127.0.0.1", net.JoinHostPort(other.addr, beatPort))
			l.must(err)
			l.Cleanup(w.close)
			n.via[i] = w
		}
		n.conf = n.standard()
	}
}

// wire is that on which one node asks another.
func (l *lab) wire(from, to *node) *wire { return from.via[slices.Index(l.nodes, to)] }

// each changes the conf of every node.
func (l *lab) each(change func(*conf)) {
	for _, n := range l.nodes {
		change(&n.conf)
	}
}

// labs counts those of this process.
var labs atomic.Uint32

// loopback returns addresses that nobody else has.
func loopback(n int) (addrs []string) {
	base := uint32(os.Getpid()%4000+16)<<12 + labs.Add(1)<<3
	for i := range uint32(n) {
		a := base + i + 1
		addrs = append(addrs, fmt.Sprintf("127.%d.%d.%d", a>>16&0xff, a>>8&0xff, a&0xff))
	}
	return addrs
}

// sitePort is that of the site where the addresses are not those of the test.
const sitePort = "443"

// freePort is a port for the site, the same at all addresses, since clients know only one. Nobody else has the addresses, but
// some listen at all there are.
func (l *lab) freePort(addrs []string) string {
	l.Helper()
	if !net.ParseIP(addrs[0]).IsLoopback() {
		return sitePort
	}
	for range 100 {
		ln, err := net.Listen("tcp", net.JoinHostPort(addrs[0], "0"))
		l.must(err)
		port := strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)
		ln.Close()
		free := true
		for _, a := range addrs {
			ln, err := net.Listen("tcp", net.JoinHostPort(a, port))
			if free = free && err == nil; err == nil {
				ln.Close()
			}
		}
		if free {
			return port
		}
	}
	l.Fatal("no port is free")
	return ""
}

func (l *lab) file(name string) string { return filepath.Join(l.dir, name) }

// end ends everything, and checks what must never happen.
func (l *lab) end() {
	if l.crowd != nil {
		l.crowd.stop()
	}
	for _, n := range l.nodes {
		if n.runs() {
			n.cmd.Process.Kill()
			<-n.exited
		}
		for _, bad := range []string{"panic", "DATA RACE", secretText} {
			if lines := n.logged(bad); len(lines) > 0 {
				l.Errorf("%s has logged %q: %s", n.name, bad, lines[0])
			}
		}
	}
	if l.Failed() {
		l.dump()
	}
}

// dump shows what there is to see after a failure.
func (l *lab) dump() {
	for _, c := range l.cloud.Calls() {
		if c.Service == "route53" {
			l.Logf("%s %s by %s: %q fault %t", c.Time.Format("15:04:05.000"), c.Action, c.Caller.Instance, c.Code, c.Fault)
		}
	}
	for _, n := range l.nodes {
		l.Logf("log of %s (%s, %s):\n%s", n.name, n.id, n.addr, n.tail(60))
	}
}

func (l *lab) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// eventually waits until cond holds, for a time that only a failure takes.
func (l *lab) eventually(what string, cond func() bool) {
	l.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		for _, n := range l.nodes {
			if n.exited != nil && !n.runs() && !n.asked {
				l.Fatalf("%s has ended by itself: %s", n.name, n.cmd.ProcessState)
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			for _, n := range l.nodes {
				text, err := n.admin("GET", "/dnsfailover/status", "")
				if !n.frozen {
					l.Logf("status of %s: %s %v", n.name, text, err)
				}
			}
			l.Fatalf("waited in vain for: %s", what)
		}
	}
}

// throughout checks all the time, for a while, that cond holds.
func (l *lab) throughout(d time.Duration, what string, cond func() bool) {
	l.Helper()
	end := time.After(d)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if !cond() {
			l.Fatalf("it did not stay so: %s", what)
		}
		select {
		case <-tick.C:
		case <-end:
			return
		}
	}
}

// start runs all nodes, the first of them first, so that it holds the service, and returns when all agree on that.
func (l *lab) start() {
	l.Helper()
	l.nodes[0].spawn()
	l.eventually("the first node to hold the service", func() bool { return l.lease().Holder == l.nodes[0].name })
	for _, n := range l.nodes[1:] {
		n.spawn()
	}
	l.holds(l.nodes[0])
	l.wrote(1)
}

// lease is that of the record, in the zone.
func (l *lab) lease() engine.Lease {
	set, ok := l.cloud.Record(l.zone, record.LeaseName(recordName), "TXT")
	if !ok || len(set.Values) != 1 {
		return engine.Lease{}
	}
	lease, err := record.Decode(set.Values[0])
	l.must(err)
	return lease
}

// points are the addresses of the record, in the zone.
func (l *lab) points() []string {
	set, _ := l.cloud.Record(l.zone, recordName, "A")
	return set.Values
}

// agree reports whether the record, its lease, and every process that runs say that a node has the service, and that all is well.
func (l *lab) agree(holder *node) bool {
	lease := l.lease()
	if lease.Holder != holder.name || lease.Instance != holder.id || !slices.Equal(l.points(), []string{holder.addr}) {
		return false
	}
	for _, n := range l.nodes {
		if !n.runs() || n.frozen {
			continue
		}
		s := n.status()
		role := "standby"
		if n == holder {
			role = "active"
		}
		if len(s.Services) != 1 || !s.AsConfigured {
			return false
		}
		if c := s.Services[0]; c.Role != role || c.Holder != holder.name || c.Epoch != lease.Epoch || !c.Healthy {
			return false
		}
	}
	return true
}

// holds waits until all agree that a node has the service.
func (l *lab) holds(n *node) {
	l.Helper()
	l.eventually("all to agree that "+n.name+" has the service", func() bool { return l.agree(n) })
}

// hear waits until all processes that run hear each other.
func (l *lab) hear() {
	l.Helper()
	l.eventually("all to hear each other", func() bool {
		for _, n := range l.nodes {
			s := n.status()
			for i := range s.Peers {
				if !s.Peers[i].Up {
					return false
				}
			}
			if n.runs() && len(s.Peers) != len(l.nodes)-1 {
				return false
			}
		}
		return true
	})
}

// witnessed waits until a standby has reached the service at its holder.
func (l *lab) witnessed(n *node) {
	l.Helper()
	l.eventually("the witness of "+n.name+" to pass", func() bool {
		s := n.status()
		return len(s.Services) == 1 && s.Services[0].Witness.Armed
	})
}

// writes are the calls that change, or try to change, records. The fake has Route 53's limit of five requests a second; those that
// come to nothing because of it are not among them.
func (l *lab) writes() (calls []awstest.Call) {
	for _, c := range l.cloud.Calls() {
		if c.Service == "route53" && c.Action == "ChangeResourceRecordSets" && c.Code != "Throttling" {
			calls = append(calls, c)
		}
	}
	return calls
}

// wrote checks how many writes there were since the start, refused ones included.
func (l *lab) wrote(n int) {
	l.Helper()
	if got := len(l.writes()); got != n {
		l.Errorf("there were %d writes, want %d", got, n)
	}
}

// calm checks that nothing is written, and the holder stays, for the time in which clients ask sixty times more.
func (l *lab) calm(holder *node) {
	l.Helper()
	writes := len(l.writes())
	more := l.clients().now().sent + 60
	l.eventually("clients to ask sixty times more", func() bool {
		if got := len(l.writes()); got != writes {
			l.Fatalf("%d writes for nothing", got-writes)
		}
		return l.crowd.now().sent >= more
	})
	l.holds(holder)
}

// clients starts them, if they do not run.
func (l *lab) clients() *crowd {
	if l.crowd == nil {
		l.crowd = l.startClients()
	}
	return l.crowd
}

// ask starts the clients, and waits until they have asked some times, all of it well.
func (l *lab) ask() {
	l.Helper()
	more := l.clients().now().sent + 20
	l.eventually("clients to ask", func() bool { return l.crowd.now().sent >= more })
	l.unfailed()
}

// unfailed checks that no request has failed.
func (l *lab) unfailed() {
	l.Helper()
	if t := l.crowd.now(); len(t.failed) > 0 {
		l.Errorf("%d of %d requests have failed, the first one to %s at %s: %v",
			len(t.failed), t.sent, t.failed[0].to, t.failed[0].at.Format("15:04:05.000"), t.failed[0].err)
	}
}

// served waits until the clients get answers from a node, and says how many requests failed and for how long after the fault. They
// must not for longer than most.
func (l *lab) served(by *node, fault time.Time, most time.Duration) {
	l.Helper()
	before := l.crowd.now().by[by.name]
	l.eventually("clients to be answered by "+by.name, func() bool { return l.crowd.now().by[by.name] > before+40 })
	t := l.crowd.now()
	var last time.Time
	n := 0
	for _, f := range t.failed {
		if f.at.After(fault) {
			n++
			last = f.at
		}
	}
	if n == 0 {
		l.Logf("no request failed")
		return
	}
	l.Logf("%d requests failed, the last one %s after the fault: %v", n, last.Sub(fault).Round(time.Millisecond), t.failed[len(t.failed)-1].err)
	if last.Sub(fault) > most {
		l.Errorf("requests failed for %s, want at most %s", last.Sub(fault), most)
	}
}

// moved waits until a node has the service, and returns how long that took since a fault: until the write that did it arrived. It
// must not be more than most.
func (l *lab) moved(to *node, fault time.Time, most time.Duration) time.Duration {
	l.Helper()
	l.eventually(to.name+" to take the service", func() bool { return l.lease().Holder == to.name })
	for _, c := range l.writes() {
		if c.Code != "" || c.Caller.Instance != to.id || c.Time.Before(fault) {
			continue
		}
		took := c.Time.Sub(fault)
		l.Logf("%s has the service %s after the fault", to.name, took.Round(time.Millisecond))
		if took > most {
			l.Errorf("that took %s, want at most %s", took, most)
		}
		return took
	}
	l.Fatalf("%s has the service, but has not taken it since the fault", to.name)
	return 0
}

// cut makes every wire drop all that is sent, and heal makes them whole again.
func (l *lab) cut()  { l.wires(dropped) }
func (l *lab) heal() { l.wires(passes) }

func (l *lab) wires(p passage) {
	for _, n := range l.nodes {
		for _, w := range n.via {
			if w != nil {
				w.set(p, p)
			}
		}
	}
}

// unmoved checks that nothing is written for a while, although something is wrong.
func (l *lab) unmoved(d time.Duration, why string) {
	l.Helper()
	writes := len(l.writes())
	l.throughout(d, why, func() bool { return len(l.writes()) == writes })
}
