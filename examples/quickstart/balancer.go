package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
)

// balancer is a load balancer as a machine: what its Caddy can't share with that of the other one.
type balancer struct {
	name    string // also the tag Name of its instance
	address string // on the loopback interface; its site and its heartbeat listen there
	port    int    // of its admin endpoint
	link    int    // port at which it reaches the other one
}

// balancers are both of them. The first one is where the show has always been.
func (p ports) balancers() []balancer {
	return []balancer{
		{"lb1", "127.0.0.1", p.admin, p.link},
		{"lb2", "127.0.0.2", p.admin2, p.link2},
	}
}

// addresses are those of the load balancers, and at last the one that they share in some stories.
func (p ports) addresses() (list []string) {
	for _, b := range p.balancers() {
		list = append(list, b.address)
	}
	return append(list, elasticAddress)
}

// condition is what was done to a Caddy.
type condition string

const (
	running condition = "running"
	stopped condition = "stopped" // or never started
	killed  condition = "killed"
	frozen  condition = "frozen"
	deaf    condition = "deaf" // its site listens no more, all else of it lives
)

// condition is what was done to this Caddy last, or running.
func (c *caddy) condition() condition {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.is
}

func (c *caddy) set(is condition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.is = is
}

// kill ends the process as a crash does: without a word.
func (c *caddy) kill() error {
	cmd, exited := c.process()
	if cmd == nil {
		return fmt.Errorf("%s does not run", c.name)
	}
	c.forget(killed)
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing %s: %w", c.name, err)
	}
	<-exited
	return nil
}

// freeze stops the process where it is. Its host lives on: it takes connections, and nobody answers them.
func (c *caddy) freeze() error { return c.signal(freezeSignal, frozen) }

// thaw lets it run on.
func (c *caddy) thaw() error { return c.signal(thawSignal, running) }

func (c *caddy) signal(s os.Signal, is condition) error {
	cmd, _ := c.process()
	if cmd == nil {
		return fmt.Errorf("%s does not run", c.name)
	}
	if s == syscall.Signal(0) {
		return fmt.Errorf("%s can't be frozen: this system has no signal for it", c.name)
	}
	if err := cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("sending %s to %s: %w", s, c.name, err)
	}
	c.set(is)
	return nil
}

// unlisten closes the site of a process that goes on otherwise.
func (c *caddy) unlisten() error {
	req, err := http.NewRequest(http.MethodDelete, c.admin("/config/apps/http/servers"), nil)
	if err != nil {
		return err
	}
	if err := c.send(req); err != nil {
		return fmt.Errorf("closing the site of %s: %w", c.name, err)
	}
	c.set(deaf)
	return nil
}

// order has an operator's word carried out: takeover, release, pause or resume.
func (c *caddy) order(what, reason string) error {
	form := url.Values{"reason": {reason}}
	req, err := http.NewRequest(http.MethodPost, c.admin("/dnsfailover/"+what), strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if err := c.send(req); err != nil {
		return fmt.Errorf("%s of %s: %w", what, c.name, err)
	}
	return nil
}
