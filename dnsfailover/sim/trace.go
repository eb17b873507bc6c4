package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// tracef adds a line to the trace, about a node or, with -1, about the world.
// It costs nothing when nobody asked for one, but for the arguments.
func (w *world) tracef(node int, format string, args ...any) {
	if !w.opts.Trace {
		return
	}
	who := "--"
	if node >= 0 {
		who = nodeNames[node]
	}
	w.trace = append(w.trace, fmt.Sprintf("%9s %-4s", stamp(w.now), who)+fmt.Sprintf(format, args...))
}

func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// stamp is a time in seconds with milliseconds.
func stamp(d time.Duration) string { return fmt.Sprintf("%.3fs", d.Seconds()) }

func (s *Schedule) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, %s: %d nodes, %s, %s; interval %s, fall %d, rise %d, hold_down %s", s.Seed, s.Regime, s.Nodes, s.Shape, s.Start, s.Interval, s.Fall, s.Rise, s.HoldDown)
	if s.All {
		b.WriteString(", mode all")
	}
	if s.Failback > 0 {
		fmt.Fprintf(&b, ", failback %s", s.Failback.Round(time.Millisecond))
	}
	if len(s.Prefer) > 0 {
		b.WriteString(", prefer")
		for _, p := range s.Prefer {
			b.WriteString(" " + nodeNames[p])
		}
	}
	fmt.Fprintf(&b, "; witness %t, control %t, foreign check %t; faults:", s.Witness, s.Control, s.Foreign)
	if len(s.Faults) == 0 {
		b.WriteString(" none")
	}
	for i := range s.Faults {
		b.WriteString("\n" + strings.Repeat(" ", 15) + s.Faults[i].text(s))
	}
	return b.String()
}

// text says what a fault is and where.
func (f *Fault) text(s *Schedule) string {
	who := "the holder"
	switch {
	case f.Node == Everyone:
		who = "everyone"
	case f.Node >= 0:
		who = nodeNames[f.Node]
	}
	text := fmt.Sprintf("%s %s: %s", stamp(f.At), f.Kind, who)
	switch f.Kind {
	case CutLink, OneWay:
		text += " and " + nodeNames[f.Peer]
	case Split:
		text = fmt.Sprintf("%s %s:", stamp(f.At), f.Kind)
		for side := range uint8(2) {
			for i := range s.Nodes {
				if f.Group>>i&1 == side {
					text += " " + nodeNames[i]
				}
			}
			if side == 0 {
				text += " |"
			}
		}
	}
	switch {
	case f.Kind >= Throttle && f.Kind <= DenyRead || f.Kind >= EditAddrs:
		text += fmt.Sprintf(", target %d", f.Target)
	}
	if f.For == 0 {
		return text + ", for good"
	}
	return text + ", for " + stamp(f.For)
}

// holderName names who has what a reading says.
func (w *world) holderName(t *target, r engine.Reading) string {
	if w.plan.All && r.Exists && r.Refuse == "" {
		v := t.view(r.Addrs, &r.Lease)
		return v.String()
	}
	switch h := t.holder(r); h {
	case nobody:
		return "nobody"
	case stranger:
		return "somebody else"
	default:
		return nodeNames[h]
	}
}

var causeNames = [...]string{"no cause", "its own", "adopt", "absent", "holder silent", "holder gone", "offer", "holder defers", "stranger", "forced", "join", "quit"}

func causeName(c engine.Cause) string {
	if int(c) < len(causeNames) {
		return causeNames[c]
	}
	return "unknown cause"
}

var whatNames = [...]string{"claimed", "lost", "moved", "resumed", "yielded", "offering", "accepted", "contested", "unable", "able", "waiting", "converged", "slept", "joined", "withdrew", "removed", "dropped"}
