package dnsfailover

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

func TestSwapsOfALifetime(t *testing.T) {
	for _, name := range []string{"lb.example.com", "example.com", "*.example.com", "LB.Example.com.", "a_b.c-d.example.com"} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			lb1, lb2 := l.target(name), l.target(name)
			l.setA("zz.example.com", 60, "203.0.113.99") // so that it is not the last name of the zone
			absent := l.read(lb1)
			if absent.Exists || absent.Refuse != "" || absent.Lease != (engine.Lease{}) {
				t.Fatalf("nothing is there, and it reads %+v", absent)
			}
			l.calls()

			created := l.swap(lb1, absent, value(1, "lb1", 60, "203.0.113.1", "2001:db8::1"))
			l.wantCalls(1, 1)
			l.holds(name, "A 1m0s 203.0.113.1", "AAAA 1m0s 2001:db8::1", "TXT 1m0s lb1-1")

			seen := l.read(lb2)
			if seen.Token != created.Token {
				t.Errorf("two nodes read %q and %q", created.Token, seen.Token)
			}
			taken := l.swap(lb2, seen, value(2, "lb2", 60, "203.0.113.2"))
			l.holds(name, "A 1m0s 203.0.113.2", "TXT 1m0s lb2-2")

			converged := l.swap(lb2, taken, value(2, "lb2", 10, "203.0.113.2"))
			l.holds(name, "A 10s 203.0.113.2", "TXT 10s lb2-2")

			l.swap(lb1, converged, value(3, "lb1", 10, "2001:db8::1", "203.0.113.1", "203.0.113.3"))
			l.holds(name, "A 10s 203.0.113.1 203.0.113.3", "AAAA 10s 2001:db8::1", "TXT 10s lb1-3")

			// What was read long ago changes nothing.
			for _, old := range []engine.Reading{absent, created, taken, converged} {
				_, err := lb2.Swap(l.ctx(), old, value(4, "lb2", 10, "203.0.113.2"))
				wantError(t, err, engine.Conflict, "swapping ", "hosted zone "+l.zone, "InvalidChangeBatch", "Tried to ", "(request ")
			}
			l.holds(name, "A 10s 203.0.113.1 203.0.113.3", "AAAA 10s 2001:db8::1", "TXT 10s lb1-3")
		})
	}
}

func TestAdopt(t *testing.T) {
	l := newLab(t)
	l.setA("lb.example.com", 300, "203.0.113.1")
	lb1 := l.target("lb.example.com")
	r := l.read(lb1)
	if !r.Exists || r.Addrs != "203.0.113.1" || r.TTL != 300 || r.Lease != (engine.Lease{}) || r.Refuse != "" {
		t.Fatalf("read %+v", r)
	}
	l.swap(lb1, r, value(1, "lb1", 300, "203.0.113.1"))
	l.holds("lb.example.com", "A 5m0s 203.0.113.1", "TXT 5m0s lb1-1")
}

// Whatever a person edits, a swap of what was there before is refused, and one of what is there now is made.
func TestForeignEdit(t *testing.T) {
	l := newLab(t)
	lb1 := l.target("lb.example.com")
	for epoch, edit := range []func(){
		func() { l.setA("lb.example.com", 61, "203.0.113.1") },
		func() { l.setA("lb.example.com", 60, "203.0.113.99") },
		func() {
			l.set(awstest.RecordSet{Name: "lb.example.com", Type: "AAAA", TTL: 60, Values: []string{"2001:db8::99"}})
		},
		func() { l.cloud.DeleteRecord(l.zone, "lb.example.com", "A", "") },
		func() { l.cloud.DeleteRecord(l.zone, "_dnsfailover.lb.example.com", "TXT", "") },
		func() {
			r, _ := l.cloud.Record(l.zone, "_dnsfailover.lb.example.com", "TXT")
			r.TTL++
			l.set(r)
		},
	} {
		before := l.swap(lb1, l.read(lb1), value(uint64(2*epoch+1), "lb1", 60, "203.0.113.1", "2001:db8::1"))
		edit()
		edited := l.read(lb1)
		if edited.Token == before.Token {
			t.Errorf("edit %d is not seen", epoch)
		}
		to := value(uint64(2*epoch+2), "lb1", 60, "203.0.113.1", "2001:db8::1")
		_, err := lb1.Swap(l.ctx(), before, to)
		wantError(t, err, engine.Conflict)
		if l.read(lb1).Token != edited.Token {
			t.Errorf("edit %d: the refused swap changed something", epoch)
		}
		l.swap(lb1, edited, to)
	}
}

