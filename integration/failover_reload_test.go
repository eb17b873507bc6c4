//go:build linux

package integration

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// goroutines is how many a node has.
func (n *node) goroutines() (count int) {
	n.lab.Helper()
	text, err := n.admin(http.MethodGet, "/debug/pprof/goroutine?debug=1", "")
	n.lab.must(err)
	_, err = fmt.Sscanf(text, "goroutine profile: total %d", &count)
	n.lab.must(err)
	return count
}

// metric is the value of a metric, with its labels, as text.
func (n *node) metric(name string) string {
	n.lab.Helper()
	text, err := n.admin(http.MethodGet, "/metrics", "")
	n.lab.must(err)
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func TestTenReloads(t *testing.T) {
	l := newLab(t, 2)
	l.start()
	l.hear()
	l.ask()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	reload := func(i int) {
		t.Helper()
		for _, n := range l.nodes {
			n.conf.site = fmt.Sprintf("header X-Reload %d\n%s", i, n.standard().site)
			n.reload()
		}
	}
	reload(0) // what comes with the first one is there before the counting
	before := [2]int{lb1.goroutines(), lb2.goroutines()}
	said := func(part string) int { return len(lb1.logged(part)) + len(lb2.logged(part)) }
	silent, decided := said("a peer does not answer"), said(`"decision":`)
	reads := l.cloud.Count("route53", "ListResourceRecordSets")
	for i := range 10 {
		reload(i + 1)
		l.holds(lb1)
	}
	if n := said("a peer does not answer") - silent; n > 0 {
		t.Errorf("%d times a peer did not answer", n)
	}
	if n := said(`"decision":`) - decided; n > 0 {
		t.Errorf("%d decisions for nothing", n)
	}
	l.calm(lb1)
	l.unfailed()
	l.wrote(1)
	if n := l.cloud.Count("route53", "ListResourceRecordSets") - reads; n > 4 {
		t.Errorf("%d readings for nothing", n)
	}
	for i, n := range l.nodes {
		l.eventually("as many goroutines as before", func() bool { return n.goroutines() <= before[i]+5 })
		active := map[*node]string{lb1: "1", lb2: "0"}[n]
		if got := n.metric(`caddy_dnsfailover_active{service="www"}`); got != active {
			t.Errorf("the metrics of %s say %q of being active, want %q", n.name, got, active)
		}
	}

	// Events still come.
	fault := lb1.kill()
	l.moved(lb2, fault, 500*time.Millisecond+slack)
	l.holds(lb2)
	l.eventually("the event of the claim", func() bool { return len(lb2.logged(`"logger":"events"`, "dnsfailover_claimed")) == 1 })
	l.eventually("the count of the claim", func() bool {
		return lb2.metric(`caddy_dnsfailover_decisions_total{decision="claimed",service="www"}`) == "1"
	})
}

func TestReloadWithAnotherTTL(t *testing.T) {
	l := newLab(t, 2)
	l.start()
	l.hear()
	l.ask()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	lb2.conf.ttl = "2s"
	lb2.reload()
	l.calm(lb1)
	l.wrote(1)
	lb1.conf.ttl = "2s"
	lb1.reload()
	l.eventually("the TTL to change", func() bool {
		set, _ := l.cloud.Record(l.zone, recordName, "A")
		return set.TTL == 2
	})
	l.holds(lb1)
	l.calm(lb1)
	l.wrote(2)
	if e := l.lease().Epoch; e != 1 {
		t.Errorf("the epoch is %d, want 1: nothing has moved", e)
	}

	// Another name of the service is nothing that others see, and is changed on one node after the other.
	for _, n := range l.nodes {
		n.conf.service = "web"
		n.reload()
		l.holds(lb1)
	}
	l.calm(lb1)
	l.wrote(2)
	l.unfailed()
	if s := lb1.status(); s.Services[0].Name != "web" {
		t.Errorf("the service is called %s", s.Services[0].Name)
	}
	fault := lb1.kill()
	l.moved(lb2, fault, 500*time.Millisecond+slack)
}

// The new record is made, and the old one left as it is. The other node, which has the old one in its configuration for longer,
// does not take that from a node that lives, until hold_down has passed.
func TestReloadRenamesTheRecord(t *testing.T) {
	l := newLab(t, 2)
	l.start()
	l.hear()
	l.ask()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	lb1.conf.record = otherName
	lb1.reload()
	l.eventually("the new record", func() bool { _, ok := l.cloud.Record(l.zone, otherName, "A"); return ok })
	l.unmoved(time.Second, "the other node leaves the old record alone")
	lb2.conf.record = otherName
	lb2.reload()
	l.eventually("both to agree on the new record", func() bool {
		one, two := lb1.status(), lb2.status()
		return len(one.Services) == 1 && len(two.Services) == 1 &&
			one.Services[0].Role == "active" && two.Services[0].Role == "standby" && two.Services[0].Holder == lb1.name
	})
	l.unmoved(time.Second, "both have what they want")
	set, _ := l.cloud.Record(l.zone, otherName, "A")
	if !slices.Equal(set.Values, []string{lb1.addr}) || !slices.Equal(l.points(), []string{lb1.addr}) {
		t.Errorf("%s is %s and %s is %s, want both at %s", otherName, set.Values, recordName, l.points(), lb1.addr)
	}
	if e := l.lease().Epoch; e != 1 {
		t.Errorf("the epoch of the old record is %d, want 1", e)
	}
	for _, n := range l.nodes {
		if lines := n.logged("is not configured any more"); len(lines) != 1 {
			t.Errorf("%s has %d lines about the old record, want 1", n.name, len(lines))
		}
	}
	l.wrote(2)
	l.unfailed()
}

// A configuration without failover hands over, and serves on.
func TestReloadRemovesFailover(t *testing.T) {
	l := newLab(t, 2)
	l.start()
	l.hear()
	l.ask()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	with := lb1.conf
	lb1.conf = conf{site: with.site}
	fault := time.Now()
	lb1.reload()
	l.moved(lb2, fault, time.Second+slack)
	l.unmoved(time.Second, "one has it and the other does not want it")
	if _, err := lb1.admin(http.MethodGet, "/dnsfailover/status", ""); err == nil {
		t.Error("a node without failover has a status")
	}
	lb1.conf = with
	lb1.reload()
	l.holds(lb2)
	l.calm(lb2)
	l.wrote(2)
	l.unfailed()
}
