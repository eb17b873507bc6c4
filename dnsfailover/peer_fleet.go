package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

// firstAnswer bounds the wait for EC2, or the store, at the start. A node that knows nobody would take itself for the only one.
const firstAnswer = 10 * time.Second

// maxFleet is how many instances can be nodes, each of which asks all others. A query that matches more is most likely one that also
// matches backends: nobody would know which of them to ask.
const maxFleet = 32

// fleetPeers finds the other nodes through EC2.
//
// An instance that is no node any more stays a peer for as long as a target names it: it may still serve, and only a peer can be
// found dead. EC2 is asked for it by its id, whatever its tags are. If it runs, its heartbeats decide, as ever. If it does not,
// there is nobody to ask, and in its place stands a peer that is always silent: so it is judged by the rules of silence, and the
// witness and the other nodes can still speak for it.
type fleetPeers struct {
	query   *PeerQuery
	options fleet.Options
	log     *zap.Logger

	look  func()        // has the node look again
	all   *watchedFleet // nil if it does not run
	ended chan struct{}

	mu      sync.Mutex               // held for as long as peers are looked for
	holders map[string]*watchedFleet // of instances that are named by a target alone, by id
	last    map[string]string        // where the peers were last found, by id
}

// watchedFleet is a query in use.
type watchedFleet struct {
	*fleet.Handle
	first  chan struct{} // closed after the first answer, or error
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// newFleetPeers asks nobody yet. The query was prepared.
func newFleetPeers(q *PeerQuery, log *zap.Logger, store fleet.Store) *fleetPeers {
	return &fleetPeers{
		query: q, log: log, ended: make(chan struct{}), holders: map[string]*watchedFleet{}, last: map[string]string{},
		options: fleet.Options{Refresh: time.Duration(q.Refresh), Logger: log, Store: store, Nodes: fleetNames},
	}
}

// fleetNames are those under which this machine's last fleet is stored: storage may be shared by several.
func fleetNames(ctx context.Context) (names []string) {
	if id, err := awsconf.This.Get(ctx); err == nil {
		names = append(names, id.InstanceID)
	}
	if host, err := os.Hostname(); err == nil {
		names = append(names, "host-"+host)
	}
	return names
}

// start begins to ask. It does nothing for a nil value, as do stop and peers.
func (f *fleetPeers) start(look func()) {
	if f == nil {
		return
	}
	f.look = look
	q, err := f.query.fleetQuery()
	if err != nil { // it was checked
		f.log.Error("looking for peers", zap.Error(err))
		return
	}
	f.all = f.watch(q, f.options)
}

// stop ends it. What is known stays.
func (f *fleetPeers) stop() {
	if f == nil || f.all == nil {
		return
	}
	close(f.ended)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all.close()
	f.follow(nil)
}

func (f *fleetPeers) stopped() bool {
	select {
	case <-f.ended:
		return true
	default:
		return false
	}
}

// watch joins a query, and has the node look when its answer is another one.
func (f *fleetPeers) watch(q fleet.Query, o fleet.Options) *watchedFleet {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watchedFleet{Handle: fleet.Join(q), first: make(chan struct{}), cancel: cancel}
	w.Start(o)
	w.work.Go(func() {
		said, first := "", true
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.Changed():
			}
			s := w.State()
			if first && (s.Origin != fleet.Unknown || s.Err != nil) {
				first = false
				close(w.first)
			}
			var b strings.Builder
			b.WriteString(string(s.Origin))
			for _, in := range s.Instances {
				b.WriteString(" " + in.ID + " " + f.query.addressOf(in))
			}
			if now := b.String(); now != said {
				said = now
				f.look()
			}
		}
	})
	return w
}

func (w *watchedFleet) close() {
	w.cancel()
	w.work.Wait()
	w.Close()
}

// errFleetUnknown is the state before EC2 has ever answered.
var errFleetUnknown = errors.New("EC2 has not said yet which nodes there are, and without them this one does not act")

// peers are the addresses of the nodes but this one, in the order of their instances' ids. It notes in w at which instances the
// services point, as holding finds it out, and which of those do not run. It waits for the first answer of EC2, within
// bounds, and is an error without any.
func (f *fleetPeers) peers(ctx context.Context, w *wanted, holding func(context.Context) map[string][]string) (at []string, err error) {
	if f == nil || f.all == nil {
		return nil, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	state, err := f.known(ctx)
	if err != nil {
		return nil, err
	}
	if n := len(state.Instances); n > maxFleet {
		return nil, fmt.Errorf("%d running instances match %s, which is more than the %d nodes that can be: give the nodes a tag of their own; "+
			"until then they stay as they are", n, f.all.Query(), maxFleet)
	}
	now := map[string]string{}
	for _, in := range state.Instances {
		now[in.ID] = f.query.addressOf(in)
	}
	w.holders, w.gone = holding(ctx), map[string][]string{}
	var outside []string
	for _, ids := range w.holders {
		for _, id := range ids {
			if _, ok := now[id]; !ok && id != w.self.Instance && instanceID.MatchString(id) && !slices.Contains(outside, id) {
				outside = append(outside, id)
			}
		}
	}
	slices.Sort(outside)
	f.follow(outside)
	for _, id := range outside {
		where, runs := f.whereabouts(ctx, id)
		if runs {
			now[id] = where
			continue
		}
		for service, ids := range w.holders {
			if slices.Contains(ids, id) {
				w.gone[service] = append(w.gone[service], id)
			}
		}
	}
	f.last = now
	for _, id := range slices.Sorted(maps.Keys(now)) {
		if where := now[id]; id != w.self.Instance && where != "" && !slices.Contains(at, where) {
			at = append(at, where)
		}
	}
	return at, nil
}

// running are the ids of the nodes that EC2 shows, in their order.
func (f *fleetPeers) running() (ids []string) {
	for _, in := range f.all.State().Instances {
		ids = append(ids, in.ID)
	}
	return ids
}

// has reports whether an instance is one of the nodes that EC2 shows.
func (f *fleetPeers) has(id string) bool { return slices.Contains(f.running(), id) }

// problem says what is wrong with the query itself, as EC2 answers it; empty if nothing is.
func (f *fleetPeers) problem(self string) string {
	if f == nil || f.all == nil || f.all.State().Origin != fleet.API || f.has(self) {
		return ""
	}
	return fmt.Sprintf("this instance, %s, is not found by its own query (%s), so the others, which ask the same, do not find it either: "+
		"give it what the query asks for, or correct the query", self, f.all.Query())
}

// known is the fleet, waited for if need be.
func (f *fleetPeers) known(ctx context.Context) (*fleet.State, error) {
	ctx, cancel := context.WithTimeout(ctx, firstAnswer)
	defer cancel()
	if f.all.State().Origin == fleet.Unknown {
		select {
		case <-ctx.Done():
		case <-f.ended:
		case <-f.all.first:
		}
	}
	s := f.all.State()
	switch {
	case s.Origin != fleet.Unknown:
		return s, nil
	case s.Err != nil:
		return nil, fmt.Errorf("%w: %w", errFleetUnknown, s.Err)
	}
	return nil, errFleetUnknown
}
