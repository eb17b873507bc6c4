package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"reflect"

	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Store keeps the last good fleet. Caddy's storage is one; a missing key is an fs.ErrNotExist.
type Store interface {
	Load(ctx context.Context, key string) ([]byte, error)
	Store(ctx context.Context, key string, value []byte) error
}

const (
	snapshotVersion = 1
	// storeTimeout bounds one access to a store, which may be a network away.
	storeTimeout = 10 * time.Second
	// saveEvery is how often an unchanged fleet is saved again, so that its age in the store stays honest.
	saveEvery = 10 * time.Minute
)

// snapshotFile is the stored form, JSON. A file of another version or query is not used.
type snapshotFile struct {
	Version   int         `json:"version"`
	Query     string      `json:"query"` // Query.ID, which gives nothing away
	AsOf      time.Time   `json:"as_of"`
	Instances []*Instance `json:"instances"`
}

func snapshotKey(node string, q Query) string {
	return path.Join("fleet", node, q.ID()+".json")
}

// loadSnapshot returns nil when there is none that can be used, and says why unless there simply is none.
func (p *Poller) loadSnapshot(ctx context.Context, opts Options) *snapshotFile {
	if opts.Store == nil || opts.Nodes == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	for _, node := range opts.Nodes(ctx) {
		if s := p.loadOne(ctx, opts, snapshotKey(node, p.query)); s != nil {
			return s
		}
	}
	return nil
}

func (p *Poller) loadOne(ctx context.Context, opts Options, key string) *snapshotFile {
	raw, err := opts.Store.Load(ctx, key)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(ctx.Err(), context.Canceled) {
		return nil
	}
	if err != nil {
		opts.Logger.Warn("reading the stored fleet failed; starting without it", zap.String("key", key), zap.Error(err))
		return nil
	}
	s, err := decodeSnapshot(raw, p.query)
	if err != nil {
		opts.Logger.Warn("the stored fleet is of no use; starting without it", zap.String("key", key), zap.Error(err))
		return nil
	}
	return s
}

func decodeSnapshot(raw []byte, q Query) (*snapshotFile, error) {
	var s snapshotFile
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("decoding: %w", err)
	}
	if s.Version != snapshotVersion {
		return nil, fmt.Errorf("version %d, this build reads %d", s.Version, snapshotVersion)
	}
	if s.Query != q.ID() {
		return nil, errors.New("it answers another query")
	}
	for i, in := range s.Instances {
		if in == nil || in.ID == "" {
			return nil, fmt.Errorf("instance %d has no id", i)
		}
	}
	slices.SortFunc(s.Instances, byID)
	return &s, nil
}

// applySnapshot uses a stored fleet if EC2 has not answered before it was read.
func (p *Poller) applySnapshot(s *snapshotFile) {
	p.publish(func(st *State) { st.Loaded = true })
	if s == nil || p.state.Load().Origin != Unknown {
		return
	}
	p.publish(func(st *State) { st.Instances, st.Origin, st.AsOf = s.Instances, Snapshot, s.AsOf })
	p.options().Logger.Info("serving from the stored fleet until EC2 answers",
		zap.Stringer("query", p.query), zap.Int("instances", len(s.Instances)), zap.Duration("age", max(0, time.Since(s.AsOf))))
}

// saved is the fleet that a store holds.
type saved struct {
	*State
	in Store
}

// saver keeps saves in the background, one at a time.
type saver struct {
	busy  atomic.Bool
	saved atomic.Pointer[saved]
	mu    sync.Mutex
	fails bool // the last save failed and that was said
}

// sameStore compares two stores. Those of a type that Go can't compare count as different, which costs a save.
func sameStore(a, b Store) bool { return reflect.ValueOf(a).Comparable() && a == b }

// saveIfDue stores the fleet if it differs from what was stored, or that is old. A slow or full store delays nothing.
func (p *Poller) saveIfDue(ctx context.Context, work *sync.WaitGroup) {
	opts, s := p.options(), p.state.Load()
	if opts.Store == nil || opts.Nodes == nil || s.Origin != API || len(s.Instances) == 0 || len(s.Unconfirmed) > 0 {
		return
	}
	if was := p.saver.saved.Load(); was != nil && sameStore(was.in, opts.Store) && s.AsOf.Sub(was.AsOf) < saveEvery && slices.Equal(was.Instances, s.Instances) {
		return
	}
	if !p.saver.busy.CompareAndSwap(false, true) {
		return // the next poll tries again
	}
	work.Go(func() {
		defer p.saver.busy.Store(false)
		if p.save(ctx, opts, s) {
			p.saver.saved.Store(&saved{s, opts.Store})
		}
	})
}

func (p *Poller) save(ctx context.Context, opts Options, s *State) bool {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	raw, err := json.Marshal(snapshotFile{snapshotVersion, p.query.ID(), s.AsOf, s.Instances})
	for _, node := range opts.Nodes(ctx) {
		if err == nil {
			err = opts.Store.Store(ctx, snapshotKey(node, p.query), raw)
		}
	}
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return false // the poller ends
	}
	p.saver.mu.Lock()
	defer p.saver.mu.Unlock()
	if err != nil && !p.saver.fails {
		opts.Logger.Error("storing the fleet failed; a restart during an outage of the EC2 API would start empty",
			zap.Stringer("query", p.query), zap.Error(err))
	}
	p.saver.fails = err != nil
	return err == nil
}
