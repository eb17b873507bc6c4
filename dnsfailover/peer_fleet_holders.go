package dnsfailover

import (
	"context"
	"slices"

	"go.uber.org/zap"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

// follow asks for these instances by their ids, and for no others.
func (f *fleetPeers) follow(ids []string) {
	for id, w := range f.holders {
		if !slices.Contains(ids, id) {
			w.close()
			delete(f.holders, id)
		}
	}
	for _, id := range ids {
		if f.holders[id] != nil || f.stopped() {
			continue
		}
		q, err := f.query.oneQuery(id)
		if err != nil { // it differs from the one that was checked by a filter alone
			f.log.Error("looking for the holder of a service", zap.String("instance", id), zap.Error(err))
			continue
		}
		f.log.Info("a record names an instance that is none of the nodes; EC2 is asked whether it runs", zap.String("instance", id))
		f.holders[id] = f.watch(q, fleet.Options{Refresh: f.options.Refresh})
	}
}

// whereabouts is where an instance outside of the fleet is asked, and false if EC2 says that it does not run. While EC2 has not
// said anything it is where it was.
func (f *fleetPeers) whereabouts(ctx context.Context, id string) (where string, runs bool) {
	w := f.holders[id]
	if w == nil {
		return f.last[id], true
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	select {
	case <-ctx.Done():
	case <-f.ended:
	case <-w.first:
	}
	switch s := w.State(); {
	case s.Origin != fleet.API:
		return f.last[id], true
	case len(s.Instances) == 0:
		return "", false
	default:
		return f.query.addressOf(s.Instances[0]), true
	}
}

// holders are the instances that the targets of a setup name, by service. What a target that has not been read yet named before
// counts until it is.
func (u *setup) holders(context.Context) map[string][]string {
	all, before := map[string][]string{}, u.wanted().holders
	for key, s := range u.loop.Status().Services {
		for i := range s.Targets {
			if !s.Targets[i].Known {
				all[key] = slices.Clone(before[key])
			}
		}
		for i := range s.Targets {
			if s.Targets[i].Known {
				all[key] = named(all[key], &s.Targets[i].Reading)
			}
		}
	}
	return all
}

// readHolders is for a node that begins. Without it, it would take a peer that it has not heard yet, such as a machine that
// starts, for the holder that it does not know. What can't be read now is read by the rules later.
func (s *share) readHolders(ctx context.Context) map[string][]string {
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	all := map[string][]string{}
	for i := range s.cfg.Services {
		c := &s.cfg.Services[i]
		for _, r := range c.Records {
			t, err := s.target(r.at())
			if err != nil {
				continue
			}
			if reading, err := t.Read(ctx); err == nil {
				all[c.key()] = named(all[c.key()], &reading)
			}
		}
		if c.ElasticIP == nil {
			continue
		}
		t, err := s.elasticIP(ctx, c.ElasticIP)
		if err != nil {
			continue
		}
		if reading, err := t.ElasticIP.Read(ctx); err == nil {
			all[c.key()] = named(all[c.key()], &reading)
		}
	}
	return all
}

// named adds the instances that a reading names: the holder, or all members.
func named(ids []string, r *engine.Reading) []string {
	found := []string{r.Lease.Instance, r.Instance}
	for _, m := range r.Lease.List() {
		found = append(found, m.Instance)
	}
	for _, id := range found {
		if r.Exists && id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}
