package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// links are the clients of all peers, by their addresses: the [Network] of a setup.
type links struct {
	mu sync.Mutex
	to map[string]*peerLink
}

type peerLink struct {
	*PeerClient
	ended   chan struct{}
	timeout time.Duration
}

var (
	_ Network = (*links)(nil)

	errNoPeer  = errors.New("this is no peer any more")
	errNotRuns = errors.New("the service points at this instance, and EC2 says that it does not run")
)

// set makes clients for peers that have none, and gives the others this node's present name and secrets.
func (l *links) set(w *wanted) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.to == nil {
		l.to = map[string]*peerLink{}
	}
	timeout := time.Duration(w.share.cfg.Heartbeat.Timeout)
	for _, peer := range w.peers {
		if old := l.to[peer]; old != nil && old.timeout == timeout {
			if err := old.Reconfigure(w.who); err != nil {
				return err
			}
			continue
		}
		ended := make(chan struct{}, 1)
		c, err := NewPeerClient(peer, w.who, PeerClientOptions{Timeout: timeout, Ended: func() {
			select {
			case ended <- struct{}{}:
			default:
			}
		}})
		if err != nil {
			return err
		}
		if old := l.to[peer]; old != nil {
			go func() { _ = old.Close() }() // after what is being asked; it has no error
		}
		l.to[peer] = &peerLink{c, ended, timeout}
	}
	return nil
}

// prune closes the clients of peers that are none any more.
func (l *links) prune(peers []string) {
	var gone []*peerLink
	l.mu.Lock()
	for peer, old := range l.to {
		if !slices.Contains(peers, peer) {
			gone = append(gone, old)
			delete(l.to, peer)
		}
	}
	l.mu.Unlock()
	for _, old := range gone {
		_ = old.Close() // after what is being asked; it has no error
	}
}

func (l *links) peer(address string) *peerLink {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to[address]
}

// Ask implements [Network].
func (l *links) Ask(ctx context.Context, peer string) (PeerAnswer, engine.Reply, error) {
	c := l.peer(peer)
	switch {
	case c == nil && instanceID.MatchString(peer):
		return PeerAnswer{}, engine.Silent, fmt.Errorf("asking the peer %s: %w", peer, errNotRuns)
	case c == nil:
		return PeerAnswer{}, engine.Silent, fmt.Errorf("asking the peer %s: %w", peer, errNoPeer)
	}
	return c.Ask(ctx)
}

// Ended implements [Network].
func (l *links) Ended(peer string) <-chan struct{} {
	if c := l.peer(peer); c != nil {
		return c.ended
	}
	return nil
}

// Offer implements [Network].
func (l *links) Offer(ctx context.Context, peer, service string, o engine.Offer) error {
	c := l.peer(peer)
	if c == nil {
		return fmt.Errorf("offering to the peer %s: %w", peer, errNoPeer)
	}
	return c.Offer(ctx, service, o)
}
