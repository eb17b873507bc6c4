package ec2upstreams

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

func TestFallbackTakesOverAndGivesBack(t *testing.T) {
	l := newLab(t)
	a, b := l.launch("Role", "web"), l.launch("Role", "backup")
	ln := l.listen("0")
	l.serve(ln, "i-static")
	l.load("dynamic ec2 {" + quick + "\nor {\ntag Role backup\n}\nor static " + ln.Addr().String() + "\n}")
	l.serves(a.id)
	l.underLoad(func() {
		a.status.Store(500)
		l.serves(b.id)
		b.status.Store(500)
		l.serves("i-static")
		b.status.Store(0)
		l.serves(b.id)
		a.status.Store(0)
		l.serves(a.id)
	})
	if got := l.logged("requests are served from elsewhere now"); len(got) != 4 {
		t.Errorf("the changes were logged %d times, want 4:\n%s", len(got), strings.Join(got, ""))
	}
}

func TestFallbackInAnotherAccountAndRegion(t *testing.T) {
	l := newLab(t)
	role := awstest.Role{ARN: "arn:aws:iam::210987654321:role/lb", ExternalID: "secret-42"}
	l.must(l.cloud.AddRole(role))
	ln := l.listen("0")
	host, port, _ := net.SplitHostPort(ln.Addr().String())
	id, err := l.cloud.Launch(awstest.Launch{Account: "210987654321", Region: "eu-central-1", PrivateIP: host, Tags: map[string]string{"Role": "web", "Port": port}})
	l.must(err)
	l.serve(ln, id)
	l.load("dynamic ec2 {" + quick + "\nor {\nregion eu-central-1\nrole_arn " + role.ARN + "\nexternal_id secret-42\n}\n}")
	l.serves(id)
}

func TestFailOpen(t *testing.T) {
	for _, c := range []struct{ option, want string }{{"", "i-"}, {"fail_open on", "i-"}, {"fail_open off", "503"}} {
		t.Run(c.option, func(t *testing.T) {
			l := newLab(t)
			a, drained := l.launch("Role", "web"), l.launch("Role", "web", "Drain", "1")
			a.status.Store(500)
			l.load("dynamic ec2 {" + quick + "\ndrain tag Drain\n" + c.option + "\n}")
			l.eventually("the check to fail", func() bool { return strings.Contains(l.why("Role", a.id), "unhealthy") })
			if got := l.get("/"); !strings.HasPrefix(got, c.want) {
				t.Errorf("answer %q, want %s", got, c.want)
			}
			if n := drained.hits.Load(); n != 0 {
				t.Errorf("the draining backend got %d requests", n)
			}
		})
	}
}

func TestDrainByTag(t *testing.T) {
	l := newLab(t)
	a, b := l.launch("Role", "web"), l.launch("Role", "web")
	l.load("dynamic ec2 {" + quick + "\ndrain State=drain\n}")
	l.serves(a.id, b.id)
	l.underLoad(func() {
		l.must(l.cloud.SetTags(b.id, map[string]string{"State": "drain"}))
		l.serves(a.id)
		if why := l.why("Role", b.id); why != "out: draining by tag State" {
			t.Errorf("explained as %q", why)
		}
		l.must(l.cloud.DeleteTags(b.id, "State"))
		l.serves(a.id, b.id)
	})
}

func TestOwnZoneFirst(t *testing.T) {
	l := newLab(t)
	var own []*server
	for range 4 {
		own = append(own, l.launchIn("eu-west-1a", "Role", "web"))
	}
	other := l.launchIn("eu-west-1b", "Role", "web")
	l.load("dynamic ec2 {" + quick + "\nzone prefer 70% eu-west-1a\n}")
	l.serves(own[0].id, own[1].id, own[2].id, own[3].id)
	if why := l.why("Role", other.id); !strings.Contains(why, "4 of 4 backends in the own zone eu-west-1a are healthy") {
		t.Errorf("explained as %q", why)
	}
	own[0].status.Store(500) // 75 % left
	l.serves(own[1].id, own[2].id, own[3].id)
	own[1].status.Store(500) // 50 % left
	l.serves(own[2].id, own[3].id, other.id)
	own[0].status.Store(0)
	own[1].status.Store(0)
	l.serves(own[0].id, own[1].id, own[2].id, own[3].id)

	l.load("dynamic ec2 {" + quick + "\nzone prefer euw1-az2\n}") // by id
	l.serves(other.id)
}

