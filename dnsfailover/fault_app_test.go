package dnsfailover

import (
	"slices"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// TestFault28: the holder loads its configuration ten times.
func TestFault28(t *testing.T) {
	faultBoth(t, "what outlives a configuration", func(t *testing.T, without bool, n *faultNotes) {
		l := newAppLab(t)
		l.load(l.config(nil))
		l.until("the first claim", l.active)
		reads, writes := l.counts()
		loop := l.status().setup.loop
		for i := range 10 {
			if without { // as if the state were in the configuration
				l.load([]byte(`{"admin": {"disabled": true, "config": {"persist": false}}}`))
			}
			l.load(l.config(nil))
			if !l.active() {
				n.addf("it is not active after reload %d", i+1)
			}
		}
		l.until("the end of the reloads", func() bool {
			s := l.status()
			return s.setup != nil && s.setup.wanted().share.cfg == s.cfg && l.active()
		})
		if r, w := l.counts(); w != writes || r != reads || w != 1 {
			n.addf("%d writes, and %d readings and %d writes by the reloads", w, r-reads, w-writes)
		}
		if l.status().setup.loop != loop {
			n.addf("the loop, with all that it heard of the peers, is another one")
		}
	})
}

// TestFault35: a third machine is made from the image of the first one, and has its name.
func TestFault35(t *testing.T) {
	faultBoth(t, "instances beside names", func(t *testing.T, without bool, n *faultNotes) {
		faultCluster(t, func(_ *testing.T, c *cluster) {
			c.create(lbs(3), func(m *member) {
				if m.name != "lb3" {
					return
				}
				m.with = func(s engine.Settings) map[string]Service {
					s.Node, s.Instance = "lb1", "i-clone"
					if without {
						s.Instance = "i-lb1"
					}
					return only(s, m)
				}
			})
			c.run(lbs(3), []string{"lb1"})
			n.within(c, "lb1", 10*time.Second)
			c.run(lbs(3), []string{"lb2"})
			pass(20 * time.Second)
			c.run(lbs(3), []string{"lb3"})
			pass(time.Minute)
			n.wants(c, "lb1", 1)
			if r := c.rec.Now(); r.Addrs != "192.0.2.1" {
				n.addf("the record points at %s", r.Addrs)
			}
			if w := c.members["lb3"].state().Waiting; w.Code != engine.SameName {
				n.addf("the clone says that it waits for %q", w)
			}
			c.kill("lb3")
			pass(10 * time.Second)
			c.kill("lb1")
			n.within(c, "lb2", time.Second)
			n.wants(c, "lb2", 2)
		})
	})
}

// TestFault40: resolvers keep the old answer. The node that stops hands over at once, and goes on until they have the new one.
func TestFault40(t *testing.T) {
	faultBoth(t, "linger", func(t *testing.T, without bool, n *faultNotes) {
		faultCluster(t, func(t *testing.T, c *cluster) {
			const linger = time.Minute
			c.start(lbs(2))
			pass(20 * time.Second)
			cfg := &Config{HandOver: caddy.Duration(10 * time.Second), Services: []ServiceConfig{{Name: "www", Records: []ServiceRecord{{Name: svc}}}}}
			if !without {
				cfg.Services[0].Linger = caddy.Duration(linger)
			}
			s := &share{cfg: cfg, log: zap.NewNop()}
			m := c.members["lb1"]
			up := &setup{log: s.log, loop: m.loop, own: newOwnNames(s.log, func(string) bool { return false }), now: &wanted{share: s}}
			defer up.own.close()
			began := time.Now()
			done := make(chan struct{})
			go func() { defer close(done); newNode().handOver(s, up, true) }()
			n.within(c, "lb2", 2*time.Second)
			pass(linger - 5*time.Second)
			select {
			case <-done:
				n.addf("it has ended, and clients still come to it")
			default:
			}
			if b := m.loop.Bodies(); b == nil || !b[svc].Leaving {
				n.addf("it does not say that it leaves: %+v", b)
			}
			<-done
			if took := time.Since(began); took > linger+3*time.Second {
				n.addf("it takes %s", took)
			}
			n.wants(c, "lb2", 2)
			n.active(c, "lb2")
		})
	})
}

// TestFault46: the disk is full, and who asks for figures does so all the time.
func TestFault46(t *testing.T) {
	faultBoth(t, "nobody waits for the log", func(t *testing.T, without bool, n *faultNotes) {
		faultCluster(t, func(t *testing.T, c *cluster) {
			release := make(chan struct{})
			c.start(lbs(2), func(m *member) {
				m.sink = func(engine.Tell) {
					if !without {
						<-release
					}
				}
			})
			m := c.members["lb2"]
			pass(20 * time.Second)
			if without {
				go m.loop.do(func() { <-release }) // the goroutine that decides writes the log
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range 1000 {
					if !without {
						m.loop.Status()
					}
				}
			}()
			c.mu.Lock()
			c.members["lb1"].up = false
			c.mu.Unlock()
			m.end("lb1")
			n.within(c, "lb2", 300*time.Millisecond)
			n.wants(c, "lb2", 2)
			close(release)
			<-done
			c.members["lb1"].loop.Close()
		})
	})
}

// TestFault36: somebody sends forged offers in the holder's name, true ones of another connection, and garbage, by the hundred.
func TestFault36(t *testing.T) {
	faultBoth(t, "the secret", func(t *testing.T, without bool, n *faultNotes) {
		holder, forger := newForger(t, secretA), newForger(t, map[bool]string{false: secretB, true: secretA}[without])
		lab := newPeerLab(t, selfOf(t, "lb-b", secretA))
		before := heap()
		const messages = 200
		for i := range messages {
			l, challenge := holder.meet(t, lab)
			text := forger.offer("lb-b", challenge, goodOffer)
			switch i % 4 {
			case 2:
				text = holder.offer("lb-b", nonce1, goodOffer)
			case 3:
				text = []byte("\x16\x03\x01\x02\x00 a scanner\r\n\r\n")
			}
			l.say(text)
			l.Close()
		}
		if !faultAwait(map[bool]time.Duration{false: patience, true: time.Second}[without], func() bool {
			return lab.rejected(RejectedForgery) == messages/2 && lab.rejected(RejectedReplay) == messages/4 && lab.rejected(RejectedMalformed) == messages/4
		}) {
			n.addf("of %d messages were refused: %v", messages, lab.server.Rejected())
		}
		if now := heap(); now > before+8<<20 {
			n.addf("the heap grew by %d bytes", now-before)
		}
		offers := slices.Clone(lab.taken())
		if len(offers) != 0 {
			n.addf("%d offers were taken", len(offers))
		}
		faultCluster(t, func(_ *testing.T, c *cluster) { // what they would do
			c.start(lbs(2))
			pass(20 * time.Second)
			for _, o := range offers {
				o.From = "lb1"
				c.members["lb2"].loop.Offered(svc, o)
			}
			pass(time.Minute)
			n.wants(c, "lb1", 1)
			n.active(c, "lb1")
		})
	})
}
