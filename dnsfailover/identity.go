package dnsfailover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
)

// Self is what this node is called, and where it is reached.
type Self struct {
	// Node and Instance are as in [engine.Settings].
	Node, Instance string

	// Private, Public and IPv6 are the addresses of this node, each the zero Addr if there is none, or if the configuration
	// neither gives nor needs it.
	Private, Public, IPv6 netip.Addr

	// Stale is why this is what the metadata service said earlier: it did not answer this time. Nil if it did, or was not
	// asked.
	Stale error

	values map[string]string // of the placeholders that the configuration has, with their braces
}

// The words of the configuration for addresses.
const (
	addressPublic  = "public"
	addressPrivate = "private"
	addressNone    = "none"

	referenceOwn = "own_address"
)

// addrs are the addresses of a kind, `public` (the default) or `private`, in the form of [engine.Target].Addrs. It is an
// error if there is none, or not the IPv4 one where the configuration does not say that there is none: a record
// without it would be out of reach for most clients.
func (s Self) addrs(kind string) (string, error) {
	if kind == addressPrivate {
		if !s.Private.IsValid() {
			return "", errors.New("this node has no private address: give it in the configuration: address { private 10.0.1.4 }")
		}
		return record.Addrs(s.Private.String())
	}
	var all []string
	for _, a := range []netip.Addr{s.Public, s.IPv6} {
		if a.IsValid() {
			all = append(all, a.String())
		}
	}
	if len(all) == 0 {
		return "", errors.New("this node has neither a public IPv4 nor an IPv6 address: associate an address with the instance, " +
			"give one in the configuration: address { public 198.51.100.4 }, or use the private one: address private")
	}
	return record.Addrs(all...)
}

// has reports whether an address is one of this node.
func (s Self) has(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsValid() && (a == s.Private || a == s.Public || a == s.IPv6)
}

// expand replaces `{node}` and the placeholders of the instance. It knows those that the configuration has where they are
// allowed.
func (s Self) expand(text string) (string, error) {
	var err error
	out := instancePlaceholder.ReplaceAllStringFunc(text, func(found string) string {
		value, ok := s.values[found]
		if !ok && err == nil {
			err = fmt.Errorf("%q: %s has no value here", text, found)
		}
		return value
	})
	return out, err
}

// findSelf finds out who this node is. It asks the instance metadata service only for what the configuration does not say, and
// then anew each time, since addresses change. If the service does not answer, what it said before is good enough; a process
// that never heard of it gets its error. It takes a few seconds at most, and ends with ctx.
func findSelf(ctx context.Context, cfg *Config) (Self, error) {
	return findSelfBy(ctx, cfg, &awsconf.This)
}

func findSelfBy(ctx context.Context, cfg *Config, imds *awsconf.Self) (Self, error) {
	f := selfFinder{cfg: cfg, imds: imds, self: Self{values: map[string]string{}}}
	if cfg.Address != nil {
		f.given = *cfg.Address
	}
	for _, step := range []func(context.Context) error{f.addresses, f.placeholders, f.names, f.checkAddresses} {
		if err := step(ctx); err != nil {
			return Self{}, fmt.Errorf("finding out who this node is: %w", err)
		}
	}
	return f.self, nil
}

// selfFinder is one finding out.
type selfFinder struct {
	cfg   *Config
	given Addresses
	imds  *awsconf.Self
	self  Self

	asked bool
	id    awsconf.Identity
	err   error
}

// identity is what the metadata service says, which is asked once at most.
func (f *selfFinder) identity(ctx context.Context) (awsconf.Identity, error) {
	if f.asked {
		return f.id, f.err
	}
	f.asked = true
	if f.id, f.err = f.imds.Refresh(ctx); f.err == nil {
		return f.id, nil
	}
	// Without an earlier answer it has that error, or ctx has ended.
	if id, err := f.imds.Get(ctx); err == nil {
		f.self.Stale, f.id, f.err = f.err, id, nil
	}
	return f.id, f.err
}

