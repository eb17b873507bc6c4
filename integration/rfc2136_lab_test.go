//go:build linux

package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/knottest"
)

// knotBinary is our build with the provider of RFC 2136.
var knotBinary = sync.OnceValues(func() (string, error) { return namedBinary("CADDY_RFC2136_BIN", "./integration/rfc2136caddy") })

// knotTakeover is how long a takeover may take after a kill: until it is noticed, for as long as a writer waits between its lease and
// its addresses, and for the second that Knot DNS lets pass between two updates if the latter is not right behind the former.
const knotTakeover = 500*time.Millisecond + 500*time.Millisecond + time.Second

// knotLab is a lab whose record is in Knot DNS, which takes updates of whoever has its key. Nothing is in the fake cloud.
type knotLab struct {
	*lab
	server *knottest.Server
}

func newKnotLab(t *testing.T, nodes int) *knotLab {
	t.Helper()
	l := newLab(t, nodes)
	k := &knotLab{lab: l, server: knottest.New(t)}
	var err error
	l.binary, err = knotBinary()
	l.must(err)
	l.names = k.server.Addr()
	for _, n := range l.nodes {
		k.key(n, knottest.Writer, knottest.Secret(knottest.Writer))
		n.conf.ttl = "1s\nzone " + knottest.Zone
	}
	t.Cleanup(func() {
		for _, n := range l.nodes {
			for _, key := range []string{knottest.Writer, knottest.Reader} {
				if lines := n.logged(knottest.Secret(key)); len(lines) > 0 {
					l.Errorf("%s has logged its key: %s", n.name, lines[0])
				}
			}
		}
	})
	return k
}

// key gives a node a key. It is in force after the next load of the configuration.
func (k *knotLab) key(n *node, name, secret string) {
	k.Helper()
	file := filepath.Join(n.dir, "key")
	k.must(os.WriteFile(file, []byte(secret), 0o600))
	n.conf.dns = fmt.Sprintf("dns rfc2136 {\nkey_name %s\nkey_alg %s\nkey {file.%s}\nserver %s\n}", name, knottest.Algorithm, file, k.server.Addr())
}

// lookUp is a question to the server; nil if it does not answer.
func (k *knotLab) lookUp(name string, class uint16) []dns.RR {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, _, err := (&dns.Client{}).ExchangeContext(ctx, new(dns.Msg).SetQuestion(name+".", class), k.server.Addr())
	if err != nil {
		return nil
	}
	return r.Answer
}

// lease is that of the record, in the zone.
func (k *knotLab) lease() engine.Lease {
	k.Helper()
	all := k.lookUp(record.LeaseName(recordName), dns.TypeTXT)
	if len(all) != 1 {
		return engine.Lease{}
	}
	lease, err := record.Decode(`"` + all[0].(*dns.TXT).Txt[0] + `"`)
	k.must(err)
	return lease
}

// points are the addresses of the record, in the zone.
func (k *knotLab) points() (addrs []string) {
	for _, rr := range k.lookUp(recordName, dns.TypeA) {
		addrs = append(addrs, rr.(*dns.A).A.String())
	}
	return addrs
}

// has reports whether record and lease are a node's.
func (k *knotLab) has(n *node) bool {
	lease := k.lease()
	return lease.Holder == n.name && lease.Instance == n.id && slices.Equal(k.points(), []string{n.addr})
}

// holds waits until record, lease and all processes say that a node has the service.
func (k *knotLab) holds(n *node) {
	k.Helper()
	k.eventually("all to agree that "+n.name+" has the service", func() bool { return k.has(n) && k.say(n, k.lease().Epoch) })
}

// start runs all nodes, the first of them first, so that it holds the service.
func (k *knotLab) start() {
	k.Helper()
	k.nodes[0].spawn()
	k.eventually("the first node to hold the service", func() bool { return k.has(k.nodes[0]) })
	for _, n := range k.nodes[1:] {
		n.spawn()
	}
	k.holds(k.nodes[0])
	k.wrote(1)
}

// moved waits until the record points at a node, and returns how long that took since a fault. It must not be more than most.
func (k *knotLab) moved(to *node, since time.Time, most time.Duration) time.Duration {
	k.Helper()
	k.eventually("the record to point at "+to.name, func() bool { return slices.Equal(k.points(), []string{to.addr}) })
	took := time.Since(since)
	k.Logf("the record points at %s %s later", to.name, took.Round(time.Millisecond))
	if took > most {
		k.Errorf("that took %s, want at most %s", took, most)
	}
	return took
}

// wrote checks how many swaps there were since the start: each is an update of the lease and one of the addresses.
func (k *knotLab) wrote(swaps int) {
	k.Helper()
	if got := k.server.Updates(); got != 2*swaps {
		k.Errorf("there were %d updates, want %d", got, 2*swaps)
	}
}

// calm checks that nothing is written, and the holder stays, while clients ask sixty times more.
func (k *knotLab) calm(holder *node) {
	k.Helper()
	updates := k.server.Updates()
	more := k.clients().now().sent + 60
	k.eventually("clients to ask sixty times more", func() bool {
		if got := k.server.Updates(); got != updates {
			k.Fatalf("%d updates for nothing", got-updates)
		}
		return k.crowd.now().sent >= more
	})
	k.holds(holder)
}
