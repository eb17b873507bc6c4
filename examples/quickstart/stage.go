package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// stage is everything that runs: the cloud with its backends, Caddy in front of them, and clients in front of Caddy.
type stage struct {
	ports   ports
	dir     string // for all that is written, removed at the end
	world   *world
	caddy   *caddy
	traffic *traffic
}

// newStage starts everything. config is the path of a Caddyfile, or "" for the one within this program.
func newStage(ctx context.Context, bin, config string, p ports, connections, rate int) (s *stage, err error) {
	s = &stage{ports: p}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.explain())
			s.close()
		}
	}()
	if err := s.checkPorts(); err != nil {
		return s, err
	}
	if s.dir, err = os.MkdirTemp("", "caddy-ec2-quickstart-"); err != nil {
		return s, err
	}
	if config == "" {
		config = filepath.Join(s.dir, "Caddyfile")
		if err := os.WriteFile(config, []byte(caddyfile), 0o600); err != nil {
			return s, err
		}
	}
	if s.world, err = newWorld(local(p.api), p.backend); err != nil {
		return s, err
	}
	s.caddy = newCaddy(bin, config, s.dir, p, s.world.server.Env(s.world.lb))
	if err := s.caddy.start(ctx); err != nil {
		return s, err
	}
	s.traffic = startTraffic("http://"+local(p.site)+"/", connections, rate)
	return s, nil
}

// checkPorts finds out what is taken before anything starts. Everything of ours would say so too, but Caddy only in its log.
func (s *stage) checkPorts() error {
	for _, port := range []int{s.ports.site, s.ports.admin, s.ports.api, s.ports.control} {
		if err := listenable(port, []string{"127.0.0.1"}); err != nil {
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
	if s.caddy != nil {
		errs = append(errs, s.caddy.stop())
	}
	if s.world != nil {
		s.world.close()
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// explain is the end of Caddy's log, as an error; nil if there is none.
func (s *stage) explain() error {
	if s.caddy == nil || s.caddy.logSize() == 0 {
		return nil
	}
	return errors.New("the end of Caddy's log:\n" + tail(s.caddy.log(0), 30))
}
