package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/libdns/libdns"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
)

// libdnsPause is the default of [LibDNSOptions.Pause]. A swap ends within [engine.WriteTime], and has three listings and
// two or three writes to make in what the pause leaves of it.
const libdnsPause = 500 * time.Millisecond

// errNoDelete is the error of a swap that takes away all addresses of a family.
var errNoDelete = errors.New("all IPv4 or all IPv6 addresses have to go, and the provider can't delete records: " +
	"delete them by hand, or use another provider")

// LibDNSOptions say which record a [LibDNS] swaps, and through which provider.
type LibDNSOptions struct {
	// Provider lists the zone, and has to be able to write as well: by SetRecords, or by both of AppendRecords and
	// DeleteRecords. A node that may lose its IPv4 or IPv6 address needs DeleteRecords in any case. Its account must be
	// allowed to write A, AAAA and TXT. For Route 53 there is [Route53], which promises more.
	Provider libdns.RecordGetter

	// Zone is the name of the zone, such as example.com, with or without a dot at its end.
	Zone string

	// Name is the domain name of the record, as in [record.Name], in that zone.
	Name string

	// Pause is how long a writer waits between its lease and its addresses, so that another one shows. It has to be longer
	// than the provider takes to list the zone, write a record and show it. Default 500 ms.
	Pause time.Duration
}

// LibDNS is a record in any DNS for which there is a libdns provider. No provider can compare and swap, so its lease is
// advisory. A swap lists the zone and goes on if it holds what was read; it writes the lease, waits, lists the zone again,
// and writes the addresses if the lease is still its own; then it lists the zone once more, and says what is there.
//
// What holds:
//
//   - Of writers that start from the same reading, one at most writes addresses, as long as each of them writes its lease
//     within a Pause after it has begun to list the zone, and the listings show what was written. The last lease
//     wins, or, of those that lie side by side without SetRecords, one on which all agree.
//   - Nothing is written if the first listing shows something else than the reading, nor ever over what a listing shows and
//     can't be put back: a CNAME, an ALIAS, values with several TTLs, a lease that is none.
//   - A swap that reports success has seen both its lease and its addresses in the zone.
//   - A lease whose addresses were not written, because its writer has died or ran out of time, is not taken for somebody's
//     edit: it says what it was to replace, and as long as the record holds that, it is its writer's, who completes it. Only a
//     lease of nearly 255 octets has no room for that.
//
// What does not:
//
//   - If a lease arrives later than that, both writers may report success, one after the other: the record moves twice.
//     What comes last stays; if that is a write of addresses, record and lease are of two nodes, and that is for an
//     operator to put right if both of them work.
//   - An edit of the addresses that somebody makes after the first listing of a swap is overwritten.
//   - A provider may delete before it adds, so that the name is absent for a moment.
//   - An edit that puts back what the holder has replaced, or takes away either IPv4 or IPv6, looks like a write that was not
//     completed, and is undone. No other edit of the addresses is.
//
// It reads the whole zone each time. Its methods may be called concurrently, but for swaps, of which the second is busy.
type LibDNS struct {
	zone, name, lease string // the zone with a dot at its end, as certificate managers give it
	pause             time.Duration

	getter  libdns.RecordGetter
	setter  libdns.RecordSetter // or nil, as those below
	adder   libdns.RecordAppender
	deleter libdns.RecordDeleter

	swapping sync.Mutex
	reads    chan struct{} // a token for each call under way
	writes   chan struct{}
}

var _ Target = (*LibDNS)(nil)

