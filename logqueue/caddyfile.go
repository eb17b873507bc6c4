package logqueue

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// UnmarshalCaddyfile reads
//
//	output queue {
//		to   <output> ...
//		size <bytes>
//	}
//
// where to takes what output takes, with its block. A size may have a unit: KiB, MiB or GiB. Every option may be given once.
func (w *Writer) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // queue
	if d.NextArg() {
		return d.Errf("output queue takes its options in a block, not %q behind its name; write: to %s", d.Val(), d.Val())
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
		case "to":
			err = w.readTo(d)
		case "size":
			err = w.readSize(d)
		default:
			err = d.Errf("output queue has no option %s; it has to, size", option)
		}
		if err != nil {
			return err
		}
	}
	if !seen["to"] {
		return d.WrapErr(errNoTo)
	}
	return nil
}

// readTo reads an output as Caddy reads it behind output.
func (w *Writer) readTo(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.Err("to: expected to <output> ..., such as to net tcp/10.0.0.5:5140")
	}
	name := d.Val()
	var to any
	switch name {
	case "stdout":
		to = caddy.StdoutWriter{}
	case "stderr":
		to = caddy.StderrWriter{}
	case "discard":
		to = caddy.DiscardWriter{}
	default:
		mod, err := caddyfile.UnmarshalModule(d, "caddy.logging.writers."+name)
		if err != nil {
			return err
		}
		if _, ok := mod.(caddy.WriterOpener); !ok {
			return d.Errf("to: %s is no output of logs", name)
		}
		if isQueue(mod) {
			return d.WrapErr(errTwoQueues)
		}
		to = mod
	}
	if err := lineEnds(d, name); err != nil {
		return err
	}
	var warnings []caddyconfig.Warning
	w.ToRaw = caddyconfig.JSONModuleObject(to, "output", name, &warnings)
	if len(warnings) > 0 {
		return d.Errf("to %s: %s", name, warnings[0].Message)
	}
	return nil
}

// readSize reads a number of bytes.
func (w *Writer) readSize(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.Err("size: expected size <bytes>, such as 8MiB")
	}
	text := d.Val()
	if err := lineEnds(d, "size"); err != nil {
		return err
	}
	number, unit := text, 1
	for suffix, bytes := range map[string]int{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			number, unit = rest, bytes
		}
	}
	n, err := strconv.Atoi(number)
	if err != nil || n <= 0 {
		return d.Errf("size: %q is not a number of bytes, such as 1048576, 8MiB or 1GiB", text)
	}
	if n > mostSize/unit { // before it overflows
		return d.Errf("size: %s is not between 1MiB and 1GiB", text)
	}
	w.Size = n * unit
	if err := w.check(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// lineEnds refuses arguments and blocks that an option does not have: what is in a block would otherwise be taken for options of the
// queue.
func lineEnds(d *caddyfile.Dispenser, option string) error {
	if d.NextArg() {
		if d.Val() == "}" && !d.Token().Quoted() {
			return d.Errf("%s: the closing brace must stand on a line of its own", option)
		}
		return d.Errf("%s: %q is too much", option, d.Val())
	}
	if next := *d; next.Next() && next.Val() == "{" {
		return d.Errf("%s takes no block; remove the brace behind it", option)
	}
	return nil
}
