package sim

import (
	"math/rand/v2"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// StepFunc is [engine.Step], or what a test puts in its place.
type StepFunc func(time.Duration, *engine.Settings, engine.State, engine.Event) (engine.State, []engine.Action)

// Options are how a schedule is run.
type Options struct {
	// Step is what every node runs.
	Step StepFunc

	// Backend makes the record of a schedule of shape [CoreRecord], with the
	// clock of the world. Without it that record is like any other.
	Backend func(name string, now func() time.Duration) Backend

	// Trace asks for [Result.Trace].
	Trace bool
}

// Result is what became of a run.
type Result struct {
	Violation *Violation // nil if every rule held
	Coverage  Coverage
	Digest    uint64 // of all that the nodes were told and did: the same for the same schedule
	Steps     int
	End       time.Duration // of the virtual time
	Trace     []string      // if asked for
}

// Violation is a breach of an invariant or a rule.
type Violation struct {
	Name string // such as I1 or R4
	At   time.Duration
	Text string
}

func (v *Violation) String() string { return v.Name + " at " + stamp(v.At) + ": " + v.Text }

// world is one run of a schedule. It is used by one goroutine.
type world struct {
	plan    Schedule
	opts    Options
	rng     *rand.Rand
	pcg     *rand.PCG
	now     time.Duration
	queue   queue
	nodes   []*node
	targets []*target
	beats   []beat
	free    []int32 // of beats

	// The state of the network: how many faults cut a link or a node off.
	cut      [MaxNodes][MaxNodes]int8
	noPublic [MaxNodes]int8
	noEgress [MaxNodes]int8
	slow     [MaxNodes]int8
	lossy    int8
	edited   time.Duration    // when somebody last edited a target
	apis     [2][MaxNodes]api // by the kind of a target
	denied   [][MaxNodes]denial
	works    bool // what was edited in by hand works
	crash    bool // the next node whose write is carried out dies of it
	crashed  []*node

	faultEnd  time.Duration // of the last fault
	changed   time.Duration // when the connectivity last changed
	settled   time.Duration // since when all is well; never if it is not
	quiet     bool          // from now on nobody has a reason to write
	quietFrom time.Duration
	watchTill time.Duration
	done      bool
	steps     int
	digest    uint64
	violation *Violation
	cover     Coverage
	trace     []string

	mutations int   // calls that write, since the last fault
	writers   uint8 // nodes that made them, as bits
	ranked    int   // who should take over after a clean kill, or -1
	expected  int   // and the writes that it needs for it
}

const never = time.Duration(-1)

// Run carries out a schedule.
func Run(s Schedule, o Options) Result { return newWorld().run(s, o) }

func newWorld() *world {
	pcg := rand.NewPCG(0, 0)
	return &world{pcg: pcg, rng: rand.New(pcg)}
}

func (w *world) run(s Schedule, o Options) Result {
	w.reset(s, o)
	for w.violation == nil && !w.done {
		e, ok := w.queue.pop()
		if !ok {
			break
		}
		w.now = e.at
		w.handle(&e)
	}
	w.cover.Schedules++
	if s.All {
		w.cover.All.Schedules++
	}
	return Result{Violation: w.violation, Coverage: w.cover, Digest: w.digest, Steps: w.steps, End: w.now, Trace: w.trace}
}

// reset makes the world new, and keeps its memory.
func (w *world) reset(s Schedule, o Options) {
	q, beats, free := w.queue, w.beats[:0], w.free[:0]
	q.reset()
	*w = world{
		plan: s, opts: o, pcg: w.pcg, rng: w.rng, queue: q, beats: beats, free: free,
		nodes: w.nodes[:0], settled: never, ranked: nobody, faultEnd: s.end(), digest: 14695981039346656037,
	}
	w.pcg.Seed(s.Seed, 0xd1b54a32d192ed03)
	w.tracef(-1, "%s", s.String())
	w.makeTargets()
	for i := range s.Nodes {
		w.nodes = append(w.nodes, newNode(w, i))
	}
	for _, n := range w.nodes {
		w.after(w.between(0, 1500*time.Millisecond), n.start)
	}
	for i, f := range s.Faults {
		w.queue.push(event{at: f.At, kind: evFault, ref: int32(i)})
	}
	w.queue.push(event{at: max(w.faultEnd, 2*time.Second), kind: evCheck})
}

func (w *world) handle(e *event) {
	switch e.kind {
	case evFn:
		e.fn()
	case evFault:
		w.begin(&w.plan.Faults[e.ref])
	case evCheck:
		w.check()
	case evAsked:
		w.asked(e)
	default:
		w.nodes[e.node].handle(e)
	}
}

// after runs fn in a while, whatever becomes of any node.
func (w *world) after(d time.Duration, fn func()) {
	w.queue.push(event{at: w.now + d, kind: evFn, fn: fn})
}

func (w *world) between(low, high time.Duration) time.Duration {
	return low + time.Duration(w.rng.Int64N(int64(high-low)))
}

func (w *world) chance(percent int) bool { return w.rng.IntN(100) < percent }

// fail notes a violation; the first one ends the run.
func (w *world) fail(name, format string, args ...any) {
	if w.violation != nil {
		return
	}
	w.violation = &Violation{Name: name, At: w.now, Text: sprintf(format, args...)}
	w.tracef(-1, "VIOLATION of %s: %s", name, w.violation.Text)
}

// mix adds to the digest.
func (w *world) mix(x uint64) { w.digest = (w.digest ^ x) * 1099511628211 }
