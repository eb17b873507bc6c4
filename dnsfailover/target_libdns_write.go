package dnsfailover

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/libdns/libdns"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
)

// maxLease is how many octets one string of a TXT can hold (RFC 1035).
const maxLease = 255

// plan is what a swap writes.
type plan struct {
	lease libdns.Record
	addrs []libdns.Record
}

// plan makes the records of a value, or says why the reading or the value can't be swapped.
func (t *LibDNS) plan(from engine.Reading, to engine.Value) (plan, error) {
	changes, err := record.Batch(t.name, from, to)
	if err != nil {
		return plan{}, err
	}
	var p plan
	for _, c := range changes {
		s := c.Set
		name, ttl := libdns.RelativeName(s.Name, t.zone), time.Duration(s.TTL)*time.Second
		switch {
		case c.Delete:
		case s.Type == "TXT":
			text := strings.Trim(s.Values[0], `"`)
			// Without room for it, a swap that was not completed is taken for an edit.
			if was := " " + keyWas + from.Addrs; len(text)+len(was) <= maxLease {
				text += was
			}
			p.lease = libdns.TXT{Name: name, TTL: ttl, Text: text}
		default:
			for _, v := range s.Values {
				addr, err := netip.ParseAddr(v)
				if err != nil {
					return plan{}, err
				}
				p.addrs = append(p.addrs, libdns.Address{Name: name, TTL: ttl, IP: addr})
			}
		}
	}
	return p, nil
}

// put makes records the only ones of their name, in place of those that are there. What is new comes before what is old
// goes, as far as that is in our hands. It is Busy only if nothing was sent.
func (t *LibDNS) put(ctx context.Context, there, fresh []libdns.Record) error {
	gone := surplus(there, fresh, sameType)
	if t.setter != nil {
		if err := t.write(ctx, "setting", fresh, t.setter.SetRecords); err != nil {
			return err
		}
	} else {
		// Some servers delete by the value alone, so what stays must not be deleted under another TTL either.
		gone = surplus(there, fresh, sameData)
		if err := t.write(ctx, "adding", withTTLs(surplus(fresh, there, sameData), there), t.adder.AppendRecords); err != nil {
			return err
		}
	}
	switch {
	case len(gone) == 0:
		return nil
	case t.deleter == nil:
		return errNoDelete
	}
	if err := t.write(ctx, "deleting", gone, t.deleter.DeleteRecords); err != nil {
		return &outcomeError{engine.Unknown, err}
	}
	return nil
}

// surplus are those records of some for which there is none like it among others.
func surplus(some, others []libdns.Record, alike func(a, b libdns.RR) bool) []libdns.Record {
	var left []libdns.Record
	for _, r := range some {
		if !slices.ContainsFunc(others, func(o libdns.Record) bool { return alike(r.RR(), o.RR()) }) {
			left = append(left, r)
		}
	}
	return left
}

func sameType(a, b libdns.RR) bool { return strings.EqualFold(a.Type, b.Type) }

func sameData(a, b libdns.RR) bool { return sameType(a, b) && quote(a.Data) == quote(b.Data) }

// withTTLs are records of a plan with the TTLs of those that are there.
func withTTLs(fresh, there []libdns.Record) []libdns.Record {
	fresh = slices.Clone(fresh)
	for i, r := range fresh {
		at := slices.IndexFunc(there, func(o libdns.Record) bool { return sameType(o.RR(), r.RR()) })
		if at < 0 {
			continue
		}
		switch r := r.(type) {
		case libdns.TXT:
			r.TTL = there[at].RR().TTL
			fresh[i] = r
		case libdns.Address:
			r.TTL = there[at].RR().TTL
			fresh[i] = r
		}
	}
	return fresh
}

// write makes one call that changes records, if there are any.
func (t *LibDNS) write(ctx context.Context, what string, recs []libdns.Record,
	call func(context.Context, string, []libdns.Record) ([]libdns.Record, error)) error {
	if len(recs) == 0 {
		return nil
	}
	_, err := callLibDNS(ctx, t.writes, what, func(ctx context.Context) ([]libdns.Record, error) {
		return call(ctx, t.zone, recs)
	})
	return err
}

// callLibDNS makes a call of a provider, which may not end with ctx, and may panic. What does not end keeps its slot, so
// that calls do not pile up, and no write is begun while an older one may still arrive. The text of an error is the
// provider's, on one line; its type tells nothing, not even [libdns.AtomicErr], which every error is.
func callLibDNS(ctx context.Context, slots chan struct{}, what string,
	call func(context.Context) ([]libdns.Record, error)) ([]libdns.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, &outcomeError{engine.Busy, fmt.Errorf("%s: not begun: %w", what, err)}
	}
	select {
	case slots <- struct{}{}:
	default:
		return nil, &outcomeError{engine.Busy, fmt.Errorf("%s: the provider has not ended an earlier call, although its time is over", what)}
	}
	type answer struct {
		recs []libdns.Record
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if p := recover(); p != nil {
				a.err = fmt.Errorf("the provider has panicked: %v", p)
			}
			<-slots
			answers <- a
		}()
		a.recs, a.err = call(ctx)
	}()
	select {
	case a := <-answers:
		if a.err != nil {
			return nil, fmt.Errorf("%s: %w", what, &providerError{a.err})
		}
		return a.recs, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: no answer: %w", what, ctx.Err())
	}
}

// providerError brings the text of a provider's error on one line.
type providerError struct{ err error }

func (e *providerError) Error() string { return strings.Join(strings.Fields(e.err.Error()), " ") }
func (e *providerError) Unwrap() error { return e.err }
