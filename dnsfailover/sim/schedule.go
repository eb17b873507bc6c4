package sim

import (
	"math/rand/v2"
	"time"
)

// MaxNodes is the most nodes that a schedule has.
const MaxNodes = 7

// Shape is what the targets of a schedule's service are.
type Shape uint8

// The shapes.
const (
	OneRecord     Shape = iota // a record that holds the node's own addresses
	OneAddress                 // an address alone, which is the home of the epoch
	SharedAddress              // a record that always holds the service's address, and that address
	TwoRecords                 // two records
	RecordAddress              // a record with the node's own addresses, and an address
	CoreRecord                 // one record in the core of the fake Route 53
	numShapes
)

var shapeNames = [numShapes]string{"one record", "one address", "shared address", "two records", "record and address", "one record in Route 53"}

func (s Shape) String() string { return shapeNames[s] }

// Start is what the targets hold when the nodes start.
type Start uint8

// The starts.
const (
	Fresh    Start = iota // nothing
	Held                  // node 0 holds all, by a lease of an earlier life
	Unleased              // they point at node 0, and there is no lease
	Joined                // every node has joined in an earlier life, in mode all
	numStarts
)

var startNames = [numStarts]string{"fresh", "held by lb1", "pointing at lb1 without a lease", "joined by all"}

func (s Start) String() string { return startNames[s] }

// Schedule is all that a run depends on.
type Schedule struct {
	// Seed draws the delays of the run, and drew the rest of the schedule.
	Seed   uint64
	Regime Regime

	Nodes int // 2 to MaxNodes
	Shape Shape
	Start Start

	// All is a service in mode all: the records hold the addresses of every healthy
	// node. All targets are records then, and nobody is preferred.
	All bool

	// Settings of the engine, see there.
	Interval, HoldDown, Failback time.Duration
	Fall, Rise                   int
	Prefer                       []int

	// Witness, Control and Foreign say which probes are configured. One that is
	// not never passes; without Foreign, what is none of ours is taken to work.
	Witness, Control, Foreign bool

	// Watch is how long to look on after all has become quiet.
	Watch time.Duration

	Faults []Fault
}

// Plan draws the schedule of a seed.
func Plan(seed uint64) Schedule {
	r := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	s := Schedule{
		Seed:     seed,
		Regime:   drawRegime(r),
		Nodes:    [...]int{2, 2, 2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 5, 5, 6, 7}[r.IntN(16)],
		Shape:    [...]Shape{OneRecord, OneRecord, OneRecord, CoreRecord, OneAddress, OneAddress, SharedAddress, SharedAddress, TwoRecords, RecordAddress}[r.IntN(10)],
		Interval: [...]time.Duration{500 * time.Millisecond, time.Second, time.Second, 2 * time.Second}[r.IntN(4)],
		HoldDown: time.Duration(20+r.IntN(41)) * time.Second,
		Fall:     2 + r.IntN(2),
		Rise:     2,
		Witness:  r.IntN(3) != 0,
		Control:  r.IntN(3) != 0,
		Foreign:  r.IntN(3) != 0,
		Start:    [...]Start{Fresh, Fresh, Held, Held, Unleased}[r.IntN(5)],
	}
	if r.IntN(3) == 0 {
		s.Prefer = r.Perm(s.Nodes)[:1+r.IntN(s.Nodes)]
	}
	if r.IntN(25) == 0 {
		s.Watch = 2 * time.Minute
	}
	all := rand.New(rand.NewPCG(seed, 0x94d049bb133111eb)) // apart, so that the other schedules stay as they are
	if s.Shape.records() && s.Regime != HomeLost && all.IntN(2) == 0 {
		s.All = true
		s.Nodes = [...]int{2, 2, 3, 3, 3, 4, 4, 5, 6, 7}[all.IntN(10)]
		s.Start = [...]Start{Fresh, Fresh, Held, Unleased, Joined, Joined}[all.IntN(6)]
	}
	s.Regime.fill(r, &s)
	if s.All {
		s.Prefer, s.Failback = nil, 0
		if s.Regime > CleanKill && all.IntN(8) == 0 {
			s.Faults = append(s.Faults, drawFault(all, &s, EditAddrs, between(all, 10*time.Second, 30*time.Second)))
		}
	}
	return s
}