// addresses finds those that are needed. Not even one that is not needed is made up.
func (f *selfFinder) addresses(ctx context.Context) error {
	private, public := f.needed()
	for _, a := range []struct {
		option, given string
		needed        bool
		allowed       func(netip.Addr) bool
		found         func(awsconf.Identity) string
		to            *netip.Addr
	}{
		{"private", f.given.Private, private, netip.Addr.IsValid, func(id awsconf.Identity) string { return id.PrivateIPv4 }, &f.self.Private},
		{"public", f.given.Public, public, netip.Addr.Is4, func(id awsconf.Identity) string { return id.PublicIPv4 }, &f.self.Public},
		{"ipv6", f.given.IPv6, public, netip.Addr.Is6, func(id awsconf.Identity) string { return id.IPv6 }, &f.self.IPv6},
	} {
		text := a.given
		if text == "" && a.needed {
			id, err := f.identity(ctx)
			if err != nil {
				return fmt.Errorf("its %s address: %w; outside EC2 give it in the configuration: address { %s ADDRESS }, or none",
					a.option, err, a.option)
			}
			text = a.found(id)
		}
		if text == "" || text == addressNone {
			continue
		}
		addr, err := netip.ParseAddr(text)
		if addr = addr.Unmap(); err != nil || addr.Zone() != "" || addr.IsUnspecified() || addr.IsMulticast() || !a.allowed(addr) {
			return fmt.Errorf("%q is not an address for: address { %s … }", text, a.option)
		}
		*a.to = addr
	}
	return nil
}

// needed says which addresses the configuration has use for.
func (f *selfFinder) needed() (private, public bool) {
	h := f.cfg.Heartbeat
	private = f.cfg.hasPeers() && h == nil ||
		h != nil && h.Listen == "" && (f.cfg.hasPeers() || len(h.Secrets)+len(h.SecretFiles) > 0)
	public = f.cfg.Reference == referenceOwn
	services, own := f.kinds()
	for _, kind := range slices.Concat(services, own) {
		private, public = private || kind == addressPrivate, public || kind != addressPrivate
	}
	return private, public
}

// kinds are those of the addresses of this node that the records of the services get, and the own names.
func (f *selfFinder) kinds() (services, own []string) {
	for i := range f.cfg.Services {
		s := &f.cfg.Services[i]
		for j := range s.Records {
			if r := &s.Records[j]; !s.sharedAddress(r) {
				services = append(services, cmp.Or(r.Address, addressPublic))
			}
		}
	}
	for _, r := range f.cfg.Register {
		own = append(own, cmp.Or(r.Address, addressPublic))
	}
	return services, own
}

// checkAddresses refuses to go on without an address that is needed. Own names can wait for theirs, and the node does the rest
// meanwhile.
func (f *selfFinder) checkAddresses(context.Context) error {
	services, _ := f.kinds()
	for _, kind := range services {
		if kind == addressPublic && f.cfg.movesAddress() {
			continue // with which it may come and go: only what points at it has to wait
		}
		if kind == addressPublic && !f.self.Public.IsValid() && f.given.Public != addressNone {
			return errors.New("the instance has no public IPv4 address, and names point at it: associate one, " +
				"use the private one: address private, or, if it has IPv6 alone, say so: address { public none }")
		}
		if _, err := f.self.addrs(kind); err != nil {
			return err
		}
	}
	if private, _ := f.needed(); private && !f.self.Private.IsValid() {
		return errors.New("this node has no private address for its heartbeat listener: give one: heartbeat { listen ADDRESS:PORT }")
	}
	if f.cfg.Reference == referenceOwn && !f.cfg.movesAddress() {
		if _, err := f.self.addrs(addressPublic); err != nil {
			return fmt.Errorf("reference %s: %w", referenceOwn, err)
		}
	}
	return nil
}

// names finds what this node and its machine are called.
func (f *selfFinder) names(ctx context.Context) error {
	var err error
	s := &f.self
	if f.cfg.Node != "" {
		if s.Node, err = s.expand(f.cfg.Node); err != nil {
			return fmt.Errorf("node: %w", err)
		}
	}
	if f.cfg.Instance != "" {
		if s.Instance, err = s.expand(f.cfg.Instance); err != nil {
			return fmt.Errorf("instance: %w", err)
		}
	} else {
		id, err := f.identity(ctx)
		if err != nil {
			return fmt.Errorf("its instance id: %w; outside EC2 give one in the configuration, such as: instance {system.hostname}", err)
		}
		s.Instance = id.InstanceID
	}
	s.Node = cmp.Or(s.Node, s.Instance)
	s.values["{node}"] = s.Node
	if err := checkName(s.Instance); err != nil {
		return fmt.Errorf("instance: %w: choose another with: instance NAME", err)
	}
	if err := checkName(s.Node); err != nil {
		return fmt.Errorf("node: %w: choose another with: node NAME", err)
	}
	return nil
}
