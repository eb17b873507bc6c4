package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libdns/libdns"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
)

// memDNS is a zone, example.com, with a strict libdns provider over it: it takes relative names and whole seconds alone, and
// deletes what is exactly as told.
type memDNS struct {
	t testing.TB

	mu     sync.Mutex
	recs   []libdns.RR
	calls  map[string]int
	faults map[string][]memFault // by method, of the next calls

	// delay, if set, is how long a method takes before it does anything.
	delay func(method string) time.Duration
}

// memFault is what goes wrong with one call.
type memFault struct {
	before error // nothing is done
	after  error // everything is done
	half   error // of what is to be written, the first record is
	torn   error // what is there is deleted, and nothing written
	panics any
	hangs  chan struct{}                 // until it is closed, whatever becomes of the context
	answer func([]libdns.RR) []libdns.RR // of a listing
}

var errMem = errors.New("the provider\nis out of order")

func newMemDNS(t testing.TB) *memDNS {
	return &memDNS{t: t, calls: map[string]int{}, faults: map[string][]memFault{}, recs: []libdns.RR{
		{Name: "@", Type: "SOA", TTL: time.Hour, Data: "ns1.example.net. admin.example.net. 1 2 3 4 5"},
		{Name: "@", Type: "NS", TTL: time.Hour, Data: "ns1.example.net."},
		{Name: "notlb", Type: "A", TTL: time.Minute, Data: "203.0.113.99"},
		{Name: "lb", Type: "MX", TTL: time.Minute, Data: "10 mail.example.net."},
		{Name: "_dnsfailover", Type: "TXT", TTL: time.Minute, Data: "somebody else's"},
	}}
}

func (m *memDNS) fail(method string, faults ...memFault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults[method] = append(m.faults[method], faults...)
}

// edit is what a person does.
func (m *memDNS) edit(gone func(libdns.RR) bool, fresh ...libdns.RR) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.recs = append(slices.DeleteFunc(slices.Clone(m.recs), gone), fresh...)
}

// begin counts a call, and lets it be late or fail.
func (m *memDNS) begin(ctx context.Context, method, zone string, recs []libdns.Record) (memFault, error) {
	if zone != "example.com." {
		return memFault{}, fmt.Errorf("no zone %q", zone)
	}
	for _, r := range recs {
		rr := r.RR()
		if strings.HasSuffix(rr.Name, ".") || strings.HasSuffix(rr.Name, "example.com") || rr.TTL%time.Second != 0 || rr.Data == "" || strings.Contains(rr.Data, `"`) {
			return memFault{}, fmt.Errorf("%s: bad record %+v", method, rr)
		}
	}
	m.mu.Lock()
	m.calls[method]++
	var f memFault
	if fs := m.faults[method]; len(fs) > 0 {
		f, m.faults[method] = fs[0], fs[1:]
	}
	m.mu.Unlock()
	if m.delay != nil {
		timer := time.NewTimer(m.delay(method))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return f, ctx.Err()
		}
	}
	if f.hangs != nil {
		<-f.hangs
	}
	if f.panics != nil {
		panic(f.panics)
	}
	return f, f.before
}

func (m *memDNS) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	f, err := m.begin(ctx, "get", zone, nil)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	rrs := slices.Clone(m.recs)
	m.mu.Unlock()
	if f.answer != nil {
		rrs = f.answer(rrs)
	}
	var recs []libdns.Record
	for _, rr := range rrs {
		r, err := rr.Parse()
		if err != nil {
			return nil, fmt.Errorf("parsing a record: %w", err)
		}
		recs = append(recs, r)
	}
	return recs, f.after
}

func (m *memDNS) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	f, err := m.begin(ctx, "set", zone, recs)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.half != nil {
		recs = recs[:1]
	}
	m.recs = slices.DeleteFunc(slices.Clone(m.recs), func(old libdns.RR) bool {
		return slices.ContainsFunc(recs, func(r libdns.Record) bool { return r.RR().Name == old.Name && r.RR().Type == old.Type })
	})
	if f.torn == nil {
		for _, r := range recs {
			m.recs = append(m.recs, r.RR())
		}
	}
	return recs, errors.Join(f.after, f.half, f.torn)
}

func (m *memDNS) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	f, err := m.begin(ctx, "append", zone, recs)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range recs {
		if slices.ContainsFunc(m.recs, func(old libdns.RR) bool { return old.Name == r.RR().Name && sameData(old, r.RR()) }) {
			return nil, fmt.Errorf("there is a record like %+v", r.RR())
		}
		m.recs = append(slices.Clone(m.recs), r.RR())
	}
	return recs, f.after
}

func (m *memDNS) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) (gone []libdns.Record, err error) {
	f, err := m.begin(ctx, "delete", zone, recs)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range recs {
		if i := slices.Index(m.recs, r.RR()); i >= 0 {
			m.recs = slices.Delete(slices.Clone(m.recs), i, i+1)
			gone = append(gone, r)
		}
	}
	return gone, f.after
}

// memSets and memAdds are providers that lack something.
type memSets struct {
	libdns.RecordGetter
	libdns.RecordSetter
}

type memAdds struct {
	libdns.RecordGetter
	libdns.RecordAppender
	libdns.RecordDeleter
}

// target is one of lb.example.com that does not wait long.
func (m *memDNS) target(p libdns.RecordGetter) *LibDNS {
	m.t.Helper()
	t, err := NewLibDNS(LibDNSOptions{Provider: p, Zone: "Example.com", Name: svc, Pause: time.Millisecond})
	if err != nil {
		m.t.Fatal(err)
	}
	return t
}

// holds compares the addresses and leases of lb.example.com in the zone.
func (m *memDNS) holds(want ...string) {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	var got []string
	for _, rr := range m.recs {
		if rr.Name == "lb" && rr.Type != "MX" {
			got = append(got, fmt.Sprint(rr.Type, " ", rr.TTL, " ", rr.Data))
		}
		if rr.Name == "_dnsfailover.lb" {
			if l, err := record.Decode(`"` + rr.Data + `"`); err == nil {
				rr.Data = l.Nonce
			}
			got = append(got, fmt.Sprint(rr.Type, " ", rr.TTL, " ", rr.Data))
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		m.t.Errorf("the zone holds %q, want %q", got, want)
	}
}

func libRead(t testing.TB, target Target) engine.Reading {
	t.Helper()
	r, err := target.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// libSwap swaps what is there, and checks that what comes back is what a new reading tells.
func libSwap(t testing.TB, target Target, to engine.Value) engine.Reading {
	t.Helper()
	got, err := target.Swap(t.Context(), libRead(t, target), to)
	if err != nil {
		t.Fatal(err)
	}
	if r := libRead(t, target); r.Token != got.Token || r.Addrs != to.Addrs || r.Lease != to.Lease {
		t.Errorf("the swap left %+v, and there is %+v", got, r)
	}
	return got
}
