package dnsfailover

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/sim"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/sim/core"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// wired is the record of a simulation behind the real client: what is read and swapped goes through the SDK and HTTP, to
// the same kind of cloud that core asks directly.
type wired struct {
	*core.Record
	t      testing.TB
	target *Route53
}

// wire serves the cloud of a record until the test ends. The client's calls are single attempts, as those of core are: the
// virtual clock stands still while it waits, so Route 53 would say the same again, and only real time would pass.
func wire(t testing.TB, l *lab, name string, r *core.Record) *wired {
	t.Helper()
	server, err := awstest.Serve(r.Cloud)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &wired{Record: r, t: t, target: l.target(name, func(o *Route53Options) {
		o.Zone, o.Config.BaseEndpoint = r.Zone, aws.String(server.URL())
	})}
	w.target.pause = time.Hour // longer than any call has: it is not waited for
	return w
}

func (w *wired) Read() (engine.Reading, engine.Outcome) {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	r, err := w.target.Read(ctx)
	return r, OutcomeOf(err)
}

func (w *wired) Swap(from engine.Reading, to engine.Value) (engine.Reading, engine.Outcome) {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	r, err := w.target.Swap(ctx, from, to)
	return r, OutcomeOf(err)
}

// request is a call as the cloud saw it, by the virtual clock.
type request struct {
	At           time.Duration
	Action, Code string
}

// ending is all that the two worlds have to have in common.
type ending struct {
	Result   sim.Result
	Zone     []awstest.RecordSet
	Requests []request
}

// replay carries a schedule out, with the backend made of its record. The clock of the cloud starts at the machine's time,
// by which the SDK dates its requests; from then on the SDK follows it by the Date of the answers.
func replay(s sim.Schedule, backend func(name string, r *core.Record) sim.Backend) ending {
	start := time.Now()
	var kept *core.Record
	o := sim.Options{Step: engine.Step, Trace: true, Backend: func(name string, now func() time.Duration) sim.Backend {
		// A server's goroutine asks for the time only while the simulation waits for its answer.
		kept = core.New(name, func() time.Time { return start.Add(now()) })
		return backend(name, kept)
	}}
	e := ending{Result: sim.Run(s, o)}
	e.Zone = kept.Cloud.Records(kept.Zone)
	for _, c := range kept.Cloud.Calls() {
		e.Requests = append(e.Requests, request{c.Time.Sub(start), c.Action, c.Code})
	}
	return e
}

// sample are schedules with a record in the core, so many of each regime that has them.
func sample(each int) []sim.Schedule {
	var all []sim.Schedule
	count := map[sim.Regime]int{}
	for seed := uint64(1); seed <= 10_000; seed++ {
		if s := sim.Plan(seed); s.Shape == sim.CoreRecord && count[s.Regime] < each {
			count[s.Regime]++
			all = append(all, s)
		}
	}
	return all
}

// TestAgree holds the simulator's model of Route 53 to the real client: whole schedules go the same way, request by
// request, whether the nodes ask the core of the fake or the SDK asks it over HTTP.
func TestAgree(t *testing.T) {
	const each = 6
	l := newLab(t)
	all := sample(each)
	if want := each * int(sim.Everything); len(all) != want { // HomeLost needs two targets
		t.Fatalf("%d schedules, want %d", len(all), want)
	}
	seen, accepted, ran := map[string]int{}, 0, 0
	for _, s := range all {
		t.Run(fmt.Sprint(s.Seed), func(t *testing.T) {
			ran++
			inCore := replay(s, func(_ string, r *core.Record) sim.Backend { return r })
			onWire := replay(s, func(name string, r *core.Record) sim.Backend { return wire(t, l, name, r) })
			if v := inCore.Result.Violation; v != nil {
				t.Errorf("in the core: %s", v)
			}
			if diff := cmp.Diff(inCore, onWire); diff != "" {
				t.Errorf("the core (-) and the wire (+) differ:\n%s", diff)
			}
			for _, r := range onWire.Requests {
				seen[r.Code]++
				if r.Action == change && r.Code == "" {
					accepted++
				}
			}
		})
	}
	if ran < len(all) {
		return // -run has chosen
	}
	for _, code := range []string{"", "InvalidChangeBatch", "PriorRequestNotComplete", "Throttling"} {
		if seen[code] == 0 {
			t.Errorf("no answer with the code %q: the sample is too mild", code)
		}
	}
	t.Logf("%d schedules, %d writes accepted, answers by code: %v", len(all), accepted, seen)
}

