package dnsfailover

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/expand"
)

// prepare makes the configuration ready for use: it replaces the global placeholders, fills in what has a default and was left
// out, and checks all that can be checked without a network or a file. Its error tells everything that is wrong, in words of the
// Caddyfile. It needs the provider's JSON, which is gone once Caddy has loaded that.
//
// Afterwards every count and duration is set, but failback, of which zero is never; a linger of -1 is none. Peers have their
// ports, records and own names their hosted zones, and names of records the form of [record.Name]. Left as they are: the
// placeholders of the instance, those of the secrets, and the addresses of the node, with the heartbeat's listener, which may be
// empty.
func (c *Config) prepare() error {
	if err := c.replace(); err != nil {
		return err
	}
	c.fill()
	var f faults
	c.checkNode(&f)
	c.checkHeartbeat(&f)
	c.checkPeersEC2(&f)
	for i := range c.SelfChecks {
		c.SelfChecks[i].check(&f, c.SelfChecks[:i])
	}
	if c.Reference != "" && c.Reference != referenceOwn {
		if err := checkURL(c.Reference); err != nil {
			f.add("reference: %w; or write %s", err, referenceOwn)
		}
	}
	f.of("hand_over", span{minHandOver, maxHandOver}.check(time.Duration(c.HandOver)))
	c.checkNames(&f)
	c.checkElasticIPs(&f)
	for i := range c.Services {
		c.Services[i].check(&f, time.Duration(leastHoldDown(c.Heartbeat)))
	}
	if zone, err := c.checkDNS(&f); err != nil && (c.hasNames() || len(c.DNSRaw) > 0) {
		f.of("dns", err)
	} else if err := c.checkZones(zone); err != nil {
		f = append(f, err)
	}
	c.nameTargets()
	return f.err()
}

// clone returns a copy that shares nothing with c.
func (c *Config) clone() (*Config, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("copying the configuration: %w", err)
	}
	other := new(Config)
	if err := json.Unmarshal(text, other); err != nil {
		return nil, fmt.Errorf("copying the configuration: %w", err)
	}
	return other, nil
}

// replace replaces global placeholders in place. Those of the instance become themselves.
func (c *Config) replace() error {
	repl := caddy.NewReplacer()
	repl.Map(func(key string) (any, bool) {
		text := "{" + key + "}"
		return text, instancePlaceholder.MatchString(text)
	})
	var f faults
	one := func(field, s string) (string, error) {
		if field == "HeartbeatConfig.Secrets" {
			return s, nil
		}
		out, err := s, checkPlaceholders(field, s)
		if err == nil {
			out, err = expand.Global(repl, s)
		}
		if err != nil {
			f = append(f, err)
		}
		return out, nil
	}
	if err := expand.Strings(c, one); err != nil {
		return err
	}
	return f.err()
}

// fill fills in the defaults. What follows from a value that is wrong may be wrong, too.
func (c *Config) fill() {
	if c.Heartbeat == nil {
		c.Heartbeat = new(HeartbeatConfig)
	}
	h := c.Heartbeat
	h.Interval = cmp.Or(h.Interval, caddy.Duration(defaultInterval))
	h.Timeout = cmp.Or(h.Timeout, h.Interval/2)
	h.Fall, h.Rise = cmp.Or(h.Fall, defaultFall), cmp.Or(h.Rise, defaultRise)
	for i, p := range c.Peers {
		if address, err := peerAddress(p); err == nil {
			c.Peers[i] = address
		}
	}
	c.PeersEC2.fill()
	for i := range c.SelfChecks {
		s := &c.SelfChecks[i]
		s.Interval = cmp.Or(s.Interval, h.Interval)
		s.Timeout = cmp.Or(s.Timeout, min(s.Interval, caddy.Duration(maxSelfTimeout)))
		s.Fall, s.Rise = cmp.Or(s.Fall, defaultFall), cmp.Or(s.Rise, defaultRise)
		if u, err := url.Parse(s.URL); s.URL != "" && s.Dial == "" && err == nil {
			port := "443"
			if u.Scheme == "http" {
				port = "80"
			}
			s.Dial = net.JoinHostPort("127.0.0.1", cmp.Or(u.Port(), port))
		}
	}
	if c.advisory() {
		c.DNSPause = cmp.Or(c.DNSPause, caddy.Duration(libdnsPause))
	}
	c.HandOver = cmp.Or(c.HandOver, caddy.Duration(defaultHandOver))
	for i := range c.Register {
		r := &c.Register[i]
		r.TTL = cmp.Or(r.TTL, caddy.Duration(defaultTTL))
		r.Address, r.Deregister = cmp.Or(r.Address, addressPublic), cmp.Or(r.Deregister, "never")
		if r.ReapAfter == 0 && c.canReap(r.Name) {
			r.ReapAfter = caddy.Duration(defaultReap)
		}
	}
	for i := range c.Services {
		s := &c.Services[i]
		for j := range s.Records {
			r := &s.Records[j]
			r.TTL, r.Address = cmp.Or(r.TTL, caddy.Duration(defaultTTL)), cmp.Or(r.Address, addressPublic)
			if name, err := record.Name(r.Name); err == nil {
				r.Name = name
			}
		}
		s.HoldDown = cmp.Or(s.HoldDown, max(caddy.Duration(defaultHoldDown), leastHoldDown(h)))
		if s.ElasticIP != nil {
			s.ElasticIP.PrivateIP = cmp.Or(s.ElasticIP.PrivateIP, privateAuto)
		}
		s.Mode, s.Linger = cmp.Or(s.Mode, modeOne), cmp.Or(s.Linger, s.defaultLinger())
	}
}

