package dnsfailover

import (
	"context"
	"errors"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

// What reap_after can be, and is by default.
const (
	defaultReap = 24 * time.Hour
	minReap     = time.Hour // between two looks, of which there must be some
	maxReap     = 365 * 24 * time.Hour
	neverReap   = -1
)

// canReap reports whether the names that other nodes have by the pattern of an own name can be reaped.
func (c *Config) canReap(name string) bool {
	return c.PeersEC2 != nil && instancePlaceholder.MatchString(name)
}

func (c *Config) checkReap(r *OwnName) error {
	switch {
	case r.ReapAfter == 0, r.ReapAfter == neverReap:
		return nil
	case c.PeersEC2 == nil:
		return errors.New("it needs peers ec2: only EC2 can say that a node will not come back; write peers ec2 { tag … }, or remove it")
	case !instancePlaceholder.MatchString(r.Name):
		return errors.New("the name has no placeholder, so those of other nodes can't be told by it: write {node}.example.com, or remove it")
	}
	return span{minReap, maxReap}.check(time.Duration(r.ReapAfter))
}

// reaping is what is to be reaped, or nil.
func (u *setup) reaping(w *wanted) *reaping {
	f := w.share.fleet
	if f == nil || f.all == nil {
		return nil
	}
	r := &reaping{
		access: w.share.access, instance: w.self.Instance,
		turn: func() bool { return u.reaps(w) },
		here: func(id string) bool { return u.alive(id) || f.has(id) },
		states: func(ctx context.Context, ids []string) (map[string]string, error) {
			return fleet.States(ctx, f.query.source(), ids)
		},
	}
	for i, c := range w.share.cfg.Register {
		if c.ReapAfter > 0 {
			r.place = w.own[i].Place
			r.names = append(r.names, reapName{w.own[i], c.Name, time.Duration(c.ReapAfter)})
		}
	}
	if len(r.names) == 0 {
		return nil
	}
	return r
}

// reaps reports whether this node is the one that reaps: the active one of the first service, of several the first by name; without
// services, the first one that EC2 shows.
func (u *setup) reaps(w *wanted) bool {
	if len(w.share.cfg.Services) == 0 {
		ids := w.share.fleet.running()
		return len(ids) > 0 && ids[0] == w.self.Instance
	}
	s := u.loop.Status().Services[w.share.cfg.Services[0].key()]
	if s.State.Role != engine.Active {
		return false
	}
	var members []engine.Member
	if len(s.Targets) > 0 {
		members = s.Targets[0].Reading.Lease.List()
	}
	return len(members) == 0 || members[0].Node == w.self.Node
}
