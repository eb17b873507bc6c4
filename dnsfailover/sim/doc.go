// Package sim runs whole clusters of failover engines in virtual time, on one
// thread and from one seed, and looks after every event whether the rules hold.
//
// A [Schedule] is drawn from a seed: how many nodes, what they are told, what
// the targets are, and a list of faults with their times. A run carries it out
// with the engine in each node and a world around them: heartbeats over links
// that fail, processes that pause, die and come back, targets behind an API that
// throttles, loses answers and executes late, probes, operators, and people who
// edit the record by hand.
//
// In mode all a record has many holders: who is in it, and how everybody came in,
// is a roll, and every write is judged as a change of that one.
//
// The world keeps its own books of what happened and of what each node was told,
// and judges every write by them; it never asks the engine why. A breach is a
// [Violation]; [Shrink] makes the schedule that led to it small enough to read.
//
//	go test ./dnsfailover/sim -run Simulation -v                       # 1,000 schedules, and how often what happened
//	go test ./dnsfailover/sim -run Simulation -schedules 50000 -seed 7 # others
//	go test ./dnsfailover/sim -run Simulation -schedules 50000 -all    # of them those of mode all
//	go test ./dnsfailover/sim -run Replay -v -seed 7                   # the story of one
//
// The package imports nothing but the engine: its tests bring the core of the
// fake Route 53 as a [Backend], and keep the binary small that is built anew for
// every mutant of the engine.
package sim
