package dnsfailover

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/caddy-dns/route53"
	"github.com/libdns/libdns"
	"go.uber.org/zap"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// The modes of services: one node holds it at a time, or each that is healthy.
const (
	modeOne = "one"
	modeAll = engine.ModeAll
)

// share is a configuration's share in the node. What it finds out is the node's goroutine's.
type share struct {
	cfg      *Config
	provider *route53.Provider   // nil if there is none
	other    libdns.RecordGetter // the provider if it is another one, or nil
	log      *zap.Logger
	tell     func(service string, t engine.Tell) // takes a decision in; it may block
	fleet    *fleetPeers                         // nil if EC2 is not asked for peers

	self    *Self // as it was found first
	secrets []PeerSecret
	access  *awsAccess
	targets map[recordAt]Target
	elastic map[string]*checkedAddress // by the address as it is configured
	itself  map[string]bool            // whether a peer was this node when it was last looked up
}

// recordAt is a record in a hosted zone, or in a zone of another provider, which has a name.
type recordAt struct{ zone, name string }

// wanted is what a configuration wants to run at the present addresses of this node.
type wanted struct {
	share    *share
	self     Self
	who      PeerSelf
	peers    []string            // the other nodes
	holders  map[string][]string // instances at which the service of that key points
	gone     map[string][]string // those of them that do not run
	services map[string]Service
	labels   map[string]string // names of the services, by key
	own      []ownName
	elastic  map[string]string // public addresses of the services' Elastic IPs, by those of the configuration; empty if not known
	lent     netip.Addr        // that of them which the metadata service takes for this node's own
	missing  *setupError       // what of it can't be run, or nil
}

// want finds out what is wanted. It asks the metadata service and the resolver, waits for EC2's first answer, and reads
// files, so it ends with ctx. up is what runs, or nil.
func (s *share) want(ctx context.Context, up *setup) (*wanted, *setupError) {
	h := s.cfg.Heartbeat
	if s.secrets == nil && len(h.SecretFiles)+len(h.Secrets) > 0 {
		secrets, err := h.readSecrets()
		if err != nil {
			return nil, &setupError{"secret", err}
		}
		s.secrets = secrets
	}
	self, err := findSelf(ctx, s.cfg)
	if err != nil {
		return nil, &setupError{"identity", err}
	}
	if s.self == nil {
		s.self = &self
	}
	// What a node is called stays until the next configuration, whatever becomes of the tags.
	self.Node, self.Instance, self.values = s.self.Node, s.self.Instance, s.self.values
	if s.access == nil && s.provider != nil {
		a, err := route53Access(ctx, s.provider)
		if err != nil {
			return nil, &setupError{"dns", err}
		}
		s.access = &a
	}
	w := &wanted{share: s, self: self, who: PeerSelf{Node: self.Node, Instance: self.Instance, Secrets: s.secrets}}
	holding := s.readHolders
	if up != nil {
		holding = up.holders
	}
	peers, err := s.fleet.peers(ctx, w, holding)
	if err != nil {
		return nil, &setupError{"peers", err}
	}
	for _, p := range s.cfg.Peers { // those that are written down come first, as they are written
		peers = slices.DeleteFunc(peers, func(found string) bool { return found == p })
	}
	w.findElastic(ctx, up)
	w.peers = s.others(ctx, w.self, slices.Concat(s.cfg.Peers, peers))
	w.addServices(ctx, up)
	if up != nil {
		s.checkElastic(ctx)
	}
	if err := w.addOwnNames(ctx); err != nil {
		return nil, &setupError{"register", err}
	}
	return w, nil
}

// addServices adds those of the configuration. One that can't be run goes on as it is, or does not begin.
func (w *wanted) addServices(ctx context.Context, up *setup) {
	w.services, w.labels = map[string]Service{}, map[string]string{}
	for i := range w.share.cfg.Services {
		c := &w.share.cfg.Services[i]
		one, err := w.service(ctx, c)
		if err != nil {
			w.lacks("service "+c.Name, err)
			if up == nil {
				continue
			}
			old, ok := up.wanted().services[c.key()]
			if !ok {
				continue
			}
			o, n := &old.Settings, &one.Settings
			o.Node, o.Instance, o.Peers, o.Interval = n.Node, n.Instance, n.Peers, n.Interval // which all services have in common
			one = old
		}
		w.services[c.key()], w.labels[c.key()] = one, c.Name
	}
}

