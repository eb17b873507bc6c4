package ec2upstreams

import (
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

// What AWS can do wrong, and requests are served all the same: none of the requests of any of these may fail.
func TestFaultsOfTheAPIChangeNothing(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault awstest.Fault
		want  string // in the last poll's error
	}{
		{"throttled", awstest.Fault{Code: "RequestLimitExceeded"}, "throttled"},
		{"500", awstest.Fault{Status: 500}, "server"},
		{"503", awstest.Fault{Status: 503}, "server"},
		{"connections closed", awstest.Fault{Kind: awstest.Drop}, "network"},
		{"answers cut short", awstest.Fault{Kind: awstest.Truncate}, "unexpected EOF"},
		{"credentials expired", awstest.Fault{Code: "RequestExpired"}, "RequestExpired"},
		{"permission withdrawn", awstest.Fault{Code: "UnauthorizedOperation"}, "add ec2:DescribeInstances"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			a, b := l.launch("Role", "web"), l.launch("Role", "web")
			l.load("dynamic ec2 {" + quick + "}")
			l.serves(a.id, b.id)
			c.fault.Service, c.fault.Action = "ec2", "DescribeInstances"
			remove := l.cloud.Inject(c.fault)
			l.underLoad(func() {
				l.polls(2)
				l.eventually("the error to show", func() bool { return strings.Contains(l.pool("Role").Poll.Error, c.want) })
			})
			l.serves(a.id, b.id)
			if n := len(l.logged("asking EC2 failed")); n != 1 {
				t.Errorf("the failure was logged %d times, want once:\n%s", n, strings.Join(l.logged("asking EC2"), ""))
			}
			remove()
			l.eventually("the poller to recover", func() bool { return l.pool("Role").Poll.Error == "" })
			l.eventually("the recovery to be logged once", func() bool { return len(l.logged("EC2 answers again")) == 1 })
		})
	}
}

func TestWrongAnswersChangeNothing(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault func(l *lab, web []*server) (undo func())
	}{
		{"one empty answer", func(l *lab, _ []*server) func() {
			return l.cloud.Inject(awstest.Fault{Service: "ec2", Kind: awstest.Empty, Times: 1})
		}},
		{"60 % vanish from one answer", func(l *lab, web []*server) func() {
			for _, s := range web[:3] {
				l.must(l.cloud.Hide(s.id, 1))
			}
			return func() {}
		}},
		{"a zone is out", func(l *lab, _ []*server) func() {
			l.cloud.SetZoneOutage("eu-west-1a", true)
			return func() { l.cloud.SetZoneOutage("eu-west-1a", false) }
		}},
		{"an answer hangs", func(l *lab, _ []*server) func() {
			return l.cloud.Inject(awstest.Fault{Service: "ec2", Kind: awstest.Hang, Times: 1})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			var web []*server
			var ids []string
			for range 5 {
				s := l.launch("Role", "web")
				web, ids = append(web, s), append(ids, s.id)
			}
			l.load("dynamic ec2 {" + quick + "}")
			l.serves(ids...)
			l.underLoad(func() {
				l.polls(1)
				undo := c.fault(l, web)
				if c.name == "an answer hangs" {
					l.polls(1) // the next one comes after the time-out, which is longer than a test should take
				} else {
					l.polls(3)
				}
				if got := l.pool("Role").Usable; got != 5 {
					t.Errorf("%d backends are usable, want 5", got)
				}
				undo()
			})
			l.serves(ids...)
		})
	}
}

func TestStartWithoutTheAPI(t *testing.T) {
	l := newLab(t)
	a := l.launch("Role", "web")
	restore := l.cloud.Outage("ec2")
	l.load("dynamic ec2 {" + quick + "}")
	if got := l.get("/"); !strings.HasPrefix(got, "503") {
		t.Errorf("answer is %q, want a 503", got)
	}
	if got := l.logged("no usable backend", "no instance found", "network"); len(got) == 0 {
		t.Errorf("the log does not say why:\n%s", strings.Join(l.logged(), ""))
	}
	l.polls(2)
	if n := len(l.logged("no earlier fleet is known")); n != 1 {
		t.Errorf("said %d times, want once", n)
	}
	restore()
	l.serves(a.id)
}

func TestStaticFallbackServesWithoutTheAPI(t *testing.T) {
	l := newLab(t)
	ln := l.listen("0")
	l.serve(ln, "i-static")
	l.cloud.Outage("ec2")
	l.load("dynamic ec2 {" + quick + "\nor static " + ln.Addr().String() + "\n}")
	l.serves("i-static")
}

