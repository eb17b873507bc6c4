package dnsfailover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
)

// elasticIP is the means to move a service's Elastic IP. It is the same as long as the configuration is.
func (s *share) elasticIP(ctx context.Context, e *ElasticIPConfig) (*checkedAddress, error) {
	if t := s.elastic[e.Address]; t != nil {
		return t, nil
	}
	id, err := awsconf.This.Get(ctx)
	source := e.source()
	if source.Region = cmp.Or(e.Region, id.Region); source.Region == "" {
		return nil, fmt.Errorf("the region of this instance: %w; or give it: elastic_ip %s { region NAME }", err, e.Address)
	}
	cfg, err := source.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("finding the credentials for elastic_ip %s: %w", e.Address, err)
	}
	if e.Endpoint != "" {
		cfg.BaseEndpoint = aws.String(e.Endpoint)
	}
	t, err := NewElasticIP(ElasticIPOptions{
		Config: cfg, Address: e.Address, Instance: s.self.Instance, Interface: e.Interface, Device: e.Device, PrivateIP: e.PrivateIP, Zone: id.Zone,
	})
	if err != nil {
		return nil, err
	}
	if s.elastic == nil {
		s.elastic = map[string]*checkedAddress{}
	}
	s.elastic[e.Address] = &checkedAddress{ElasticIP: t}
	return s.elastic[e.Address], nil
}

// findElastic finds the public addresses of the services' Elastic IPs, which never change. What was known is not asked for again.
// One that can't be found out now is empty, and lacking.
func (w *wanted) findElastic(ctx context.Context, up *setup) {
	var known map[string]string
	if up != nil {
		known = up.wanted().elastic
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	w.elastic = map[string]string{}
	for i := range w.share.cfg.Services {
		c := &w.share.cfg.Services[i]
		if c.ElasticIP == nil {
			continue
		}
		at := c.ElasticIP.Address
		if w.elastic[at] = known[at]; isIPv4(at) {
			w.elastic[at] = at
		}
		if w.elastic[at] == "" {
			var err error
			if w.elastic[at], err = w.share.publicOf(ctx, c.ElasticIP); err != nil {
				w.lacks("service "+c.Name, fmt.Errorf("%w; with the address in place of the id nobody has to be asked for it", err))
			}
		}
		if public, err := netip.ParseAddr(w.elastic[at]); err == nil && public == w.self.Public {
			w.lent, w.self.Public = public, netip.Addr{} // it is not this node's own
		}
	}
}

// publicOf asks EC2 for the address.
func (s *share) publicOf(ctx context.Context, e *ElasticIPConfig) (string, error) {
	t, err := s.elasticIP(ctx, e)
	if err != nil {
		return "", err
	}
	r, err := t.ElasticIP.Read(ctx)
	return r.Addrs, err
}

// addrs are the addresses of a kind that stay with this node, whatever becomes of the Elastic IPs of services. It is an error
// while they are not known, or there is none: what points at it would go on to when the Elastic IP has moved to another node.
func (w *wanted) addrs(kind string) (string, error) {
	if kind == addressPrivate {
		return w.self.addrs(kind)
	}
	if a := w.share.cfg.Address; !w.self.Public.IsValid() && !w.lent.IsValid() && (a == nil || a.Public != addressNone) {
		return "", errors.New("the instance has no public IPv4 address now: associate one, or use the private one: address private; " +
			"if it has IPv6 alone, say so: address { public none }")
	}
	for _, at := range slices.Sorted(maps.Keys(w.elastic)) { // the same error each time is no news
		if w.elastic[at] == "" {
			return "", fmt.Errorf("whether the public address of this node is its own is not known, as long as that of %s is not", at)
		}
	}
	if w.lent.IsValid() {
		return "", fmt.Errorf("the public address of this instance is %s, the Elastic IP of a service, and moves with it: "+
			"assign a secondary private address to the interface, to which the Elastic IP goes then, or use the private one: address private", w.lent)
	}
	return w.self.addrs(kind)
}

// shared is the address that the records of a service hold which has an Elastic IP.
func (w *wanted) shared(c *ServiceConfig) (string, error) {
	public := w.elastic[c.ElasticIP.Address]
	if public == "" {
		return "", errors.New("the address of the Elastic IP is not known yet, and without it nothing is written")
	}
	return public, nil
}

// unique refuses an Elastic IP that an earlier service has, written in another way.
func (w *wanted) unique(c *ServiceConfig) error {
	public := w.elastic[c.ElasticIP.Address]
	for i := range w.share.cfg.Services {
		other := &w.share.cfg.Services[i]
		if other == c {
			break
		}
		if other.ElasticIP != nil && public != "" && w.elastic[other.ElasticIP.Address] == public {
			return fmt.Errorf("it has the Elastic IP of service %s, %s, and each would take it from the other; remove one of them", other.Name, public)
		}
	}
	return nil
}

// lacks notes what keeps a part of the configuration from being run. The first one is told, and tried again.
func (w *wanted) lacks(about string, err error) {
	if w.missing == nil {
		w.missing = &setupError{about, err}
	}
}

// checkElastic finds out from time to time whether this node could move the Elastic IPs.
func (s *share) checkElastic(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	for _, t := range s.elastic {
		t.recheck(ctx)
	}
}
