package ec2upstreams

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// UnmarshalCaddyfile reads
//
//	dynamic ec2 {
//		region      <name>
//		tag         <key> <values...>
//		asg         <names...>
//		filter      <name> <values...>
//		port        <port> | tag <key> [<default port>]
//		address     private | public | ipv6 | tag <key>
//		refresh     <duration>
//		zone        any | prefer [<share>%] [<own zone>]
//		drain       tag <key> | <key>=<value>
//		subset      <n> [by <placeholder>]
//		weight      tag <key> [<default weight>]
//		slow_start  <duration>
//		fail_open   on | off
//		health_uri, health_tcp, health_port, health_interval, health_timeout, health_passes, health_fails,
//		health_status, health_body, health_method, health_request_body, health_follow_redirects
//		health_headers {
//			<name> <values...>
//		}
//		profile     <name>
//		role_arn    <arn>
//		external_id <id>
//		endpoint    <url>
//		or { <any of the above but subset and fail_open> }
//		or static <addresses...>
//	}
//
// Every option but tag, filter, asg and or may be given once. None takes a block but health_headers and or.
func (u *Upstreams) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // ec2
	if d.NextArg() {
		return d.Errf("dynamic ec2 takes its options in a block, not %q behind its name", d.Val())
	}
	begin := *d // errors about the block as a whole name its first line
	p := poolParser{Dispenser: d, pool: &u.Pool, seen: make(map[string]bool)}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		var err error
		switch option {
		case "subset":
			err = p.subset(u)
		case "fail_open":
			err = p.failOpen(u)
		case "or":
			err = p.or(u)
		default:
			err = p.option(option)
		}
		if err != nil {
			return err
		}
	}
	// What is wrong with the whole is said here too, where the line is known. Placeholders have no value yet.
	if p.placeholders {
		return nil
	}
	if _, err := u.tiers(); err != nil {
		return begin.Errf("dynamic ec2: %v", err)
	}
	return nil
}

func (p *poolParser) option(option string) error {
	switch option {
	case "tag", "asg", "filter":
		return p.selection(option)
	}
	if err := p.once(option); err != nil {
		return err
	}
	switch option {
	case "region":
		return p.text(option, "<name>", &p.pool.Region)
	case "profile":
		return p.text(option, "<name>", &p.pool.Profile)
	case "role_arn":
		return p.text(option, "<arn>", &p.pool.RoleARN)
	case "external_id":
		return p.text(option, "<id>", &p.pool.ExternalID)
	case "endpoint":
		return p.text(option, "<url>", &p.pool.Endpoint)
	case "refresh":
		return p.duration(option, minRefresh, &p.pool.Refresh)
	case "slow_start":
		return p.duration(option, minTimeout, &p.pool.SlowStart)
	case "port":
		return p.port()
	case "address":
		return p.address()
	case "zone":
		return p.zone()
	case "drain":
		return p.drain()
	case "weight":
		return p.weight()
	}
	if strings.HasPrefix(option, "health_") {
		if p.pool.Health == nil {
			p.pool.Health = new(HealthCheck)
		}
		return p.health(option, p.pool.Health)
	}
	return p.unknown(option)
}

// selection reads tag, asg and filter, which may be given more than once.
func (p *poolParser) selection(option string) error {
	if option == "asg" {
		args, err := p.args(option, 1, unlimited, "<names...>")
		p.pool.ASG = append(p.pool.ASG, args...)
		return err
	}
	to, usage := &p.pool.Tags, "<key> <values...>"
	if option == "filter" {
		to, usage = &p.pool.Filters, "<name> <values...>"
	}
	args, err := p.values(option, 2, unlimited, usage)
	if err != nil {
		return err
	}
	if *to == nil {
		*to = make(map[string][]string)
	}
	if _, twice := (*to)[args[0]]; twice {
		return p.Errf("%s %s is given twice; put all its values on one line, any of them then matches", option, args[0])
	}
	(*to)[args[0]] = args[1:]
	return nil
}

