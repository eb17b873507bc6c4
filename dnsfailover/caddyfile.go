package dnsfailover

import (
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// UnmarshalCaddyfile reads
//
//	dnsfailover {
//		node      <name>
//		instance  <id>
//		address {
//			private <address> | none
//			public  <address> | none
//			ipv6    <address> | none
//		}
//		heartbeat {
//			listen       <address:port>
//			interval     <duration>
//			timeout      <duration>
//			fall         <count>
//			rise         <count>
//			secret_file  <files...>
//			secret       <placeholders...>
//			allow_public
//		}
//		peers      <host[:port]...>
//		peers      ec2 {
//			tag         <key> <values...>
//			asg         <names...>
//			filter      <name> <values...>
//			port        <port>
//			address     private | ipv6 | public
//			refresh     <duration>
//			region      <name>
//			profile     <name>
//			role_arn    <arn>
//			external_id <id>
//			endpoint    <url>
//		}
//		self_check <url> | tcp <host:port> {
//			dial     <host:port>
//			interval <duration>
//			timeout  <duration>
//			fall     <count>
//			rise     <count>
//			tls_ca   <file>
//		}
//		reference  <url> | own_address
//		dns        route53 { <its options, such as hosted_zone_id> } | <provider> { <its options> }
//		dns_pause  <duration>
//		register <name> {
//			ttl        <duration>
//			address    public | private
//			deregister on_stop | never
//			reap_after <duration> | never
//			zone_id    <id>
//		}
//		service <name> {
//			mode one | all
//			record <name> {
//				ttl     <duration>
//				address public | private
//				zone_id <id>
//				zone    <name>
//			}
//			elastic_ip <eipalloc-id> | <address> {
//				private_ip  auto | <address>
//				interface   device <index> | <eni-id>
//				region      <name>
//				profile     <name>
//				role_arn    <arn>
//				external_id <id>
//				endpoint    <url>
//			}
//			witness <url> {
//				tls_ca <file>
//			}
//			foreign_check <url> | tcp :<port> | ping
//			prefer        <nodes...>
//			failback      never | after <duration>
//			hold_down     <duration>
//			linger        <duration>
//		}
//		hand_over  <duration>
//	}
//
// peers with hosts, self_check, register, service, record, secret_file, secret, tag, asg and filter may be given more than once. Blocks with nothing in them
// may be left out.
func (c *Config) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // dnsfailover
	if d.NextArg() {
		return d.Errf("dnsfailover takes its options in a block, not %q behind its name", d.Val())
	}
	begin := *d // errors about the whole name its first line
	var placeholders bool
	p := &blockParser{Dispenser: d, placeholders: &placeholders}
	if _, err := p.block("dnsfailover", c.readOption); err != nil {
		return err
	}
	// What is wrong with the whole is said here too, where the line is known. Placeholders have no value yet.
	if placeholders {
		return nil
	}
	whole, err := c.clone()
	if err == nil {
		err = whole.prepare()
	}
	if err != nil {
		return begin.Errf("dnsfailover: %v", err)
	}
	return nil
}

func (c *Config) readOption(p *blockParser, option string) error {
	switch option {
	case "peers":
		return c.readPeers(p)
	case "self_check":
		return c.readSelfCheck(p)
	case "register":
		return c.readRegister(p)
	case "service":
		return c.readService(p)
	}
	if err := p.once(option); err != nil {
		return err
	}
	switch option {
	case "node":
		return p.text(option, "<name>", &c.Node)
	case "instance":
		return p.text(option, "<id>", &c.Instance)
	case "address":
		c.Address = new(Addresses)
		return p.needBlock(option, c.Address.readOption, "private 10.0.1.4")
	case "heartbeat":
		c.Heartbeat = new(HeartbeatConfig)
		return p.needBlock(option, c.Heartbeat.readOption, "secret_file /etc/caddy/failover.key")
	case "reference":
		return p.text(option, "<url> | own_address", &c.Reference)
	case "dns":
		return c.readDNS(p)
	case "dns_pause":
		return p.duration(option, span{minDNSPause, maxDNSPause}, &c.DNSPause)
	case "hand_over":
		return p.duration(option, span{minHandOver, maxHandOver}, &c.HandOver)
	}
	return p.unknown(option)
}

