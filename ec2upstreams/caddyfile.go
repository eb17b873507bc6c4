package ec2upstreams

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
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
// Every option but tag, filter, asg and or may be given once.
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

// poolParser reads the options of one pool. seen is for those that may be given once.
type poolParser struct {
	*caddyfile.Dispenser
	pool         *Pool
	seen         map[string]bool
	placeholders bool
}

// args returns the option's arguments, at least min and at most max of them, and refuses a block behind them.
func (p *poolParser) args(option string, min, max int, usage string) ([]string, error) {
	args := p.RemainingArgs()
	if len(args) < min || len(args) > max {
		return nil, p.Errf("%s: expected %s %s", option, option, usage)
	}
	for _, a := range args {
		p.placeholders = p.placeholders || strings.Contains(a, "{")
	}
	return args, nil
}

// once refuses a second time.
func (p *poolParser) once(option string) error {
	if p.seen[option] {
		return p.Errf("duplicate option %s", option)
	}
	p.seen[option] = true
	return nil
}

const unlimited = 1 << 20

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
		return p.duration(option, &p.pool.Refresh)
	case "slow_start":
		return p.duration(option, &p.pool.SlowStart)
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
	return p.Errf("unknown option %s in dynamic ec2", option)
}

func (p *poolParser) text(option, usage string, to *string) error {
	args, err := p.args(option, 1, 1, usage)
	if err != nil {
		return err
	}
	if args[0] == "" {
		return p.Errf("%s is empty", option)
	}
	*to = args[0]
	return nil
}

func (p *poolParser) duration(option string, to *caddy.Duration) error {
	args, err := p.args(option, 1, 1, "<duration>")
	if err != nil {
		return err
	}
	d, err := caddy.ParseDuration(args[0])
	if err != nil {
		return p.Errf("%s %s is not a duration, such as 500ms, 10s or 5m", option, args[0])
	}
	if d <= 0 {
		return p.Errf("%s %s is not above zero", option, args[0])
	}
	*to = caddy.Duration(d)
	return nil
}

func (p *poolParser) number(option, value string, to *int) error {
	n, err := strconv.Atoi(value)
	if err != nil {
		return p.Errf("%s: %s is not a number", option, value)
	}
	if n < 1 {
		return p.Errf("%s: %d is not 1 or more", option, n)
	}
	*to = n
	return nil
}

// selection reads tag, asg and filter, which may be given more than once.
func (p *poolParser) selection(option string) error {
	if option == "asg" {
		args, err := p.args(option, 1, unlimited, "<names...>")
		p.pool.ASG = append(p.pool.ASG, args...)
		return err
	}
	args, err := p.args(option, 2, unlimited, "<name> <values...>")
	if err != nil {
		return err
	}
	to := &p.pool.Tags
	if option == "filter" {
		to = &p.pool.Filters
	}
	if *to == nil {
		*to = make(map[string][]string)
	}
	if _, twice := (*to)[args[0]]; twice {
		return p.Errf("%s %s is given twice: all values of it go on one line, any of them then matches", option, args[0])
	}
	(*to)[args[0]] = args[1:]
	return nil
}

func (p *poolParser) port() error {
	args, err := p.args("port", 1, 3, "<port> | tag <key> [<default port>]")
	if err != nil {
		return err
	}
	if args[0] == "tag" && len(args) > 1 {
		p.pool.PortTag = args[1]
		args = args[2:]
		if len(args) == 0 {
			return nil
		}
	}
	if len(args) != 1 {
		return p.Errf("port: expected port <port> | tag <key> [<default port>]")
	}
	return p.number("port", args[0], &p.pool.Port)
}

func (p *poolParser) address() error {
	args, err := p.args("address", 1, 2, "private | public | ipv6 | tag <key>")
	if err != nil {
		return err
	}
	if (len(args) == 2) != (args[0] == "tag") {
		return p.Errf("address: expected address private | public | ipv6 | tag <key>")
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
			percent, err := strconv.ParseFloat(share, 64)
			if err != nil || !(percent > 0 && percent <= 100) {
				return p.Errf("zone prefer: %s is not a share above 0%% and up to 100%%", a)
			}
			z.Share = percent / 100
		case !isShare && z.Zone == "":
			z.Zone = a
		default:
			return p.Errf("zone: expected zone %s", usage)
		}
	}
	return nil
}

