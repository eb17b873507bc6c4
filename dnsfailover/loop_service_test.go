package dnsfailover

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// TestLoopReload: a configuration that is loaded ten times moves, reads and writes nothing, and no heartbeat is missed.
func TestLoopReload(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(2))
		h := c.members["lb1"]
		pass(time.Minute)
		reads, writes, asks := c.reads(), c.writes(), h.asks.Load()
		same := settings("lb1", lbs(2))
		same.Boot, same.Prefer = "another", []string{} // a new boot is none, and an empty list is like none
		for range 10 {
			if err := h.loop.Reload(only(same, h)); err != nil {
				t.Fatal(err)
			}
		}
		pass(time.Second)
		if c.reads() != reads || c.writes() != writes || c.holder(0) != h {
			t.Errorf("%d readings and %d writes", c.reads()-reads, c.writes()-writes)
		}
		if n := h.asks.Load() - asks; n > 2 {
			t.Errorf("%d heartbeats within a second", n)
		}

		changed := settings("lb1", lbs(2))
		changed.Targets[0].TTL = 30
		if err := h.loop.Reload(only(changed, h)); err != nil {
			t.Fatal(err)
		}
		changed.Targets[0].TTL = 17 // what the caller does with his list does not concern the loop
		pass(time.Minute)
		if r := c.rec.Now(); r.TTL != 30 || r.Lease.Epoch != 1 || c.writes() != writes+1 {
			t.Errorf("%d writes, and the record is %+v", c.writes()-writes, r)
		}
	})
}

// TestLoopReloadDenied: somebody who has corrected a policy, or credentials, loads the configuration again, as it is, and it is
// tried at once whether that helps. So it is if it does not.
func TestLoopReloadDenied(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(1))
		h := c.members["lb1"]
		remove := c.rec.Cloud.Deny("route53:" + list)
		pass(time.Minute)
		if got := h.loop.Status().Services[svc].Targets[0]; !got.Denied || got.Outcome != engine.Denied {
			t.Fatalf("the target is %+v", got)
		}
		again := func() {
			t.Helper()
			reads := c.reads()
			if err := h.loop.Reload(only(settings("lb1", lbs(1)), h)); err != nil {
				t.Fatal(err)
			}
			pass(time.Second)
			if n := c.reads() - reads; n != 1 {
				t.Errorf("%d readings", n)
			}
		}
		again()
		if !h.loop.Status().Services[svc].Targets[0].Denied {
			t.Error("nothing is denied any more")
		}
		remove()
		again()
		if b := h.loop.Bodies()[svc]; !b.Able || b.Doubtful || !b.Active {
			t.Errorf("it says %+v", b)
		}
		if c.writes() != 1 {
			t.Errorf("%d writes", c.writes())
		}
	})
}

// TestLoopReloadUnreadable: what can't be read is tried at once, too: the reason may have been in the configuration, such as a key.
func TestLoopReloadUnreadable(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(1))
		h := c.members["lb1"]
		mend := c.fail(list)
		pass(5 * time.Minute)
		if !h.state().Targets[0].Failing {
			t.Fatal("the record can be read")
		}
		mend()
		reads := c.reads()
		if err := h.loop.Reload(only(settings("lb1", lbs(1)), h)); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if n := c.reads() - reads; n != 1 || h.state().Targets[0].Failing {
			t.Errorf("%d readings, and the record is %+v", n, h.state().Targets[0])
		}
	})
}

// TestLoopReloadPeers: peers that come are asked, those that go are not any more, and another interval counts at once.
func TestLoopReloadPeers(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(3))
		h := c.members["lb1"]
		for _, tc := range []struct {
			of       []string
			interval time.Duration
			atLeast  int64
			atMost   int64
		}{{lbs(2), time.Second, 17, 23}, {lbs(1), time.Second, 0, 0}, {lbs(3), 500 * time.Millisecond, 70, 90}} {
			s := settings("lb1", tc.of)
			s.Interval = tc.interval
			if err := h.loop.Reload(only(s, h)); err != nil {
				t.Fatal(err)
			}
			before := h.asks.Load()
			pass(20 * time.Second)
			if n := h.asks.Load() - before; n < tc.atLeast || n > tc.atMost {
				t.Errorf("%d peers at %s: %d heartbeats in 20 s", len(tc.of)-1, tc.interval, n)
			}
			if n := len(h.loop.Status().Peers); n != len(tc.of)-1 {
				t.Errorf("%d peers in the status", n)
			}
		}
	})
}