func (a *Addresses) readOption(p *blockParser, option string) error {
	if err := p.once(option); err != nil {
		return err
	}
	const usage = "<address> | none"
	switch option {
	case "private":
		return p.text(option, usage, &a.Private)
	case "public":
		return p.text(option, usage, &a.Public)
	case "ipv6":
		return p.text(option, usage, &a.IPv6)
	}
	return p.unknown(option)
}

func (h *HeartbeatConfig) readOption(p *blockParser, option string) error {
	switch option {
	case "secret_file":
		return p.list(option, "<files...>", &h.SecretFiles)
	case "secret":
		return p.secrets(option, &h.Secrets)
	}
	if err := p.once(option); err != nil {
		return err
	}
	switch option {
	case "listen":
		return p.text(option, "<address:port>", &h.Listen)
	case "interval":
		return p.duration(option, span{minInterval, maxInterval}, &h.Interval)
	case "timeout":
		return p.duration(option, span{minTimeout, maxInterval / 2}, &h.Timeout)
	case "fall":
		return p.count(option, &h.Fall)
	case "rise":
		return p.count(option, &h.Rise)
	case "allow_public":
		h.AllowPublic = true
		_, err := p.args(option, 0, 0, "alone, without an argument")
		return err
	}
	return p.unknown(option)
}

func (c *Config) readSelfCheck(p *blockParser) error {
	const usage = "<url> | tcp <host:port>"
	args, err := p.head("self_check", 1, 2, usage)
	if err != nil {
		return err
	}
	if tcp := args[0] == "tcp"; tcp != (len(args) == 2) {
		return p.Errf("self_check: expected self_check %s", usage)
	}
	s := SelfCheck{URL: args[0]}
	if len(args) == 2 {
		s = SelfCheck{TCP: args[1]}
	}
	_, err = p.block("self_check", s.readOption)
	c.SelfChecks = append(c.SelfChecks, s)
	return err
}

func (s *SelfCheck) readOption(p *blockParser, option string) error {
	if err := p.once(option); err != nil {
		return err
	}
	switch option {
	case "dial":
		return p.text(option, "<host:port>", &s.Dial)
	case "interval":
		return p.duration(option, span{minInterval, maxInterval}, &s.Interval)
	case "timeout":
		return p.duration(option, span{minTimeout, maxInterval}, &s.Timeout)
	case "fall":
		return p.count(option, &s.Fall)
	case "rise":
		return p.count(option, &s.Rise)
	case "tls_ca":
		return p.text(option, "<file>", &s.TLSCA)
	}
	return p.unknown(option)
}

func (c *Config) readRegister(p *blockParser) error {
	args, err := p.head("register", 1, 1, "<name>")
	if err != nil {
		return err
	}
	r := OwnName{Name: args[0]}
	_, err = p.block("register", r.readOption)
	c.Register = append(c.Register, r)
	return err
}

func (r *OwnName) readOption(p *blockParser, option string) error {
	if err := p.once(option); err != nil {
		return err
	}
	switch option {
	case "ttl":
		return p.duration(option, span{minTTL, maxTTL}, &r.TTL)
	case "address":
		return p.word(option, &r.Address, addressPublic, addressPrivate)
	case "deregister":
		return p.word(option, &r.Deregister, "on_stop", "never")
	case "reap_after":
		return p.durationOr(option, "never", neverReap, span{minReap, maxReap}, &r.ReapAfter)
	case "zone_id":
		return p.text(option, "<id>", &r.ZoneID)
	}
	return p.unknown(option)
}

