package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// scene is what there is in front of the backends.
type scene struct {
	balancers int  // one or two
	elastic   bool // whether they have an Elastic IP beside the name
}

// stage is everything that runs: the cloud with its backends, load balancers in front of them, and clients in front of these.
type stage struct {
	ctx     context.Context // ends with the show
	ports   ports
	dir     string // for all that is written, removed at the end
	world   *world
	links   []*link  // between the load balancers, if there are two
	lbs     []*caddy // one or two
	traffic *traffic
}

// newStage starts everything. config is the path of a Caddyfile, or "" for the one within this program. A single load balancer is
// asked where it is, two are found by name; the URL of the clients is filled in.
func newStage(ctx context.Context, bin, config string, p ports, sc scene, c clients) (s *stage, err error) {
	s = &stage{ctx: ctx, ports: p}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.explain())
			s.close()
		}
	}()
	if err := s.checkPorts(); err != nil {
		return s, err
	}
	if err := s.write(&config, sc); err != nil {
		return s, err
	}
	if s.world, err = newWorld(local(p.api), local(p.dns), p.backend); err != nil {
		return s, err
	}
	if sc.elastic {
		if err := s.world.addElastic(p.site); err != nil {
			return s, err
		}
	}
	both := p.balancers()[:sc.balancers]
	peers := []string{heartbeat(p, both[0])}
	if sc.balancers > 1 {
		peers = []string{local(p.link), local(p.link2)}
		for i, b := range both {
			l, err := newLink(local(b.link), heartbeat(p, both[1-i]))
			if err != nil {
				return s, err
			}
			s.links = append(s.links, l)
		}
	}
	for i, b := range both {
		lb := newCaddy(b, bin, config, s.dir, p, peers[i], s.world.server.Env(s.world.lbs[b.name]))
		s.lbs = append(s.lbs, lb)
		if err := lb.start(ctx); err != nil {
			return s, err
		}
	}
	path := cmp.Or(c.path, "/")
	c.url = "http://" + s.lbs[0].site() + path
	if sc.balancers > 1 {
		c.url = "http://" + net.JoinHostPort(siteName, strconv.Itoa(p.site)) + path
		c.names = &resolver{server: local(p.dns), name: siteName}
		if err := s.awaitName(ctx); err != nil {
			return s, err
		}
	}
	s.traffic = startTraffic(c)
	return s, nil
}

// heartbeat is where a load balancer answers the other one.
func heartbeat(p ports, b balancer) string {
	return net.JoinHostPort(b.address, strconv.Itoa(p.heartbeat))
}

// secretFile is the secret that the load balancers share, in the folder of the stage.
func secretFile(dir string) string { return filepath.Join(dir, "failover.key") }

// write writes what Caddy reads.
func (s *stage) write(config *string, sc scene) (err error) {
	if s.dir, err = os.MkdirTemp("", "caddy-ec2-quickstart-"); err != nil {
		return err
	}
	if *config == "" {
		*config = filepath.Join(s.dir, "Caddyfile")
		text := caddyfile
		if sc.elastic {
			text = withElastic(text)
		}
		if err := os.WriteFile(*config, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return os.WriteFile(secretFile(s.dir), []byte(rand.Text()+"\n"), 0o600)
}

// awaitName waits until one of the load balancers has all that leads clients to it: they come later than that.
func (s *stage) awaitName(ctx context.Context) error {
	deadline := time.NewTimer(startTime)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for h := s.world.held(); h.address == "" || h.at == "" || h.at != h.by; h = s.world.held() {
		select {
		case <-tick.C:
			if err := s.dead(); err != nil {
				return err
			}
		case <-deadline.C:
			return fmt.Errorf("no load balancer has %s within %s", siteName, startTime)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// dead says which load balancer has ended by itself, and how.
func (s *stage) dead() error {
	var errs []error
	for _, lb := range s.lbs {
		errs = append(errs, lb.dead())
	}
	return errors.Join(errs...)
}

// checkPorts finds out what is taken before anything starts. Everything of ours would say so too, but Caddy only in its log.
func (s *stage) checkPorts() error {
	for _, port := range s.ports.single() {
		if err := listenable(*port, []string{"127.0.0.1"}); err != nil {
			return err
		}
	}
	for _, port := range s.ports.shared() {
		if err := listenable(*port, s.ports.addresses()); err != nil {
			return err
		}
	}
	var machines []string
	for _, n := range []int{1, 2, 3, 4, staticHost} {
		machines = append(machines, host(n))
	}
	return listenable(s.ports.backend, machines)
}

// close ends everything that was started and removes what was written.
func (s *stage) close() error {
	var errs []error
	if s.traffic != nil {
		s.traffic.stop()
	}
	// Both at once: there is nobody left to whom the name should go.
	ended := make(chan error)
	for _, lb := range s.lbs {
		go func() { ended <- lb.stop() }()
	}
	for range s.lbs {
		errs = append(errs, <-ended)
	}
	for _, l := range s.links {
		l.close()
	}
	if s.world != nil {
		s.world.close()
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// explain is the end of the logs, as an error; nil if there are none.
func (s *stage) explain() error {
	var errs []error
	for _, lb := range s.lbs {
		if lb.logSize() > 0 {
			errs = append(errs, fmt.Errorf("the end of the log of %s:\n%s", lb.name, tail(lb.log(0), 30)))
		}
	}
	return errors.Join(errs...)
}