// defaultLinger is how long clients may go on to ask the node that they have found before.
func (s *ServiceConfig) defaultLinger() caddy.Duration {
	for i := range s.Records {
		if r := &s.Records[i]; !s.sharedAddress(r) {
			return min(r.TTL, caddy.Duration(maxLinger))
		}
	}
	return caddy.Duration(addressLinger)
}

// sharedAddress reports whether a record holds the Elastic IP.
func (s *ServiceConfig) sharedAddress(r *ServiceRecord) bool {
	return s.ElasticIP != nil && r.Address != addressPrivate
}

// leastHoldDown is when silence can have been noticed after a move (R9, R4). With less, R7 would protect from nothing.
func leastHoldDown(h *HeartbeatConfig) caddy.Duration {
	return caddy.Duration(engine.Settle) + 2*caddy.Duration(h.Fall)*h.Interval
}

func (c *Config) checkNode(f *faults) {
	if c.Node != "" {
		f.of("node", checkName(sampleName(c.Node)))
	}
	if c.Instance != "" {
		f.of("instance", checkName(sampleName(c.Instance)))
	}
	a := c.Address
	if a == nil {
		return
	}
	f.of("address private", checkNodeAddress(addressPrivate, a.Private))
	f.of("address public", checkNodeAddress(addressPublic, a.Public))
	f.of("address ipv6", checkNodeAddress("ipv6", a.IPv6))
}

func (c *Config) checkHeartbeat(f *faults) {
	h := c.Heartbeat
	interval := time.Duration(h.Interval)
	err := span{minInterval, maxInterval}.check(interval)
	f.of("heartbeat interval", err)
	if timeout := time.Duration(h.Timeout); err == nil && (timeout < minTimeout || timeout > interval/2) {
		f.add("heartbeat timeout: %s is not between %s and half the interval, %s", timeout, minTimeout, interval/2)
	}
	f.of("heartbeat fall", checkCount(h.Fall))
	f.of("heartbeat rise", checkCount(h.Rise))
	if h.Listen != "" {
		f.of("heartbeat listen", checkListen(h.Listen, h.AllowPublic))
	} else if c.hasPeers() && c.Address != nil && c.Address.Private == addressNone {
		f.add("heartbeat listen is missing: without a private address there is no default; write heartbeat { listen <address>:8404 }")
	}

	for i, s := range h.Secrets {
		if !secretPlaceholder.MatchString(s) {
			f.of("heartbeat secret", errLiteralSecret)
		} else if slices.Contains(h.Secrets[:i], s) {
			f.add("heartbeat secret %s is given twice; remove one of them", s)
		}
	}
	for i, file := range h.SecretFiles {
		if slices.Contains(h.SecretFiles[:i], file) {
			f.add("heartbeat secret_file %s is given twice; remove one of them", file)
		}
	}
	switch n := len(h.Secrets) + len(h.SecretFiles); {
	case n > MaxPeerSecrets:
		f.add("heartbeat has %d secrets, %d are the most: remove those that no node needs any more", n, MaxPeerSecrets)
	case n == 0 && c.hasPeers():
		f.add("heartbeat secret_file is missing: peers need a secret in common; put what openssl rand -hex 32 prints into a file on each node, " +
			"and write heartbeat { secret_file FILE }")
	}
	for i, p := range c.Peers {
		if _, err := peerAddress(p); err != nil {
			f.of("peers", err)
		} else if slices.ContainsFunc(c.Peers[:i], func(other string) bool { return strings.EqualFold(p, other) }) {
			f.add("peers: %s is given twice; remove one of them", p)
		}
	}
}