func (p *poolParser) port() error {
	const usage = "<port> | tag <key> [<default port>]"
	args, err := p.args("port", 1, 3, usage)
	if err != nil {
		return err
	}
	if fromTag := args[0] == "tag"; fromTag != (len(args) > 1) {
		return p.Errf("port: expected port %s", usage)
	} else if fromTag {
		p.pool.PortTag = args[1]
		args = args[2:]
	}
	if len(args) == 0 {
		return nil
	}
	return p.number("port", args[0], maxPort, &p.pool.Port)
}

func (p *poolParser) address() error {
	const usage = "private | public | ipv6 | tag <key>"
	args, err := p.args("address", 1, 2, usage)
	if err != nil {
		return err
	}
	if fromTag := args[0] == "tag"; fromTag != (len(args) > 1) {
		return p.Errf("address: expected address %s", usage)
	}
	p.pool.Address = args[0]
	if len(args) == 2 {
		p.pool.AddressTag = args[1]
	}
	return nil
}

func (p *poolParser) zone() error {
	const usage = "any | prefer [<share>%] [<own zone>]"
	args, err := p.args("zone", 1, 3, usage)
	if err != nil {
		return err
	}
	switch {
	case args[0] == "any" && len(args) == 1:
		p.pool.PreferZone = &ZonePreference{Any: true}
		return nil
	case args[0] != "prefer":
		return p.Errf("zone: expected zone %s", usage)
	}
	z := new(ZonePreference)
	p.pool.PreferZone = z
	for _, a := range args[1:] {
		share, isShare := strings.CutSuffix(a, "%")
		switch {
		case isShare && z.Share == 0 && z.Zone == "":
			z.Share, err = strconv.ParseFloat(share+"e-2", 64) // a division by 100 would round 66.6% twice
			if err != nil || z.Share <= 0 || z.Share > 1 {
				return p.Errf("zone prefer: %s is not a share above 0%% and up to 100%%", a)
			}
		case !isShare && z.Zone == "":
			z.Zone = a
		default:
			return p.Errf("zone: expected zone %s", usage)
		}
	}
	return nil
}

func (p *poolParser) drain() error {
	const usage = "tag <key> | <key>=<value>"
	args, err := p.args("drain", 1, 2, usage)
	if err != nil {
		return err
	}
	if len(args) == 2 && args[0] == "tag" {
		p.pool.DrainTag = args[1]
		return nil
	}
	key, value, ok := strings.Cut(args[0], "=")
	if !ok || key == "" || value == "" || len(args) != 1 {
		return p.Errf("drain: expected drain %s", usage)
	}
	p.pool.DrainTag, p.pool.DrainValue = key, value
	return nil
}

func (p *poolParser) weight() error {
	const usage = "tag <key> [<default weight>]"
	args, err := p.args("weight", 2, 3, usage)
	if err != nil {
		return err
	}
	if args[0] != "tag" {
		return p.Errf("weight: expected weight %s", usage)
	}
	p.pool.WeightTag = args[1]
	if len(args) == 3 {
		return p.number("weight", args[2], maxWeight, &p.pool.DefaultWeight)
	}
	return nil
}

func (p *poolParser) health(option string, h *HealthCheck) error {
	switch option {
	case "health_tcp", "health_follow_redirects":
		if _, err := p.args(option, 0, 0, "alone, without an argument"); err != nil {
			return err
		}
		if option == "health_tcp" {
			h.TCP = true
		} else {
			h.FollowRedirects = true
		}
		return nil
	case "health_uri":
		return p.text(option, "<path and query>", &h.URI)
	case "health_status":
		return p.text(option, "<code, such as 200 or 2xx>", &h.Status)
	case "health_body":
		return p.text(option, "<regular expression>", &h.Body)
	case "health_method":
		return p.text(option, "<method>", &h.Method)
	case "health_request_body":
		return p.text(option, "<text>", &h.RequestBody)
	case "health_interval":
		return p.duration(option, minInterval, &h.Interval)
	case "health_timeout":
		return p.duration(option, minTimeout, &h.Timeout)
	case "health_headers":
		return p.headers(h)
	case "health_port", "health_passes", "health_fails":
		args, err := p.args(option, 1, 1, "<number>")
		if err != nil {
			return err
		}
		switch option {
		case "health_port":
			return p.number(option, args[0], maxPort, &h.Port)
		case "health_passes":
			return p.number(option, args[0], maxCount, &h.Passes)
		default:
			return p.number(option, args[0], maxCount, &h.Fails)
		}
	}
	return p.unknown(option)
}

