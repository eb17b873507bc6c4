//go:build linux

package integration

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	secretText  = "an-old-secret-of-the-tests"
	newSecret   = "a-new-secret-of-the-tests!"
	otherSecret = "another-secret-of-the-tests"
)

// hasProblem reports whether a status names a problem with all of the parts.
func hasProblem(s status, about string, parts ...string) bool {
next:
	for _, p := range s.Problems {
		if !strings.HasPrefix(p.About, about) {
			continue
		}
		for _, part := range parts {
			if !strings.Contains(p.Error, part) {
				continue next
			}
		}
		return true
	}
	return false
}

func TestSecretsAreExchanged(t *testing.T) {
	l := newLab(t, 2)
	l.start()
	l.hear()
	l.ask()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	silent := len(lb1.logged("a peer does not answer")) + len(lb2.logged("a peer does not answer"))
	for _, step := range []struct {
		n       *node
		secrets []string
	}{
		{lb2, []string{newSecret, secretText}}, {lb1, []string{secretText, newSecret}}, {lb1, []string{newSecret}}, {lb2, []string{newSecret}},
	} {
		step.n.secrets(step.secrets...)
		step.n.reload()
		l.hear()
	}
	l.calm(lb1)
	if n := len(lb1.logged("a peer does not answer")) + len(lb2.logged("a peer does not answer")) - silent; n > 0 {
		t.Errorf("%d times a peer did not answer, although they had a secret in common", n)
	}

	// In the worst order: for a while they have nothing in common.
	lb1.secrets(otherSecret)
	lb1.reload()
	for _, n := range l.nodes {
		l.eventually(n.name+" to see that the secrets differ", func() bool { return hasProblem(n.status(), "peers", "secret") })
	}
	l.calm(lb1)
	lb2.secrets(otherSecret)
	lb2.reload()
	l.hear()
	l.holds(lb1)
	l.calm(lb1)
	l.wrote(1)
	l.unfailed()
}

// A node with a wrong secret displaces nobody, and is displaced by nobody. It is no reason not to replace the dead.
func TestWrongSecret(t *testing.T) {
	l := newLab(t, 2)
	lb1, lb2 := l.nodes[0], l.nodes[1]
	lb2.secrets(otherSecret)
	l.start()
	l.ask()
	for _, n := range l.nodes {
		l.eventually(n.name+" to see that the secrets differ", func() bool { return hasProblem(n.status(), "peers", "secret_file") })
	}
	l.unmoved(2*time.Second, "another secret is no death")
	l.calm(lb1)
	l.unfailed()
	fault := lb1.kill()
	l.moved(lb2, fault, 500*time.Millisecond+slack)
	lb1.secrets(otherSecret)
	lb1.spawn()
	l.hear()
	l.holds(lb2)
	l.calm(lb2)
	l.wrote(2)
}

// A secret is nowhere to be seen, whether it comes from a file or from the environment. The lab looks for it in the logs.
func TestSecretsAreNotShown(t *testing.T) {
	l := newLab(t, 2)
	for _, n := range l.nodes {
		n.conf.heartbeat += "\nsecret {env.FAILOVER_SECRET}"
		n.env = append(n.env, "FAILOVER_SECRET="+otherSecret)
	}
	l.nodes[1].secrets(newSecret) // what they have in common is the one of the environment
	l.start()
	l.hear()
	for _, n := range l.nodes {
		for _, path := range []string{"/config/", "/dnsfailover/status", "/metrics"} {
			text, err := n.admin(http.MethodGet, path, "")
			l.must(err)
			for _, secret := range []string{secretText, newSecret, otherSecret} {
				if strings.Contains(text, secret) {
					t.Errorf("%s of %s has a secret: %s", path, n.name, text)
				}
			}
		}
	}
}
