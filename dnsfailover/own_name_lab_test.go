package dnsfailover

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/sim/core"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

const ownLabName = "lb1.example.com"

// ownNode is what keeps the own name of one instance in a test.
type ownNode struct {
	*ownNames
	t      testing.TB
	want   ownName
	access *awsAccess
	logs   *observer.ObservedLogs

	mu    sync.Mutex
	lives map[string]bool // instances that the peers report alive
}

func newOwnNode(t testing.TB, instance, zone string, addrs ...string) *ownNode {
	t.Helper()
	canonical, err := record.Addrs(addrs...)
	if err != nil {
		t.Fatal(err)
	}
	n := &ownNode{t: t, access: &awsAccess{}, lives: map[string]bool{}}
	n.want = ownName{Name: ownLabName, Zone: zone, Addrs: canonical, TTL: 60, Node: "lb1", Instance: instance}
	core, logs := observer.New(zap.InfoLevel)
	n.logs = logs
	n.ownNames = newOwnNames(zap.New(core), func(instance string) bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.lives[instance]
	})
	t.Cleanup(n.close)
	return n
}

func (n *ownNode) live(instance string, alive bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lives[instance] = alive
}

// begin sets the one name as it is wanted, with an edit.
func (n *ownNode) begin(edit ...func(*ownName)) {
	for _, f := range edit {
		f(&n.want)
	}
	n.set(n.access, []ownName{n.want})
}

// one is the status of the one name.
func (n *ownNode) one() ownStatus {
	n.t.Helper()
	all := n.status()
	if len(all) != 1 {
		n.t.Fatalf("the status is %+v", all)
	}
	return all[0]
}

// wantLogs compares the messages since the last time.
func (n *ownNode) wantLogs(want ...string) {
	n.t.Helper()
	var got []string
	for _, e := range n.logs.TakeAll() {
		got = append(got, e.Message)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		n.t.Errorf("the log has %q, want %q", got, want)
	}
}

// ownWorld is the record of the own name in the core of a fake Route 53, in a bubble of virtual time.
type ownWorld struct {
	t   *testing.T
	rec *core.Record

	mu       sync.Mutex
	reads    []time.Time
	swaps    []time.Time
	removals int
	fail     error         // of every call, which then does nothing
	slow     time.Duration // of every call
}

func newOwnWorld(t *testing.T) *ownWorld { return &ownWorld{t: t, rec: core.New(ownLabName, time.Now)} }

// node makes the names of an instance, which are not kept yet.
func (w *ownWorld) node(instance string, addrs ...string) *ownNode {
	n := newOwnNode(w.t, instance, w.rec.Zone, addrs...)
	n.open = func(*awsAccess, string, string) (ownTarget, error) { return w, nil }
	return n
}

// call counts a call, and says whether it goes through.
func (w *ownWorld) call(ctx context.Context, times *[]time.Time) error {
	w.mu.Lock()
	*times = append(*times, time.Now())
	slow, err := w.slow, w.fail
	w.mu.Unlock()
	select {
	case <-time.After(slow):
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *ownWorld) Read(ctx context.Context) (engine.Reading, error) {
	if err := w.call(ctx, &w.reads); err != nil {
		return engine.Reading{}, err
	}
	r, outcome := w.rec.Read()
	return r, ownWorldError(outcome)
}

func (w *ownWorld) Swap(ctx context.Context, from engine.Reading, to engine.Value) (engine.Reading, error) {
	if err := w.call(ctx, &w.swaps); err != nil {
		return engine.Reading{}, err
	}
	r, outcome := w.rec.Swap(from, to)
	return r, ownWorldError(outcome)
}

// Remove deletes what was read, as long as nobody else writes: the target of Route 53 has tests of its own for that.
func (w *ownWorld) Remove(ctx context.Context, from engine.Reading) error {
	if err := w.call(ctx, new([]time.Time)); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.removals++
	if w.rec.Now().Token != from.Token {
		return ErrConflict
	}
	for _, s := range from.Raw.([]record.Set) {
		w.rec.Cloud.DeleteRecord(w.rec.Zone, s.Name, s.Type, "")
	}
	return nil
}

func ownWorldError(o engine.Outcome) error {
	if o == engine.Done {
		return nil
	}
	err := fmt.Errorf("the record is %s", o)
	if o == engine.Conflict {
		err = ErrConflict
	}
	return &outcomeError{o, err}
}

// wantCalls compares how many readings and swaps there were since the last time.
func (w *ownWorld) wantCalls(reads, swaps int) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.reads) != reads || len(w.swaps) != swaps {
		w.t.Errorf("%d readings and %d swaps, want %d and %d", len(w.reads), len(w.swaps), reads, swaps)
	}
	w.reads, w.swaps = nil, nil
}

func (w *ownWorld) set(fail error, slow time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail, w.slow = fail, slow
}

// holds compares what the record holds, and whose it is.
func (w *ownWorld) holds(addrs string, ttl int, instance string, epoch uint64) {
	w.t.Helper()
	r := w.rec.Now()
	if r.Addrs != addrs || r.TTL != ttl || r.Lease.Instance != instance || r.Lease.Epoch != epoch {
		w.t.Errorf("the record is %s, TTL %d, of %q, epoch %d; want %s, %d, %q, %d",
			r.Addrs, r.TTL, r.Lease.Instance, r.Lease.Epoch, addrs, ttl, instance, epoch)
	}
}

// edit sets the A by hand.
func (w *ownWorld) edit(ttl int64, addrs ...string) {
	w.t.Helper()
	if err := w.rec.Cloud.SetRecord(w.rec.Zone, awstest.RecordSet{Name: ownLabName, Type: "A", TTL: ttl, Values: addrs}); err != nil {
		w.t.Fatal(err)
	}
}
