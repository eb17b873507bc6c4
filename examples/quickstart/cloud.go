package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// The tags that the Caddyfile asks for.
const (
	roleWeb    = "web"
	roleBackup = "web-backup"
	drainTag   = "Drain"
)

// host returns the n-th of the loopback addresses that stand for the machines of the show.
func host(n int) string { return fmt.Sprintf("127.0.1.%d", n) }

// staticHost is the number of the address of the server that EC2 knows nothing of.
const staticHost = 9

// The zone of the names, and the name that clients use. The Caddyfile has them too.
const (
	zoneID   = "Z0QUICKSTART"
	zoneName = "example.com"
	siteName = "lb." + zoneName
)

// world is the cloud, its API, its DNS, and the backends on its instances.
type world struct {
	cloud  *awstest.Cloud
	server *awstest.Server
	dns    *awstest.DNSServer
	lbs    map[string]string // ids of the instances that the load balancers take themselves to run on, by name
	static *backend
	port   int // of all backends

	elastic *elastic // nil without an Elastic IP

	mu       sync.Mutex
	backends []*backend // on instances, in the order of their launch
	gone     map[*backend]bool
	hosts    int      // addresses given out
	restore  []func() // end the outage of the API, none if there is none
}

// newWorld serves the AWS API and the DNS at their addresses, and starts web-1 to web-3, backup-1 and static-1.
func newWorld(api, dns string, port int) (*world, error) {
	w := &world{cloud: awstest.New(awstest.Config{}), port: port, lbs: make(map[string]string), gone: make(map[*backend]bool)}
	if err := w.build(api, dns); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *world) build(api, dns string) (err error) {
	if w.server, err = awstest.ServeAt(w.cloud, api); err != nil {
		return inUse(api, err)
	}
	if w.dns, err = awstest.ServeDNS(w.cloud, dns, awstest.DNSOptions{}); err != nil {
		return inUse(dns, err)
	}
	if _, err := w.cloud.AddZone(awstest.HostedZone{ID: zoneID, Name: zoneName}); err != nil {
		return err
	}
	for _, b := range known.balancers() {
		if err := w.launchBalancer(b); err != nil {
			return err
		}
	}
	for _, i := range []struct{ name, role string }{
		{"web-1", roleWeb}, {"web-2", roleWeb}, {"web-3", roleWeb}, {"backup-1", roleBackup},
	} {
		if _, err := w.start(i.name, i.role, nil); err != nil {
			return err
		}
	}
	w.static = newBackend("static-1", "static", w.address(staticHost))
	return w.static.start()
}

// launchBalancer launches the instance of a load balancer. Its tags are in its metadata, as an instance has to be told.
func (w *world) launchBalancer(b balancer) error {
	id, err := w.cloud.Launch(awstest.Launch{
		PrivateIP: b.address, PublicIP: b.address, Tags: map[string]string{"Name": b.name, "Role": "lb"},
	})
	if err != nil {
		return err
	}
	w.lbs[b.name] = id
	return w.cloud.SetMetadataOptions(id, awstest.MetadataOptions{HopLimit: 1, Hops: 1, InstanceTags: true})
}

// close ends everything.
func (w *world) close() {
	for _, b := range w.all() {
		b.kill()
	}
	if w.elastic != nil {
		w.elastic.plane.Close()
	}
	if w.dns != nil {
		w.dns.Close()
	}
	if w.server != nil {
		w.server.Close()
	}
}

func (w *world) address(n int) string { return net.JoinHostPort(host(n), strconv.Itoa(w.port)) }

// all returns every backend, the static one last.
func (w *world) all() []*backend {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := slices.Clone(w.backends)
	if w.static != nil {
		list = append(list, w.static)
	}
	return list
}

// find returns the backend of that name or instance id. A name that was used again means the newest.
func (w *world) find(instance string) (*backend, error) {
	list := w.all()
	for _, b := range slices.Backward(list) {
		if b.name == instance || b.id == instance {
			return b, nil
		}
	}
	var names []string
	for _, b := range list {
		names = append(names, b.name)
	}
	return nil, fmt.Errorf("no instance is called %q; there are %v", instance, names)
}

