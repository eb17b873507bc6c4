//go:build linux

package integration

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// What befalls a standby is nobody's business but its own.
func TestStandbyFails(t *testing.T) {
	l := newLab(t, 2)
	l.start()
	l.hear()
	l.ask()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	lb2.freeze()
	l.eventually("the holder to miss it", func() bool { return len(lb1.logged("a peer does not answer")) > 0 })
	l.calm(lb1)
	lb2.thaw()
	l.hear()
	l.holds(lb1)
	lb2.kill()
	l.calm(lb1)
	lb2.spawn()
	l.hear()
	l.calm(lb1)
	l.wrote(1)
	l.unfailed()
}

// With all machines paused at once, nobody saw anybody fail.
func TestAllAreFrozen(t *testing.T) {
	l := newLab(t, 2)
	l.start()
	l.hear()
	lb1 := l.nodes[0]
	for _, n := range l.nodes {
		n.freeze()
	}
	l.unmoved(3*time.Second, "nobody can move anything")
	for _, n := range l.nodes {
		n.thaw()
	}
	l.hear()
	l.calm(lb1)
	l.wrote(1)
}

// Where all nodes are ill, a move would help nobody. The last one that stops does not wait for a taker.
func TestAllAreUnhealthy(t *testing.T) {
	l := newLab(t, 2)
	l.start()
	l.hear()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	sites := [2]string{lb1.conf.site, lb2.conf.site}
	for _, n := range []*node{lb2, lb1} {
		n.conf.site = "respond /healthz 503\nrespond " + n.name
		n.reload()
	}
	for _, n := range l.nodes {
		l.eventually(n.name+" to know that it is ill", func() bool { s := n.status(); return len(s.Services) == 1 && !s.Services[0].Healthy })
	}
	l.unmoved(2*time.Second, "nobody is healthy")
	began := lb1.term()
	lb1.ended()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it waited %s for a taker", took)
	}
	lb1.conf.site = sites[0]
	lb1.spawn()
	l.eventually("the node to have it again", func() bool { s := lb1.status(); return len(s.Services) == 1 && s.Services[0].Role == "active" })
	lb2.conf.site = sites[1]
	lb2.reload()
	l.holds(lb1)
	l.calm(lb1)
	l.wrote(1)
}

// A configuration that can't be loaded changes nothing, nor does a secret that can't be read.
func TestReloadIsRefused(t *testing.T) {
	l := newLab(t, 2)
	l.start()
	l.hear()
	l.ask()
	lb1 := l.nodes[0]
	for _, bad := range []string{
		"dnsfailover {\nnode x\n}",                                 // refused when it is read
		"metrics {\nper_host\n}\nlog default {\noutput nowhere\n}", // and by another part
		"admin 192.0.2.1:2019",
	} {
		lb1.conf.global = bad
		if _, err := lb1.admin(http.MethodPost, "/load", lb1.text()); err == nil {
			t.Fatalf("%q was loaded", bad)
		}
		l.eventually("the admin API to be back", func() bool { return lb1.status().AsConfigured })
	}
	// This one is refused as late as can be: all else runs already.
	lb1.conf.global = ""
	good := lb1.conf
	lb1.conf.site += "\n}\nhttps://*.example.com:1 {\nbind 192.0.2.1\ntls " + l.file(certFile) + " " + l.file(keyFile) + "\nrespond no"
	if _, err := lb1.admin(http.MethodPost, "/load", lb1.text()); err == nil || !strings.Contains(err.Error(), "192.0.2.1") {
		t.Fatalf("a listener at a foreign address: %v", err)
	}
	lb1.conf = good
	l.holds(lb1)
	l.calm(lb1)

	lb1.secrets("short")
	lb1.reload()
	l.eventually("the secret to be found wanting", func() bool { return hasProblem(lb1.status(), "secret") })
	l.unmoved(time.Second, "what ran before goes on")
	lb1.secrets(secretText)
	lb1.reload()
	l.holds(lb1)
	l.calm(lb1)
	l.wrote(1)
	l.unfailed()
}

// The API is out while the holder stops. It does not wait for ever, and is replaced when the API is back.
func TestStopDuringAnOutage(t *testing.T) {
	l := newLab(t, 2)
	l.each(func(c *conf) { c.checks += "\nhand_over 2s" })
	l.start()
	l.fit()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	restore := l.cloud.Outage("route53")
	defer restore()
	began := lb1.term()
	lb1.ended()
	if took := time.Since(began); took < 2*time.Second || took > 2*time.Second+2*slack {
		t.Errorf("it ended after %s, want the hand_over of 2s", took)
	}
	restore()
	l.holds(lb2)
	lb1.spawn()
	l.hear()
	l.calm(lb2)
	if e := l.lease().Epoch; e != 2 {
		t.Errorf("the epoch is %d, want 2", e)
	}
}

// Two machines under one name: neither writes, and both say why.
func TestSameName(t *testing.T) {
	l := newLab(t, 2)
	l.nodes[1].conf.identity = strings.Replace(l.nodes[1].conf.identity, "node lb2", "node lb1", 1)
	for _, n := range l.nodes {
		n.spawn()
	}
	for _, n := range l.nodes {
		l.eventually("the doubled name to be told", func() bool { return hasProblem(n.status(), "peers", "name") })
	}
	before := len(l.writes()) // the one that was up first may have been alone for a moment
	if before > 1 {
		t.Errorf("%d writes", before)
	}
	l.unmoved(2*time.Second, "each would take the other's lease for its own")
}

// A record that was there before: without a lease, but pointing at a node, it is that node's. One that points elsewhere is not touched.
func TestRecordThatExists(t *testing.T) {
	l := newLab(t, 2)
	lb1, lb2 := l.nodes[0], l.nodes[1]
	l.must(l.cloud.SetRecord(l.zone, awstest.RecordSet{Name: recordName, Type: "A", TTL: 1, Values: []string{"192.0.2.9"}}))
	for _, n := range l.nodes {
		n.spawn()
	}
	for _, n := range l.nodes {
		l.eventually("the stranger to be seen", func() bool {
			s := n.status()
			return len(s.Services) == 1 && strings.Contains(s.Services[0].Waiting, "none of ours")
		})
	}
	l.unmoved(2*time.Second, "it is none of ours")
	l.wrote(0)
	for _, n := range l.nodes {
		n.kill()
	}
	l.must(l.cloud.SetRecord(l.zone, awstest.RecordSet{Name: recordName, Type: "A", TTL: 1, Values: []string{lb2.addr}}))
	lb1.spawn()
	lb2.spawn()
	l.holds(lb2)
	l.calm(lb2)
	l.wrote(1)
}
