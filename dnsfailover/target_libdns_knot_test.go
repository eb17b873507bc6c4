//go:build linux

package dnsfailover

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/knottest"
)

// knot is a DNS server with a zone, example.com, that two keys may transfer and one of them update (RFC 2136, TSIG).
type knot struct {
	*knottest.Server
	t testing.TB
}

func newKnot(t testing.TB) *knot {
	t.Helper()
	return &knot{knottest.New(t), t}
}

// target is that of a node with a key, and a process of its own.
func (k *knot) target(key, secret string) *LibDNS {
	k.t.Helper()
	t, err := NewLibDNS(LibDNSOptions{
		Provider: k.Provider(key, secret), Zone: knottest.Zone, Name: svc, Pause: 50 * time.Millisecond,
	})
	if err != nil {
		k.t.Fatal(err)
	}
	return t
}

func (k *knot) node() *LibDNS { return k.target(knottest.Writer, knottest.Secret(knottest.Writer)) }

// resolve asks the server as clients do.
func (k *knot) resolve(want string) {
	k.t.Helper()
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, k.Addr())
	}}
	got, err := r.LookupHost(k.t.Context(), svc+".")
	slices.Sort(got)
	if err != nil || strings.Join(got, ",") != want {
		k.t.Errorf("clients get %q, %v, want %s", got, err, want)
	}
}

func TestLibDNSKnot(t *testing.T) {
	k := newKnot(t)
	lb1, lb2 := k.node(), k.node()
	if r := libRead(t, lb1); r.Exists || r.Refuse != "" {
		t.Fatalf("nothing is there, and it reads %+v", r)
	}
	created := libSwap(t, lb1, value(1, "lb1", 60, "127.0.0.11", "::11"))
	k.resolve("127.0.0.11,::11")
	libSwap(t, lb2, value(2, "lb2", 30, "127.0.0.12"))
	k.resolve("127.0.0.12")
	_, err := lb1.Swap(t.Context(), created, value(2, "lb1", 60, "127.0.0.11"))
	wantError(t, err, engine.Conflict)

	// A key that the server does not know, a wrong secret, and a key that may only read.
	_, err = k.target("nobody", knottest.Secret(knottest.Writer)).Read(t.Context())
	wantError(t, err, engine.Unknown, "zone transfer")
	wrong := k.target(knottest.Writer, knottest.Secret(knottest.Reader))
	_, err = wrong.Swap(t.Context(), created, value(3, "lb1", 60, "127.0.0.11"))
	wantError(t, err, engine.Busy, "nothing was sent", "zone transfer")
	reader := k.target(knottest.Reader, knottest.Secret(knottest.Reader))
	from := libRead(t, reader)
	_, err = reader.Swap(t.Context(), from, value(3, "lb1", 60, "127.0.0.11"))
	wantError(t, err, engine.Unknown, "does not show the lease")
	k.resolve("127.0.0.12")

	// The server goes away, and comes back with what it had.
	k.Stop()
	_, err = lb1.Read(t.Context())
	wantError(t, err, engine.Unknown, "connection refused")
	_, err = lb1.Swap(t.Context(), from, value(3, "lb1", 60, "127.0.0.11"))
	wantError(t, err, engine.Busy, "nothing was sent", "connection refused")
	k.Start()
	restarted := k.node()
	if r := libRead(t, restarted); r.Token != from.Token || r.Addrs != "127.0.0.12" || r.TTL != 30 || r.Lease.Holder != "lb2" {
		t.Errorf("after a restart it reads %+v", r)
	}
	libSwap(t, restarted, value(3, "lb1", 60, "127.0.0.11"))
	k.resolve("127.0.0.11")
}

// TestLibDNSKnotRace has three nodes swap one reading at once, again and again: one wins, and clients get to it.
func TestLibDNSKnotRace(t *testing.T) {
	k := newKnot(t)
	nodes := []*LibDNS{k.node(), k.node(), k.node()}
	for _, node := range nodes {
		node.pause = time.Second // the machine may be slow
	}
	for epoch := uint64(1); epoch <= 2; epoch++ {
		from := libRead(t, nodes[0])
		errs := make([]error, len(nodes))
		var wg sync.WaitGroup
		for i, node := range nodes {
			wg.Go(func() {
				_, errs[i] = node.Swap(t.Context(), from, value(epoch, fmt.Sprint("lb", i), 60, fmt.Sprint("127.0.0.", 20+i)))
			})
		}
		wg.Wait()
		won := 0
		for i, err := range errs {
			if err == nil {
				won++
				k.resolve(fmt.Sprint("127.0.0.", 20+i))
				continue
			}
			wantError(t, err, engine.Conflict)
		}
		if won != 1 {
			t.Fatalf("epoch %d: %d have won: %v", epoch, won, errs)
		}
	}
}