func (p *poolParser) headers(h *HealthCheck) error {
	if p.NextArg() {
		return p.Errf("health_headers takes a block with a line for each header, not %q behind it", p.Val())
	}
	h.Headers = make(http.Header)
	for nesting := p.Nesting(); p.NextBlock(nesting); {
		name := p.Val()
		values, err := p.values("health_headers "+name, 1, unlimited, "<values...>")
		if err != nil {
			return err
		}
		for _, v := range values {
			h.Headers.Add(name, v)
		}
	}
	if len(h.Headers) == 0 {
		return p.Errf("health_headers takes a block with a line for each header, such as Host www.example.com")
	}
	return nil
}

func (p *poolParser) subset(u *Upstreams) error {
	if err := p.once("subset"); err != nil {
		return err
	}
	const usage = "<n> [by <placeholder>]"
	before := p.placeholders
	args, err := p.args("subset", 1, 3, usage)
	if err != nil {
		return err
	}
	p.placeholders = before // the one behind by is for requests
	if len(args) == 2 || len(args) == 3 && args[1] != "by" {
		return p.Errf("subset: expected subset %s", usage)
	}
	if len(args) == 3 {
		u.SubsetBy = args[2]
	}
	return p.number("subset", args[0], maxSubset, &u.Subset)
}

func (p *poolParser) failOpen(u *Upstreams) error {
	if err := p.once("fail_open"); err != nil {
		return err
	}
	args, err := p.args("fail_open", 1, 1, "on | off")
	if err != nil {
		return err
	}
	if args[0] != "on" && args[0] != "off" {
		return p.Errf("fail_open: expected fail_open on | off, not %s", args[0])
	}
	on := args[0] == "on"
	u.FailOpen = &on
	return nil
}

func (p *poolParser) or(u *Upstreams) error {
	if n := len(u.Or); n > 0 && len(u.Or[n-1].Static) > 0 {
		return p.Errf("or: nothing below or static is ever used; move or static to the end")
	}
	var f Fallback
	if p.NextArg() {
		if p.Val() != "static" {
			return p.Errf("or: expected or { <options of another pool> } | or static <addresses...>, not or %s", p.Val())
		}
		args, err := p.args("or static", 1, unlimited, "<host:port...>")
		if err != nil {
			return err
		}
		for _, a := range args {
			if _, err := staticAddress(a); err != nil && !strings.Contains(a, "{") {
				return p.Errf("or %v", err)
			}
		}
		f.Static = args
		u.Or = append(u.Or, f)
		return nil
	}
	inner := poolParser{Dispenser: p.Dispenser, pool: &f.Pool, seen: make(map[string]bool)}
	empty := true
	for nesting := p.Nesting(); p.NextBlock(nesting); empty = false {
		switch option := p.Val(); option {
		case "subset", "fail_open", "or":
			return p.Errf("%s is for all pools together; move it out of or, into the dynamic ec2 block itself", option)
		default:
			if err := inner.option(option); err != nil {
				return err
			}
		}
	}
	if empty {
		return p.Errf("or takes a block that says what differs from the pool above, such as tag Role web-backup")
	}
	p.placeholders = p.placeholders || inner.placeholders
	u.Or = append(u.Or, f)
	return nil
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Upstreams)(nil)
