package dnsfailover

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// blocks are all blocks with their options, in the order in which errors name them.
var blocks = []struct {
	name    string
	options []string
}{
	{"dnsfailover", []string{"node", "instance", "address", "heartbeat", "peers", "self_check", "reference", "dns", "dns_pause", "register", "service", "hand_over"}},
	{"address", []string{"private", "public", "ipv6"}},
	{"heartbeat", []string{"listen", "interval", "timeout", "fall", "rise", "secret_file", "secret", "allow_public"}},
	{"peers ec2", []string{"tag", "asg", "filter", "port", "address", "refresh", "region", "profile", "role_arn", "external_id", "endpoint"}},
	{"self_check", []string{"dial", "interval", "timeout", "fall", "rise", "tls_ca"}},
	{"register", []string{"ttl", "address", "deregister", "reap_after", "zone_id"}},
	{"service", []string{"mode", "record", "elastic_ip", "witness", "foreign_check", "prefer", "failback", "hold_down", "linger"}},
	{"record", []string{"ttl", "address", "zone_id", "zone"}},
	{"elastic_ip", []string{"private_ip", "interface", "region", "profile", "role_arn", "external_id", "endpoint"}},
	{"witness", []string{"tls_ca"}},
}

// blockParser reads the options of one block. seen is for those that may be given once.
type blockParser struct {
	*caddyfile.Dispenser
	name         string
	seen         map[string]bool
	placeholders *bool // whether any value is known only when the configuration is loaded
}

// block hands over the options of the block behind an option one after another, and returns how many there were.
func (p *blockParser) block(name string, read func(p *blockParser, option string) error) (options int, err error) {
	inner := &blockParser{Dispenser: p.Dispenser, name: name, seen: make(map[string]bool), placeholders: p.placeholders}
	for nesting := p.Nesting(); p.NextBlock(nesting); options++ {
		if err := read(inner, p.Val()); err != nil {
			return 0, err
		}
	}
	return options, nil
}

// head returns the arguments of an option that a block may follow: at least least and at most most of them, none of which may be
// empty.
func (p *blockParser) head(option string, least, most int, usage string) ([]string, error) {
	var args []string
	for p.NextArg() {
		if p.Val() == "}" && !p.Token().Quoted() {
			return nil, p.Errf("%s: the closing brace must stand on a line of its own", option)
		}
		if strings.Contains(instancePlaceholder.ReplaceAllLiteralString(p.Val(), ""), "{") {
			*p.placeholders = true
		}
		args = append(args, p.Val())
	}
	if len(args) < least || len(args) > most {
		return nil, p.Errf("%s: expected %s", option, strings.TrimSpace(option+" "+usage))
	}
	if slices.Contains(args, "") {
		return nil, p.Errf("%s: \"\" says nothing; expected %s %s", option, option, usage)
	}
	return args, nil
}

// args is head for options without a block: what is in it would otherwise be taken for options of the block around.
func (p *blockParser) args(option string, least, most int, usage string) ([]string, error) {
	args, err := p.head(option, least, most, usage)
	if err != nil {
		return nil, err
	}
	if next := *p.Dispenser; next.Next() && next.Val() == "{" && !next.Token().Quoted() {
		return nil, p.Errf("%s takes no block; remove the brace behind it", option)
	}
	return args, nil
}

// needBlock reads an option that is nothing but a block.
func (p *blockParser) needBlock(option string, read func(*blockParser, string) error, example string) error {
	if p.NextArg() {
		return p.Errf("%s takes its options in a block, not %q behind its name", option, p.Val())
	}
	n, err := p.block(option, read)
	if err == nil && n == 0 {
		return p.Errf("%s takes a block with its options, such as %s", option, example)
	}
	return err
}

// once refuses a second time.
func (p *blockParser) once(option string) error {
	if p.seen[option] {
		return p.Errf("%s is given twice; remove one of them", option)
	}
	p.seen[option] = true
	return nil
}