// start launches an instance and the backend on it. The tags are there from the start, as they are with an Auto Scaling
// group. Its health checks get no answer before hold is closed, unless that is nil.
func (w *world) start(name, role string, hold chan struct{}) (*backend, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts++
	if w.hosts == staticHost {
		w.hosts++
	}
	addr := w.address(w.hosts)
	zones := []string{"a", "b", "c"}
	id, err := w.cloud.Launch(awstest.Launch{
		Zone:      awstest.DefaultRegion + zones[w.hosts%len(zones)],
		PrivateIP: host(w.hosts),
		Tags:      map[string]string{"Name": name, "Role": role},
	})
	if err != nil {
		return nil, err
	}
	b := newBackend(name, id, addr)
	b.hold = hold
	if err := b.start(); err != nil {
		return nil, errors.Join(inUse(addr, err), w.cloud.Terminate(id))
	}
	w.backends = append(w.backends, b)
	return b, nil
}

// launch starts another instance of the web role. Without a name it gets the next one.
func (w *world) launch(name string) (string, error) {
	if name == "" {
		n := 1
		for {
			name = fmt.Sprintf("web-%d", n)
			if _, err := w.find(name); err != nil {
				break
			}
			n++
		}
	} else if _, err := w.find(name); err == nil {
		return "", fmt.Errorf("%s exists already", name)
	}
	b, err := w.start(name, roleWeb, nil)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("launched %s (%s) at %s with the tag Role=%s", b.name, b.id, b.addr, roleWeb), nil
}

// instance returns the named backend if it is on an instance that was not terminated.
func (w *world) instance(name string) (*backend, error) {
	b, err := w.find(name)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case b == w.static:
		return nil, fmt.Errorf("%s is not an instance, EC2 knows nothing of it", b.name)
	case w.gone[b]:
		return nil, fmt.Errorf("%s was terminated", b.name)
	}
	return b, nil
}

func (w *world) drain(name string) (string, error) {
	b, err := w.instance(name)
	if err != nil {
		return "", err
	}
	if err := w.cloud.SetTags(b.id, map[string]string{drainTag: "yes"}); err != nil {
		return "", err
	}
	return fmt.Sprintf("tagged %s with %s=yes", b.name, drainTag), nil
}

func (w *world) undrain(name string) (string, error) {
	b, err := w.instance(name)
	if err != nil {
		return "", err
	}
	if err := w.cloud.DeleteTags(b.id, drainTag); err != nil {
		return "", err
	}
	return fmt.Sprintf("took the tag %s off %s", drainTag, b.name), nil
}

func (w *world) kill(name string) (string, error) {
	b, err := w.find(name)
	if err != nil {
		return "", err
	}
	if !b.alive() {
		return "", fmt.Errorf("%s is dead already", b.name)
	}
	return fmt.Sprintf("killed %s: nothing listens at %s any more; connections reset: %d", b.name, b.addr, b.kill()), nil
}

func (w *world) fail(name string) (string, error) {
	b, err := w.find(name)
	if err != nil {
		return "", err
	}
	b.failing.Store(true)
	return fmt.Sprintf("/healthz of %s answers 503; everything else goes on working", b.name), nil
}

func (w *world) heal(name string) (string, error) {
	b, err := w.find(name)
	if err != nil {
		return "", err
	}
	b.failing.Store(false)
	if err := b.start(); err != nil {
		return "", err
	}
	return b.name + " is well again", nil
}

func (w *world) terminate(name string) (string, error) {
	b, err := w.instance(name)
	if err != nil {
		return "", err
	}
	if err := w.cloud.Terminate(b.id); err != nil {
		return "", err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone[b] = true
	return fmt.Sprintf("terminated %s in EC2; its process goes on answering until you kill it", b.name), nil
}

var (
	errDown = errors.New("the API is down already")
	errUp   = errors.New("the API is not down")
)

func (w *world) apiDown(string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.restore != nil {
		return "", errDown
	}
	w.restore = []func(){w.cloud.Outage("ec2"), w.cloud.Outage("route53")}
	return "the AWS API is down: every connection to EC2 and Route 53 is dropped", nil
}

func (w *world) apiUp(string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.restore == nil {
		return "", errUp
	}
	for _, end := range w.restore {
		end()
	}
	w.restore = nil
	return "the AWS API answers again", nil
}
