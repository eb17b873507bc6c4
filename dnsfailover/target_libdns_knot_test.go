package dnsfailover

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libdns/rfc2136"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// knot is a Knot DNS with a zone, example.com, that two keys may transfer and the first of them update (RFC 2136, TSIG).
type knot struct {
	t       testing.TB
	bin     string
	dir     string
	port    int
	process *exec.Cmd
	lines   sync.WaitGroup
}

// knotSecret is that of a key by its name.
func knotSecret(key string) string {
	return base64.StdEncoding.EncodeToString([]byte(fmt.Sprintf("%-32s", key)))
}

func newKnot(t testing.TB) *knot {
	t.Helper()
	bin, err := exec.LookPath("knotd")
	if err != nil {
		t.Skipf("without a DNS server that takes updates (apt-get install knot): %v", err)
	}
	k := &knot{t: t, bin: bin, dir: t.TempDir()}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k.port = l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	k.file("zone", `$ORIGIN example.com.
$TTL 3600
@ SOA ns1 admin 1 3600 600 86400 60
@ NS ns1
ns1 A 127.0.0.1
other TXT "one" "two \"three\""
other TYPE65280 \# 1 00
`)
	k.file("knot.conf", fmt.Sprintf(`
server:
    rundir: %[1]q
    listen: 127.0.0.1@%[2]d
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: info
database:
    storage: %[1]q
key:
  - id: writer
    algorithm: hmac-sha256
    secret: %[3]s
  - id: reader
    algorithm: hmac-sha256
    secret: %[4]s
acl:
  - id: write
    key: writer
    action: [transfer, update]
  - id: read
    key: reader
    action: transfer
zone:
  - domain: example.com
    storage: %[1]q
    file: zone
    acl: [write, read]
`, k.dir, k.port, knotSecret("writer"), knotSecret("reader")))
	t.Cleanup(k.stop)
	k.start()
	return k
}

func (k *knot) file(name, text string) {
	k.t.Helper()
	if err := os.WriteFile(filepath.Join(k.dir, name), []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
}

// start returns when the server answers.
func (k *knot) start() {
	k.t.Helper()
	k.process = exec.Command(k.bin, "-c", filepath.Join(k.dir, "knot.conf"))
	out, err := k.process.StderrPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	if err := k.process.Start(); err != nil {
		k.t.Fatal(err)
	}
	started := make(chan bool, 1)
	var said strings.Builder
	k.lines.Go(func() {
		seen := false
		for s := bufio.NewScanner(out); s.Scan(); {
			if !seen {
				fmt.Fprintln(&said, s.Text())
			}
			if !seen && strings.Contains(s.Text(), "server started") {
				seen = true
				started <- true
			}
		}
		if !seen {
			started <- false
		}
	})
	if !<-started {
		k.t.Fatalf("knotd has not started:\n%s", said.String())
	}
}

// stop ends the server, if there is one.
func (k *knot) stop() {
	if k.process == nil {
		return
	}
	if err := k.process.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		k.t.Error(err)
	}
	k.lines.Wait()
	if err := k.process.Wait(); err != nil {
		k.t.Error(err)
	}
	k.process = nil
}

// target is that of a node with a key, and a process of its own.
func (k *knot) target(key, secret string) *LibDNS {
	k.t.Helper()
	t, err := NewLibDNS(LibDNSOptions{
		Provider: &rfc2136.Provider{KeyName: key, KeyAlg: "hmac-sha256", Key: secret, Server: fmt.Sprint("127.0.0.1:", k.port)},
		Zone:     "example.com", Name: svc, Pause: 50 * time.Millisecond,
	})
	if err != nil {
		k.t.Fatal(err)
	}
	return t
}

func (k *knot) node() *LibDNS { return k.target("writer", knotSecret("writer")) }

// resolve asks the server as clients do.
func (k *knot) resolve(want string) {
	k.t.Helper()
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, fmt.Sprint("127.0.0.1:", k.port))
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
	_, err = k.target("nobody", knotSecret("writer")).Read(t.Context())
	wantError(t, err, engine.Unknown, "zone transfer")
	wrong := k.target("writer", knotSecret("reader"))
	_, err = wrong.Swap(t.Context(), created, value(3, "lb1", 60, "127.0.0.11"))
	wantError(t, err, engine.Busy, "nothing was sent", "zone transfer")
	reader := k.target("reader", knotSecret("reader"))
	from := libRead(t, reader)
	_, err = reader.Swap(t.Context(), from, value(3, "lb1", 60, "127.0.0.11"))
	wantError(t, err, engine.Unknown, "does not show the lease")
	k.resolve("127.0.0.12")

	// The server goes away, and comes back with what it had.
	k.stop()
	_, err = lb1.Read(t.Context())
	wantError(t, err, engine.Unknown, "connection refused")
	_, err = lb1.Swap(t.Context(), from, value(3, "lb1", 60, "127.0.0.11"))
	wantError(t, err, engine.Busy, "nothing was sent", "connection refused")
	k.start()
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
