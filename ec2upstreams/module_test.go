package ec2upstreams

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// Caddy and its libraries start these once per process and never end them.
		goleak.IgnoreAnyFunction("github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy.(*Upstream).fillDynamicHost.func1.1"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
		goleak.IgnoreAnyFunction("github.com/DeRuina/timberjack.(*Logger).millRun"),
	)
}

const quick = `
	tag Role web
	port tag Port
	refresh 1s
	health_uri /healthz
	health_interval 100ms
`

func TestFleetFoundByTagIsServed(t *testing.T) {
	l := newLab(t)
	a, b := l.launch("Role", "web"), l.launch("Role", "web")
	l.launch("Role", "db")
	l.load("dynamic ec2 {" + quick + "}")
	l.serves(a.id, b.id)

	c := l.launch("Role", "web")
	l.serves(a.id, b.id, c.id)

	l.must(l.cloud.Terminate(b.id))
	b.Close()
	l.serves(a.id, c.id)
}