func (c *Config) readService(p *blockParser) error {
	args, err := p.head("service", 1, 1, "<name>")
	if err != nil {
		return err
	}
	s := ServiceConfig{Name: args[0]}
	if p.seen["service "+s.Name] {
		return p.Errf("service %s is given twice; put all of it into one block", s.Name)
	}
	p.seen["service "+s.Name] = true
	n, err := p.block("service", s.readOption)
	if err == nil && n == 0 {
		return p.Errf("service %s takes a block with its options, such as record www.example.com", s.Name)
	}
	c.Services = append(c.Services, s)
	return err
}

func (s *ServiceConfig) readOption(p *blockParser, option string) error {
	if option == "record" {
		return s.readRecord(p)
	}
	if err := p.once(option); err != nil {
		return err
	}
	switch option {
	case "mode":
		return p.word(option, &s.Mode, modeOne, modeAll)
	case "elastic_ip":
		return s.readElasticIP(p)
	case "witness":
		return s.readWitness(p)
	case "foreign_check":
		const usage = "<url> | tcp :<port> | ping"
		args, err := p.args(option, 1, 2, usage)
		if err != nil {
			return err
		}
		if tcp := args[0] == "tcp"; tcp != (len(args) == 2) {
			return p.Errf("foreign_check: expected foreign_check %s", usage)
		}
		s.ForeignCheck = strings.Join(args, " ")
		return nil
	case "prefer":
		return p.list(option, "<nodes...>", &s.Prefer)
	case "failback":
		return s.readFailback(p)
	case "hold_down":
		return p.duration(option, span{minFailback, maxHoldDown}, &s.HoldDown)
	case "linger":
		if err := p.duration(option, span{0, maxLinger}, &s.Linger); err != nil {
			return err
		}
		if s.Linger == 0 {
			s.Linger = noLinger
		}
		return nil
	}
	return p.unknown(option)
}

func (s *ServiceConfig) readRecord(p *blockParser) error {
	args, err := p.head("record", 1, 1, "<name>")
	if err != nil {
		return err
	}
	r := ServiceRecord{Name: args[0]}
	_, err = p.block("record", func(p *blockParser, option string) error {
		if err := p.once(option); err != nil {
			return err
		}
		switch option {
		case "ttl":
			return p.duration(option, span{minTTL, maxTTL}, &r.TTL)
		case "address":
			return p.word(option, &r.Address, addressPublic, addressPrivate)
		case "zone_id":
			return p.text(option, "<id>", &r.ZoneID)
		case "zone":
			return p.text(option, "<name>", &r.Zone)
		}
		return p.unknown(option)
	})
	s.Records = append(s.Records, r)
	return err
}

func (s *ServiceConfig) readWitness(p *blockParser) error {
	args, err := p.head("witness", 1, 1, "<url>")
	if err != nil {
		return err
	}
	s.Witness = args[0]
	_, err = p.block("witness", func(p *blockParser, option string) error {
		if err := p.once(option); err != nil {
			return err
		}
		if option == "tls_ca" {
			return p.text(option, "<file>", &s.WitnessCA)
		}
		return p.unknown(option)
	})
	return err
}

func (s *ServiceConfig) readFailback(p *blockParser) error {
	const usage = "never | after <duration>"
	args, err := p.args("failback", 1, 2, usage)
	if err != nil {
		return err
	}
	switch {
	case len(args) == 1 && args[0] == "never":
		return nil
	case len(args) == 2 && args[0] == "after":
	default:
		return p.Errf("failback: expected failback %s", usage)
	}
	d, err := p.parseDuration("failback after", args[1])
	if err != nil {
		return err
	}
	if err := (span{minFailback, maxFailback}).check(d); err != nil {
		return p.Errf("failback after: %v", err)
	}
	s.Failback = caddy.Duration(d)
	return nil
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Config)(nil)
