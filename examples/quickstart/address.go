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

// free chooses ports that nobody uses, so that stories can run side by side, and beside the show.
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
	find := func(list []*int, hosts ...string) {
		for _, to := range list {
			for again := true; again && err == nil; again = p.twice(to) {
				*to, err = freePort(hosts...)
			}
		}
	}
	find(p.shared(), p.addresses()...)
	find(p.single(), "127.0.0.1")
	return p, err
}

// twice reports whether another of the ports is the same.
func (p *ports) twice(one *int) bool {
	for _, other := range append(p.single(), p.shared()...) {
		if other != one && *other == *one {
			return true
		}
	}
	return false
}

// freePort returns a port that can be listened on at all of the hosts. It is below those that systems give to outgoing
// connections, one of which could take it before it is used.
func freePort(hosts ...string) (int, error) {
	const tries, lowest, count = 100, 20000, 10000
	var last error
	for range tries {
		port := lowest + rand.N(count)
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
