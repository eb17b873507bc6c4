package sim

import (
	"bytes"
	"flag"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

var (
	schedules = flag.Int("schedules", 1000, "how many schedules to run")
	seed      = flag.Uint64("seed", 1, "seed of the first one")
	onlyAll   = flag.Bool("all", false, "run only those of them that are of mode all")
	first     = flag.Bool("first", false, "stop at the first violation, and say after how many schedules it came")
)

// asShipped runs the engine, with a record in the core of the fake Route 53.
var asShipped = Options{Step: engine.Step, Backend: newCoreRecord}

// tally is what many schedules came to.
type tally struct {
	mu    sync.Mutex
	cover Coverage
	steps int
	first map[string]uint64 // seed of the first schedule that breaks a rule
	times map[string]int
}

// sweep runs schedules on every processor.
func sweep(from uint64, count int, o Options) *tally {
	defer debug.SetGCPercent(debug.SetGCPercent(800)) // the engine's states are short-lived
	t := &tally{first: map[string]uint64{}, times: map[string]int{}}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			w := newWorld()
			for i := next.Add(1) - 1; i < int64(count); i = next.Add(1) - 1 {
				s := from + uint64(i)
				plan := Plan(s)
				if *onlyAll && !plan.All {
					continue
				}
				r := w.run(plan, o)
				t.add(s, &r)
				if *first && r.Violation != nil {
					next.Store(int64(count))
				}
			}
		})
	}
	wg.Wait()
	return t
}

func (t *tally) add(seed uint64, r *Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cover.Add(&r.Coverage)
	t.steps += r.Steps
	if v := r.Violation; v != nil {
		if first, ok := t.first[v.Name]; !ok || seed < first {
			t.first[v.Name] = seed
		}
		t.times[v.Name]++
	}
}

// TestSimulation runs many schedules, and wants no rule broken, and trouble
// enough.
func TestSimulation(t *testing.T) {
	began := time.Now()
	all := sweep(*seed, *schedules, asShipped)
	took := time.Since(began)
	if *first {
		for name, s := range all.first {
			t.Errorf("VIOLATION %s schedule %d seed %d", name, s-*seed+1, s)
		}
		return
	}
	var table bytes.Buffer
	all.cover.Print(&table)
	t.Logf("%.0f schedules/s, %d steps in each\n%s", float64(*schedules)/took.Seconds(), all.steps/max(*schedules, 1), &table)
	for _, name := range slices.Sorted(maps.Keys(all.first)) {
		s := all.first[name]
		r := Run(Shrink(Plan(s), asShipped, name), Options{Step: asShipped.Step, Backend: asShipped.Backend, Trace: true})
		t.Errorf("%s was broken in %d schedules, first by seed %d. As small as it gets:\n%s\nall of it: go test ./dnsfailover/sim -run Replay -v -seed %d",
			name, all.times[name], s, strings.Join(r.Trace, "\n"), s)
	}
	if *schedules < 1000 || *onlyAll {
		return
	}
	for _, m := range all.cover.Short() {
		t.Errorf("too mild: %s", m)
	}
}

// TestReplay tells what happens in the schedule of -seed.
func TestReplay(t *testing.T) {
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "seed" })
	if !set {
		t.Skip("this tells the story of one schedule: name it with -seed N")
	}
	r := Run(Plan(*seed), Options{Step: asShipped.Step, Backend: asShipped.Backend, Trace: true})
	t.Log("\n" + strings.Join(r.Trace, "\n"))
	if r.Violation != nil {
		t.Error(r.Violation)
	}
}

// TestSameSeedSameRun: a violation can be replayed by its seed, on a world that
// has been used before or not, and with a trace or without.
func TestSameSeedSameRun(t *testing.T) {
	used := newWorld()
	for s := uint64(1); s <= 60; s++ {
		a := used.run(Plan(s), asShipped)
		b := Run(Plan(s), Options{Step: asShipped.Step, Backend: asShipped.Backend, Trace: true})
		c := Run(Plan(s), Options{Step: asShipped.Step, Backend: asShipped.Backend, Trace: true})
		if a.Digest != b.Digest || a.Steps != b.Steps || a.End != b.End || a.Coverage != b.Coverage {
			t.Fatalf("seed %d: two runs differ: %x after %d steps, %x after %d", s, a.Digest, a.Steps, b.Digest, b.Steps)
		}
		if !slices.Equal(b.Trace, c.Trace) {
			t.Fatalf("seed %d: two traces differ", s)
		}
	}
}

func BenchmarkSchedule(b *testing.B) {
	w := newWorld()
	steps := 0
	for i := 0; b.Loop(); i++ {
		r := w.run(Plan(uint64(i)), asShipped)
		steps += r.Steps
	}
	b.ReportMetric(float64(steps)/float64(b.N), "steps/op")
}
