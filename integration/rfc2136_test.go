//go:build linux

package integration

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/knottest"
)

// The record is made, moves when its holder dies and when it stops, and stays where it is when nodes come back and load their
// configuration again.
func TestRFC2136(t *testing.T) {
	k := newKnotLab(t, 2)
	k.start()
	k.hear()
	k.ask()
	lb1, lb2 := k.nodes[0], k.nodes[1]
	for _, n := range k.nodes {
		s := n.status().Services[0]
		if !strings.Contains(s.Guarantee, "advisory") || len(s.Targets) != 1 || !s.Targets[0].Advisory || s.Targets[0].Zone != knottest.Zone {
			t.Errorf("%s promises %q for %+v", n.name, s.Guarantee, s.Targets)
		}
		if lines := n.logged("advisory"); len(lines) != 1 {
			t.Errorf("%s has %d lines about it, want 1", n.name, len(lines))
		}
		for _, path := range []string{"/config/", "/dnsfailover/status", "/metrics"} {
			text, err := n.admin(http.MethodGet, path, "")
			k.must(err)
			if strings.Contains(text, knottest.Secret(knottest.Writer)) {
				t.Errorf("%s of %s has the key: %s", path, n.name, text)
			}
		}
	}

	// Neither a load of the configuration nor the restart of a standby is a reason to write.
	for _, n := range k.nodes {
		n.conf.site += "\nheader X-Again yes"
		n.reload()
	}
	k.holds(lb1)
	k.calm(lb1)
	k.unfailed()
	lb2.kill()
	lb2.spawn()
	k.hear()
	k.calm(lb1)
	k.wrote(1)

	k.witnessed(lb2)
	fault := lb1.kill()
	k.moved(lb2, fault, knotTakeover+slack)
	k.served(lb2, fault, knotTakeover+time.Second+slack)
	k.holds(lb2)
	k.wrote(2)
	lb1.spawn()
	k.hear()
	k.calm(lb2)
	k.wrote(2)

	fault = lb2.term()
	k.moved(lb1, fault, knotTakeover+slack)
	lb2.ended()
	k.holds(lb1)
	k.wrote(3)
	if e := k.lease().Epoch; e != 3 {
		t.Errorf("the epoch is %d, want 3", e)
	}
}

// A single node that dies and comes back finds its own lease, and writes nothing.
func TestRFC2136Restart(t *testing.T) {
	k := newKnotLab(t, 1)
	k.start()
	k.ask()
	lb1 := k.nodes[0]
	for _, end := range []func(){
		func() { lb1.kill() },
		func() { lb1.term(); lb1.ended() },
	} {
		end()
		lb1.spawn()
		k.holds(lb1)
		k.calm(lb1)
	}
	k.wrote(1)
	if e := k.lease().Epoch; e != 1 {
		t.Errorf("the epoch is %d, want 1", e)
	}
}

// A node whose key is wrong, or may not write, says so, and others take over in its place.
func TestRFC2136WrongKey(t *testing.T) {
	for _, tc := range []struct{ name, key, secret, problem string }{ // in the status, if there is one before it has to write
		{"wrong secret", knottest.Writer, knottest.Secret(knottest.Reader), "zone transfer"},
		{"unknown key", "nobody", knottest.Secret(knottest.Writer), "zone transfer"},
		{"key that may only read", knottest.Reader, knottest.Secret(knottest.Reader), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := newKnotLab(t, 3)
			k.each(func(c *conf) { c.heartbeat = "interval 1s" }) // the default
			lb1, lb2, lb3 := k.nodes[0], k.nodes[1], k.nodes[2]
			k.key(lb2, tc.key, tc.secret)
			lb1.spawn()
			k.eventually("the first node to hold the service", func() bool { return k.has(lb1) })
			lb2.spawn()
			lb3.spawn()
			lb2.serves()
			k.hear()
			if tc.problem != "" {
				k.eventually("the key to be found wanting", func() bool { return hasProblem(lb2.status(), "service www", tc.problem) })
			}
			k.ask()
			fault := lb1.kill()
			k.moved(lb3, fault, knotTakeover+3*time.Second+slack)
			if len(lb2.logged("a call on a target has failed", "bad authentication")) == 0 {
				t.Error("the node with the wrong key has logged nothing about it")
			}
			if !lb2.runs() {
				t.Error("the node with the wrong key has ended")
			}
			k.served(lb3, fault, knotTakeover+4*time.Second+slack)

			// With the right key it is like the others.
			k.key(lb2, knottest.Writer, knottest.Secret(knottest.Writer))
			lb2.reload()
			k.holds(lb3)
			k.calm(lb3)
			fault = lb3.kill()
			k.moved(lb2, fault, knotTakeover+slack)
		})
	}
}

// The server is away while the holder dies. The record moves as soon as it is back.
func TestRFC2136ServerAway(t *testing.T) {
	k := newKnotLab(t, 2)
	k.start()
	k.hear()
	lb1, lb2 := k.nodes[0], k.nodes[1]
	k.witnessed(lb2)
	k.server.Kill()
	lb1.kill()
	k.eventually("the standby to say that the server is away", func() bool {
		s := lb2.status()
		return len(s.Services) == 1 && len(s.Services[0].Targets) == 1 && strings.Contains(s.Services[0].Targets[0].Error, "connection refused")
	})
	k.throughout(2*time.Second, "nobody can move it", func() bool { return lb2.status().Services[0].Role == "standby" })
	k.server.Start()
	if !k.has(lb1) {
		t.Errorf("the server has lost what it was told: %+v, %s", k.lease(), k.points())
	}
	k.moved(lb2, time.Now(), 10*time.Second+slack)
	k.holds(lb2)
	lb1.spawn()
	k.hear()
	k.ask()
	k.calm(lb2)
	k.wrote(2)

}