// service makes one, with its peers in any case.
func (w *wanted) service(ctx context.Context, c *ServiceConfig) (Service, error) {
	s, h := w.share, w.share.cfg.Heartbeat
	one := Service{
		Settings: engine.Settings{
			Node: w.self.Node, Instance: w.self.Instance, Peers: slices.Concat(w.peers, w.gone[c.key()]),
			Prefer: c.Prefer, Failback: time.Duration(c.Failback), HoldDown: time.Duration(c.HoldDown),
			Interval: time.Duration(h.Interval), Fall: h.Fall, Rise: h.Rise,
			Hash: c.hash(), Mode: c.Mode, Probes: w.probesOf(c),
		},
	}
	var err error
	if one.Targets, err = s.targetsOf(ctx, c); err != nil {
		return one, err
	}
	if c.ElasticIP != nil {
		if err := w.unique(c); err != nil {
			return one, err
		}
	}
	for i := range c.Records {
		r := &c.Records[i]
		t := engine.Target{ID: r.target(), TTL: int(time.Duration(r.TTL) / time.Second), Shared: c.sharedAddress(r)}
		if t.Shared {
			t.Addrs, err = w.shared(c)
		} else {
			t.Addrs, err = w.addrs(r.Address)
		}
		if err != nil {
			return one, fmt.Errorf("%s: %w", r.Name, err)
		}
		one.Settings.Targets = append(one.Settings.Targets, t)
	}
	if c.ElasticIP != nil {
		one.Settings.Targets = append(one.Settings.Targets, engine.Target{ID: c.ElasticIP.Address, Kind: engine.Address})
	}
	return one, nil
}

// same reports whether there is nothing to do on the way from one to the other.
func (w *wanted) same(o *wanted) bool {
	return w.share == o.share && sameSelf(w.self, o.self) && slices.Equal(w.peers, o.peers) && maps.EqualFunc(w.gone, o.gone, slices.Equal) &&
		maps.Equal(w.elastic, o.elastic) && slices.Equal(w.own, o.own) && maps.EqualFunc(w.services, o.services, sameService)
}

// sameService reports whether a service is the same, by the same means.
func sameService(a, b Service) bool {
	return sameSettings(a.Settings, b.Settings) && maps.Equal(a.Targets, b.Targets)
}

// servicesOf are the services as a process runs them.
func (w *wanted) servicesOf(boot string) map[string]Service {
	services := maps.Clone(w.services)
	for key, s := range services {
		s.Settings.Boot = boot
		services[key] = s
	}
	return services
}

// sameSelf reports whether a node is called and reached as before.
func sameSelf(a, b Self) bool {
	return a.Node == b.Node && a.Instance == b.Instance && a.Private == b.Private && a.Public == b.Public && a.IPv6 == b.IPv6
}

// key is what a service is to the engine and to the peers: its home. So its name can change on one node after the other.
func (c *ServiceConfig) key() string {
	if len(c.Records) == 0 {
		return c.ElasticIP.Address
	}
	return c.Records[0].target()
}

// target names a record to the engine and to the peers.
func (r *ServiceRecord) target() string { return cmp.Or(r.id, r.Name) }

func (r *ServiceRecord) at() recordAt { return recordAt{cmp.Or(r.ZoneID, r.Zone), r.Name} }

// nameTargets gives records of the same name in different zones different targets: all but the first get the zone, so that what
// comes later changes no name that the peers know.
func (c *Config) nameTargets() {
	taken := map[string]bool{}
	for i := range c.Services {
		for j := range c.Services[i].Records {
			r := &c.Services[i].Records[j]
			if taken[r.Name] {
				r.id = r.Name + " in " + cmp.Or(r.ZoneID, r.Zone)
			}
			taken[r.Name] = true
		}
	}
}