// unknown names what could have been meant.
func (p *blockParser) unknown(option string) error {
	var known, elsewhere []string
	for _, b := range blocks {
		switch {
		case b.name == p.name:
			known = b.options
		case slices.Contains(b.options, option):
			elsewhere = append(elsewhere, b.name)
		}
	}
	hint := ""
	if len(elsewhere) > 0 {
		hint = fmt.Sprintf(" (%s belongs into the block of %s; look at the braces)", option, strings.Join(elsewhere, " or "))
	}
	return p.Errf("%s has no option %s; it has %s%s", p.name, option, strings.Join(known, ", "), hint)
}

const unlimited = 1 << 20

func (p *blockParser) text(option, usage string, to *string) error {
	args, err := p.args(option, 1, 1, usage)
	if err != nil {
		return err
	}
	*to = args[0]
	return nil
}

func (p *blockParser) list(option, usage string, to *[]string) error {
	args, err := p.args(option, 1, unlimited, usage)
	*to = append(*to, args...)
	return err
}

// secrets reads placeholders of secrets. They have no value before the node runs, and do not matter to what is wrong with the rest.
func (p *blockParser) secrets(option string, to *[]string) error {
	before := *p.placeholders
	args, err := p.args(option, 1, unlimited, "<placeholders...>")
	if err != nil {
		return err
	}
	*p.placeholders = before
	for _, a := range args {
		if !secretPlaceholder.MatchString(a) {
			return p.Errf("%s: %v; or write secret_file FILE", option, errLiteralSecret)
		}
	}
	*to = append(*to, args...)
	return nil
}

func (p *blockParser) word(option string, to *string, known ...string) error {
	args, err := p.args(option, 1, 1, strings.Join(known, " | "))
	if err != nil {
		return err
	}
	if err := oneOf(args[0], known...); err != nil && !strings.Contains(args[0], "{") {
		return p.Errf("%s: %v", option, err)
	}
	*to = args[0]
	return nil
}

func (p *blockParser) duration(option string, within span, to *caddy.Duration) error {
	return p.durationOr(option, "", 0, within, to)
}

// durationOr is duration for an option that may have a word in its place, unless that is empty.
func (p *blockParser) durationOr(option, word string, meaning caddy.Duration, within span, to *caddy.Duration) error {
	usage := "<duration>"
	if word != "" {
		usage += " | " + word
	}
	args, err := p.args(option, 1, 1, usage)
	if err != nil {
		return err
	}
	if word != "" && args[0] == word {
		*to = meaning
		return nil
	}
	d, err := p.parseDuration(option, args[0])
	if err != nil {
		return err
	}
	if err := within.check(d); err != nil {
		return p.Errf("%s: %v", option, err)
	}
	*to = caddy.Duration(d)
	return nil
}

func (p *blockParser) parseDuration(option, value string) (time.Duration, error) {
	d, err := caddy.ParseDuration(value)
	if err != nil {
		return 0, p.notText(option, value, "a duration, such as 500ms, 10s or 5m")
	}
	return d, nil
}

func (p *blockParser) count(option string, to *int) error {
	args, err := p.args(option, 1, 1, "<number>")
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return p.notText(option, args[0], "a whole number")
	}
	if err := checkCount(n); err != nil {
		return p.Errf("%s: %v", option, err)
	}
	*to = n
	return nil
}

// notText is the error for text where something else is needed.
func (p *blockParser) notText(option, value, needed string) error {
	if strings.Contains(value, "{") {
		return p.Errf("%s: %s is replaced too late to be %s; write {$NAME} for an environment variable", option, value, needed)
	}
	return p.Errf("%s: %q is not %s", option, value, needed)
}

// source reads an option that says where EC2 is asked, and as whom. It reports false, and reads nothing, if it is another one.
func (p *blockParser) source(option string, region, profile, role, externalID, endpoint *string) (bool, error) {
	switch option {
	case "region":
		return true, p.text(option, "<name>", region)
	case "profile":
		return true, p.text(option, "<name>", profile)
	case "role_arn":
		return true, p.text(option, "<arn>", role)
	case "external_id":
		return true, p.text(option, "<id>", externalID)
	case "endpoint":
		return true, p.text(option, "<url>", endpoint)
	}
	return false, nil
}