// TestAgreeOnFaults: what goes wrong on the wire means the same to the engine in both worlds.
func TestAgreeOnFaults(t *testing.T) {
	type outcomes struct{ Read, Swap engine.Outcome }
	for _, tc := range []struct {
		name   string
		action string // "" is both
		fault  awstest.Fault
		want   outcomes
	}{
		{"none", "none", awstest.Fault{}, outcomes{engine.Done, engine.Done}},
		{"answer to a change lost", change, awstest.Fault{Kind: awstest.Lose}, outcomes{engine.Done, engine.Done}},
		{"answers lost", "", awstest.Fault{Kind: awstest.Lose}, outcomes{engine.Unknown, engine.Unknown}},
		{"answer to a change cut short", change, awstest.Fault{Kind: awstest.Truncate}, outcomes{engine.Done, engine.Done}},
		{"listing cut short", list, awstest.Fault{Kind: awstest.Truncate}, outcomes{engine.Unknown, engine.Done}},
		{"listing empty", list, awstest.Fault{Kind: awstest.Empty}, outcomes{engine.Unknown, engine.Done}},
		{"change dropped", change, awstest.Fault{Kind: awstest.Drop}, outcomes{engine.Done, engine.Unknown}},
		{"outage", "", awstest.Fault{Kind: awstest.Drop}, outcomes{engine.Unknown, engine.Unknown}},
		{"throttled", "", awstest.Fault{Code: "Throttling"}, outcomes{engine.Busy, engine.Busy}},
		{"change before", change, awstest.Fault{Code: "PriorRequestNotComplete"}, outcomes{engine.Done, engine.Busy}},
		{"server error", "", awstest.Fault{Status: 500}, outcomes{engine.Unknown, engine.Unknown}},
		{"change meets a server error", change, awstest.Fault{Status: 500}, outcomes{engine.Done, engine.Unknown}},
		{"unavailable", "", awstest.Fault{Status: 503}, outcomes{engine.Unknown, engine.Unknown}},
		{"denied", "", awstest.Fault{Code: "AccessDenied"}, outcomes{engine.Denied, engine.Denied}},
		{"refused for its form", change, awstest.Fault{Code: "InvalidChangeBatch"}, outcomes{engine.Done, engine.Denied}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			const name = "lb.example.com"
			l, start := newLab(t), time.Now()
			run := func(r *core.Record, b sim.Backend) []awstest.RecordSet {
				r.Cloud.SetChangeTime(0) // the clock stands still
				r.Cloud.SetRate(awstest.AnyRoute53, awstest.Rate{})
				from, outcome := b.Swap(b.Now(), value(1, "lb1", 60, "203.0.113.1"))
				if outcome != engine.Done {
					t.Fatalf("without a fault: %s", outcome)
				}
				remove := r.Cloud.Inject(awstest.Fault{
					Service: "route53", Action: tc.action, Kind: tc.fault.Kind, Code: tc.fault.Code, Status: tc.fault.Status,
				})
				read, readOutcome := b.Read()
				swapped, swapOutcome := b.Swap(from, takeover)
				remove()
				if got := (outcomes{readOutcome, swapOutcome}); got != tc.want {
					t.Errorf("%T: %s, want %s", b, got, tc.want)
				}
				if readOutcome == engine.Done && read.Token != from.Token {
					t.Errorf("%T: read %+v, want %+v", b, read, from)
				}
				if swapOutcome == engine.Done && swapped.Lease != takeover.Lease {
					t.Errorf("%T: swapped to %+v", b, swapped)
				}
				return r.Cloud.Records(r.Zone)
			}
			clock := func() time.Time { return start }
			inCore, onWire := core.New(name, clock), core.New(name, clock)
			if diff := cmp.Diff(run(inCore, inCore), run(onWire, wire(t, l, name, onWire))); diff != "" {
				t.Errorf("the zones of the core (-) and of the wire (+) differ:\n%s", diff)
			}
		})
	}
}
