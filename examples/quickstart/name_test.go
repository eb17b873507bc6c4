package main

import (
	"strings"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// point gives the name to an address, with a lease beside it if there is a node.
func point(t *testing.T, w *world, address, node string, epoch uint64) {
	t.Helper()
	changes := []awstest.Change{{Action: awstest.Upsert, Set: awstest.RecordSet{Name: siteName, Type: "A", TTL: 1, Values: []string{address}}}}
	if node != "" {
		lease, err := record.Encode(engine.Lease{Epoch: epoch, Holder: node, Nonce: "n-1"})
		if err != nil {
			t.Fatal(err)
		}
		changes = append(changes, awstest.Change{Action: awstest.Upsert, Set: awstest.RecordSet{
			Name: record.LeaseName(siteName), Type: "TXT", TTL: 1, Values: []string{lease},
		}})
	}
	if _, err := w.cloud.ChangeResourceRecordSets(awstest.Caller{}, awstest.ChangeRecordsInput{ZoneID: zoneID, Changes: changes}); err != nil {
		t.Fatal(err)
	}
}

func TestHeld(t *testing.T) {
	w := newTestWorld(t)
	if h := w.held(); h != (held{}) || !strings.Contains(h.String(), "is not there") {
		t.Errorf("at first: %s", h)
	}
	point(t, w, "127.0.0.9", "", 0)
	if h := w.held(); h != (held{address: "127.0.0.9"}) || !strings.Contains(h.String(), "of nobody") {
		t.Errorf("by hand: %s", h)
	}
	point(t, w, "127.0.0.2", "lb2", 7)
	if h := w.held(); h != (held{"127.0.0.2", "lb2", 7, "lb2"}) {
		t.Errorf("by a node: %s", h)
	}
	restore := w.cloud.Outage("route53")
	defer restore()
	_, err := w.cloud.ChangeResourceRecordSets(awstest.Caller{}, awstest.ChangeRecordsInput{ZoneID: zoneID})
	if made, refused := w.writes(); len(made) != 2 || refused != 1 || err == nil {
		t.Errorf("%d writes, %d refused, %v", len(made), refused, err)
	}
}

func TestResolverRemembersForTheTTL(t *testing.T) {
	w := newTestWorld(t)
	r := &resolver{server: w.dns.Addr(), name: siteName}
	if got, err := r.lookUp(t.Context()); err == nil || !strings.Contains(err.Error(), "NXDOMAIN") {
		t.Errorf("a name that is not there: %q, %v", got, err)
	}
	point(t, w, "127.0.0.1", "", 0)
	look := func() string {
		got, err := r.lookUp(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := look(); got != "127.0.0.1" || !r.until.After(time.Now()) {
		t.Errorf("%s until %s", got, r.until)
	}
	point(t, w, "127.0.0.2", "", 0)
	if got := look(); got != "127.0.0.1" {
		t.Errorf("before the TTL has passed: %s", got)
	}
	r.until = time.Now()
	if got := look(); got != "127.0.0.2" {
		t.Errorf("afterwards: %s", got)
	}
	if n := w.cloud.Count("dns", ""); n != 3 {
		t.Errorf("%d questions, want 3", n)
	}
	w.dns.Close()
	r.until = time.Now()
	if _, err := r.lookUp(t.Context()); err == nil {
		t.Error("a server that is gone answers")
	}
}
