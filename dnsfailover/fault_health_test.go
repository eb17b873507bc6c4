package dnsfailover

import (
	"net/http"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// faultChecked is the outcome of a check, which is one of the port alone if it is to be shallow.
func faultChecked(t *testing.T, s SelfCheck, shallow bool) error {
	t.Helper()
	s.Timeout = caddy.Duration(500 * time.Millisecond)
	if shallow {
		s = SelfCheck{TCP: s.Dial, Timeout: s.Timeout}
	}
	c, err := openSelfCheck(&s)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	return c.check(t.Context())
}

// TestFault03: the module runs, and the server beside it hangs, or can't make a connection secure.
func TestFault03(t *testing.T) {
	hang := make(chan struct{})
	wedged := newWebLab(t, func(http.ResponseWriter, *http.Request) { <-hang })
	t.Cleanup(func() { close(hang) }) // before the server is closed, which waits for its handlers
	other := newWebLab(t, func(http.ResponseWriter, *http.Request) {})
	for name, check := range map[string]SelfCheck{
		"wedged": {URL: "https://example.com/", Dial: "127.0.0.1:" + wedged.port, TLSCA: wedged.ca},
		"TLS":    {URL: "https://example.com/", Dial: "127.0.0.1:" + other.port}, // whose certificate nobody trusts
	} {
		t.Run(name, func(t *testing.T) {
			faultBoth(t, "the check through the listener", func(t *testing.T, without bool, n *faultNotes) {
				err := faultChecked(t, check, without)
				faultCluster(t, func(_ *testing.T, c *cluster) {
					c.start(lbs(2))
					pass(20 * time.Second)
					c.members["lb1"].say(err == nil)
					pass(time.Second)
					c.members["lb2"].say(true) // it has passed since
					n.within(c, "lb2", 2*time.Second)
					pass(time.Minute)
					n.wants(c, "lb2", 2)
					n.active(c, "lb2")
				})
			})
		})
	}
}

// TestFault41: the best standby has no certificate for the name. It waits as long as another can serve, and takes the
// service if nobody can.
func TestFault41(t *testing.T) {
	web := newWebLab(t, func(http.ResponseWriter, *http.Request) {})
	check := SelfCheck{URL: "https://shop.example.org/", Dial: "127.0.0.1:" + web.port, TLSCA: web.ca}
	faultBoth(t, "the check of the certificate", func(t *testing.T, without bool, n *faultNotes) {
		err := faultChecked(t, check, without)
		faultCluster(t, func(_ *testing.T, c *cluster) {
			c.start(lbs(3))
			pass(20 * time.Second)
			c.members["lb2"].say(err == nil)
			pass(2 * time.Second)
			c.kill("lb1")
			n.within(c, "lb3", time.Second)
			pass(time.Minute)
			n.wants(c, "lb3", 2)
			n.active(c, "lb3")
			c.kill("lb3")
			pass(9 * time.Second)
			n.wants(c, "lb3", 2)
			n.within(c, "lb2", 3*time.Second)
			n.wants(c, "lb2", 3)
		})
	})
}
