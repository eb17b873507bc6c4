//go:build linux

package integration

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// TestElasticIPMeasure measures the time from a fault until the Elastic IP is at the survivor, what AWS is asked meanwhile, what happens
// when the fault ends, and whether a second fault is survived, and prints the table of DESIGN.md:
//
//	FAILOVER_MEASURE=5 go test ./integration -run '^TestElasticIPMeasure$' -v -timeout 60m -parallel 6
//
// One run is a pair of processes made anew, with the defaults of the configuration and a witness, and one fault at a random moment.
// FAILOVER_INTERVAL=200ms sets another interval than the default. The time
// ends when the AssociateAddress arrives at the fake, which carries it out then, and answers at once. Nothing else should run on the
// machine.
func TestElasticIPMeasure(t *testing.T) {
	runs, err := strconv.Atoi(os.Getenv(measureEnv))
	if err != nil || runs < 1 {
		t.Skipf("set %s to the number of runs", measureEnv)
	}
	var table eipTable
	t.Run("runs", func(t *testing.T) {
		for _, f := range eipFaults {
			for _, both := range []bool{false, true} {
				for i := range runs {
					t.Run(strings.ReplaceAll(f.name, " ", "_")+"/"+eipTargets(both)+"/"+strconv.Itoa(i+1), func(t *testing.T) {
						table.add(f.name, both, f.measure(t, both))
					})
				}
			}
		}
	})
	t.Log(table.String())
}

func eipTargets(both bool) string {
	if both {
		return "both"
	}
	return "alone"
}

// eipFault is what goes wrong in a row of the table.
type eipFault struct {
	name    string
	nodes   int  // 2 by default
	wired   bool // heartbeats go over wires
	network bool // in namespaces
	blind   bool // without a witness
	cold    bool // nothing runs yet
	settle  bool // silence is what counts
	run     func(*eipLab, *eipSample)
}

// eipSample is what a run has brought.
type eipSample struct {
	Took   time.Duration // until the address was at the survivor; -1 if it did not move
	Lease  time.Duration // until the lease was, too, if there is a record
	Calls  int           // of AssociateAddress until the fault had ended
	During int           // moves until the fault had ended
	After  int           // moves in the five seconds after that
	Second time.Duration // until the other one had it when the one that had it then was killed; 0 if that was not tried
}

const (
	eipMark     = "eip sample "
	intervalEnv = "FAILOVER_INTERVAL"
)

