package dnsfailover

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
)

// addOwnNames finds out what the names of this node alone are to hold. A node without an address for one does everything else
// all the same.
func (w *wanted) addOwnNames(ctx context.Context) error {
	if len(w.share.cfg.Register) == 0 {
		return nil
	}
	place := w.place(ctx)
	for _, r := range w.share.cfg.Register {
		name, err := w.self.expand(r.Name)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		if name, err = record.Name(name); err != nil {
			return err
		}
		for i := range w.share.cfg.Services {
			c := &w.share.cfg.Services[i]
			if slices.ContainsFunc(c.Records, func(s ServiceRecord) bool { return s.at() == recordAt{r.ZoneID, name} }) {
				return fmt.Errorf("%s is a record of service %s, and can't be this node's own name: write another one", name, c.Name)
			}
		}
		n := ownName{
			Name: name, Zone: r.ZoneID, TTL: int(time.Duration(r.TTL) / time.Second),
			OnStop: r.Deregister == "on_stop", Node: w.self.Node, Instance: w.self.Instance, Place: place,
		}
		if n.Addrs, err = w.addrs(r.Address); err != nil {
			n.Why = err.Error()
		}
		w.own = append(w.own, n)
	}
	return nil
}

// place is where EC2 knows this instance, in the form of [ownName].Place. Only nodes that are found through EC2 need it.
func (w *wanted) place(ctx context.Context) string {
	if w.share.cfg.PeersEC2 == nil {
		return ""
	}
	id, err := awsconf.This.Get(ctx)
	if err != nil || id.InstanceID != w.self.Instance || id.Region == "" || id.AccountID == "" {
		return ""
	}
	return id.Region + ":" + id.AccountID
}

// movesAddress reports whether there is an Elastic IP, with which the public address of a node may come and go.
func (c *Config) movesAddress() bool {
	return slices.ContainsFunc(c.Services, func(s ServiceConfig) bool { return s.ElasticIP != nil })
}