func TestRaceHasOneWinner(t *testing.T) {
	l := newLab(t)
	nodes := []*Route53{l.target("lb.example.com"), l.target("lb.example.com"), l.target("lb.example.com")}
	from := l.read(nodes[0])
	for epoch := uint64(1); epoch < 10; epoch++ {
		var wg sync.WaitGroup
		won := make([]engine.Reading, len(nodes))
		errs := make([]error, len(nodes))
		for i, node := range nodes {
			wg.Go(func() {
				won[i], errs[i] = node.Swap(l.ctx(), from, value(epoch, fmt.Sprint("lb", i), 60, fmt.Sprint("203.0.113.", i)))
			})
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner < 0:
				winner, from = i, won[i]
			case err == nil:
				t.Fatalf("epoch %d: %d and %d have won", epoch, winner, i)
			default:
				wantError(t, err, engine.Conflict)
			}
		}
		if winner < 0 {
			t.Fatalf("epoch %d: nobody has won: %v", epoch, errs)
		}
		l.holds("lb.example.com", fmt.Sprint("A 1m0s 203.0.113.", winner), fmt.Sprintf("TXT 1m0s lb%d-%d", winner, epoch))
	}
}

// What is not a plain record is never written, whatever its routing policy.
func TestRefuses(t *testing.T) {
	weight := int64(1)
	for _, tc := range []struct {
		set  awstest.RecordSet
		part string
	}{
		{awstest.RecordSet{Type: "A", Alias: &awstest.AliasTarget{ZoneID: "Z32O12XQLNTSW2", DNSName: "elb.example.net"}}, "an alias of elb.example.net"},
		{awstest.RecordSet{Type: "A", TTL: 60, Values: []string{"203.0.113.1"}, SetID: "x", Weight: &weight}, `weighted (set identifier "x")`},
		{awstest.RecordSet{Type: "AAAA", TTL: 60, Values: []string{"2001:db8::1"}, SetID: "x", Region: "eu-west-1"}, `the AAAA of lb.example.com is latency-based (set identifier "x")`},
		{awstest.RecordSet{Type: "A", TTL: 60, Values: []string{"203.0.113.1"}, SetID: "x", Failover: "PRIMARY", HealthCheckID: "h"}, `failover, with a health check (set identifier "x")`},
		{awstest.RecordSet{Type: "A", TTL: 60, Values: []string{"203.0.113.1"}, SetID: "x", MultiValue: true}, `multivalue answer (set identifier "x")`},
		{awstest.RecordSet{Type: "CNAME", TTL: 60, Values: []string{"www.example.com"}}, "is a CNAME"},
		{awstest.RecordSet{Type: "NS", TTL: 60, Values: []string{"ns1.example.net"}}, "is delegated"},
		{awstest.RecordSet{Name: "_dnsfailover.lb.example.com", Type: "TXT", TTL: 60, Values: []string{`"mine"`}}, "is not a lease"},
		{awstest.RecordSet{Name: "_dnsfailover.lb.example.com", Type: "TXT", TTL: 60, Values: []string{`"v=2 epoch=1"`}}, "a later release"},
		{awstest.RecordSet{Name: "_dnsfailover.lb.example.com", Type: "CNAME", TTL: 60, Values: []string{"www.example.com"}}, "is a CNAME"},
	} {
		t.Run(tc.part, func(t *testing.T) {
			l := newLab(t)
			if tc.set.Name == "" {
				tc.set.Name = "lb.example.com"
			}
			l.set(tc.set)
			lb1 := l.target("lb.example.com")
			r := l.read(lb1)
			if !strings.Contains(r.Refuse, tc.part) {
				t.Errorf("refused for %q", r.Refuse)
			}
			before := fmt.Sprint(l.cloud.Records(l.zone))
			l.calls()
			_, err := lb1.Swap(l.ctx(), r, value(1, "lb1", 60, "203.0.113.1"))
			wantError(t, err, engine.Denied, tc.part)
			l.wantCalls(0, 0)

			// Nor is it if it came after the reading.
			_, err = lb1.Swap(l.ctx(), record.Read("lb.example.com", nil), value(1, "lb1", 60, "203.0.113.1"))
			if tc.set.Type == "NS" || tc.set.Type == "AAAA" {
				return // beside these Route 53 takes an A
			}
			wantError(t, err, engine.Conflict)
			if after := fmt.Sprint(l.cloud.Records(l.zone)); after != before {
				t.Errorf("written: %s", after)
			}
		})
	}
}

// A group of more sets than fit into an answer is seen as a whole.
func TestLargeGroup(t *testing.T) {
	l := newLab(t)
	const sets = 2*pageSize + 5
	for n := range sets {
		weight := int64(n)
		l.set(awstest.RecordSet{Name: "lb.example.com", Type: "A", TTL: 60, Values: []string{"203.0.113.1"}, SetID: fmt.Sprint(n), Weight: &weight})
	}
	r := l.read(l.target("lb.example.com"))
	if got := len(r.Raw.([]record.Set)); got != sets || r.Refuse == "" {
		t.Errorf("%d sets of %d: %s", got, sets, r.Refuse)
	}
	l.wantCalls(3, 0)
}