// measure makes the fault once.
func (f *eipFault) measure(t *testing.T, both bool) (s eipSample) {
	o := eipOptions{record: both, wired: f.wired}
	if !f.network {
		f.inLab(newEIP(t, max(f.nodes, 2), o), &s)
		return s
	}
	out := inNetwork(t, func(t *testing.T) {
		f.inLab(newEIPOnASwitch(t, o), &s)
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s%s", eipMark, text)
	})
	if _, text, ok := strings.Cut(out, eipMark); ok {
		line, _, _ := strings.Cut(text, "\n")
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (f *eipFault) inLab(e *eipLab, s *eipSample) {
	e.each(func(c *conf) {
		c.heartbeat = ""
		if every := os.Getenv(intervalEnv); every != "" {
			c.heartbeat = "interval " + every
		}
		if f.blind {
			c.rest = ""
		}
	})
	if f.cold {
		f.run(e, s)
		return
	}
	e.start()
	for _, n := range e.nodes[1:] {
		if !f.blind {
			e.witnessed(n)
		}
	}
	random := rand.N(time.Second)
	if f.settle {
		random += engine.Settle
	}
	e.unmoved(random, "nothing is wrong")
	f.run(e, s)
}

// took waits for the address to move, and notes when that was, and the same for the lease.
func (e *eipLab) took(s *eipSample, to *node, fault time.Time) {
	s.Took = e.moved(to, fault, time.Minute)
	if e.record {
		e.eventually("the lease to follow", func() bool { return e.lease().Holder == to.name })
		for _, c := range e.writes() {
			if c.Code == "" && !c.Fault && c.Caller.Instance == to.id && c.Time.After(fault) {
				s.Lease = c.Time.Sub(fault)
				break
			}
		}
	}
}

// moves counts how often the address went from one node to another.
func (e *eipLab) moves() int {
	n := -1 // the first one had it from nobody
	for _, c := range e.calls(associate) {
		if c.Code == "" {
			n++
		}
	}
	return n
}

// ends says that the fault ends, and watches what comes of it. Then it kills whoever has the address.
func (e *eipLab) ends(s *eipSample, end func()) {
	s.During = e.moves()
	s.Calls = len(e.calls(associate)) - 1
	end()
	e.hear()
	e.throughout(5*time.Second, "somebody has the address", func() bool { return !e.now().Free() })
	s.After = e.moves() - s.During
	holder := e.places[e.now().PrivateIP]
	e.holds(holder)
	others := slices.DeleteFunc(slices.Clone(e.nodes), func(n *node) bool { return n == holder })
	fault := holder.kill()
	e.eventually("another one to have the address", func() bool { return slices.ContainsFunc(others, e.has) })
	s.Second = e.moved(others[slices.IndexFunc(others, e.has)], fault, time.Minute)
}

// partition keeps the first two nodes from hearing each other for a minute.
func (e *eipLab) partition(s *eipSample) {
	lb1, lb2 := e.nodes[0], e.nodes[1]
	moves, fault := e.moves(), time.Now()
	for _, w := range []*wire{e.wire(lb1, lb2), e.wire(lb2, lb1)} {
		w.set(dropped, dropped)
	}
	s.Took = -1
	e.throughout(time.Minute, "somebody has the address", func() bool {
		if s.Took < 0 && e.moves() > moves {
			s.Took = time.Since(fault)
		}
		return true
	})
	e.ends(s, e.heal)
}

var eipFaults = []eipFault{
	{name: "host dies", run: func(e *eipLab, s *eipSample) {
		lb1, lb2 := e.nodes[0], e.nodes[1]
		e.took(s, lb2, lb1.kill())
		e.ends(s, lb1.spawn)
	}},
	{name: "interface down 30 s", network: true, settle: true, run: func(e *eipLab, s *eipSample) {
		lb1, lb2 := e.nodes[0], e.nodes[1]
		fault := time.Now()
		e.must(lb1.port.down())
		e.took(s, lb2, fault)
		e.throughout(time.Until(fault.Add(30*time.Second)), "the survivor has the address", func() bool { return e.has(lb2) })
		e.ends(s, func() { e.must(lb1.port.up()) })
	}},
	{name: "SIGSTOP 15 to 30 s", settle: true, run: func(e *eipLab, s *eipSample) {
		lb1, lb2 := e.nodes[0], e.nodes[1]
		fault := lb1.freeze()
		e.took(s, lb2, fault)
		end := fault.Add(15*time.Second + rand.N(15*time.Second))
		e.throughout(time.Until(end), "the survivor has the address", func() bool { return e.has(lb2) })
		e.ends(s, lb1.thaw)
	}},
	{name: "partition 60 s, usable witness", wired: true, settle: true, run: (*eipLab).partition},
	{name: "partition 60 s, third node", wired: true, nodes: 3, blind: true, settle: true, run: (*eipLab).partition},
	{name: "partition 60 s, neither", wired: true, blind: true, settle: true, run: (*eipLab).partition},
	{name: "web service stops", run: func(e *eipLab, s *eipSample) {
		lb1, lb2 := e.nodes[0], e.nodes[1]
		site := lb1.conf.site
		e.took(s, lb2, lb1.closeListener())
		e.ends(s, func() {
			lb1.conf.site = site
			lb1.reload()
			e.eventually("the holder before to be well", func() bool { return lb1.status().Services[0].Healthy })
		})
	}},
	{name: "host dies, API says 503 for 30 s", run: func(e *eipLab, s *eipSample) {
		lb1, lb2 := e.nodes[0], e.nodes[1]
		restore := e.cloud.Inject(awstest.Fault{Service: "ec2", Code: "RequestLimitExceeded", Status: 503, Message: "Request limit exceeded."})
		fault := lb1.kill()
		e.throughout(30*time.Second, "nobody can move it", func() bool { return e.has(lb1) })
		restore()
		e.took(s, lb2, fault)
		e.ends(s, lb1.spawn)
	}},
	{name: "cold start of both", cold: true, run: func(e *eipLab, s *eipSample) {
		began := time.Now()
		for _, n := range e.nodes {
			n.spawn()
		}
		e.eventually("somebody to have the address", func() bool { return !e.now().Free() })
		e.took(s, e.places[e.now().PrivateIP], began)
		e.hear()
		s.Calls = len(e.calls(associate))
	}},
}

// eipTable is the table, in the making.
type eipTable struct {
	mu   sync.Mutex
	rows map[string][]eipSample
}

func (b *eipTable) add(fault string, both bool, s eipSample) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rows == nil {
		b.rows = map[string][]eipSample{}
	}
	row := fault + " | " + eipTargets(both)
	b.rows[row] = append(b.rows[row], s)
}

func (b *eipTable) String() string {
	var text strings.Builder
	fmt.Fprint(&text, "\n| fault | targets | address at the survivor (min / median / max) | lease | AssociateAddress calls | moves meanwhile | and after "+
		"| then the other dies | runs |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, f := range eipFaults {
		for _, both := range []bool{false, true} {
			row := f.name + " | " + eipTargets(both)
			if all := b.rows[row]; len(all) > 0 {
				fmt.Fprintf(&text, "| %s | %s | %s | %s | %s | %s | %s | %d |\n", row,
					eipTimes(all, func(s eipSample) time.Duration { return s.Took }), eipTimes(all, func(s eipSample) time.Duration { return s.Lease }),
					eipCounts(all, func(s eipSample) int { return s.Calls }), eipCounts(all, func(s eipSample) int { return s.During }),
					eipCounts(all, func(s eipSample) int { return s.After }), eipTimes(all, func(s eipSample) time.Duration { return s.Second }), len(all))
			}
		}
	}
	return text.String()
}

// eipTimes is the least, median and greatest of the times that there are.
func eipTimes(all []eipSample, of func(eipSample) time.Duration) string {
	var times []time.Duration
	for _, s := range all {
		if d := of(s); d > 0 {
			times = append(times, d.Round(time.Millisecond))
		}
	}
	slices.Sort(times)
	switch n := len(times); n {
	case 0:
		return "–"
	default:
		return fmt.Sprintf("%s / %s / %s", times[0], ((times[(n-1)/2] + times[n/2]) / 2).Round(time.Millisecond), times[n-1])
	}
}

// eipCounts is the least and the greatest number.
func eipCounts(all []eipSample, of func(eipSample) int) string {
	least, most := of(all[0]), of(all[0])
	for _, s := range all {
		least, most = min(least, of(s)), max(most, of(s))
	}
	if least == most {
		return strconv.Itoa(least)
	}
	return fmt.Sprintf("%d to %d", least, most)
}