func TestSubsetFollowsTheWeights(t *testing.T) {
	l := newLab(t)
	a, b, zero := l.launch("Role", "web"), l.launch("Role", "web", "Weight", "900"), l.launch("Role", "web", "Weight", "0")
	l.load("dynamic ec2 {" + quick + "\nsubset 1\nweight tag Weight 100\n}")
	l.serves(a.id, b.id)
	const n = 1000
	got := l.getMany(n)
	if share := float64(got[b.id]) / n; share < 0.85 || share > 0.95 || got[zero.id] != 0 {
		t.Errorf("weights 100, 900 and 0 got %d, %d and %d of %d requests", got[a.id], got[b.id], got[zero.id], n)
	}
	if why := l.why("Role", zero.id); why != "out: weight is 0" {
		t.Errorf("explained as %q", why)
	}
}

func TestSlowStart(t *testing.T) {
	l := newLab(t)
	a := l.launch("Role", "web")
	l.load("dynamic ec2 {" + quick + "\nsubset 1\nslow_start 1h\n}")
	l.serves(a.id)
	b := l.launch("Role", "web")
	l.eventually("the new backend to begin slowly", func() bool { return strings.HasPrefix(l.why("Role", b.id), "in: slow start, at 1") })
	const n = 1000
	if got := l.getMany(n)[b.id]; got < n/25 || got > n/6 {
		t.Errorf("%d of %d requests went to a backend at a tenth of its weight, want about %d", got, n, n/11)
	}

	l.load("dynamic ec2 {" + quick + "\nsubset 1\nslow_start 1s\n}")
	c := l.launch("Role", "web")
	l.eventually("the slow start to end", func() bool { return l.why("Role", c.id) == "in: healthy" })
}

func TestSubsetByKeepsSessions(t *testing.T) {
	l := newLab(t)
	var servers []*server
	for range 6 {
		servers = append(servers, l.launch("Role", "web"))
	}
	l.load("dynamic ec2 {" + quick + "\nsubset 2 by {http.request.cookie.sid}\n}\nlb_policy first\nlb_retries 2")
	l.eventually("all to be found", func() bool { return l.pool("Role").Usable == 6 })
	home := make(map[string]string)
	users := make(map[string]bool)
	for i := range 60 {
		sid := fmt.Sprint("sid=", i)
		home[sid] = l.get("/", "Cookie", sid)
		users[home[sid]] = true
	}
	if len(users) != 6 {
		t.Errorf("60 sessions live on %d of 6 backends", len(users))
	}
	for sid, want := range home {
		if got := l.get("/", "Cookie", sid); got != want {
			t.Errorf("%s went to %s and then to %s", sid, want, got)
		}
	}
	if got := l.getMany(200); len(got) != 6 {
		t.Errorf("requests without a session went to %d of 6 backends", len(got))
	}
	// The one that goes is hidden by a retry, and only its sessions move.
	servers[0].CloseClientConnections()
	servers[0].Close()
	for sid, was := range home {
		got := l.get("/", "Cookie", sid)
		if !strings.HasPrefix(got, "i-") || got == servers[0].id || was != servers[0].id && got != was {
			t.Errorf("%s went to %s and, after %s died, to %s", sid, was, servers[0].id, got)
		}
	}
}

func TestCookiePolicyMovesASessionWhoseServerIsGone(t *testing.T) {
	l := newLab(t)
	a, b := l.launch("Role", "web"), l.launch("Role", "web")
	l.load("dynamic ec2 {" + quick + "}\nlb_policy cookie lb")
	l.serves(a.id, b.id)

	res, err := l.client.Get("http://lab/")
	l.must(err)
	res.Body.Close()
	cookie := res.Header.Get("Set-Cookie")
	if cookie, _, _ = strings.Cut(cookie, ";"); !strings.HasPrefix(cookie, "lb=") {
		t.Fatalf("no cookie in %v", res.Header)
	}
	home := l.get("/", "Cookie", cookie)
	for range 50 {
		if got := l.get("/", "Cookie", cookie); got != home {
			t.Fatalf("session moved from %s to %s", home, got)
		}
	}
	gone, left := a, b
	if home == b.id {
		gone, left = b, a
	}
	gone.status.Store(500)
	l.eventually("the session to move", func() bool { return l.get("/", "Cookie", cookie) == left.id })
}