// hash is that of a service's definition, which is to be the same on all nodes.
func (c *ServiceConfig) hash() string {
	var targets [][3]string
	for _, r := range c.Records {
		targets = append(targets, [3]string{r.Name, cmp.Or(r.ZoneID, r.Zone), r.Address})
	}
	if c.ElasticIP != nil {
		targets = append(targets, [3]string{c.ElasticIP.Address, "", "elastic_ip"})
	}
	if c.Mode == modeAll {
		targets = append(targets, [3]string{modeAll, "", "mode"})
	}
	text, _ := json.Marshal(targets) // strings can be encoded
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:4])
}

// probesOf stands for what is asked about a service. Where Elastic IPs move, so may this node's own address, which is another one then.
func (w *wanted) probesOf(c *ServiceConfig) string {
	text := c.Witness + "\n" + c.WitnessCA + "\n" + w.share.cfg.Reference
	if w.share.cfg.Reference == referenceOwn && len(w.elastic) > 0 {
		text += "\n" + w.self.Public.String()
	}
	return text
}

// targetsOf are the means to read and write what a service has, by the names that the engine knows.
func (s *share) targetsOf(ctx context.Context, c *ServiceConfig) (map[string]Target, error) {
	all := make(map[string]Target, len(c.Records)+1)
	for i := range c.Records {
		r := &c.Records[i]
		t, err := s.target(r.at())
		if err != nil {
			return nil, err
		}
		all[r.target()] = t
	}
	if c.ElasticIP != nil {
		t, err := s.elasticIP(ctx, c.ElasticIP)
		if err != nil {
			return nil, err
		}
		all[c.ElasticIP.Address] = t
	}
	return all, nil
}

// target is the same for the same record as long as the configuration is.
func (s *share) target(at recordAt) (Target, error) {
	if t := s.targets[at]; t != nil {
		return t, nil
	}
	t, err := s.newTarget(at)
	if err != nil {
		return nil, err
	}
	if s.targets == nil {
		s.targets = map[recordAt]Target{}
	}
	s.targets[at] = t
	return t, nil
}

func (s *share) newTarget(at recordAt) (Target, error) {
	if s.other != nil {
		return NewLibDNS(LibDNSOptions{Provider: s.other, Zone: at.zone, Name: at.name, Pause: time.Duration(s.cfg.DNSPause)})
	}
	return NewRoute53(Route53Options{Config: s.access.Config, Zone: at.zone, Name: at.name})
}

// others are peers without this node itself. What can't be looked up now is another node.
func (s *share) others(ctx context.Context, self Self, peers []string) []string {
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	own, port, _ := net.SplitHostPort(s.listenAt(self))
	listen, _ := netip.ParseAddr(own)
	mine := func(a netip.Addr) bool {
		return self.has(a) || a.Unmap() == listen || listen.IsUnspecified() && isLocal(a)
	}
	if s.itself == nil {
		s.itself = map[string]bool{}
	}
	return slices.DeleteFunc(slices.Clone(peers), func(peer string) bool {
		host, at, _ := net.SplitHostPort(peer)
		if at != port {
			return false
		}
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err == nil {
			s.itself[peer] = slices.ContainsFunc(addrs, mine)
		}
		return s.itself[peer]
	})
}

// isLocal reports whether an address is one of this machine's interfaces.
func isLocal(a netip.Addr) bool {
	local, _ := net.InterfaceAddrs() // none is found if they can't be listed
	return slices.ContainsFunc(local, func(l net.Addr) bool {
		p, err := netip.ParsePrefix(l.String())
		return err == nil && p.Addr() == a.Unmap()
	})
}

// lookUpTime bounds looking up the peers' host names.
const lookUpTime = 2 * time.Second

// listenAt is where this node answers its peers.
func (s *share) listenAt(self Self) string {
	return cmp.Or(s.cfg.Heartbeat.Listen, net.JoinHostPort(self.Private.String(), strconv.Itoa(defaultPort)))
}

// notRunning are the instances that stand among the peers although they do not run.
func (w *wanted) notRunning() (ids []string) {
	for _, gone := range w.gone {
		ids = append(ids, gone...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
