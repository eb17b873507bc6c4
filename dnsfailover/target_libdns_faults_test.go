package dnsfailover

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libdns/libdns"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// Each fault is of one call of a swap from lb1, with an IPv4 and an IPv6 address, to lb2, with an IPv4 address alone: what it
// tells, what it leaves behind, and to whom the engine takes that to belong.
func TestLibDNSFaults(t *testing.T) {
	const (
		before = "A 1m0s 203.0.113.1 | AAAA 1m0s 2001:db8::1 | TXT 1m0s lb1-1"
		leased = "A 1m0s 203.0.113.1 | AAAA 1m0s 2001:db8::1 | TXT 1m0s lb2-2"
		half   = "A 1m0s 203.0.113.2 | AAAA 1m0s 2001:db8::1 | TXT 1m0s lb2-2"
		after  = "A 1m0s 203.0.113.2 | TXT 1m0s lb2-2"
	)
	gone := func([]libdns.RR) []libdns.RR { return nil }
	unparsable := func(rrs []libdns.RR) []libdns.RR {
		return append(rrs, libdns.RR{Name: "other", Type: "MX", TTL: time.Minute, Data: "nonsense"})
	}
	ok := memFault{}
	for _, tc := range []struct {
		name, method string
		faults       []memFault
		want         engine.Outcome // Done is no error
		part, leaves string
	}{
		{"server away", "get", []memFault{{before: errMem}}, engine.Busy, "nothing was sent: listing: the provider is out of order", before},
		{"unparsable record in the zone", "get", []memFault{{answer: unparsable}}, engine.Busy, "parsing a record", before},
		{"empty listing", "get", []memFault{{answer: gone}}, engine.Busy, "no records at all", before},
		{"panic of a listing", "get", []memFault{{panics: "oh"}}, engine.Busy, "the provider has panicked: oh", before},
		{"lease refused", "set", []memFault{{before: errMem}}, engine.Unknown, "does not show the lease", before},
		{"lease written, reply lost", "set", []memFault{{after: errMem}}, engine.Done, "", after},
		{"lease torn", "set", []memFault{{torn: errMem}}, engine.Conflict, "the lease was deleted",
			"A 1m0s 203.0.113.1 | AAAA 1m0s 2001:db8::1"},
		{"panic of a write", "set", []memFault{{panics: "oh"}}, engine.Unknown, "the provider has panicked: oh", before},
		{"listing fails after the lease", "get", []memFault{ok, {before: errMem}}, engine.Unknown, "out of order", leased},
		{"listing is old after the lease", "get", []memFault{ok, {answer: func(rrs []libdns.RR) []libdns.RR {
			for i, rr := range rrs {
				if rr.Name == "_dnsfailover.lb" {
					rrs[i].Data = "v=1 epoch=1 holder=lb1 nonce=lb1-1"
				}
			}
			return rrs
		}}}, engine.Unknown, "does not show the lease", leased},
		{"addresses refused", "set", []memFault{ok, {before: errMem}}, engine.Unknown, "the record still holds", leased},
		{"addresses written, reply lost", "set", []memFault{ok, {after: errMem}}, engine.Unknown, "the record still holds", half},
		{"addresses torn", "set", []memFault{ok, {torn: errMem}}, engine.Unknown, "the record still holds",
			"AAAA 1m0s 2001:db8::1 | TXT 1m0s lb2-2"},
		{"old family stays", "delete", []memFault{{before: errMem}}, engine.Unknown, "deleting: the provider is out of order", half},
		{"old family goes, reply lost", "delete", []memFault{{after: errMem}}, engine.Done, "", after},
		{"listing fails at last", "get", []memFault{ok, ok, {before: errMem}}, engine.Unknown, "out of order", after},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newMemDNS(t)
			lb1, lb2 := m.target(m), m.target(m)
			from := libSwap(t, lb1, value(1, "lb1", 60, "203.0.113.1", "2001:db8::1"))
			m.fail(tc.method, tc.faults...)
			to := value(2, "lb2", 60, "203.0.113.2")
			_, err := lb2.Swap(t.Context(), from, to)
			if tc.want != engine.Done {
				wantError(t, err, tc.want, tc.part)
			} else if err != nil {
				t.Error(err)
			}
			m.holds(strings.Split(tc.leaves, " | ")...)
			r := libRead(t, lb1)
			if r.Lease.Holder != "" && r.Lease.Addrs != r.Addrs {
				t.Errorf("what is left behind looks edited: %+v", r)
			}
			if tc.want != engine.Done {
				// The next swap completes it.
				libSwap(t, lb2, value(3, "lb2", 60, "203.0.113.2"))
				m.holds("A 1m0s 203.0.113.2", "TXT 1m0s lb2-3")
			}
		})
	}
}