func TestNamesBetween(t *testing.T) {
	l := newLab(t)
	lb1 := l.target("lb.example.com")
	for n := range 400 {
		l.setA(fmt.Sprintf("host%d.example.com", n), 60, "203.0.113.99")
		l.setA(fmt.Sprintf("x%d.lb.example.com", n), 60, "203.0.113.99")
	}
	for _, name := range []string{"lbx.example.com", "lb-x.example.com", "xlb.example.com", "lb.example.com.example.com", "lb.example.org.example.com"} {
		l.setA(name, 60, "203.0.113.99")
	}
	first := l.read(lb1)
	if first.Exists {
		t.Fatalf("a name that only looks like it: %+v", first)
	}
	l.wantCalls(3, 0) // and the name of the zone, once
	l.read(lb1)
	l.wantCalls(2, 0)
	r := l.swap(lb1, first, value(1, "lb1", 60, "203.0.113.1", "2001:db8::1"))
	l.wantCalls(1, 1)

	// Names that sort between the record and its lease push the lease out of the first answer.
	for n := range 2 * pageSize {
		l.setA(fmt.Sprintf("%d.lb.example.com", n), 60, "203.0.113.99")
	}
	l.setA("*.lb.example.com", 60, "203.0.113.99")
	if again := l.read(lb1); again.Token != r.Token || again.Lease != r.Lease {
		t.Errorf("%+v became %+v", r, again)
	}
	l.wantCalls(2, 0)
}

func TestZones(t *testing.T) {
	l := newLab(t)
	stranger := l.addZone(awstest.HostedZone{Name: "example.com", Account: "999999999999"})
	private := l.addZone(awstest.HostedZone{Name: "example.com", Private: true})
	other := l.addZone(awstest.HostedZone{Name: "zz.example.org"})
	for _, tc := range []struct {
		name, zone string
		parts      []string
	}{
		{"of another account", stranger, []string{"NoSuchHostedZone", "check the id of the hosted zone", "the credentials are those of its account", "(request "}},
		{"of nobody", "Z000000000000", []string{"NoSuchHostedZone"}},
		{"of another name", other, []string{"the name is not in this hosted zone, which is that of zz.example.org: check the name and the id of the zone"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l.calls()
			lb1 := l.target("lb.example.com", func(o *Route53Options) { o.Zone = tc.zone })
			_, err := lb1.Read(l.ctx())
			wantError(t, err, engine.Denied, append(tc.parts, "reading lb.example.com in hosted zone "+tc.zone)...)
			if got := l.calls()[0]; got > 2 {
				t.Errorf("%d calls, although none can help", got)
			}
			_, err = lb1.Swap(l.ctx(), record.Read("lb.example.com", nil), value(1, "lb1", 60, "203.0.113.1"))
			if OutcomeOf(err) == engine.Done || OutcomeOf(err) == engine.Conflict {
				t.Errorf("a swap: %v", err)
			}
		})
	}
	// Two zones of one name are two records.
	public := l.target("lb.example.com", func(o *Route53Options) { o.Zone = "/hostedzone/" + l.zone })
	l.swap(public, l.read(public), value(1, "lb1", 60, "203.0.113.1"))
	inside := l.target("lb.example.com", func(o *Route53Options) { o.Zone = private })
	if r := l.read(inside); r.Exists {
		t.Errorf("the private zone holds %+v", r)
	}
}

func TestNewRoute53Refuses(t *testing.T) {
	l := newLab(t)
	for _, tc := range []struct{ zone, name, part string }{
		{"example.com", "lb.example.com", `"example.com" is not the id of a hosted zone`},
		{"", "lb.example.com", "aws route53 list-hosted-zones shows it"},
		{"/hostedzone/", "lb.example.com", "is not the id"},
		{l.zone, "", "empty label"},
		{l.zone, "lb example.com", "a space"},
		{l.zone, strings.Repeat("a", 64) + ".example.com", "64 octets"},
	} {
		_, err := NewRoute53(Route53Options{Zone: tc.zone, Name: tc.name})
		if err == nil || !strings.Contains(err.Error(), tc.part) {
			t.Errorf("%q, %q: %v", tc.zone, tc.name, err)
		}
	}
	r, err := NewRoute53(Route53Options{Zone: l.zone, Name: "lb.example.com"})
	if err != nil || r.timeout != attemptTime || r.pause != pauseTime {
		t.Errorf("without a timeout: %+v, %v", r, err)
	}
}

// A value that can't be written is refused before anything is sent.
func TestBadValue(t *testing.T) {
	l := newLab(t)
	lb1 := l.target("lb.example.com")
	from := l.read(lb1)
	l.calls()
	_, err := lb1.Swap(l.ctx(), from, value(1, strings.Repeat("x", 255), 60, "203.0.113.1"))
	wantError(t, err, engine.Denied, "swapping lb.example.com", "the longest part is the")
	if errors.Is(err, ErrConflict) {
		t.Error("a conflict")
	}
	l.wantCalls(0, 0)
}
