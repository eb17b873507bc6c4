package dnsfailover

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// Stop offers what this node holds to the peers, and returns when they have it, or nobody wants it. What it does not hold it
// does not wait for, but for a claim of its own that is under way: that one may succeed, and is then offered, too. The loop
// goes on until [Loop.Close], so that the peers see that this node is leaving, and no configuration is loaded any more.
//
// Handed are the services, sorted by name, that this node held when it was first stopped, or got by such a claim, and that
// another node has now: clients may go on coming here for a while. They are also told if there is an error, which is that of
// ctx if it ends before all is done, or [ErrClosed].
func (l *Loop) Stop(ctx context.Context) (handed []string, err error) {
	var services map[string]*service
	ran := l.do(func() {
		l.stopping = true
		for _, s := range l.services {
			l.step(s, engine.Command{What: engine.Stop})
		}
		services = maps.Clone(l.services)
	})
	if !ran {
		return nil, ErrClosed
	}
	for _, s := range services {
		select {
		case <-s.left:
		case <-ctx.Done():
		case <-l.ctx.Done():
			return nil, ErrClosed
		}
	}
	var kept []string
	ran = l.do(func() {
		for _, name := range slices.Sorted(maps.Keys(services)) {
			s := services[name]
			if s.handedOver() {
				handed = append(handed, name)
			}
			if !s.isLeft {
				kept = append(kept, name)
			}
		}
	})
	switch {
	case !ran:
		return nil, ErrClosed
	case len(kept) > 0:
		return handed, fmt.Errorf("waiting for a peer to take %s: %w; the peers take it when this process has ended",
			strings.Join(kept, ", "), ctx.Err())
	}
	return handed, nil
}

// handedOver reports whether another node has what this one held when it was stopped: the target says so, or that node does,
// and the target has not been read since.
func (s *service) handedOver() bool {
	if !s.held || s.state.Role == engine.Active {
		return false
	}
	holder := s.state.Holder(s.cfg)
	return holder != "" && holder != s.cfg.Node ||
		slices.ContainsFunc(s.state.Peers, func(p engine.PeerState) bool { return p.Up && p.Body.Active })
}