// A provider that does not list, or lists otherwise than it should, is no absent record.
func TestLibDNSBadListings(t *testing.T) {
	m := newMemDNS(t)
	lb1 := m.target(m)
	m.fail("get", memFault{before: errMem})
	_, err := lb1.Read(t.Context())
	wantError(t, err, engine.Unknown, "reading lb.example.com in the zone example.com.: listing: the provider is out of order")
	if !errors.Is(err, errMem) {
		t.Error("the cause is lost")
	}
	m.fail("get", memFault{after: context.DeadlineExceeded})
	_, err = lb1.Read(t.Context())
	wantError(t, err, engine.Unknown)
	m.fail("get", memFault{answer: func([]libdns.RR) []libdns.RR { return nil }})
	_, err = lb1.Read(t.Context())
	wantError(t, err, engine.Unknown, "no records at all", "check the name of the zone")
	m.edit(libType(""), libdns.RR{Name: svc, Type: "A", TTL: time.Minute, Data: "203.0.113.1"})
	_, err = lb1.Read(t.Context())
	wantError(t, err, engine.Denied, "by its full name and without a dot", "update the provider")
}

func TestLibDNSBadValues(t *testing.T) {
	m := newMemDNS(t)
	lb1 := m.target(memSets{m, m})
	from := libRead(t, lb1)
	_, err := lb1.Swap(t.Context(), from, value(1, "", 60, "203.0.113.1"))
	wantError(t, err, engine.Denied, "a lease without a holder")
	_, err = lb1.Swap(t.Context(), engine.Reading{}, value(1, "lb1", 60, "203.0.113.1"))
	wantError(t, err, engine.Denied, "is not the reading of a record")
	libSwap(t, lb1, value(1, "lb1", 60, "203.0.113.1", "2001:db8::1"))
	writes := m.calls["set"]
	_, err = lb1.Swap(t.Context(), libRead(t, lb1), value(2, "lb1", 60, "203.0.113.1"))
	wantError(t, err, engine.Denied, "the provider can't delete records")
	if m.calls["set"] != writes {
		t.Error("something was written")
	}
}

// A lease that has no room for what it replaces is written without that.
func TestLibDNSLongLease(t *testing.T) {
	m := newMemDNS(t)
	lb1 := m.target(m)
	long := func(epoch uint64, addr string) engine.Value {
		to := value(epoch, strings.Repeat("x", 190), 60, addr)
		to.Lease.Nonce = addr
		return to
	}
	libSwap(t, lb1, long(1, "203.0.113.1"))
	m.fail("set", memFault{}, memFault{before: errMem})
	_, err := lb1.Swap(t.Context(), libRead(t, lb1), long(2, "203.0.113.2"))
	wantError(t, err, engine.Unknown)
	if r := libRead(t, lb1); r.Lease.Addrs != "203.0.113.2" || r.Addrs != "203.0.113.1" {
		t.Errorf("it reads %+v", r)
	}
}

// Whatever the provider does, calls end with their context, do not pile up, and no write overtakes one that hangs.
func TestLibDNSEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemDNS(t)
		lb1 := m.target(m)
		from := libRead(t, lb1)
		hang := make(chan struct{})
		in := func(f func(ctx context.Context) error) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			err := f(ctx)
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %s", took)
			}
			return err
		}
		read := func(ctx context.Context) error { _, err := lb1.Read(ctx); return err }
		swap := func(ctx context.Context) error {
			_, err := lb1.Swap(ctx, from, value(1, "lb1", 60, "203.0.113.1"))
			return err
		}
		m.fail("set", memFault{hangs: hang})
		wantError(t, in(swap), engine.Unknown, "setting: no answer")
		wantError(t, in(swap), engine.Busy, "has not ended an earlier call")
		m.holds()
		for range maxRunning {
			m.fail("get", memFault{hangs: hang})
			wantError(t, in(read), engine.Unknown, "listing: no answer")
		}
		wantError(t, in(read), engine.Busy, "has not ended an earlier call")
		close(hang)
		synctest.Wait()

		// The write has arrived after all, and its writer completes it.
		m.holds("TXT 1m0s lb1-1")
		if r := libRead(t, lb1); r.Exists || r.Lease.Holder != "lb1" {
			t.Errorf("it reads %+v", r)
		}
		libSwap(t, lb1, value(2, "lb1", 60, "203.0.113.1"))

		// Two swaps at once.
		var wg sync.WaitGroup
		wg.Go(func() { libSwap(t, lb1, value(3, "lb1", 60, "203.0.113.1")) })
		synctest.Wait() // until it pauses
		_, err := lb1.Swap(t.Context(), libRead(t, lb1), value(4, "lb1", 60, "203.0.113.1"))
		wantError(t, err, engine.Busy, "another swap is under way")
		wg.Wait()

		// A time that ends in the pause, or before anything was sent.
		lb1.pause, from = 2*time.Second, libRead(t, lb1)
		wantError(t, in(swap), engine.Unknown, "the time was over before the addresses were written")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wantError(t, swap(ctx), engine.Busy, "nothing was sent", "not begun")
	})
}