func TestRestartDuringAnOutageServes(t *testing.T) {
	l := newLab(t)
	a, b := l.launch("Role", "web"), l.launch("Role", "web")
	l.load("dynamic ec2 {" + quick + "}")
	l.serves(a.id, b.id)
	l.eventually("the fleet to be stored", func() bool { return len(l.glob("storage/fleet/*/*.json")) > 0 })

	l.must(caddy.Stop())
	restore := l.cloud.Outage("ec2")
	l.load("dynamic ec2 {" + quick + "}")
	l.underLoad(func() { l.serves(a.id, b.id) })
	l.eventually("the failure to show", func() bool { return l.pool("Role").Poll.Error != "" })
	if p := l.pool("Role"); p.Origin != fleet.Snapshot || p.AgeSeconds <= 0 {
		t.Errorf("origin %q, age %g s", p.Origin, p.AgeSeconds)
	}
	restore()
	l.eventually("EC2 to be asked again", func() bool { return l.pool("Role").Origin == fleet.API })
	l.serves(a.id, b.id)
}

func TestInstancesChange(t *testing.T) {
	l := newLab(t)
	a, b := l.launch("Role", "web"), l.launch("Role", "web")
	l.load("dynamic ec2 {" + quick + "}")
	l.serves(a.id, b.id)

	t.Run("a tag is taken away", func(t *testing.T) {
		l.must(l.cloud.SetTags(b.id, map[string]string{"Role": "old"}))
		l.serves(a.id)
		l.must(l.cloud.SetTags(b.id, map[string]string{"Role": "web"}))
		l.serves(a.id, b.id)
	})
	t.Run("the port tag is bad", func(t *testing.T) {
		l.must(l.cloud.SetTags(b.id, map[string]string{"Port": "eighty"}))
		l.serves(a.id)
		if why := l.why("Role", b.id); why != `out: tag Port is "eighty", not a port from 1 to 65535` {
			t.Errorf("explained as %q", why)
		}
	})
	t.Run("the address and port change", func(t *testing.T) {
		ln := l.listen("0")
		moved := l.serve(ln, b.id)
		host, port, _ := strings.Cut(ln.Addr().String(), ":")
		l.must(l.cloud.SetPrivateIP(b.id, host))
		l.must(l.cloud.SetTags(b.id, map[string]string{"Port": port}))
		l.serves(a.id, b.id)
		if moved.hits.Load() == 0 {
			t.Error("the new address got no request")
		}
	})
	t.Run("an instance is stopped and started", func(t *testing.T) {
		l.must(l.cloud.Stop(b.id))
		l.serves(a.id)
		l.must(l.cloud.Start(b.id))
		l.serves(a.id, b.id)
	})
	t.Run("a fresh instance is missing from one answer", func(t *testing.T) {
		c := l.launch("Role", "web")
		l.serves(a.id, b.id, c.id)
		l.must(l.cloud.Hide(c.id, 1))
		l.underLoad(func() {
			l.polls(2)
			if why := l.why("Role", c.id); !strings.HasPrefix(why, "in: ") {
				t.Errorf("explained as %q", why)
			}
		})
	})
}

// EC2 shuffles every answer; the order of the backends must not follow it, or lb_policy first and round_robin lose
// their meaning, and load balancers disagree.
func TestOrderIsStable(t *testing.T) {
	l := newLab(t)
	var ids []string
	for range 6 {
		ids = append(ids, l.launch("Role", "web").id)
	}
	l.load("dynamic ec2 {" + quick + "}\nlb_policy first")
	l.eventually("all to be found", func() bool { return l.pool("Role").Usable == len(ids) })
	first := l.get("/")
	l.underLoad(func() {
		l.polls(5)
		for range 20 {
			if got := l.get("/"); got != first {
				t.Fatalf("first was %s and is %s", first, got)
			}
		}
	})
}

func TestNewBackendMustPassFirst(t *testing.T) {
	l := newLab(t)
	a := l.launch("Role", "web")
	l.load("dynamic ec2 {" + quick + "}")
	l.serves(a.id)

	ln := l.listen("0")
	booting := l.serve(ln, "")
	booting.status.Store(503)
	host, port, _ := strings.Cut(ln.Addr().String(), ":")
	id, err := l.cloud.Launch(awstest.Launch{PrivateIP: host, Tags: map[string]string{"Role": "web", "Port": port}})
	l.must(err)
	l.underLoad(func() {
		l.eventually("the new one to be checked", func() bool { return booting.checks.Load() > 3 })
		if why := l.why("Role", id); !strings.Contains(why, "status 503") {
			t.Errorf("explained as %q", why)
		}
		if n := booting.hits.Load(); n != 0 {
			t.Errorf("%d requests before the first pass", n)
		}
	})
	booting.status.Store(0)
	l.eventually("requests", func() bool { l.get("/"); return booting.hits.Load() > 0 })
}

