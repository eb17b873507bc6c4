package ec2upstreams

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// server is a real backend on an address of its own that answers with its instance's id.
type server struct {
	*httptest.Server
	id     string
	status atomic.Int32 // of /healthz, 0 is 200
	hits   atomic.Int64 // requests other than checks
	checks atomic.Int64
}

var nextHost atomic.Uint32

// listen gives every backend of the test process a loopback address of its own, all with the same port.
func (l *lab) listen(port string) net.Listener {
	l.Helper()
	n := nextHost.Add(1)
	ln, err := net.Listen("tcp", fmt.Sprintf("127.77.%d.%d:%s", n/250, n%250+1, port))
	if err != nil {
		l.Fatal(err)
	}
	return ln
}

// serve starts a backend on a listener for an instance.
func (l *lab) serve(ln net.Listener, id string) *server {
	b := &server{id: id}
	b.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			b.checks.Add(1)
			if s := b.status.Load(); s != 0 {
				w.WriteHeader(int(s))
			}
			return
		}
		b.hits.Add(1)
		fmt.Fprint(w, b.id)
	}))
	b.Listener.Close()
	b.Listener = ln
	b.Start()
	l.Cleanup(b.Close)
	return b
}

// launch starts a backend and its instance, with tags as key, value, …
func (l *lab) launch(tags ...string) *server {
	l.Helper()
	return l.launchIn("", tags...)
}

func (l *lab) launchIn(zone string, tags ...string) *server {
	l.Helper()
	ln := l.listen("0")
	host, port, _ := net.SplitHostPort(ln.Addr().String())
	spec := awstest.Launch{PrivateIP: host, Zone: zone, Tags: map[string]string{"Port": port}}
	for i := 0; i+1 < len(tags); i += 2 {
		spec.Tags[tags[i]] = tags[i+1]
	}
	id, err := l.cloud.Launch(spec)
	if err != nil {
		l.Fatal(err)
	}
	return l.serve(ln, id)
}
