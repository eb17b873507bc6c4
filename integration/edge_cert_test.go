//go:build linux

package integration

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const edgeLong = 24 * time.Hour

// A pair that has never had a certificate starts, gets one for both, and then takes the service, since no node is well before. The
// standby has the certificate before it needs it.
func TestStandbyHasTheCertificate(t *testing.T) {
	l := newEdgeLab(t, 2, edgeLong)
	holder, standby := l.begin()
	if got := l.authority.certificates(); got != 1 {
		t.Errorf("%d certificates were asked for, want 1 for all nodes", got)
	}
	if got := l.lease().Epoch; got != 1 {
		t.Errorf("the service has moved before it was there: epoch %d", got)
	}
	if left := l.challenges(); len(left) > 0 {
		t.Errorf("challenges are left in the zone: %q", left)
	}
	l.ask()
	fault := holder.kill()
	l.moved(standby, fault, 500*time.Millisecond+slack)
	l.served(standby, fault, 2*time.Second+slack)

	// Who comes back takes it from the storage.
	holder.spawn()
	l.holds(standby)
	l.same("", l.nodes...)
	if got := l.authority.certificates(); got != 1 {
		t.Errorf("%d certificates were asked for, want 1 over a restart", got)
	}
}

// The authority asks at the name itself, which nobody has, since nobody is well without a certificate. After a while somebody takes it
// all the same. The first challenge waits for that here; otherwise Caddy would try again after a minute.
func TestFirstCertificateByTheName(t *testing.T) {
	l := newEdgeLab(t, 2, edgeLong)
	l.authority.shut()
	for _, n := range l.nodes {
		l.set(n, edgeConf{byName: true, tls: "tls {\nissuer acme {\ndisable_http_challenge\n}\n}"})
		n.spawn()
	}
	began := time.Now()
	l.eventually("somebody to take the name", func() bool { return len(l.points()) > 0 })
	t.Logf("the name is there %s after the start", time.Since(began).Round(time.Millisecond))
	for _, n := range l.nodes {
		if l.certificate(n) != nil {
			t.Errorf("%s has a certificate already", n.name)
		}
	}
	l.authority.open()
	l.same("", l.nodes...)
	// The one that had the certificate first may have got the service from the one that took the name.
	l.settled()
}

// The holder dies while it waits for a new certificate. The other one takes the service with the old one, which is valid for some more
// time, and gets the new one as soon as the lock of the dead is stale.
func TestTakeoverDuringARenewal(t *testing.T) {
	const valid = 90 * time.Second
	l := newEdgeLab(t, 2, valid)
	// A certificate is renewed when it is 12 s old. Certmagic takes a lock for stale after 10 s.
	for _, n := range l.nodes {
		l.set(n, edgeConf{global: "renewal_window_ratio 0.86"})
	}
	l.begin()
	old := l.same("", l.nodes...)
	l.authority.shut()
	l.eventually("a challenge for a new certificate", func() bool { return len(l.authority.asked) > 0 })
	answer := l.challenges()
	if len(answer) != 1 {
		t.Fatalf("the answers to the challenge are %q, want one", answer)
	}

	// Either of them may be the one that renews. It is to have the service, too.
	renews, other := l.nodes[0], l.nodes[1]
	if len(other.logged("renewing certificate", recordName)) > len(renews.logged("renewing certificate", recordName)) {
		renews, other = other, renews
	}
	t.Logf("%s renews", renews.name)
	if l.lease().Holder != renews.name {
		if _, err := renews.admin(http.MethodPost, "/dnsfailover/takeover?reason=the+tests", ""); err != nil {
			t.Fatal(err)
		}
		l.holds(renews)
	}
	l.ask()
	fault := renews.kill()
	l.moved(other, fault, 500*time.Millisecond+slack)
	l.served(other, fault, 2*time.Second+slack)
	if c := l.certificate(other); c == nil || c.SerialNumber.String() != old {
		t.Errorf("%s does not serve with the old certificate", other.name)
	}
	l.authority.open()
	renewed := l.same(old, other)
	t.Logf("%s has a new certificate %s after the fault", other.name, time.Since(fault).Round(time.Second))
	renews.spawn()
	l.holds(other)
	if got := l.same(old, l.nodes...); got != renewed {
		t.Logf("it was renewed once more meanwhile")
	}
	// The dead can't take its answer away, and others leave alone what is not theirs. It bars nobody.
	l.eventually("no other answer to be left in the zone", func() bool { return slices.Equal(l.challenges(), answer) })
}