// Regime is what kind of trouble a schedule has.
type Regime uint8

// The regimes.
const (
	Calm       Regime = iota // no fault at all
	CleanKill                // the holder dies, and that is all
	Single                   // one fault of any kind
	Partitions               // mostly the network between the nodes
	Nodes                    // mostly processes and hosts
	Calls                    // mostly the APIs
	Operators                // mostly people: commands, configuration, edits
	Checks                   // mostly self-checks and public paths
	HomeLost                 // the API of the home is down, and then the holder dies
	Everything               // all of it
	numRegimes
)

var regimeNames = [numRegimes]string{"calm", "clean kill", "single fault", "partitions", "nodes", "calls", "operators", "checks", "home lost", "everything"}

func (r Regime) String() string { return regimeNames[r] }

func drawRegime(r *rand.Rand) Regime {
	for {
		weights := [numRegimes]int{Calm: 4, CleanKill: 8, Single: 24, Partitions: 14, Nodes: 10, Calls: 14, Operators: 10, Checks: 8, HomeLost: 5, Everything: 20}
		n := r.IntN(117)
		for regime, w := range weights {
			if n < w {
				return Regime(regime)
			}
			n -= w
		}
	}
}

// fill draws the faults of a regime.
func (g Regime) fill(r *rand.Rand, s *Schedule) {
	first := 16 * time.Second
	switch g {
	case Calm:
		s.Watch = 2 * time.Minute
		return
	case CleanKill:
		k := Kill
		if r.IntN(2) == 0 {
			k = HostDown
		}
		s.Faults = []Fault{{At: first + between(r, 0, 10*time.Second), Kind: k, Node: Holder}}
		return
	case Single:
		if r.IntN(2) == 0 {
			s.Failback = between(r, 5*time.Second, 20*time.Second)
		}
		k := FaultKind(r.IntN(int(numFaults)))
		s.Faults = []Fault{drawFault(r, s, k, first+between(r, 0, 10*time.Second))}
		return
	case HomeLost:
		s.Shape = [...]Shape{SharedAddress, RecordAddress}[r.IntN(2)]
		dies := drawFault(r, s, [...]FaultKind{Kill, HostDown, Freeze, Isolate, Exit}[r.IntN(5)], first+between(r, 2*time.Second, 6*time.Second))
		dies.Node = Holder
		s.Faults = []Fault{{At: first, For: between(r, 20*time.Second, 60*time.Second), Kind: Outage, Node: Everyone}, dies}
		return
	}
	if r.IntN(3) == 0 {
		s.Failback = between(r, 5*time.Second, 20*time.Second)
	}
	if r.IntN(4) == 0 {
		first = time.Second
	}
	at := first
	for range 2 + r.IntN(7) {
		kinds := regimeFaults[g]
		if g == Everything || r.IntN(6) == 0 {
			kinds = allFaults[:]
		}
		f := drawFault(r, s, kinds[r.IntN(len(kinds))], at)
		s.Faults = append(s.Faults, f)
		if f.Kind == FreezeWrite || f.Kind == CrashWrite || f.Kind >= Throttle && f.Kind <= DenyWrite && r.IntN(2) == 0 {
			// A broken API shows only if somebody has to write.
			cause := drawFault(r, s, [...]FaultKind{Kill, Exit, Sick, OrderTakeover, EditDelete}[r.IntN(5)], at+between(r, 0, max(f.For, 4*time.Second)))
			s.Faults = append(s.Faults, cause)
		}
		if r.IntN(3) != 0 {
			at += between(r, 0, 12*time.Second)
		}
	}
}

// between draws a duration.
func between(r *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(r.Int64N(int64(high-low)))
}
