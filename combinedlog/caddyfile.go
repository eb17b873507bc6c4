package combinedlog

import (
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// UnmarshalCaddyfile reads
//
//	format combined {
//		style     combined | vhost_combined | common
//		time_zone utc | local
//		client_ip client | remote
//		fields    <names...> | *
//		max_line  <bytes>
//	}
//
// Every option may be given once.
func (e *Encoder) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // combined
	if d.NextArg() {
		return d.Errf("format combined takes its options in a block, not %q behind its name", d.Val())
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		if seen[option] {
			return d.Errf("%s is given twice; remove one of them", option)
		}
		seen[option] = true
		var err error
		switch option {
		case "style":
			err = word(d, "combined | vhost_combined | common", &e.Style)
		case "time_zone":
			err = word(d, "utc | local", &e.TimeZone)
		case "client_ip":
			err = word(d, "client | remote", &e.ClientIP)
		case "fields":
			e.Fields, err = words(d, "<names...> | *")
		case "max_line":
			var text string
			if err = word(d, "<bytes>", &text); err == nil {
				if e.MaxLine, err = strconv.Atoi(text); err != nil || e.MaxLine == 0 {
					err = d.Errf("max_line: %q is not a number of bytes, such as 4096", text)
				}
			}
		default:
			err = d.Errf("format combined has no option %s; it has style, time_zone, client_ip, fields, max_line", option)
		}
		if err != nil {
			return err
		}
		// What is wrong with a value is said here too, where its line is known.
		if _, err := e.settings(); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

// word reads the one argument of an option.
func word(d *caddyfile.Dispenser, usage string, to *string) error {
	option := d.Val()
	args, err := words(d, usage)
	if err != nil {
		return err
	}
	if len(args) > 1 {
		return d.Errf("%s: expected %s %s", option, option, usage)
	}
	*to = args[0]
	return nil
}

// words reads the arguments of an option, at least one. It refuses a block behind them: what is in it would otherwise be taken
// for options of the format.
func words(d *caddyfile.Dispenser, usage string) ([]string, error) {
	option := d.Val()
	var args []string
	for d.NextArg() {
		if d.Val() == "}" && !d.Token().Quoted() {
			return nil, d.Errf("%s: the closing brace must stand on a line of its own", option)
		}
		args = append(args, d.Val())
	}
	if len(args) == 0 || slices.Contains(args, "") {
		return nil, d.Errf("%s: expected %s %s", option, option, usage)
	}
	if next := *d; next.Next() && next.Val() == "{" {
		return nil, d.Errf("%s takes no block; remove the brace behind it", option)
	}
	return args, nil
}
