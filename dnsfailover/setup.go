package dnsfailover

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"

	"go.uber.org/zap"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// setup is what a node runs: the loop of the engine, the heartbeat listener, the checks of this node by itself, and its own
// names.
type setup struct {
	log    *zap.Logger
	tell   func(service string, t engine.Tell)
	boot   string // begins its nonces
	loop   *Loop
	links  links
	checks *selfChecks
	own    *ownNames
	work   sync.WaitGroup // the listeners and the checks

	listener net.Listener
	at       string // where it was opened
	fresh    bool   // it is not served yet
	uncheck  context.CancelFunc

	mu     sync.Mutex // guards what follows
	now    *wanted
	prober *prober
	server *PeerServer // nil without secrets
}

// setupError is an error of one part of a setup.
type setupError struct {
	about string
	err   error
}

func (e *setupError) Error() string { return e.about + ": " + e.err.Error() }
func (e *setupError) Unwrap() error { return e.err }

// newSetup runs what is wanted. If the listener can't be opened nothing runs: peers take a node that does not answer for dead,
// and it must not act then.
func newSetup(w *wanted, log *zap.Logger, tell func(string, engine.Tell)) (*setup, *setupError) {
	boot := make([]byte, 8)
	_, _ = rand.Read(boot) // it never fails
	u := &setup{log: log, tell: tell, boot: hex.EncodeToString(boot), now: w}
	if e := u.prepare(w); e != nil {
		u.close()
		return nil, e
	}
	loop, err := Start(LoopOptions{Network: &u.links, Prober: u, Tell: u.decided, Log: log}, w.servicesOf(u.boot))
	if err != nil {
		u.close()
		return nil, &setupError{"services", err}
	}
	u.loop = loop
	u.serve()
	u.check(w)
	u.own = newOwnNames(log, u.alive)
	u.own.set(w.share.access, w.own)
	u.own.reap(u.reaping(w))
	return u, nil
}

// prepare does what can fail.
func (u *setup) prepare(w *wanted) *setupError {
	p, err := newProber(w.share.cfg, w.self, w.who.Secrets)
	if err != nil {
		return &setupError{"checks", err}
	}
	if err := u.links.set(w); err != nil {
		return &setupError{"peers", err}
	}
	if err := u.open(w); err != nil {
		return &setupError{"heartbeat", err}
	}
	u.mu.Lock()
	u.prober = p
	u.mu.Unlock()
	return nil
}

// become runs something else from now on. What is wanted as before goes on as it is, and what can't be had does too.
func (u *setup) become(w *wanted) *setupError {
	was := u.wanted()
	if was.same(w) { // also if something is missing: to run the rest anew would try what is denied at every attempt
		u.mu.Lock()
		u.now = w // the look may be fresh, or stale, now
		u.mu.Unlock()
		return nil
	}
	if e := u.prepare(w); e != nil {
		return e
	}
	u.serve()
	if err := u.loop.Reload(w.servicesOf(u.boot)); err != nil {
		return &setupError{"services", err}
	}
	u.links.prune(w.peers)
	if was.share != w.share {
		u.checks.set(w.share.cfg)
	}
	u.own.set(w.share.access, w.own)
	u.own.reap(u.reaping(w))
	u.mu.Lock()
	u.now = w
	u.mu.Unlock()
	return nil
}

// open opens the heartbeat listener, or moves it. The old one goes when the new one is there, and its connections stay.
func (u *setup) open(w *wanted) error {
	if len(w.who.Secrets) == 0 {
		if u.server != nil {
			u.closeServer()
			u.listener.Close()
			u.listener = nil
			u.setServer(nil)
		}
		return nil
	}
	at := w.share.listenAt(w.self)
	if u.server == nil {
		s, err := NewPeerServer(w.who, PeerServerOptions{
			Services: u.bodies, Offered: u.offered, AllowPublic: w.share.cfg.Heartbeat.AllowPublic, Logger: u.log,
		})
		if err != nil {
			return err
		}
		u.setServer(s)
	} else {
		if err := u.server.Reconfigure(w.who); err != nil {
			return err
		}
		u.server.AllowPublic(w.share.cfg.Heartbeat.AllowPublic)
	}
	if u.listener != nil && u.at == at {
		return nil
	}
	l, err := net.Listen("tcp", at)
	if errors.Is(err, syscall.EADDRINUSE) && u.listener != nil && samePort(u.at, at) {
		// The old one is in the way: all addresses include each of them. Its connections stay.
		u.listener.Close()
		if l, err = net.Listen("tcp", at); err != nil {
			old, again := net.Listen("tcp", u.at)
			if again == nil {
				u.listener, u.fresh = old, true
				u.serve()
			}
		}
	}
	if err != nil {
		return fmt.Errorf("opening the heartbeat listener: %w: is something else there, and is it an address of this machine?", err)
	}
	if u.listener != nil {
		u.listener.Close()
	}
	u.listener, u.at, u.fresh = l, at, true
	return nil
}

