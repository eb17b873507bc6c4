package sim

import (
	"slices"
	"time"
)

// Shrink makes a schedule that breaks a rule as small as it can while the same
// rule stays broken: fewer faults, fewer nodes, shorter and simpler.
func Shrink(s Schedule, o Options, name string) Schedule {
	o.Trace = false
	w := newWorld()
	left := 600 // runs
	breaks := func(s Schedule) bool {
		if left--; left < 0 {
			return false
		}
		r := w.run(s, o)
		return r.Violation != nil && r.Violation.Name == name
	}
	for again := true; again && left > 0; {
		again = false
		try := func(t Schedule) {
			if breaks(t) {
				s, again = t, true
			}
		}
		for size := len(s.Faults); size > 0; size /= 2 {
			for i := 0; i+size <= len(s.Faults); {
				t := s
				t.Faults = slices.Delete(slices.Clone(s.Faults), i, i+size)
				before := len(s.Faults)
				if try(t); len(s.Faults) == before {
					i += size
				}
			}
		}
		if s.Nodes > 2 {
			try(s.without())
		}
		for i := range s.Faults {
			for _, simpler := range s.Faults[i].simpler() {
				t := s
				t.Faults = slices.Clone(s.Faults)
				t.Faults[i] = simpler
				try(t)
			}
		}
		for _, simpler := range s.simpler() {
			try(simpler)
		}
	}
	return s
}

// without is the schedule without its last node.
func (s *Schedule) without() Schedule {
	t := *s
	t.Nodes--
	last := t.Nodes
	t.Prefer = slices.DeleteFunc(slices.Clone(s.Prefer), func(p int) bool { return p == last })
	t.Faults = slices.DeleteFunc(slices.Clone(s.Faults), func(f Fault) bool { return f.Node == last || f.Peer == last })
	return t
}

// simpler are schedules with less in them.
func (s *Schedule) simpler() (all []Schedule) {
	add := func(differs bool, change func(*Schedule)) {
		if differs {
			t := *s
			change(&t)
			all = append(all, t)
		}
	}
	add(s.Failback > 0, func(t *Schedule) { t.Failback = 0 })
	add(len(s.Prefer) > 0, func(t *Schedule) { t.Prefer = nil })
	add(s.Witness, func(t *Schedule) { t.Witness = false })
	add(s.Control, func(t *Schedule) { t.Control = false })
	add(s.Shape != OneRecord, func(t *Schedule) {
		t.Shape = OneRecord
		t.Faults = slices.Clone(s.Faults)
		for i := range t.Faults {
			t.Faults[i].Target = 0
		}
	})
	add(s.Start == Unleased || s.Start == Joined, func(t *Schedule) { t.Start = Held })
	return all
}

// simpler are faults that are shorter or begin at a round time.
func (f Fault) simpler() (all []Fault) {
	if f.For > 2*time.Second {
		g := f
		g.For = (f.For / 2).Truncate(100 * time.Millisecond)
		all = append(all, g)
	}
	if at := f.At.Truncate(time.Second); at != f.At {
		g := f
		g.At = at
		all = append(all, g)
	}
	return all
}