func (p *poolParser) drain() error {
	args, err := p.args("drain", 1, 2, "tag <key> | <key>=<value>")
	if err != nil {
		return err
	}
	if len(args) == 2 && args[0] == "tag" {
		p.pool.DrainTag = args[1]
		return nil
	}
	key, value, ok := strings.Cut(args[0], "=")
	if !ok || key == "" || value == "" || len(args) != 1 {
		return p.Errf("drain: expected drain tag <key> | <key>=<value>")
	}
	p.pool.DrainTag, p.pool.DrainValue = key, value
	return nil
}

func (p *poolParser) weight() error {
	args, err := p.args("weight", 2, 3, "tag <key> [<default weight>]")
	if err != nil {
		return err
	}
	if args[0] != "tag" {
		return p.Errf("weight: expected weight tag <key> [<default weight>]")
	}
	p.pool.WeightTag = args[1]
	if len(args) == 3 {
		return p.number("weight", args[2], &p.pool.DefaultWeight)
	}
	return nil
}

func (p *poolParser) health(option string, h *HealthCheck) error {
	switch option {
	case "health_tcp", "health_follow_redirects":
		if _, err := p.args(option, 0, 0, "(no argument)"); err != nil {
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
		return p.duration(option, &h.Interval)
	case "health_timeout":
		return p.duration(option, &h.Timeout)
	case "health_headers":
		return p.headers(h)
	case "health_port", "health_passes", "health_fails":
		args, err := p.args(option, 1, 1, "<number>")
		if err != nil {
			return err
		}
		to := map[string]*int{"health_port": &h.Port, "health_passes": &h.Passes, "health_fails": &h.Fails}[option]
		return p.number(option, args[0], to)
	}
	return p.Errf("unknown option %s in dynamic ec2", option)
}

func (p *poolParser) headers(h *HealthCheck) error {
	if _, err := p.args("health_headers", 0, 0, "{ <name> <values...> }"); err != nil {
		return err
	}
	h.Headers = make(http.Header)
	for nesting := p.Nesting(); p.NextBlock(nesting); {
		name := p.Val()
		values, err := p.args("health_headers", 1, unlimited, "{ <name> <values...> }")
		if err != nil {
			return err
		}
		for _, v := range values {
			h.Headers.Add(name, v)
		}
	}
	if len(h.Headers) == 0 {
		return p.Errf("health_headers: the block is empty")
	}
	return nil
}

func (p *poolParser) subset(u *Upstreams) error {
	if err := p.once("subset"); err != nil {
		return err
	}
	args := p.RemainingArgs()
	if len(args) != 1 && (len(args) != 3 || args[1] != "by") {
		return p.Errf("subset: expected subset <n> [by <placeholder>]")
	}
	if len(args) == 3 {
		if !strings.HasPrefix(args[2], "{") || !strings.HasSuffix(args[2], "}") {
			return p.Errf("subset by %s: expected a placeholder, such as {http.request.cookie.session}", args[2])
		}
		u.SubsetBy = args[2]
	}
	return p.number("subset", args[0], &u.Subset)
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
		return p.Errf("fail_open %s: expected fail_open on | off", args[0])
	}
	on := args[0] == "on"
	u.FailOpen = &on
	return nil
}

func (p *poolParser) or(u *Upstreams) error {
	args := p.RemainingArgs()
	var f Fallback
	switch {
	case len(args) > 1 && args[0] == "static":
		for _, a := range args[1:] {
			p.placeholders = p.placeholders || strings.Contains(a, "{")
		}
		f.Static = args[1:]
	case len(args) > 0:
		return p.Errf("or: expected or { <options of another pool> } | static <addresses...>")
	default:
		inner := poolParser{Dispenser: p.Dispenser, pool: &f.Pool, seen: make(map[string]bool)}
		empty := true
		for nesting := p.Nesting(); p.NextBlock(nesting); {
			empty = false
			switch option := p.Val(); option {
			case "subset", "fail_open", "or":
				return p.Errf("%s belongs into the dynamic ec2 block itself, not into or", option)
			default:
				if err := inner.option(option); err != nil {
					return err
				}
			}
		}
		if empty {
			return p.Errf("or: the block is empty; name what differs from the pool above, such as tag Role web-backup")
		}
		p.placeholders = p.placeholders || inner.placeholders
	}
	u.Or = append(u.Or, f)
	return nil
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Upstreams)(nil)