// The storage goes away, and then the holder. What a node serves it has in memory, also over a reload.
func TestStorageIsAwayAtTakeover(t *testing.T) {
	l := newEdgeLab(t, 2, edgeLong)
	holder, standby := l.begin()
	serial := l.same("", l.nodes...)
	l.ask()
	away := l.file("away")
	l.must(os.Rename(l.shared, away))
	l.must(os.WriteFile(l.shared, nil, 0o400)) // where a folder is made again, one that is lost is not noticed
	fault := holder.kill()
	l.moved(standby, fault, 500*time.Millisecond+slack)
	l.served(standby, fault, 2*time.Second+slack)
	standby.reload()
	l.holds(standby)
	if got := l.same("", standby); got != serial {
		t.Errorf("another certificate after the reload")
	}

	// Without its storage a node that starts has no certificate. It is not well, and does not take the service.
	holder.spawn()
	l.eventually("the node to start", func() bool { return len(holder.status().Services) == 1 })
	l.throughout(2*time.Second, "the holder keeps the service", func() bool { return l.lease().Holder == standby.name })
	l.must(os.Remove(l.shared))
	l.must(os.Rename(away, l.shared))
	holder.term()
	holder.ended()
	holder.spawn()
	l.holds(standby)
	if got := l.same("", l.nodes...); got != serial {
		t.Errorf("another certificate when the storage is back")
	}
	l.unfailedSince(fault.Add(2*time.Second + slack))
}

// The storage does not fail, it hangs, as network file systems do: a file that is opened for reading never opens.
func TestStorageHangsAtTakeover(t *testing.T) {
	l := newEdgeLab(t, 2, edgeLong)
	holder, standby := l.begin()
	l.ask()
	l.must(filepath.WalkDir(l.shared, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600))
	}))
	fault := holder.kill()
	l.moved(standby, fault, 500*time.Millisecond+slack)
	l.served(standby, fault, 2*time.Second+slack)
	holder.spawn()
	l.throughout(2*time.Second, "the holder keeps the service", func() bool { return l.lease().Holder == standby.name })
	l.unfailedSince(fault.Add(2*time.Second + slack))
}

// A node that can't serve the service's certificate is not well by its own check, however well its process is.
func TestNodeWithoutTheCertificate(t *testing.T) {
	l := newEdgeLab(t, 2, edgeLong)
	lb1, lb2 := l.nodes[0], l.nodes[1]
	home := edgeConf{storage: l.file("own")}
	l.set(lb1, home)
	lb2.spawn()
	l.eventually("the second node to have the service", func() bool { return l.lease().Holder == lb2.name })
	l.ask()

	// The first one is to have it, but it has yet to get a certificate.
	l.authority.shut()
	lb1.spawn()
	l.eventually("the first node to say why it is not well", func() bool {
		s := lb1.status()
		return len(s.SelfChecks) == 1 && s.SelfChecks[0].Known && !s.SelfChecks[0].OK && strings.Contains(s.SelfChecks[0].Error, "tls")
	})
	if _, err := lb2.admin(http.MethodPost, "/dnsfailover/release?reason=the+tests", ""); err != nil {
		t.Fatal(err)
	}
	l.throughout(2*time.Second, "the service stays where the certificate is", func() bool { return l.lease().Holder == lb2.name })
	l.authority.open()
	l.holds(lb1)
	l.same("", lb1)
	l.unfailed()

	// Now it serves one that no client trusts.
	l.hear()
	home.tls = "tls " + l.file(certFile) + " " + l.file(keyFile)
	l.set(lb1, home)
	fault := time.Now()
	lb1.reload()
	l.moved(lb2, fault, slack)
	l.served(lb2, fault, 2*time.Second+slack)
	home.tls = ""
	l.set(lb1, home)
	lb1.reload()
	l.holds(lb2)
}

// unfailedSince checks that no request has failed that began after a moment.
func (e *edgeLab) unfailedSince(moment time.Time) {
	e.Helper()
	for _, f := range e.crowd.now().failed {
		if f.at.After(moment) {
			e.Errorf("a request to %s failed %s after that: %v", f.to, f.at.Sub(moment), f.err)
		}
	}
}