// canListen reports whether another setup could open its listener when this one has gone.
func (u *setup) canListen(w *wanted) error {
	at := w.share.listenAt(w.self)
	if len(w.who.Secrets) == 0 || u.listener != nil && u.at == at {
		return nil
	}
	l, err := net.Listen("tcp", at)
	if err != nil && (u.listener == nil || !errors.Is(err, syscall.EADDRINUSE) || !samePort(u.at, at)) {
		return err
	}
	if l != nil {
		l.Close()
	}
	return nil
}

func samePort(a, b string) bool {
	_, p, _ := net.SplitHostPort(a)
	_, q, _ := net.SplitHostPort(b)
	return p == q
}

// setServer is for the node's goroutine, which alone reads server without the lock.
func (u *setup) setServer(s *PeerServer) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.server = s
}

func (u *setup) closeServer() {
	if err := u.server.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		u.log.Warn("closing the heartbeat listener", zap.Error(err))
	}
}

// serve answers on the listener, if it is a new one.
func (u *setup) serve() {
	if !u.fresh {
		return
	}
	u.fresh = false
	s, l := u.server, u.listener
	u.work.Go(func() {
		if err := s.Serve(l); err != nil && !errors.Is(err, net.ErrClosed) {
			u.log.Error("the heartbeat listener has ended: peers take this node for dead", zap.Error(err))
		}
	})
}

// check begins to check this node by itself.
func (u *setup) check(w *wanted) {
	ctx, cancel := context.WithCancel(context.Background())
	u.uncheck, u.checks = cancel, newSelfChecks(w.share.cfg, u.loop.Health)
	u.work.Go(func() { u.checks.run(ctx) })
}

// close ends everything, without another word to anybody.
func (u *setup) close() {
	if u.uncheck != nil {
		u.uncheck()
	}
	if u.own != nil {
		u.own.close()
	}
	if u.loop != nil {
		if err := u.loop.Close(); err != nil {
			u.log.Warn("leaving", zap.Error(err))
		}
	}
	if u.server != nil {
		u.closeServer()
	}
	if u.listener != nil {
		u.listener.Close()
	}
	u.links.prune(nil)
	u.work.Wait()
}

func (u *setup) wanted() *wanted {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.now
}

func (u *setup) probes() *prober {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.prober
}

// label is the name of a service, whose key is passed.
func (u *setup) label(key string) string { return cmp.Or(u.wanted().labels[key], key) }

// bodies is what the node says to its peers.
func (u *setup) bodies() map[string]engine.Body { return u.loop.Bodies() }

// offered takes an offer of a peer.
func (u *setup) offered(service string, o engine.Offer) { u.loop.Offered(service, o) }

// decided takes a decision in.
func (u *setup) decided(service string, t engine.Tell) { u.tell(u.label(service), t) }

// alive reports whether another instance answers heartbeats, or may be about to.
func (u *setup) alive(instance string) bool {
	for _, s := range u.loop.Status().Services {
		for i := range s.State.Peers {
			p := &s.State.Peers[i]
			unheard := !p.Known && !p.Gone && p.Misses < s.Settings.Fall
			if unheard || p.Up && p.Body.Instance == instance {
				return true
			}
		}
	}
	return false
}

// Witness implements [Prober].
func (u *setup) Witness(ctx context.Context, service string, home engine.Reading) bool {
	return u.probes().Witness(ctx, service, home)
}

// Control implements [Prober].
func (u *setup) Control(ctx context.Context, service string) bool {
	return u.probes().Control(ctx, service)
}

// Foreign implements [Prober].
func (u *setup) Foreign(ctx context.Context, service, target string, r engine.Reading) bool {
	return u.probes().Foreign(ctx, service, target, r)
}
