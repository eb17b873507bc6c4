package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libdns/libdns"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// raceLibDNS has some nodes swap the same reading, at times within spread of each other, and returns who has won.
func raceLibDNS(t *testing.T, m *memDNS, nodes []*LibDNS, epoch uint64, spread time.Duration, rnd *rand.Rand) []int {
	t.Helper()
	from := libRead(t, nodes[0])
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, node := range nodes {
		late := time.Duration(rnd.Int64N(int64(spread)))
		wg.Go(func() {
			<-time.After(late)
			ctx, cancel := context.WithTimeout(t.Context(), engine.WriteTime)
			defer cancel()
			_, errs[i] = node.Swap(ctx, from, value(epoch, fmt.Sprint("lb", i), 60, fmt.Sprint("203.0.113.", i)))
		})
	}
	wg.Wait()
	var won []int
	for i, err := range errs {
		if err == nil {
			won = append(won, i)
		} else if !errors.Is(err, ErrConflict) {
			t.Errorf("epoch %d, lb%d: %v", epoch, i, err)
		}
	}
	return won
}

// Of two, three and four writers one wins, if each brings its lease in within the pause.
func TestLibDNSRaceHasOneWinner(t *testing.T) {
	for n, sets := range map[int]bool{2: true, 3: true, 4: false} {
		t.Run(fmt.Sprint(n, " SetRecords=", sets), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemDNS(t)
				rnd := rand.New(rand.NewPCG(1, uint64(n)))
				var mu sync.Mutex
				m.delay = func(string) time.Duration {
					mu.Lock()
					defer mu.Unlock()
					return time.Duration(rnd.Int64N(int64(libdnsPause / 2)))
				}
				var nodes []*LibDNS
				for range n {
					node := m.target(m)
					if !sets {
						node = m.target(memAdds{m, m, m})
					}
					node.pause = libdnsPause
					nodes = append(nodes, node)
				}
				again := rand.New(rand.NewPCG(2, uint64(n)))
				for epoch := uint64(1); epoch <= 200; epoch++ {
					won := raceLibDNS(t, m, nodes, epoch, 2*libdnsPause, again)
					if len(won) != 1 {
						t.Fatalf("epoch %d: %d have won", epoch, won)
					}
					r := libRead(t, nodes[0])
					if r.Addrs != fmt.Sprint("203.0.113.", won[0]) || r.Lease.Nonce != fmt.Sprintf("lb%d-%d", won[0], epoch) {
						t.Fatalf("epoch %d: %d has won, and it reads %+v", epoch, won[0], r)
					}
				}
			})
		})
	}
}

// What is not promised: of two writers, of which the lease of one takes longer than the pause, both win, one after the
// other. The record and its lease are in the end those of one node.
func TestLibDNSLateLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemDNS(t)
		lb1, lb2 := m.target(m), m.target(slowDNS{m})
		lb1.pause, lb2.pause = libdnsPause, libdnsPause
		from := libRead(t, lb1)
		var late error
		var wg sync.WaitGroup
		wg.Go(func() { _, late = lb2.Swap(t.Context(), from, value(1, "lb2", 60, "203.0.113.2")) })
		synctest.Wait() // until it has listed the zone
		first, err := lb1.Swap(t.Context(), from, value(1, "lb1", 60, "203.0.113.1"))
		if err != nil || first.Lease.Holder != "lb1" {
			t.Errorf("%+v, %v", first, err)
		}
		wg.Wait()
		if late != nil {
			t.Error(late)
		}
		m.holds("A 1m0s 203.0.113.2", "TXT 1m0s lb2-1")
	})
}

// Nor is this: addresses that arrive after somebody else has taken over from their writer. He learns that he has lost, and
// to everybody the record looks edited.
func TestLibDNSLateAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemDNS(t)
		hang := make(chan struct{})
		lb1, lb2 := m.target(m), m.target(m)
		m.fail("set", memFault{}, memFault{hangs: hang})
		from := libRead(t, lb1)
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := lb1.Swap(t.Context(), from, value(1, "lb1", 60, "203.0.113.1"))
			wantError(t, err, engine.Conflict, "the lease is lb2's, epoch 2")
		})
		pass(time.Second)
		libSwap(t, lb2, value(2, "lb2", 60, "203.0.113.2"))
		close(hang)
		wg.Wait()
		m.holds("A 1m0s 203.0.113.1", "TXT 1m0s lb2-2")
		if r := libRead(t, lb2); r.Addrs == r.Lease.Addrs || r.Lease.Holder != "lb2" {
			t.Errorf("it reads %+v", r)
		}
	})
}

// slowDNS takes longer than the pause to write.
type slowDNS struct{ *memDNS }

func (s slowDNS) SetRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	<-time.After(4 * libdnsPause)
	return s.memDNS.SetRecords(ctx, zone, recs)
}

// TestLibDNSLoops has two loops at work on one record: a claim, the death of the holder, a takeover of which the addresses
// are refused at first, and the return of the other, which takes nothing back.
func TestLibDNSLoops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemDNS(t)
		m.delay = func(string) time.Duration { return 50 * time.Millisecond }
		p := &pair{ended: [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}, asked: make(chan struct{}, 1)}
		boots := 0
		run := func(i int) *Loop {
			s := settings(lbs(2)[i], lbs(2))
			boots++
			s.Boot = fmt.Sprint(s.Node, ".", boots)
			target := m.target(m)
			target.pause = libdnsPause
			loop, err := Start(LoopOptions{Network: end{p, i}, Prober: end{p, i}}, only(s, target))
			if err != nil {
				t.Fatal(err)
			}
			loop.Health(true, time.Now())
			p.loops[i].Store(loop)
			return loop
		}
		stop := func(i int, l *Loop) {
			p.loops[i].Store(nil)
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
		settled := func(holder, addr string, epoch uint64) {
			t.Helper()
			r := libRead(t, m.target(m))
			if r.Lease.Holder != holder || r.Addrs != addr || r.Lease.Addrs != addr || r.Lease.Epoch != epoch {
				t.Fatalf("the record is %+v, want that of %s, epoch %d", r, holder, epoch)
			}
		}
		one := run(0)
		pass(10 * time.Second)
		settled("lb1", "192.0.2.1", 1)
		two := run(1)
		pass(2 * time.Minute)
		settled("lb1", "192.0.2.1", 1)
		writes := m.calls["set"]
		stop(0, one)
		m.fail("set", memFault{}, memFault{before: errMem})
		pass(time.Minute)
		// The first lease, the addresses that are refused, and a swap that completes it.
		settled("lb2", "192.0.2.2", m.epoch())
		if n := m.calls["set"] - writes; n != 4 {
			t.Errorf("%d writes for a takeover with one failure", n)
		}
		epoch := m.epoch()
		one = run(0)
		pass(2 * time.Minute)
		settled("lb2", "192.0.2.2", epoch)
		stop(0, one)
		stop(1, two)
	})
}

// epoch is that of the lease.
func (m *memDNS) epoch() uint64 { return libRead(m.t, m.target(m)).Lease.Epoch }