func TestTCPCheckIsTheDefault(t *testing.T) {
	l := newLab(t)
	a, b := l.launch("Role", "web"), l.launch("Role", "web")
	l.load("dynamic ec2 {\ntag Role web\nport tag Port\nhealth_interval 100ms\n}")
	l.serves(a.id, b.id)
	b.CloseClientConnections()
	b.Close()
	l.serves(a.id)
	if why := l.why("Role", b.id); !strings.Contains(why, "connection refused") {
		t.Errorf("explained as %q", why)
	}
	if n := a.checks.Load(); n != 0 {
		t.Errorf("%d HTTP checks", n)
	}
}

// The checks of backends that speak TLS use the settings of the transport.
func TestTLSBackends(t *testing.T) {
	l := newLab(t)
	ln := l.listen("0")
	host, port, _ := net.SplitHostPort(ln.Addr().String())
	id, err := l.cloud.Launch(awstest.Launch{PrivateIP: host, Tags: map[string]string{"Role": "web", "Port": port}})
	l.must(err)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, id) }))
	l.must(s.Listener.Close())
	s.Listener = ln
	s.StartTLS()
	t.Cleanup(s.Close)

	l.load("dynamic ec2 {" + quick + "}\ntransport http {\ntls\ntls_insecure_skip_verify\n}")
	l.serves(id)
	l.eventually("a check to pass", func() bool { return l.why("Role", id) == "in: healthy" })

	l.load("dynamic ec2 {" + quick + "}\ntransport http {\ntls\n}") // the test's certificate is not trusted
	l.eventually("the check to fail", func() bool { return strings.Contains(l.why("Role", id), "certificate") })

	// A certificate authority that is corrected counts for the checks as it does for the requests.
	trust := func(der []byte) {
		file := filepath.Join(l.dir, "ca.pem")
		l.must(os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
		l.load("dynamic ec2 {" + quick + "}\ntransport http {\ntls\ntls_server_name example.com\ntls_trust_pool file " + file + "\n}")
	}
	trust(otherCA(t))
	l.eventually("the check to fail", func() bool { return strings.Contains(l.why("Role", id), "certificate") })
	trust(s.Certificate().Raw)
	l.eventually("a check to pass", func() bool { return l.why("Role", id) == "in: healthy" })

	l.load("dynamic ec2 {" + quick + "}\ntransport http {\ntls\ntls_except_ports " + port + "\n}")
	l.eventually("a check without TLS to fail", func() bool { return strings.Contains(l.why("Role", id), "status 400") })
}

// otherCA is the certificate of an authority that nobody uses.
func otherCA(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "nobody"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestOwnHealthOptionsOfReverseProxyAreWarnedOf(t *testing.T) {
	l := newLab(t)
	a := l.launch("Role", "web")
	l.load("dynamic ec2 {\ntag Role web\nport tag Port\n}\nhealth_uri /healthz")
	l.serves(a.id)
	if n := len(l.logged("do nothing for dynamic upstreams")); n != 1 {
		t.Errorf("warned %d times, want once", n)
	}
	l.load("dynamic ec2 {" + quick + "}\nhealth_uri /healthz")
	if n := len(l.logged("do nothing for dynamic upstreams")); n != 1 {
		t.Errorf("warned although dynamic ec2 has its own health_uri")
	}
}

func TestTwoSitesShareAPool(t *testing.T) {
	l := newLab(t)
	a := l.launch("Role", "web")
	site := "http://%s" + l.port() + " {\nbind " + l.host() + "\nreverse_proxy {\ndynamic ec2 {" + quick + "}\n}\n}\n"
	l.must(l.tryConfig(fmt.Sprintf(site, "lab") + fmt.Sprintf(site, "other.lab")))
	l.serves(a.id)
	if s := status(time.Now()); len(s.Pools) != 1 || len(s.Upstreams) != 2 {
		t.Errorf("%d pools and %d users, want one pool for two", len(s.Pools), len(s.Upstreams))
	}
}
