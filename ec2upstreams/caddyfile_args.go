package ec2upstreams

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// poolParser reads the options of one pool. seen is for those that may be given once.
type poolParser struct {
	*caddyfile.Dispenser
	pool         *Pool
	seen         map[string]bool
	placeholders bool
}

// args returns the option's arguments, at least min and at most max of them, none of which may be empty.
func (p *poolParser) args(option string, min, max int, usage string) ([]string, error) {
	args, err := p.values(option, min, max, usage)
	if slices.Contains(args, "") {
		return nil, p.Errf("%s: \"\" says nothing; expected %s %s", option, option, usage)
	}
	return args, err
}

// values is args for options with values that may be empty. It refuses a block behind them: what is in it would
// otherwise be taken for options of the pool.
func (p *poolParser) values(option string, min, max int, usage string) ([]string, error) {
	var args []string
	for p.NextArg() {
		if p.Val() == "}" && !p.Token().Quoted() {
			return nil, p.Errf("%s: the closing brace must stand on a line of its own", option)
		}
		p.placeholders = p.placeholders || strings.Contains(p.Val(), "{")
		args = append(args, p.Val())
	}
	if len(args) < min || len(args) > max {
		return nil, p.Errf("%s: expected %s %s", option, option, usage)
	}
	if next := *p.Dispenser; next.Next() && next.Val() == "{" {
		return nil, p.Errf("%s takes no block; remove the brace behind it", option)
	}
	return args, nil
}

// once refuses a second time.
func (p *poolParser) once(option string) error {
	if p.seen[option] {
		return p.Errf("%s is given twice; remove one of them", option)
	}
	p.seen[option] = true
	return nil
}

// unknown names what could have been meant.
func (p *poolParser) unknown(option string) error {
	known := "region, tag, asg, filter, port, address, refresh, zone, drain, subset, weight, slow_start, fail_open, health_..., " +
		"profile, role_arn, external_id, endpoint, or"
	if strings.HasPrefix(option, "health_") {
		known = "health_uri, health_tcp, health_port, health_interval, health_timeout, health_passes, health_fails, health_status, " +
			"health_body, health_method, health_headers, health_request_body, health_follow_redirects"
	}
	return p.Errf("dynamic ec2 has no option %s; it has %s", option, known)
}

const unlimited = 1 << 20

func (p *poolParser) text(option, usage string, to *string) error {
	args, err := p.args(option, 1, 1, usage)
	if err != nil {
		return err
	}
	*to = args[0]
	return nil
}

func (p *poolParser) duration(option string, least caddy.Duration, to *caddy.Duration) error {
	args, err := p.args(option, 1, 1, "<duration>")
	if err != nil {
		return err
	}
	d, err := caddy.ParseDuration(args[0])
	if err != nil {
		return p.notText(option, args[0], "a duration, such as 500ms, 10s or 5m")
	}
	if caddy.Duration(d) < least || caddy.Duration(d) > longest {
		return p.Errf("%s: %s is not between %s and %s", option, args[0], time.Duration(least), time.Duration(longest))
	}
	*to = caddy.Duration(d)
	return nil
}

func (p *poolParser) number(option, value string, most int, to *int) error {
	n, err := strconv.Atoi(value)
	if err != nil {
		return p.notText(option, value, "a whole number")
	}
	if n < 1 || n > most {
		return p.Errf("%s: %d is not between 1 and %d", option, n, most)
	}
	*to = n
	return nil
}

// notText is the error for text where something else is needed.
func (p *poolParser) notText(option, value, needed string) error {
	if strings.Contains(value, "{") {
		return p.Errf("%s: %s is replaced too late to be %s; write {$NAME} for an environment variable", option, value, needed)
	}
	return p.Errf("%s: %q is not %s", option, value, needed)
}