// NewLibDNS makes a target. It calls nothing. It is an error if the provider can't write, or if the name is none that a
// record and its lease can have in the zone.
func NewLibDNS(o LibDNSOptions) (*LibDNS, error) {
	zone, err := record.Name(o.Zone)
	if err != nil {
		return nil, fmt.Errorf("the zone: %w", err)
	}
	name, err := record.Name(o.Name)
	switch {
	case err != nil:
		return nil, err
	case !record.Within(name, zone):
		return nil, fmt.Errorf("the name %s is not in the zone %s", name, zone)
	case strings.Contains(name, `\`):
		return nil, fmt.Errorf("the name %s has characters that DNS providers write in different ways: "+
			"use letters, digits, hyphens and underscores", name)
	case o.Pause < 0 || o.Pause >= engine.WriteTime:
		return nil, fmt.Errorf("a pause of %s: a write has %s in all", o.Pause, engine.WriteTime)
	}
	t := &LibDNS{
		zone: zone + ".", name: name, lease: record.LeaseName(name), pause: o.Pause, getter: o.Provider,
		reads: make(chan struct{}, maxRunning), writes: make(chan struct{}, 1),
	}
	if t.pause == 0 {
		t.pause = libdnsPause
	}
	t.setter, _ = o.Provider.(libdns.RecordSetter)
	t.adder, _ = o.Provider.(libdns.RecordAppender)
	t.deleter, _ = o.Provider.(libdns.RecordDeleter)
	if t.getter == nil || t.setter == nil && (t.adder == nil || t.deleter == nil) {
		return nil, fmt.Errorf("the DNS provider %T can't list, set and delete records: use one that can", o.Provider)
	}
	return t, nil
}

// Read lists the zone. A provider's error does not tell what it means, so it is an Unknown of [OutcomeOf], and looked at
// again soon.
func (t *LibDNS) Read(ctx context.Context) (engine.Reading, error) {
	l, err := t.look(ctx)
	if err != nil {
		return engine.Reading{}, fmt.Errorf("reading %s in the zone %s: %w", t.name, t.zone, err)
	}
	return l.reading, nil
}

// Swap writes the lease and then the addresses, as the comment on [LibDNS] says. A write that fails, panics or is not
// answered is looked for in the zone. If ctx ends in between, what is there stays until somebody swaps it.
//
// The outcome is Busy as long as nothing was sent, and Unknown afterwards, unless the zone shows that another writer has
// won. The TTL is what the provider makes of it; without SetRecords it stays as it is, because values of two TTLs would
// lie beside each other in between.
func (t *LibDNS) Swap(ctx context.Context, from engine.Reading, to engine.Value) (engine.Reading, error) {
	r, err := t.swap(ctx, from, to)
	if err != nil {
		return engine.Reading{}, fmt.Errorf("swapping %s in the zone %s: %w", t.name, t.zone, err)
	}
	return r, nil
}

func (t *LibDNS) swap(ctx context.Context, from engine.Reading, to engine.Value) (engine.Reading, error) {
	p, err := t.plan(from, to)
	if err != nil {
		return engine.Reading{}, &outcomeError{engine.Denied, err}
	}
	if !t.swapping.TryLock() {
		return engine.Reading{}, &outcomeError{engine.Busy, errors.New("another swap is under way")}
	}
	defer t.swapping.Unlock()
	l, err := t.look(ctx)
	switch {
	case OutcomeOf(err) == engine.Denied:
		return engine.Reading{}, err
	case err != nil:
		return engine.Reading{}, &outcomeError{engine.Busy, fmt.Errorf("nothing was sent: %w", err)}
	case l.reading.Token != from.Token:
		return engine.Reading{}, ErrConflict
	}
	if t.deleter == nil && len(surplus(l.addrs, p.addrs, sameType)) > 0 {
		return engine.Reading{}, &outcomeError{engine.Denied, errNoDelete}
	}
	wrote := t.put(ctx, l.leases, []libdns.Record{p.lease})
	if wrote != nil && OutcomeOf(wrote) == engine.Busy {
		return engine.Reading{}, wrote // it was not even begun
	}
	if err := pauseFor(ctx, t.pause); err != nil {
		return engine.Reading{}, unsureWrite(wrote, err)
	}
	if l, err = t.confirm(ctx, l, to, wrote); err != nil {
		return engine.Reading{}, err
	}
	if l.reading.Addrs == to.Addrs && l.reading.TTL == to.TTL {
		return l.reading, nil
	}
	wrote = t.put(ctx, l.addrs, p.addrs)
	l, err = t.confirm(ctx, l, to, wrote)
	switch {
	case err != nil:
		return engine.Reading{}, err
	case l.reading.Addrs != to.Addrs:
		return engine.Reading{}, unsureWrite(wrote, fmt.Errorf("the record still holds %q", l.reading.Addrs))
	}
	return l.reading, nil
}

// confirm lists the zone after a write, which may have failed, and makes sure that the lease is the writer's own. Before
// is what was there, which is no sign of another writer.
func (t *LibDNS) confirm(ctx context.Context, before listing, to engine.Value, wrote error) (listing, error) {
	l, err := t.look(ctx)
	seen := l.reading.Lease
	switch {
	case err != nil:
		return l, unsureWrite(wrote, err)
	case l.reading.Refuse != "":
		return l, fmt.Errorf("%w: %s", ErrConflict, l.reading.Refuse)
	case seen.Holder == to.Lease.Holder && seen.Nonce == to.Lease.Nonce:
		return l, nil
	case seen.Nonce == before.reading.Lease.Nonce && seen.Holder == before.reading.Lease.Holder:
		return l, unsureWrite(wrote, errors.New("the zone does not show the lease that was written"))
	case seen.Holder == "":
		return l, fmt.Errorf("%w: the lease was deleted", ErrConflict)
	}
	return l, fmt.Errorf("%w: the lease is %s's, epoch %d", ErrConflict, seen.Holder, seen.Epoch)
}

// unsureWrite is the error of a swap of which something was sent.
func unsureWrite(wrote, err error) error {
	if wrote != nil {
		err = fmt.Errorf("%w; and whether it was written is not known: %w", wrote, err)
	}
	return &outcomeError{engine.Unknown, err}
}

// pauseFor waits for d, or until ctx ends, which is an error.
func pauseFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the time was over before the addresses were written: %w", ctx.Err())
	}
}
