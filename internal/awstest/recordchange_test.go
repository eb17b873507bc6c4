package awstest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func TestContenders(t *testing.T) {
	c, _, zone := newZone(t, Config{})
	do(t, submit(c, zone, Change{Create, set("lb.example.com", "A", "192.0.2.1")}))
	outcomes := make(chan error)
	for n := range 8 {
		go func() {
			outcomes <- submit(c, zone, swap("lb.example.com", "192.0.2.1", "192.0.2.1"+string(rune('0'+n)))...)
		}()
	}
	won := 0
	for range 8 {
		if messages(t, <-outcomes) == nil {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d of 8 have won", won)
	}
}

func TestPropagation(t *testing.T) {
	c, clk, zone := newZone(t, Config{Propagation: 30 * time.Second})
	info, err := c.ChangeResourceRecordSets(Caller{}, ChangeRecordsInput{
		ZoneID: "/hostedzone/" + zone, Changes: []Change{{Create, set("lb.example.com", "A", "192.0.2.1")}}, Comment: "first",
	})
	do(t, err)
	if info.Status != StatusPending || info.Comment != "first" || !info.SubmittedAt.Equal(clk.Now()) || len(info.ID) != len("/change/C")+20 {
		t.Errorf("accepted as %+v", info)
	}
	status := func(id string) string {
		info, err := c.GetChange(Caller{}, id)
		do(t, err)
		return info.Status
	}
	inDNS := func() bool {
		a, err := c.Lookup("lb.example.com", "A", DNSOptions{})
		do(t, err)
		return len(a.Answer) == 1
	}
	clk.advance(30*time.Second - 1)
	if status(info.ID) != StatusPending || inDNS() || len(present(c, zone)) != 1 {
		t.Error("in sync too soon, or not listed while pending")
	}
	// A later change does not overtake an earlier one.
	c.SetPropagation(0)
	later, err := c.ChangeResourceRecordSets(Caller{}, ChangeRecordsInput{
		ZoneID: zone, Changes: []Change{{Create, set("lb2.example.com", "A", "192.0.2.2")}},
	})
	do(t, err)
	if later.Status != StatusPending || status(later.ID) != StatusPending || inDNS() {
		t.Error("a later change has overtaken")
	}
	clk.advance(1)
	if status(info.ID[len("/change/"):]) != StatusInSync || status(later.ID) != StatusInSync || !inDNS() {
		t.Error("not in sync after the time")
	}
	if again, _ := c.GetChange(Caller{}, info.ID); again.Comment != "first" || again.ID != info.ID {
		t.Errorf("later told as %+v", again)
	}
	for _, tc := range []struct {
		who Caller
		id  string
	}{{Caller{}, "C0"}, {Caller{Account: "210987654321"}, info.ID}} {
		var e *Error
		if _, err := c.GetChange(tc.who, tc.id); !errors.As(err, &e) || e.Code != "NoSuchChange" || e.Status != 404 {
			t.Errorf("change %s of %+v: %v", tc.id, tc.who, err)
		}
	}
}

func TestPriorRequestNotComplete(t *testing.T) {
	c, clk, zone := newZone(t, Config{ChangeTime: time.Second})
	other, err := c.AddZone(HostedZone{Name: "example.net"})
	do(t, err)
	// A batch that is refused keeps nobody waiting.
	messages(t, submit(c, zone, Change{Delete, set("lb.example.com", "A", "192.0.2.1")}))
	do(t, submit(c, zone, Change{Create, set("lb.example.com", "A", "192.0.2.1")}))
	do(t, submit(c, other, Change{Create, set("lb.example.net", "A", "192.0.2.1")}))
	clk.advance(time.Second - 1)
	var e *Error
	err = submit(c, zone, swap("lb.example.com", "192.0.2.1", "192.0.2.2")...)
	if !errors.As(err, &e) || e.Code != "PriorRequestNotComplete" || e.Status != 400 {
		t.Errorf("within the time: %v", err)
	}
	if _, err := c.ListResourceRecordSets(Caller{}, ListRecordsInput{ZoneID: zone}); err != nil {
		t.Errorf("listing within the time: %v", err)
	}
	clk.advance(1)
	do(t, submit(c, zone, swap("lb.example.com", "192.0.2.1", "192.0.2.2")...))
	c.SetChangeTime(0)
	clk.advance(time.Second)
	do(t, submit(c, zone, swap("lb.example.com", "192.0.2.2", "192.0.2.3")...))
	do(t, submit(c, zone, swap("lb.example.com", "192.0.2.3", "192.0.2.4")...))

	c.Inject(Fault{Service: "route53", Action: "Change*", Code: "PriorRequestNotComplete", Times: 1})
	if err := submit(c, zone, swap("lb.example.com", "192.0.2.4", "192.0.2.5")...); !errors.As(err, &e) || e.Code != "PriorRequestNotComplete" || e.Status != 400 {
		t.Errorf("by a fault: %v", err)
	}
	if got := present(c, zone); !slices.Equal(got, []string{"lb.example.com. A 192.0.2.4"}) {
		t.Errorf("left %q", got)
	}
}

func TestRoute53Rate(t *testing.T) {
	clk := newClock()
	c := New(Config{Now: clk.Now})
	zone, err := c.AddZone(HostedZone{Name: "example.com"})
	do(t, err)
	calls := []func(Caller) error{
		func(who Caller) error {
			_, err := c.ChangeResourceRecordSets(who, ChangeRecordsInput{ZoneID: zone, Changes: []Change{{Upsert, set("lb.example.com", "A", "192.0.2.1")}}})
			return err
		},
		func(who Caller) error {
			_, err := c.ListResourceRecordSets(who, ListRecordsInput{ZoneID: zone})
			return err
		},
		func(who Caller) error { _, err := c.GetChange(who, "C1"); return err },
		func(who Caller) error { _, err := c.GetHostedZone(who, zone); return err },
		func(who Caller) error { _, err := c.ListHostedZones(who, ListZonesInput{}); return err },
		func(who Caller) error { _, err := c.ListHostedZonesByName(who, ListZonesInput{}); return err },
	}
	throttled := func(err error) bool {
		var e *Error
		return errors.As(err, &e) && e.Code == "Throttling" && e.Message == "Rate exceeded" && e.Status == 400
	}
	for _, region := range []string{"eu-west-1", "us-east-1", ""} {
		for i, call := range calls {
			if err := call(Caller{Region: region}); throttled(err) != (region != "eu-west-1" || i == 5) {
				t.Errorf("call %d from %s: %v", i, region, err)
			}
		}
	}
	if err := calls[4](Caller{Account: "210987654321"}); err != nil {
		t.Errorf("another account: %v", err)
	}
	clk.advance(200 * time.Millisecond)
	if first, second := calls[1](Caller{}), calls[1](Caller{}); throttled(first) || !throttled(second) {
		t.Errorf("after a fifth of a second: %v, then %v", first, second)
	}
	if call := c.Calls()[0]; call.Service != "route53" || call.Action != "ChangeResourceRecordSets" || call.Caller.Region != "us-east-1" {
		t.Errorf("recorded as %+v", call)
	}
}

func TestPendingIsNotInDNS(t *testing.T) {
	c, clk, zone := newZone(t, Config{Propagation: 30 * time.Second})
	for n, value := range []string{"192.0.2.1", "192.0.2.2"} {
		do(t, submit(c, zone, Change{Upsert, set("lb.example.com", "A", value)}))
		clk.advance(time.Duration(n+1) * 20 * time.Second)
	}
	// 60 and 40 seconds ago.
	do(t, submit(c, zone, Change{Upsert, set("lb.example.com", "A", "192.0.2.3")}))
	clk.advance(30*time.Second - 1)
	for _, want := range []string{"192.0.2.2", "192.0.2.3"} {
		a, err := c.Lookup("lb.example.com", "A", DNSOptions{})
		do(t, err)
		if len(a.Answer) != 1 || a.Answer[0].(*dns.A).A.String() != want {
			t.Errorf("got %q, want %s", told(a), want)
		}
		clk.advance(1)
	}
}
