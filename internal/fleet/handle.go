package fleet

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

// DefaultRefresh is the time between two polls when nothing else is set. Shorter finds new instances sooner and
// costs API calls, which all tools of the AWS account share.
const DefaultRefresh = 10 * time.Second

// Options are what a user of a poller brings along. They may change while the poller runs.
type Options struct {
	Refresh time.Duration // between polls; zero means DefaultRefresh; with several users the shortest counts
	Logger  *zap.Logger   // nil logs nothing
	Store   Store         // where the last good fleet is kept; nil keeps none
	// Nodes names this machine in the store, which several load balancers may share: the fleet is stored under each
	// name, and looked for under each in turn. It may take a moment and is not called on any request path. Nil means
	// that nothing is stored.
	Nodes func(context.Context) []string
	// Event is told of poll_failed, poll_recovered and fleet_shrunk. It must not block. May be nil.
	Event func(name string, data map[string]any)
}

// WithDefaults returns the options with nothing left out that must be there.
func (o Options) WithDefaults() Options {
	if o.Refresh <= 0 {
		o.Refresh = DefaultRefresh
	}
	if o.Logger == nil {
		o.Logger = zap.NewNop()
	}
	return o
}

func (o Options) emit(name string, data map[string]any) {
	if o.Event != nil {
		o.Event(name, data)
	}
}

// pollers holds the poller of every query in use in this process.
var pollers = struct {
	sync.Mutex
	byKey map[string]*shared
}{byKey: make(map[string]*shared)}

type shared struct {
	*Poller
	refs int
}

// Handle is one user's share in a poller.
type Handle struct {
	*Poller
	changed chan struct{}
	opts    Options
	closed  bool
}

// Join returns a share in the poller of q, which is made if nobody has one yet. Nothing is asked of AWS before Start.
// Every handle needs a Close.
func Join(q Query) *Handle {
	return join(q, func() lister { return ec2Lister(q) })
}

func join(q Query, ask func() lister) *Handle {
	pollers.Lock()
	defer pollers.Unlock()
	key := q.Key()
	s := pollers.byKey[key]
	if s == nil {
		s = &shared{Poller: newPoller(q, ask())}
		pollers.byKey[key] = s
	}
	s.refs++
	return &Handle{Poller: s.Poller, changed: make(chan struct{}, 1)}
}

// Start sets the options of this share, which are in force until another one sets its own, and starts polling
// if nobody has. It may be called again to change the options.
func (h *Handle) Start(o Options) {
	p := h.Poller
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.closed {
		return
	}
	h.opts = o.WithDefaults()
	p.remove(h)
	p.handles = append(p.handles, h)
	if p.cancel == nil {
		ctx, cancel := context.WithCancel(context.Background())
		p.cancel, p.done = cancel, make(chan struct{})
		go p.run(ctx)
		return
	}
	select { // the loop also tells the new user what is known already
	case p.kick <- struct{}{}:
	default:
	}
}

// Changed receives a value after the state may have changed.
func (h *Handle) Changed() <-chan struct{} { return h.changed }

func (h *Handle) notify() {
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

// closeWait bounds the wait for a store that does not answer; everything else ends at once.
const closeWait = 2 * time.Second

// Close gives the share back. The last one ends the poller and waits for its goroutines.
func (h *Handle) Close() {
	p := h.Poller
	p.mu.Lock()
	if h.closed {
		p.mu.Unlock()
		return
	}
	h.closed = true
	p.remove(h)
	p.mu.Unlock()

	key := p.query.Key()
	pollers.Lock()
	s := pollers.byKey[key]
	s.refs--
	last := s.refs == 0
	if last {
		delete(pollers.byKey, key)
	}
	pollers.Unlock()
	if !last {
		return
	}

	p.mu.Lock()
	cancel, done := p.cancel, p.done
	p.mu.Unlock()
	if cancel == nil {
		return
	}
	cancel()
	select {
	case <-done:
	case <-time.After(closeWait):
	}
}

// remove takes h off the list; p.mu is held.
func (p *Poller) remove(h *Handle) {
	p.handles = slices.DeleteFunc(p.handles, func(other *Handle) bool { return other == h })
}

// Query returns what the poller asks for.
func (p *Poller) Query() Query { return p.query }
