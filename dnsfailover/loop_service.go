package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// Service is a service to run.
type Service struct {
	// Settings are this node's for the service. All services of a process have the same Node, Instance, Boot and Interval,
	// since one heartbeat serves them all. Boot only counts when a service begins.
	Settings engine.Settings

	// Targets are the means to read and write what Settings.Targets names, by its ID. One of the kind [engine.Address] is
	// also a [Freer]. A target that changes while its ID stays is taken for the same thing, with other credentials: what
	// was read of it goes on to count.
	Targets map[string]Target
}

// service is one that runs. It is the owner's.
type service struct {
	name    string
	cfg     *engine.Settings // never changed, but replaced
	targets map[string]Target
	state   engine.State

	ctx     context.Context // of its calls
	cancel  context.CancelFunc
	dropped bool // nothing concerns it any more

	events  []engine.Event // that an action has brought at once
	inStep  bool
	running map[string]int // calls under way, by what they keep busy

	held   bool          // it has been active since the loop was stopped
	left   chan struct{} // closed when nothing has to be waited for
	isLeft bool

	calls map[string]ended // the latest one on each target
}

// ended is how a call on a target ended.
type ended struct {
	outcome engine.Outcome
	err     error
	at      time.Duration
}

// step lets the engine take an event in, and does what it asks for.
func (l *Loop) step(s *service, e engine.Event) {
	s.events = append(s.events, e)
	if s.inStep {
		return
	}
	s.inStep = true
	for len(s.events) > 0 && !s.dropped {
		e := s.events[0]
		s.events = s.events[1:]
		var actions []engine.Action
		s.state, actions = engine.Step(l.now(), s.cfg, s.state, e)
		s.held = s.held || l.stopping && s.state.Role == engine.Active
		for _, a := range actions {
			l.act(s, a)
		}
	}
	s.events, s.inStep = nil, false
}

// act carries an action out, or begins to.
func (l *Loop) act(s *service, a engine.Action) {
	switch a := a.(type) {
	case engine.Read:
		l.read(s, a)
	case engine.Swap:
		l.swap(s, a)
	case engine.Free:
		l.free(s, a)
	case engine.AskWitness:
		l.askWitness(s, a)
	case engine.AskControl:
		l.askControl(s)
	case engine.AskForeign:
		l.askForeign(s, a)
	case engine.SendOffer:
		l.sendOffer(s, a)
	case engine.Tell:
		l.tell(s.name, a)
	case engine.Left:
		s.leave()
	}
}

func (s *service) leave() {
	if !s.isLeft {
		s.isLeft = true
		close(s.left)
	}
}

// Reload runs other services from now on. One that has the name of another goes on from its state, and if its settings are
// the same it does not even notice, unless something is denied to this node, or can't be read: the reason may be gone, so
// that is tried again. A new one begins. One that is not named any more is dropped, and its targets stay as they
// are: to hand it over, stop it before. It is an error, and nothing changes, if a service can't be used, or the loop is
// stopping ([ErrClosed]).
func (l *Loop) Reload(services map[string]Service) error {
	if err := checkServices(services); err != nil {
		return fmt.Errorf("reloading failover: %w", err)
	}
	stopping := false
	ran := l.do(func() {
		if stopping = l.stopping; !stopping {
			l.apply(services)
		}
	})
	if !ran || stopping {
		return ErrClosed
	}
	return nil
}

// apply makes services those that run.
func (l *Loop) apply(services map[string]Service) {
	for name, s := range l.services {
		if _, ok := services[name]; !ok {
			l.drop(s)
		}
	}
	for name, given := range services {
		cfg := given.Settings
		cfg.Peers, cfg.Prefer, cfg.Targets = slices.Clone(cfg.Peers), slices.Clone(cfg.Prefer), slices.Clone(cfg.Targets)
		s := l.services[name]
		if s == nil {
			l.begin(name, &cfg, given.Targets)
			continue
		}
		cfg.Boot = s.cfg.Boot
		s.targets = maps.Clone(given.Targets)
		was, others := *s.cfg, *s.cfg
		others.Peers = cfg.Peers
		b := s.state.Body(l.now(), s.cfg)
		var e engine.Event = engine.Reloaded{}
		switch {
		case !sameSettings(others, cfg):
		case !sameSettings(was, cfg):
			// Nodes come and go without anybody loading a configuration: nothing is brought up to date because of that.
			e = engine.Tick{}
		case !b.Doubtful && b.Able && !slices.ContainsFunc(s.state.Targets, func(t engine.TargetState) bool { return t.Failing }):
			continue
		}
		s.cfg = &cfg
		l.step(s, e)
	}
	l.applyBeats()
}

