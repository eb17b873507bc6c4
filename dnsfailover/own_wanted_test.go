package dnsfailover

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

const ownEIPName = "lb1.example.com"

// ownEIP is an app with an Elastic IP and an own name, at the addresses that the metadata service tells.
func ownEIP(t *testing.T, edit func(app map[string]any)) (*addressApp, []byte) {
	t.Helper()
	l := newAddressApp(t)
	return l, l.with(`"records": null, "elastic_ip": {"address": "`+l.eip.id+`"}`, func(app map[string]any) {
		delete(app, "address")
		app["register"] = []map[string]any{{"name": ownEIPName}}
		if edit != nil {
			edit(app)
		}
	})
}

// lent is the public address of lb1 at present.
func (l *addressApp) lent() string {
	in, _ := l.cloud.Instance(l.eip.lb1)
	return in.PublicIP()
}

// look has the node look at its addresses now.
func (l *addressApp) look() {
	v, err := caddy.ActiveContext().AppIfConfigured("dnsfailover")
	if err != nil {
		l.t.Fatal(err)
	}
	v.(*App).node.look()
}

// own is the status of the own name.
func (l *addressApp) own() ownStatus {
	s, _ := l.full()
	if len(s.OwnNames) == 0 {
		return ownStatus{}
	}
	return s.OwnNames[0]
}

// ownAt is what the zone has at the own name.
func (l *addressApp) ownAt() string {
	set, _ := l.cloud.Record(l.zone, ownEIPName, "A")
	return strings.Join(set.Values, ",")
}

// never fails if the own name was ever at the Elastic IP.
func (l *addressApp) never() {
	l.t.Helper()
	raw, err := os.ReadFile(l.log())
	if err != nil {
		l.t.Fatal(err)
	}
	if line := `"addresses":"` + eipPublic; strings.Contains(string(raw), line) {
		l.t.Errorf("the log has %s:\n%s", line, raw)
	}
}

// The address that AWS lends a node is gone while it has the Elastic IP, and then comes another one, or none.
func TestOwnNameFollowsTheLentAddress(t *testing.T) {
	l, raw := ownEIP(t, nil)
	l.eip.must(l.cloud.SetAddress(l.eip.id, l.eip.lb2))
	before := l.lent()
	l.load(raw)
	l.until("the own name", func() bool { return l.own().State == ownRegistered })
	if got := l.ownAt(); got != before {
		t.Errorf("the own name is at %s, want %s", got, before)
	}

	l.eip.must(l.cloud.SetAddress(l.eip.id, l.eip.lb1))
	l.look()
	l.until("the node to know that it has the Elastic IP", func() bool { return strings.Contains(l.own().Error, eipPublic) })
	if o := l.own(); o.State != ownFailed || o.Addresses != before || l.ownAt() != before || !strings.Contains(o.Error, "stays as it is") {
		t.Errorf("the status is %+v, the name at %s", o, l.ownAt())
	}
	if s, _ := l.full(); !s.AsConfigured || len(s.Problems) != 1 || s.Problems[0].About != "register "+ownEIPName {
		t.Errorf("the status is %+v", s)
	}

	// It is with another node, and the look comes by itself, since the address was seen to change.
	l.eip.must(l.cloud.SetAddress(l.eip.id, l.eip.lb2))
	after := l.lent()
	if after == before || after == "" {
		t.Fatalf("AWS lends %q after %q", after, before)
	}
	l.until("the own name at the new address", func() bool { return l.ownAt() == after && l.own().State == ownRegistered })

	// An address that is gone is no reason to delete anything, or to stop anything else.
	l.eip.must(l.cloud.SetMetadata(l.eip.lb1, "public-ipv4", ""))
	l.look()
	l.until("the status", func() bool { return strings.Contains(l.own().Error, "no public IPv4 address") })
	if s, _ := l.full(); !s.AsConfigured || l.ownAt() != after {
		t.Errorf("the status is %+v, the name at %s", s, l.ownAt())
	}
	l.never()
}

// A node that starts with the Elastic IP does not take it for its own before it knows it, and not then.
func TestOwnNameIsNotTheElasticIP(t *testing.T) {
	l, raw := ownEIP(t, nil)
	l.eip.must(l.cloud.SetAddress(l.eip.id, l.eip.lb1))
	works := l.eip.fault("DescribeAddresses", 0, awstest.Fault{Code: "RequestLimitExceeded"})
	l.load(raw)
	l.until("the own name to wait", func() bool { return strings.Contains(l.own().Error, "is not known") })
	works()
	l.until("the node to know that it has the Elastic IP", func() bool { return strings.Contains(l.own().Error, eipPublic) })
	if n := l.cloud.Count("route53", change); n != 0 || l.ownAt() != "" {
		t.Errorf("%d writes, and the own name is at %q", n, l.ownAt())
	}
	l.never()
}

// An own name of private addresses has nothing to do with it.
func TestOwnNamePrivateBesideElasticIP(t *testing.T) {
	l, raw := ownEIP(t, func(app map[string]any) {
		app["register"] = []map[string]any{{"name": ownEIPName, "address": "private"}}
	})
	l.eip.must(l.cloud.SetAddress(l.eip.id, l.eip.lb1))
	l.load(raw)
	l.until("the own name", func() bool { return l.own().State == ownRegistered })
	in, _ := l.cloud.Instance(l.eip.lb1)
	if got := l.ownAt(); got != in.PrivateIP() {
		t.Errorf("the own name is at %s, want %s", got, in.PrivateIP())
	}
}

// After a move of an Elastic IP a node looks often, for a while.
func TestNodeIsRestless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode()
		tell := func(string, engine.Tell) {}
		s := &share{cfg: &Config{Services: []ServiceConfig{{Name: "www"}}}, tell: tell}
		n.inForce.Store(s)
		n.decided("www", engine.Tell{What: engine.Claimed})
		if d := n.within(lookAgain); d != lookAgain || len(n.wake) != 0 {
			t.Errorf("without an Elastic IP it looks after %s", d)
		}
		s = &share{cfg: &Config{Services: []ServiceConfig{{Name: "www", ElasticIP: &ElasticIPConfig{}}}}, tell: tell}
		n.inForce.Store(s)
		n.decided("www", engine.Tell{What: engine.Waiting})
		if d := n.within(lookAgain); d != lookAgain {
			t.Errorf("after no move it looks after %s", d)
		}
		n.decided("www", engine.Tell{What: engine.Lost})
		if d := n.within(lookAgain); d != lookSoon || len(n.wake) != 1 {
			t.Errorf("after a move it looks after %s", d)
		}
		pass(restlessTime - time.Second)
		if d := n.within(lookAgain); d != lookSoon {
			t.Errorf("then it looks after %s", d)
		}
		if a, b := n.within(retryMin), n.within(retryMax); a != retryMin || b != lookSoon {
			t.Errorf("while something is missing it looks after %s, and then after %s", a, b)
		}
		pass(time.Second)
		if d := n.within(lookAgain); d != lookAgain {
			t.Errorf("in the end it looks after %s", d)
		}
	})
}
