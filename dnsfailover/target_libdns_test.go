package dnsfailover

import (
	"strings"
	"testing"
	"time"

	"github.com/libdns/libdns"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

func libType(name string, types ...string) func(libdns.RR) bool {
	return func(rr libdns.RR) bool {
		for _, typ := range types {
			if rr.Name == name && rr.Type == typ {
				return true
			}
		}
		return false
	}
}

func TestLibDNSLifetime(t *testing.T) {
	for _, tc := range []struct {
		name string
		only func(*memDNS) libdns.RecordGetter
		ttl  string // after a swap to 10 s
	}{
		{"all", func(m *memDNS) libdns.RecordGetter { return m }, "10s"},
		{"without SetRecords", func(m *memDNS) libdns.RecordGetter { return memAdds{m, m, m} }, "1m0s"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newMemDNS(t)
			lb1, lb2 := m.target(tc.only(m)), m.target(tc.only(m))
			absent := libRead(t, lb1)
			if absent.Exists || absent.Refuse != "" || absent.Lease != (engine.Lease{}) {
				t.Fatalf("nothing is there, and it reads %+v", absent)
			}
			created := libSwap(t, lb1, value(1, "lb1", 60, "203.0.113.1", "2001:db8::1"))
			m.holds("A 1m0s 203.0.113.1", "AAAA 1m0s 2001:db8::1", "TXT 1m0s lb1-1")
			taken := libSwap(t, lb2, value(2, "lb2", 60, "203.0.113.2"))
			m.holds("A 1m0s 203.0.113.2", "TXT 1m0s lb2-2")
			libSwap(t, lb2, value(2, "lb2", 10, "203.0.113.2"))
			m.holds("A "+tc.ttl+" 203.0.113.2", "TXT "+tc.ttl+" lb2-2")
			libSwap(t, lb1, value(3, "lb1", 10, "2001:db8::1", "203.0.113.1", "203.0.113.3"))
			for _, old := range []engine.Reading{absent, created, taken} {
				_, err := lb2.Swap(t.Context(), old, value(4, "lb2", 10, "203.0.113.2"))
				wantError(t, err, engine.Conflict, "swapping lb.example.com in the zone example.com.: ")
			}
			again := libRead(t, m.target(tc.only(m)))
			if again.Addrs != "203.0.113.1,203.0.113.3,2001:db8::1" || again.Lease.Holder != "lb1" {
				t.Errorf("a restart reads %+v", again)
			}
		})
	}
}

// What can't be put back is refused, and stays as it is, whether it was read or came after the reading.
func TestLibDNSRefuses(t *testing.T) {
	lease := func(data string) libdns.RR {
		return libdns.RR{Name: "_dnsfailover.lb", Type: "TXT", TTL: time.Minute, Data: data}
	}
	for _, tc := range []struct {
		part string
		rrs  []libdns.RR
	}{
		{"lb.example.com is a CNAME", []libdns.RR{{Name: "lb", Type: "CNAME", TTL: time.Minute, Data: "www.example.com."}}},
		{"the A of lb.example.com is an ALIAS of x.example.net", []libdns.RR{{Name: "lb", Type: "ALIAS", TTL: time.Minute, Data: "x.example.net"}}},
		{"is of several TTLs", []libdns.RR{
			{Name: "LB", Type: "A", TTL: time.Hour, Data: "203.0.113.8"}, {Name: "lb", Type: "A", TTL: time.Minute, Data: "203.0.113.9"},
		}},
		{"is delegated", []libdns.RR{{Name: "lb.example.com.", Type: "NS", TTL: time.Minute, Data: "ns1.example.org."}}},
		{"is not a lease", []libdns.RR{lease("mine")}},
		{"does not begin with v=1", []libdns.RR{lease("mine"), lease("v=1 epoch=1 holder=x nonce=x")}},
		{"a later release", []libdns.RR{lease(`"v=2 epoch=1"`)}},
		{"it is a CNAME", []libdns.RR{{Name: "_dnsfailover.lb", Type: "CNAME", TTL: time.Minute, Data: "www.example.com."}}},
	} {
		t.Run(tc.part, func(t *testing.T) {
			m := newMemDNS(t)
			lb1 := m.target(m)
			absent := libRead(t, lb1)
			m.edit(libType(""), tc.rrs...)
			r := libRead(t, lb1)
			if !strings.Contains(r.Refuse, tc.part) {
				t.Errorf("refused for %q", r.Refuse)
			}
			_, err := lb1.Swap(t.Context(), r, value(1, "lb1", 60, "203.0.113.1"))
			wantError(t, err, engine.Denied, tc.part)
			_, err = lb1.Swap(t.Context(), absent, value(1, "lb1", 60, "203.0.113.1"))
			wantError(t, err, engine.Conflict)
			if m.calls["set"] != 0 {
				t.Errorf("%d writes", m.calls["set"])
			}
		})
	}
}