// TestLoopDroppedService: a service that is not configured any more is left as it is, and if it comes back no nonce of its
// writes is one that was used before.
func TestLoopDroppedService(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(1))
		h := c.members["lb1"]
		first, reads := c.rec.Now(), c.reads()
		if err := h.loop.Reload(nil); err != nil {
			t.Fatal(err)
		}
		pass(time.Hour)
		if c.writes() != 1 || c.reads() != reads || len(h.loop.Bodies()) != 0 {
			t.Errorf("a dropped service makes %d readings and %d writes", c.reads()-reads, c.writes()-1)
		}
		s := settings("lb1", lbs(1))
		s.Targets[0].TTL = 30
		if err := h.loop.Reload(only(s, h)); err != nil {
			t.Fatal(err)
		}
		c.holder(10 * time.Second)
		pass(10 * time.Second)
		r := c.rec.Now()
		if r.TTL != 30 || r.Lease.Nonce == first.Lease.Nonce || r.Lease.Epoch != 1 {
			t.Errorf("the record is %+v, and was %+v", r, first)
		}
		if n := h.count(engine.Resumed); n != 1 {
			t.Errorf("it was resumed %d times", n)
		}
	})
}

// TestLoopUnknownService: a peer that was not told a service is there all the same, and is no candidate.
func TestLoopUnknownService(t *testing.T) {
	inBubble(t, func(t *testing.T, c *cluster) {
		c.start(lbs(2))
		if err := c.members["lb2"].loop.Reload(nil); err != nil {
			t.Fatal(err)
		}
		pass(2 * time.Second)
		p := c.members["lb1"].state().Peers[0]
		if !p.Up || p.Body.Name != "lb2" || p.Body.Instance != "i-lb2" || p.Body.Able || p.Body.Active {
			t.Errorf("the peer is %+v", p)
		}
		if _, err := c.members["lb1"].loop.Stop(t.Context()); err != nil { // with nobody to wait for
			t.Error(err)
		}
	})
}

// TestSameSettings: whatever differs counts, the fields of later releases too.
func TestSameSettings(t *testing.T) {
	full := func() engine.Settings {
		s := settings("lb1", lbs(2))
		s.Prefer, s.Failback, s.Probes = []string{"lb2"}, time.Minute, "all"
		return s
	}
	if !sameSettings(full(), full()) {
		t.Error("the same settings differ")
	}
	for i := range reflect.TypeFor[engine.Settings]().NumField() {
		other := full()
		f := reflect.ValueOf(&other).Elem().Field(i)
		if f.IsZero() {
			t.Errorf("field %d is not set in this test", i)
		}
		f.SetZero()
		if sameSettings(full(), other) {
			t.Errorf("%s does not count", reflect.TypeFor[engine.Settings]().Field(i).Name)
		}
	}
}

// TestCheckServices: what can't work is refused as a whole, with the name of what is wrong.
func TestCheckServices(t *testing.T) {
	for _, tc := range []struct {
		name string
		edit func(s *Service)
		want string
	}{
		{"fine", func(*Service) {}, ""},
		{"no name", func(s *Service) { s.Settings.Node = "" }, "node"},
		{"no interval", func(s *Service) { s.Settings.Interval = 0 }, "interval"},
		{"no fall", func(s *Service) { s.Settings.Fall = 0 }, "fall"},
		{"another interval", func(s *Service) { s.Settings.Interval = time.Minute }, "1m0s"},
		{"no target", func(s *Service) { s.Settings.Targets = nil }, "no target"},
		{"a peer twice", func(s *Service) { s.Settings.Peers = []string{"lb2", "lb3", "lb2"} }, "lb2"},
		{"a target twice", func(s *Service) { s.Settings.Targets = append(s.Settings.Targets, s.Settings.Targets[0]) }, svc},
		{"no means", func(s *Service) { s.Targets = nil }, svc},
		{"an address that can't be freed", func(s *Service) { s.Settings.Targets[0].Kind = engine.Address }, "free"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := &member{}
			all := only(settings("lb1", lbs(2)), m)
			second := only(settings("lb1", lbs(2)), m)[svc]
			tc.edit(&second)
			all["second"] = second
			err := checkServices(all)
			if (err == nil) != (tc.want == "") || err != nil && (!strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "second")) {
				t.Errorf("%v, want %q", err, tc.want)
			}
			if tc.want == "" {
				return
			}
			if _, err := Start(LoopOptions{Network: m, Prober: m}, all); err == nil {
				t.Error("it has been started")
			}
		})
	}
	if _, err := Start(LoopOptions{}, nil); err == nil {
		t.Error("a loop without a network has been started")
	}
}