func (s *SelfCheck) check(f *faults, before []SelfCheck) {
	name := "self_check " + shown(s.URL)
	switch {
	case s.URL == "" && s.TCP == "":
		f.add("self_check has neither a URL nor a tcp address: write self_check https://www.example.com/healthz")
		return
	case s.URL != "" && s.TCP != "":
		f.add("self_check %s and tcp %s exclude each other: make them two", shown(s.URL), s.TCP)
		return
	case s.URL != "":
		if err := checkURL(s.URL); err != nil {
			f.of("self_check", err)
			return
		}
		f.of(name+" dial", checkHostPort(s.Dial))
		f.of(name+" tls_ca", checkCA(s.TLSCA, s.URL))
	default:
		name = "self_check tcp " + s.TCP
		f.of("self_check tcp", checkHostPort(s.TCP))
		if s.Dial != "" || s.TLSCA != "" {
			f.add("%s takes no dial and no tls_ca: it only connects; remove them, or give a URL", name)
		}
	}
	if slices.ContainsFunc(before, func(b SelfCheck) bool { return b.URL == s.URL && b.TCP == s.TCP && b.Dial == s.Dial }) {
		f.add("%s is given twice; remove one of them", name)
	}
	f.of(name+" interval", span{minInterval, maxInterval}.check(time.Duration(s.Interval)))
	f.of(name+" timeout", span{minTimeout, maxInterval}.check(time.Duration(s.Timeout)))
	f.of(name+" fall", checkCount(s.Fall))
	f.of(name+" rise", checkCount(s.Rise))
}

func (s *ServiceConfig) check(f *faults, leastHoldDown time.Duration) {
	name := "service " + s.Name + ": "
	f.of(name+"mode", oneOf(s.Mode, modeOne, modeAll))
	if s.Mode == modeAll {
		if s.ElasticIP != nil {
			f.add("%smode all has no elastic_ip: an address is with one node at a time; remove one of them", name)
		}
		if len(s.Prefer) > 0 {
			f.add("%smode all has no prefer: all healthy nodes have the service; remove one of them", name)
		}
		if s.Failback != 0 {
			f.add("%smode all has no failback: a node has the service again as soon as it is healthy; remove one of them", name)
		}
	}
	if s.Witness != "" {
		f.of(name+"witness", checkURL(s.Witness))
		f.of(name+"witness tls_ca", checkCA(s.WitnessCA, s.Witness))
	} else if s.WitnessCA != "" {
		f.add("%switness_ca is for a witness; write witness https://…, or remove it", name)
	}
	if s.ForeignCheck != "" {
		f.of(name+"foreign_check", checkForeign(s.ForeignCheck))
	}
	for i, node := range s.Prefer {
		f.of(name+"prefer", checkName(node))
		if slices.Contains(s.Prefer[:i], node) {
			f.add("%sprefer names %s twice; remove one of them", name, node)
		}
	}
	if s.Failback != 0 {
		f.of(name+"failback after", span{minFailback, maxFailback}.check(time.Duration(s.Failback)))
		if len(s.Prefer) == 0 {
			f.add("%sfailback needs prefer, which names the nodes that get the service back", name)
		}
	}
	if d := time.Duration(s.HoldDown); d < leastHoldDown || d > maxHoldDown {
		f.add("%shold_down: %s is not between %s (10s and twice fall × interval of the heartbeat) and %s", name, d, leastHoldDown, maxHoldDown)
	}
	if s.Linger != noLinger {
		f.of(name+"linger", span{0, maxLinger}.check(time.Duration(s.Linger)))
	}
}