func TestFailingBackendLeavesAndReturns(t *testing.T) {
	l := newLab(t)
	a, b := l.launch("Role", "web"), l.launch("Role", "web")
	l.load("dynamic ec2 {" + quick + "}")
	l.serves(a.id, b.id)
	l.underLoad(func() {
		b.status.Store(500)
		l.serves(a.id)
		if why := l.why("Role", b.id); !strings.Contains(why, "unhealthy") || !strings.Contains(why, "status 500") {
			t.Errorf("explained as %q", why)
		}
		before := b.hits.Load()
		l.getMany(50)
		if n := b.hits.Load() - before; n != 0 {
			t.Errorf("%d requests went to a backend that is out", n)
		}
		b.status.Store(0)
		l.serves(a.id, b.id)
	})
	if down, up := len(l.logged("backend is down", b.id, "status 500")), len(l.logged("backend is up", b.id)); down != 1 || up != 1 {
		t.Errorf("logged down %d times and up %d times, want once each", down, up)
	}
}

// A killed backend is hidden by Caddy's retries until the checks see it.
func TestRetriesHideAKilledBackend(t *testing.T) {
	l := newLab(t)
	a, b, c := l.launch("Role", "web"), l.launch("Role", "web"), l.launch("Role", "web")
	l.load("dynamic ec2 {" + quick + "}\nlb_retries 3\nfail_duration 2s")
	l.serves(a.id, b.id, c.id)
	l.underLoad(func() {
		b.CloseClientConnections()
		b.Close()
		l.serves(a.id, c.id)
	})
}

func TestTenReloadsUnderLoad(t *testing.T) {
	l := newLab(t)
	a, b := l.launch("Role", "web"), l.launch("Role", "web")
	block := "dynamic ec2 {" + strings.Replace(quick, "refresh 1s", "refresh 1m", 1) + "}"
	l.load(block)
	l.serves(a.id, b.id)
	l.eventually("a check of each", func() bool { return l.why("Role", a.id) == "in: healthy" && l.why("Role", b.id) == "in: healthy" })
	before := l.cloud.Count("ec2", "DescribeInstances")
	since := l.pool("Role").Backends[0].StatusSince
	l.underLoad(func() {
		for i := range 10 {
			l.load(block + "\nheader_up X-Reload " + string(rune('0'+i)))
		}
		l.serves(a.id, b.id)
	})
	if n := l.cloud.Count("ec2", "DescribeInstances") - before; n != 0 {
		t.Errorf("%d polls, want none: the fleet is known", n)
	}
	if s := status(time.Now()); len(s.Pools) != 1 || len(s.Upstreams) != 1 {
		t.Errorf("%d pools and %d users after ten reloads, want one each", len(s.Pools), len(s.Upstreams))
	}
	if got := l.pool("Role").Backends[0].StatusSince; !got.Equal(since) {
		t.Errorf("the checks began anew: the status is of %s, not of %s", got, since)
	}

	l.load(strings.Replace(block, "refresh 1m", "refresh 1s", 1)) // another interval is taken over by the running poller
	l.polls(2)

	if err := l.tryLoad("dynamic ec2 {" + quick + "}\nlb_policy weighted_round_robin 1 2"); err == nil {
		t.Error("a configuration that crashes was accepted")
	}
	l.serves(a.id, b.id)
	l.polls(1)
}

func TestRemovedBlockEndsItsPoller(t *testing.T) {
	l := newLab(t)
	a := l.launch("Role", "web")
	l.load("dynamic ec2 {" + quick + "}")
	l.serves(a.id)
	l.load("to 127.0.0.1:1")
	if s := status(time.Now()); len(s.Pools) != 0 || len(s.Upstreams) != 0 {
		t.Errorf("left over: %+v", s)
	}
}

// A reload that changes how backends are checked does not send requests to those that are known to be down.
func TestReloadRemembersWhoIsDown(t *testing.T) {
	l := newLab(t)
	a, b := l.launch("Role", "web"), l.launch("Role", "web")
	b.status.Store(503)
	l.load("dynamic ec2 {" + quick + "}")
	l.eventually("the check to fail", func() bool { return strings.Contains(l.why("Role", b.id), "unhealthy") })
	before := b.hits.Load()
	l.underLoad(func() {
		for _, timeout := range []string{"1s", "1100ms", "1200ms"} {
			l.load("dynamic ec2 {" + quick + "\nhealth_timeout " + timeout + "\n}")
			l.serves(a.id)
		}
	})
	if n := b.hits.Load() - before; n != 0 {
		t.Errorf("%d requests went to a backend that was known to be down", n)
	}
}

// What serves is said also by a configuration that came after the pool was made.
func TestFallbackAfterAReloadIsSaid(t *testing.T) {
	l := newLab(t)
	a, b := l.launch("Role", "web"), l.launch("Role", "backup")
	block := "dynamic ec2 {" + quick + "\nor {\ntag Role backup\n}\n}"
	l.load(block)
	l.serves(a.id)
	l.load(block + "\nheader_up X-Again 1")
	a.status.Store(500)
	l.serves(b.id)
	l.eventually("the change to be said", func() bool { return len(l.logged("requests are served from elsewhere now")) == 1 })
}
