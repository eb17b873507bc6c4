package sim

import (
	"fmt"
	"io"
	"strings"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

const (
	numWhys  = int(engine.Preferred) + 1
	numTells = int(engine.Dropped) + 1
)

// Coverage counts what happened in runs.
type Coverage struct {
	Schedules int
	Faults    [numFaults]int
	Tells     [numTells]int                   // decisions that were told
	Whys      [numWhys]int                    // reasons of decisions, offers and of waiting
	Causes    [int(engine.Quit) + 1]int       // of the writes that landed
	Outcomes  [3][int(engine.Denied) + 1]int  // of reads, swaps and frees
	Replies   [int(engine.Mismatched) + 1]int // to heartbeats

	All allCoverage

	Reads         int
	Moves         int // targets that went from one node to another
	HandOvers     int // of them, by an offer
	Provisional   int // followers taken by a node that does not have the home
	Refused       int // writes that met something else than was judged
	LateRefused   int // of them, of which the node was told nothing
	Lost          int // writes that landed and whose answer was lost
	Recognised    int // of them, known by the node as its own afterwards
	HalfDone      int // of addresses that were freed, and the node died before it could claim them
	TooLate       int // writes that could not be sent in time
	WitnessFailed int
	ControlFailed int
	ForeignAsked  int
}

// Add adds the counts of other runs.
func (c *Coverage) Add(o *Coverage) {
	c.Schedules += o.Schedules
	add(c.Faults[:], o.Faults[:])
	add(c.Tells[:], o.Tells[:])
	add(c.Whys[:], o.Whys[:])
	add(c.Causes[:], o.Causes[:])
	for i := range c.Outcomes {
		add(c.Outcomes[i][:], o.Outcomes[i][:])
	}
	add(c.Replies[:], o.Replies[:])
	to, from := append(c.others(), c.All.counters()...), append(o.others(), o.All.counters()...)
	for i := range to {
		*to[i].count += *from[i].count
	}
}

func add(to, from []int) {
	for i, n := range from {
		to[i] += n
	}
}

// allCoverage counts what happened in mode all.
type allCoverage struct {
	Schedules, Joins, Quits, PublicQuits, Gone, Silent, Dropped, Both, Strangers, Conversions, Refused int
}

func (c *allCoverage) counters() []counter {
	return []counter{
		{"schedules", &c.Schedules, 180}, {"joinings", &c.Joins, 400}, {"leavings", &c.Quits, 40}, {"for the public path", &c.PublicQuits, 2},
		{"taken out when gone", &c.Gone, 40}, {"taken out when silent", &c.Silent, 40}, {"though it lived", &c.Dropped, 5},
		{"joined and took out at once", &c.Both, 5}, {"strangers taken out", &c.Strangers, 2}, {"leases of mode one converted", &c.Conversions, 15},
		{"refused writes", &c.Refused, 40},
	}
}

type counter struct {
	name  string
	count *int
	least int // in 1,000 schedules
}

func (c *Coverage) others() []counter {
	return []counter{
		{"reads", &c.Reads, 10000}, {"moves", &c.Moves, 400}, {"hand-overs", &c.HandOvers, 100},
		{"provisional claims", &c.Provisional, 10}, {"refused writes", &c.Refused, 150}, {"late writes refused", &c.LateRefused, 10},
		{"answers lost", &c.Lost, 10}, {"lost answers recognised", &c.Recognised, 8}, {"writes not sent in time", &c.TooLate, 3}, {"died between freeing and claiming", &c.HalfDone, 3},
		{"witness failed", &c.WitnessFailed, 500}, {"control failed", &c.ControlFailed, 500}, {"strangers asked", &c.ForeignAsked, 500},
	}
}

// rows are all counts, with the least that 1,000 schedules must bring.
func (c *Coverage) rows() []row {
	table := func(title string, counts []int, least int, name func(int) string, lesser map[int]int) row {
		r := row{title: title}
		for i := range counts {
			want, ok := lesser[i]
			if !ok {
				want = least
			}
			r.cells = append(r.cells, cell{name(i), counts[i], want})
		}
		return r
	}
	reason := func(i int) string {
		return strings.ReplaceAll(engine.Why{Code: engine.WhyCode(i)}.String(), "the holder", "X")
	}
	outcome := func(i int) string { return engine.Outcome(i).String() }
	rows := []row{
		table("faults", c.Faults[:], 25, func(i int) string { return faultNames[i] }, nil),
		table("decisions", c.Tells[:], 20, func(i int) string { return whatNames[i] }, map[int]int{int(engine.Able): 2, int(engine.Unable): 10}),
		table("reasons", c.Whys[:], 20, reason, map[int]int{
			int(engine.IsOwn): 0, int(engine.StrangerDown): 2, int(engine.ControlPending): 1, int(engine.ControlFails): 8,
			int(engine.HolderDefers): 5, int(engine.IsPaused): 4, int(engine.IsLeaving): 3, int(engine.OtherDefinition): 2,
			int(engine.PublicPathFails): 8, int(engine.SameName): 0,
		}),
		table("causes of writes that landed", c.Causes[:], 20, func(i int) string { return causeNames[i] }, map[int]int{int(engine.NoCause): 0, int(engine.Stranger): 5}),
		table("readings", c.Outcomes[opRead][:], 20, outcome, map[int]int{int(engine.Conflict): 0}),
		table("swaps", c.Outcomes[opSwap][:], 10, outcome, map[int]int{int(engine.Denied): 5}),
		table("frees", c.Outcomes[opFree][:], 4, outcome, map[int]int{int(engine.Denied): 1}),
		table("heartbeats", c.Replies[:], 1000, func(i int) string { return replyNames[i] }, nil),
	}
	others := row{title: "and"}
	for _, o := range c.others() {
		others.cells = append(others.cells, cell{o.name, *o.count, o.least})
	}
	all := row{title: "mode all"}
	for _, o := range c.All.counters() {
		all.cells = append(all.cells, cell{o.name, *o.count, o.least})
	}
	return append(rows, others, all)
}

type row struct {
	title string
	cells []cell
}

type cell struct {
	name         string
	count, least int
}

// Print writes the counts as a table, with the least that is wanted of each in
// 1,000 schedules.
func (c *Coverage) Print(out io.Writer) {
	fmt.Fprintf(out, "%d schedules (in brackets: what 1,000 must bring)\n", c.Schedules)
	for _, r := range c.rows() {
		fmt.Fprintf(out, "%s:\n", r.title)
		for _, x := range r.cells {
			fmt.Fprintf(out, "  %9d  (%d)  %s\n", x.count, x.least, x.name)
		}
	}
}

// Short says what happened less often than it must for a run of so many
// schedules to mean anything.
func (c *Coverage) Short() (short []string) {
	for _, r := range c.rows() {
		for _, x := range r.cells {
			if least := x.least * c.Schedules / 1000; x.count < least {
				short = append(short, fmt.Sprintf("%s: %q happened %d times, and %d are wanted in %d schedules", r.title, x.name, x.count, least, c.Schedules))
			}
		}
	}
	return short
}
