package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// ports are where everything listens: the backends on addresses of their own, the site and the heartbeat on those of the load
// balancers and the Elastic IP, the rest on 127.0.0.1.
type ports struct {
	backend, site, heartbeat, control, api, dns int
	admin, admin2                               int // of the load balancers
	link, link2                                 int // at which each reaches the other one's heartbeat
}

// known are the ports of the show. The Caddyfile has the same as its defaults.
var known = ports{
	backend: 8080, site: 8081, heartbeat: 8404, control: 8082, api: 8083, dns: 8053, admin: 2020, admin2: 2021, link: 8405, link2: 8406,
}

// single are those on 127.0.0.1 alone.
func (p *ports) single() []*int {
	return []*int{&p.control, &p.api, &p.dns, &p.admin, &p.admin2, &p.link, &p.link2}
}

// shared are those on the addresses of the load balancers.
func (p *ports) shared() []*int { return []*int{&p.site, &p.heartbeat} }

// local is an address on 127.0.0.1.
func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// onFreePorts starts something on ports that nobody uses, so that stories can run side by side, and beside the show. What another
// program takes in the meantime costs a further try.
func onFreePorts(start func(ports) error) error {
	const tries = 3
	for n := 1; ; n++ {
		p, err := free()
		if err != nil {
			return err
		}
		if err = start(p); n == tries || !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
	}
}

func free() (ports, error) {
	var machines []string
	for n := 1; n <= staticHost; n++ {
		machines = append(machines, host(n))
	}
	var p ports
	var err error
	if p.backend, err = freePort(machines...); err != nil {
		return p, err
	}
	for _, to := range p.shared() {
		if *to, err = freePort(p.addresses()...); err != nil {
			return p, err
		}
	}
	for _, to := range p.single() {
		if *to, err = freePort("127.0.0.1"); err != nil {
			return p, err
		}
	}
	return p, nil
}

// The ports that freePort chooses from are below those that systems give to outgoing connections, one of which could take a port
// before it is used.
const lowestPort, portCount = 20000, 10000

// lastPort makes freePort go through its ports one by one, from anywhere: no two that run side by side get the same.
var lastPort = func() *atomic.Uint32 {
	var n atomic.Uint32
	n.Store(rand.Uint32N(portCount))
	return &n
}()

// freePort returns a port that can be listened on at all of the hosts.
func freePort(hosts ...string) (int, error) {
	const tries = 100
	var last error
	for range tries {
		port := lowestPort + int(lastPort.Add(1)%portCount)
		if last = listenable(port, hosts); last == nil {
			return port, nil
		}
		if errors.Is(last, syscall.EADDRNOTAVAIL) {
			break
		}
	}
	return 0, last
}

func listenable(port int, hosts []string) error {
	for _, h := range hosts {
		addr := net.JoinHostPort(h, strconv.Itoa(port))
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return inUse(addr, err)
		}
		ln.Close()
	}
	return nil
}

// inUse says what can be done when an address can't be listened on.
func inUse(addr string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: another program listens at %s, perhaps a quickstart that still runs; end it first", err, addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: this machine has no address %s%s", err, addr, aliases(runtime.GOOS, addr))
	}
	return err
}

// aliases is how to give a machine the loopback addresses that it lacks. Linux and Windows have all of 127.0.0.0/8.
func aliases(system, addr string) string {
	if system != "darwin" {
		return ""
	}
	var b strings.Builder
	b.WriteString("; give it to the loopback interface, until the next start of the machine:\n\n")
	list := known.addresses()[1:] // the first one is there
	for n := 1; n <= staticHost; n++ {
		list = append(list, host(n))
	}
	if ip, _, _ := strings.Cut(addr, ":"); !slices.Contains(list, ip) {
		list = append(list, ip)
	}
	for _, ip := range list {
		fmt.Fprintf(&b, "\tsudo ifconfig lo0 alias %s up\n", ip)
	}
	return b.String()
}
