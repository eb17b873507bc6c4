package ec2upstreams

import (
	"strings"
	"testing"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

// onInstance makes this process one that runs on an instance of the cloud, with the metadata service of it.
func (l *lab) onInstance(o awstest.MetadataOptions) string {
	l.Helper()
	id, err := l.cloud.Launch(awstest.Launch{Tags: map[string]string{"Role": "lb"}})
	l.must(err)
	l.must(l.cloud.SetMetadataOptions(id, o))
	for _, kv := range l.aws.Env(id) {
		k, v, _ := strings.Cut(kv, "=")
		l.Setenv(k, v)
	}
	return id
}

// A metadata service that does not answer, as in a container behind a hop limit of 1, costs nothing but what only it knows.
func TestMetadataServiceHangs(t *testing.T) {
	hanging := awstest.MetadataOptions{HopLimit: 1, Hops: 2}
	t.Run("the region is known", func(t *testing.T) {
		l := newLab(t)
		a := l.launch("Role", "web")
		l.onInstance(hanging)
		l.load("dynamic ec2 {" + quick + "\nzone prefer\n}")
		l.underLoad(func() { l.serves(a.id) })
		if p := l.pool("Role"); p.Origin != fleet.API {
			t.Errorf("origin %q, error %q", p.Origin, p.Poll.Error)
		}
	})
	t.Run("the region is not known", func(t *testing.T) {
		l := newLab(t)
		ln := l.listen("0")
		l.serve(ln, "i-static")
		l.onInstance(hanging)
		t.Setenv("AWS_REGION", "")
		l.load("dynamic ec2 {" + quick + "\nor static " + ln.Addr().String() + "\n}")
		l.serves("i-static")
		l.eventually("the error to say what to set", func() bool { return strings.Contains(l.pool("Role").Poll.Error, "region") })
	})
}

func TestRegionOfTheInstance(t *testing.T) {
	l := newLab(t)
	a := l.launch("Role", "web")
	l.onInstance(awstest.MetadataOptions{HopLimit: 1, Hops: 1})
	t.Setenv("AWS_REGION", "")
	l.load("dynamic ec2 {" + quick + "}")
	l.serves(a.id)
}
