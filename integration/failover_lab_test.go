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

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// lab is a fake cloud with a DNS server, and load balancers that are real processes at loopback addresses of their own.
type lab struct {
	*testing.T
	binary string
	cloud  *awstest.Cloud
	aws    *awstest.Server
	dns    *awstest.DNSServer
	names  string // the server at which clients look names up: dns, unless a test has another one
	zone   string
	certs  *certs
	dir    string
	port   string // of the site, on every node
	many   bool   // the record may hold several nodes
	at     string // where clients go without asking the DNS; "" is to ask
	nodes  []*node
	crowd  *crowd
}

// policy is what the nodes may do to the zone: no UPSERT, and no other names. With it every test shows that no more is needed.
var policy = awstest.ChangePolicy{
	Names:   []string{recordName, otherName, insideName, "_dnsfailover." + insideName, "*" + ownSuffix, "_dnsfailover.*.example.com"},
	Types:   []string{"A", "AAAA", "TXT"},
	Actions: []awstest.ChangeAction{awstest.Create, awstest.Delete},
}

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
	l.cloud.AllowChanges(policy, edgeChallenges)
	l.aws, err = awstest.ServeAt(l.cloud, net.JoinHostPort(hub, "0"))
	l.must(err)
	t.Cleanup(func() { l.aws.Close() })
	l.dns, err = awstest.ServeDNS(l.cloud, net.JoinHostPort(hub, "0"), awstest.DNSOptions{})
	l.must(err)
	t.Cleanup(func() { l.dns.Close() })
	l.names = l.dns.Addr()
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
		for _, bad := range []string{"panic", "DATA RACE", secretText, newSecret, otherSecret} {
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
		if c.Service == "route53" || c.Service == "ec2" {
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