// begin runs a new service.
func (l *Loop) begin(name string, cfg *engine.Settings, targets map[string]Target) {
	if l.born[name]++; l.born[name] > 1 {
		// The state that counted the nonces is gone, and none must be used twice.
		cfg.Boot = fmt.Sprintf("%s.%d", cfg.Boot, l.born[name])
	}
	s := &service{
		name: name, cfg: cfg, targets: maps.Clone(targets), left: make(chan struct{}),
		running: map[string]int{}, calls: map[string]ended{},
	}
	s.ctx, s.cancel = context.WithCancel(l.ctx)
	l.services[name] = s
	if l.health != nil {
		l.step(s, *l.health)
		return
	}
	l.step(s, engine.Tick{})
}

// drop forgets a service.
func (l *Loop) drop(s *service) {
	s.dropped = true
	s.cancel()
	s.leave()
	delete(l.services, s.name)
	for f := range l.flights {
		if f.service == s {
			delete(l.flights, f)
		}
	}
	l.sayDropped(s)
}

// checkServices says what is wrong with services.
func checkServices(services map[string]Service) error {
	var interval time.Duration
	first := ""
	for _, name := range slices.Sorted(maps.Keys(services)) {
		s := services[name]
		c := &s.Settings
		switch {
		case c.Node == "" || c.Instance == "" || c.Boot == "":
			return fmt.Errorf("service %s: node, instance and boot must be set", name)
		case c.Interval <= 0 || c.HoldDown <= 0 || c.Fall <= 0 || c.Rise <= 0:
			return fmt.Errorf("service %s: interval, hold_down, fall and rise must be positive", name)
		case interval != 0 && interval != c.Interval:
			return fmt.Errorf("service %s has an interval of %s, and %s one of %s: one heartbeat serves both, so give them the same",
				name, c.Interval, first, interval)
		}
		interval, first = c.Interval, name
		if peer := twice(c.Peers); peer != "" {
			return fmt.Errorf("service %s: the peer %s is named twice", name, peer)
		}
		if err := checkTargets(&s); err != nil {
			return fmt.Errorf("service %s: %w", name, err)
		}
	}
	return nil
}

func checkTargets(s *Service) error {
	if len(s.Settings.Targets) == 0 {
		return errors.New("it has no target: name a record or an Elastic IP")
	}
	ids := make([]string, 0, len(s.Settings.Targets))
	for _, c := range s.Settings.Targets {
		ids = append(ids, c.ID)
		t := s.Targets[c.ID]
		if t == nil {
			return fmt.Errorf("there are no means to reach the target %s", c.ID)
		}
		if _, ok := t.(Freer); c.Kind == engine.Address && !ok {
			return fmt.Errorf("the target %s is an address, and its means can't free one", c.ID)
		}
	}
	if id := twice(ids); id != "" {
		return fmt.Errorf("the target %s is named twice", id)
	}
	return nil
}

// twice is one of a list that is in it twice, or empty.
func twice(list []string) string {
	sorted := slices.Sorted(slices.Values(list))
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			return sorted[i]
		}
	}
	return ""
}

// sameSettings reports whether nothing differs. An empty list is like none.
func sameSettings(a, b engine.Settings) bool {
	if !slices.Equal(a.Peers, b.Peers) || !slices.Equal(a.Prefer, b.Prefer) || !slices.Equal(a.Targets, b.Targets) {
		return false
	}
	a.Peers, a.Prefer, a.Targets = b.Peers, b.Prefer, b.Targets
	return reflect.DeepEqual(a, b)
}
