package dnsfailover

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// TestLoopStop: what stops is handed over first, and the last node has nobody to wait for.
func TestLoopStop(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(2))
		pass(20 * time.Second)
		l := c.members["lb1"].loop
		for range 2 { // the second time there is nothing left to do, but to say what was done
			began := time.Now()
			handed, err := l.Stop(t.Context())
			if err != nil || !slices.Equal(handed, []string{svc}) {
				t.Fatalf("handed over %v, %v", handed, err)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("stopping took %s", took)
			}
		}
		if l := c.rec.Now().Lease; l.Holder != "lb2" || l.Epoch != 2 || c.writes() != 2 {
			t.Errorf("%d writes: %+v", c.writes(), l)
		}
		if !l.Bodies()[svc].Leaving || !l.Status().Stopping {
			t.Error("a stopping node does not say so")
		}
		if err := l.Reload(nil); !errors.Is(err, ErrClosed) {
			t.Errorf("reloading a loop that stops: %v", err)
		}
		c.kill("lb1")
		if handed, err := c.members["lb2"].loop.Stop(t.Context()); err != nil || handed != nil {
			t.Fatalf("handed over %v, %v", handed, err)
		}
		if c.writes() != 2 {
			t.Errorf("%d writes", c.writes())
		}
	})
}

// TestLoopStopStandby: a node that holds nothing goes at once.
func TestLoopStopStandby(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(2))
		pass(20 * time.Second)
		began := time.Now()
		if handed, err := c.members["lb2"].loop.Stop(t.Context()); err != nil || handed != nil || time.Since(began) != 0 {
			t.Errorf("handed over %v after %s: %v", handed, time.Since(began), err)
		}
	})
}

// TestLoopStopInTime: a peer that can't be given the service does not keep the process, and the log says why.
func TestLoopStopInTime(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		logs, seen := observer.New(zap.WarnLevel)
		c.start(lbs(2), func(m *member) { m.log, m.offer = zap.New(logs), errors.New("connection reset") })
		pass(20 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		handed, err := c.members["lb1"].loop.Stop(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), svc) || handed != nil {
			t.Errorf("stopping: %v, handed over %v", err, handed)
		}
		if n := seen.FilterField(zap.Error(c.members["lb1"].offer)).Len(); n < 2 || c.writes() != 1 {
			t.Errorf("%d offers have failed, and there were %d writes", n, c.writes())
		}
	})
}

// TestLoopStopSome: of two services the one that a peer wants is handed over, and counts as such whatever becomes of the other,
// which no peer knows, or which one knows and can't be given.
func TestLoopStopSome(t *testing.T) {
	for _, tc := range []struct {
		name  string
		known bool
	}{{"a service of this node alone", false}, {"an offer that is lost", true}} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, c *cluster) {
				const vip = "vip"
				eip := &address{}
				c.start(lbs(2), func(m *member) {
					m.lose = vip
					m.with = func(s engine.Settings) map[string]Service {
						all := only(s, m)
						if tc.known || m.name == "lb1" {
							s.Targets = []engine.Target{{ID: vip, Kind: engine.Address}}
							all[vip] = Service{Settings: s, Targets: map[string]Target{vip: eip}}
						}
						return all
					}
				})
				pass(20 * time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				handed, err := c.members["lb1"].loop.Stop(ctx)
				if !slices.Equal(handed, []string{svc}) {
					t.Errorf("handed over %v", handed)
				}
				if (err != nil) != tc.known || err != nil && (!strings.Contains(err.Error(), vip) || strings.Contains(err.Error(), svc)) {
					t.Errorf("stopping: %v", err)
				}
				if at, _, _ := eip.seen(); at != "i-lb1" || c.rec.Now().Lease.Holder != "lb2" {
					t.Errorf("the address is with %s, and the record %+v", at, c.rec.Now())
				}
			})
		})
	}
}

// TestLoopStopClaiming: a claim that is under way is waited for, and what it brings is handed over.
func TestLoopStopClaiming(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(2), func(m *member) {
			if m.name == "lb2" {
				m.swap = func(ctx context.Context) { delay(ctx, time.Second) }
			}
		})
		pass(20 * time.Second)
		l := c.members["lb2"].loop
		if err := l.Command(svc, engine.Takeover, "a test"); err != nil {
			t.Fatal(err)
		}
		pass(500 * time.Millisecond) // the swap is under way
		if c.rec.Now().Lease.Holder != "lb1" {
			t.Fatal("it is done already")
		}
		if handed, err := l.Stop(t.Context()); err != nil || !slices.Equal(handed, []string{svc}) {
			t.Errorf("handed over %v, %v", handed, err)
		}
		if l := c.rec.Now().Lease; l.Holder != "lb1" || l.Epoch != 3 {
			t.Errorf("the lease is %+v", l)
		}
	})
}

// TestLoopStopClosed: a loop that is closed while somebody waits for its end lets them go.
func TestLoopStopClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(2), func(m *member) { m.offer = errors.New("connection reset") })
		pass(20 * time.Second)
		l := c.members["lb1"].loop
		time.AfterFunc(time.Second, func() { l.Close() })
		if handed, err := l.Stop(t.Context()); handed != nil || !errors.Is(err, ErrClosed) {
			t.Errorf("stopping: %v, handed over %v", err, handed)
		}
	})
}
