package dnsfailover

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// ownName is a name of this node alone, and what it is to hold. Equal ones need nothing done.
type ownName struct {
	Name string // as [record.Name] gives it
	Zone string // the id of the hosted zone

	// Addrs are the addresses in the form of [record.Addrs]. Empty is a node that has none that the name could get, or does not
	// know them (yet), for the reason in Why: the name stays as it is, and the status says so.
	Addrs, Why string

	TTL    int  // in seconds
	OnStop bool // whether stop deletes it

	// Node and Instance say in the lease beside the name whose it is. Both are needed.
	Node, Instance string

	// Place says there where EC2 knows the instance: region and account. Only names with it are ever reaped. Empty if it is not
	// known, and then the lease stays as it is.
	Place string
}

// key is what makes two own names the same record.
func (n ownName) key() ownKey { return ownKey{n.Zone, n.Name} }

type ownKey struct{ zone, name string }

// ownTarget is the record of an own name.
type ownTarget interface {
	Target
	Remove(ctx context.Context, from engine.Reading) error
}

// openOwn is the target of a name in Route 53.
func openOwn(a *awsAccess, zone, name string) (ownTarget, error) {
	t, err := NewRoute53(Route53Options{Config: a.Config, Zone: zone, Name: name})
	if err != nil {
		return nil, &outcomeError{engine.Denied, err}
	}
	return t, nil
}

// ownNames keeps names at the addresses of this node. There is one per process, which outlives configurations. All that it
// writes is compared and swapped, like everything else: it never overwrites what it has not read and judged.
//
// A name costs one request at the start, and one every five minutes.
type ownNames struct {
	log    *zap.Logger
	alive  func(instance string) bool
	open   func(a *awsAccess, zone, name string) (ownTarget, error)
	list   func(ctx context.Context, a *awsAccess, zone, name string) ([]ownLease, error)
	ctx    context.Context // of the calls
	cancel context.CancelFunc
	work   sync.WaitGroup // the keepers

	mu      sync.Mutex
	keepers map[ownKey]*ownKeeper
	reaper  *ownReaper // nil before there is something to reap
	ended   bool
}

// newOwnNames keeps nothing yet. Alive reports whether another instance that had one of the names before is alive, or may be:
// it must also be true as long as there are peers that have neither answered nor timed out. It is called concurrently, and
// must not wait for anything.
func newOwnNames(log *zap.Logger, alive func(instance string) bool) *ownNames {
	o := &ownNames{log: log, alive: alive, open: openOwn, list: listOwn, keepers: map[ownKey]*ownKeeper{}}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	return o
}

// set replaces the names that are kept, and the access to them, which is needed if there are any. It waits for nothing. A name
// that is new, or is to hold something else, is read at once; one that is as it was causes no request, so set can be called
// as often as one likes. With another access, that of another configuration, names with which something is wrong are tried
// at once. A name that is not kept any more stays in the DNS, also one that goes at the exit: this is not the exit. After
// stop or close it does nothing.
func (o *ownNames) set(access *awsAccess, names []ownName) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	left := o.keepers
	o.keepers = make(map[ownKey]*ownKeeper, len(names))
	for _, n := range names {
		if o.keepers[n.key()] != nil {
			continue
		}
		k := left[n.key()]
		if k == nil {
			k = newOwnKeeper(o, access, n)
			o.work.Go(func() { k.run(o.ctx) })
		} else {
			delete(left, n.key())
			k.tell(access, n)
		}
		o.keepers[n.key()] = k
	}
	for key, k := range left {
		close(k.quit)
		o.log.Info("own name is not kept any more, and stays in the DNS as it is: delete the record and the TXT beside it if nobody needs them",
			zap.String("name", key.name), zap.String("zone", key.zone))
	}
}

// status is what is known of the names, in their order.
func (o *ownNames) status() []ownStatus {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := make([]ownStatus, 0, len(o.keepers))
	for _, k := range o.keepers {
		all = append(all, k.snapshot())
	}
	slices.SortFunc(all, func(a, b ownStatus) int {
		return strings.Compare(a.Name+" "+a.Zone, b.Name+" "+b.Zone)
	})
	return all
}

// stop ends keeping, and deletes the names that are to go at the exit, if they are still this instance's. It returns with
// ctx at the latest, and logs what could not be deleted. Calls under way are waited for, because a write that is overtaken
// by its deletion would bring the name back.
func (o *ownNames) stop(ctx context.Context) {
	o.mu.Lock()
	keepers := make([]*ownKeeper, 0, len(o.keepers))
	if !o.ended {
		for _, k := range o.keepers {
			close(k.quit)
			keepers = append(keepers, k)
		}
	}
	o.ended = true
	if o.reaper != nil {
		o.reaper.set(nil)
	}
	o.mu.Unlock()

	var wg sync.WaitGroup
	for _, k := range keepers {
		wg.Go(func() { k.deregister(ctx) })
	}
	wg.Wait()
}

// close ends everything at once. It returns when all goroutines have ended.
func (o *ownNames) close() {
	o.mu.Lock()
	o.ended = true
	o.mu.Unlock()
	o.cancel()
	o.work.Wait()
}

// ownState is how it stands with an own name.
type ownState string

// The states. They are part of the admin API.
const (
	ownPending    ownState = "pending"    // it has not been read yet
	ownRegistered ownState = "registered" // it is at this node's addresses
	ownRefused    ownState = "refused"    // it is of a kind that must not be overwritten, or a service's
	ownContested  ownState = "contested"  // it belongs to another instance, which is alive
	ownFailed     ownState = "failed"     // it can't be read or written, or this node has no address for it
	ownDeleted    ownState = "deleted"    // it was deleted at the exit
)

// ownStatus is what is known of an own name.
type ownStatus struct {
	Name  string   `json:"name"`
	Zone  string   `json:"zone_id"`
	State ownState `json:"state"`

	// Addresses are those that it was last seen, or made, to hold, which need not be this node's.
	Addresses string `json:"addresses,omitempty"`

	// Error says what is wrong, and what to do, if the state is not pending, registered or deleted.
	Error string `json:"error,omitempty"`

	// Since is when the state began.
	Since time.Time `json:"since"`
}