// A CNAME that comes during the pause is not written over.
func TestLibDNSRefusesInThePause(t *testing.T) {
	m := newMemDNS(t)
	lb1 := m.target(m)
	from := libRead(t, lb1)
	m.fail("get", memFault{}, memFault{answer: func(rrs []libdns.RR) []libdns.RR {
		return append(rrs, libdns.RR{Name: "lb", Type: "CNAME", TTL: time.Minute, Data: "www.example.com."})
	}})
	_, err := lb1.Swap(t.Context(), from, value(1, "lb1", 60, "203.0.113.1"))
	wantError(t, err, engine.Conflict, "is a CNAME")
	m.holds("TXT 1m0s lb1-1")
}

// A person's edit is seen, is nobody's claim, and is not repaired by reading.
func TestLibDNSForeignEdit(t *testing.T) {
	m := newMemDNS(t)
	lb1 := m.target(m)
	libSwap(t, lb1, value(1, "lb1", 60, "203.0.113.1"))
	before := libSwap(t, lb1, value(2, "lb1", 60, "203.0.113.2", "2001:db8::2"))
	m.edit(libType("lb", "A"), libdns.RR{Name: "lb", Type: "A", TTL: time.Minute, Data: "203.0.113.77"})
	r := libRead(t, lb1)
	if r.Token == before.Token || r.Lease.Addrs == r.Addrs {
		t.Errorf("the edit reads %+v", r)
	}
	_, err := lb1.Swap(t.Context(), before, value(3, "lb1", 60, "203.0.113.2"))
	wantError(t, err, engine.Conflict)
	m.holds("A 1m0s 203.0.113.77", "AAAA 1m0s 2001:db8::2", "TXT 1m0s lb1-2")
	m.edit(libType("lb", "A", "AAAA"))
	if r := libRead(t, lb1); r.Exists || r.Lease.Holder != "lb1" {
		t.Errorf("without addresses it reads %+v", r)
	}
}

// Of several leases, left behind by a provider that adds before it deletes, everybody takes the same, and a swap clears up.
func TestLibDNSSeveralLeases(t *testing.T) {
	m := newMemDNS(t)
	lb1 := m.target(memAdds{m, m, m})
	one := libSwap(t, lb1, value(1, "lb1", 60, "203.0.113.1"))
	for _, text := range []string{"v=1 epoch=2 holder=lb3 nonce=b", "v=1 epoch=2 holder=lb2 nonce=a"} {
		m.edit(libType(""), libdns.RR{Name: "_dnsfailover.lb", Type: "TXT", TTL: time.Hour, Data: text})
	}
	r := libRead(t, lb1)
	if r.Lease.Holder != "lb3" || r.Refuse != "" || r.Token == one.Token {
		t.Errorf("it reads %+v", r)
	}
	m.edit(func(rr libdns.RR) bool { return strings.Contains(rr.Data, "holder=lb2") })
	if fewer := libRead(t, lb1); fewer.Lease != r.Lease || fewer.Token == r.Token {
		t.Errorf("with a lease less it reads %+v", fewer)
	}
	libSwap(t, lb1, value(3, "lb1", 60, "203.0.113.1"))
	m.holds("A 1m0s 203.0.113.1", "TXT 1m0s lb1-3")
}

func TestNewLibDNSRefuses(t *testing.T) {
	m := newMemDNS(t)
	type getter struct{ libdns.RecordGetter }
	for _, tc := range []struct {
		o    LibDNSOptions
		part string
	}{
		{LibDNSOptions{Zone: "example.com", Name: svc}, "can't list, set and delete"},
		{LibDNSOptions{Provider: getter{m}, Zone: "example.com", Name: svc}, "can't list, set and delete"},
		{LibDNSOptions{Provider: m, Zone: "", Name: svc}, "the zone: "},
		{LibDNSOptions{Provider: m, Zone: "example.com", Name: "lb.notexample.com"}, "is not in the zone example.com"},
		{LibDNSOptions{Provider: m, Zone: "example.com", Name: "l b.example.com"}, "a space"},
		{LibDNSOptions{Provider: m, Zone: "example.com", Name: "a@b.example.com"}, "different ways"},
		{LibDNSOptions{Provider: m, Zone: "example.com", Name: svc, Pause: -1}, "a pause of -1ns"},
		{LibDNSOptions{Provider: m, Zone: "example.com", Name: svc, Pause: engine.WriteTime}, "3s in all"},
	} {
		if _, err := NewLibDNS(tc.o); err == nil || !strings.Contains(err.Error(), tc.part) {
			t.Errorf("%+v: %v", tc.o, err)
		}
	}
	l, err := NewLibDNS(LibDNSOptions{Provider: m, Zone: "example.com.", Name: "example.com"})
	if err != nil || l.pause != libdnsPause || l.zone != "example.com." {
		t.Fatalf("%+v, %v", l, err)
	}
	if r := libRead(t, l); r.Exists || !strings.Contains(r.Refuse, "not a lease") {
		t.Errorf("the top of the zone reads %+v", r) // its NS are no delegation, and its lease is somebody else's
	}
}
