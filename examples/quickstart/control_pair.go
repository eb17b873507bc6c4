package main

import (
	"fmt"
)

// balancer returns the load balancer of that name, or nil.
func (s *stage) balancer(name string) *caddy {
	for _, lb := range s.lbs {
		if lb.name == name {
			return lb
		}
	}
	return nil
}

// needBalancer is for commands that only load balancers understand.
func (s *stage) needBalancer(name string) (*caddy, error) {
	if lb := s.balancer(name); lb != nil {
		return lb, nil
	}
	var names []string
	for _, lb := range s.lbs {
		names = append(names, lb.name)
	}
	return nil, fmt.Errorf("no load balancer is called %q; there are %v", name, names)
}

// kill ends a process, of a backend or of a load balancer.
func (s *stage) kill(name string) (string, error) {
	lb := s.balancer(name)
	if lb == nil {
		return s.world.kill(name)
	}
	if err := lb.kill(); err != nil {
		return "", err
	}
	return fmt.Sprintf("killed %s without a word", lb.name), nil
}

// heal makes a backend or a load balancer well again, whatever was done to it.
func (s *stage) heal(name string) (string, error) {
	lb := s.balancer(name)
	if lb == nil {
		return s.world.heal(name)
	}
	err := error(nil)
	switch lb.condition() {
	case frozen:
		err = lb.thaw()
	case deaf:
		if _, err = s.reload(""); err == nil {
			lb.set(running)
		}
	case stopped, killed:
		err = lb.start(s.ctx)
	}
	if err != nil {
		return "", err
	}
	return lb.name + " is well again", nil
}

func (s *stage) freeze(name string) (string, error) {
	lb, err := s.needBalancer(name)
	if err == nil {
		err = lb.freeze()
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("froze %s: its host takes connections, and nobody answers", lb.name), nil
}

func (s *stage) unlisten(name string) (string, error) {
	lb, err := s.needBalancer(name)
	if err == nil {
		err = lb.unlisten()
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("closed the site of %s; its process lives", lb.name), nil
}

// upgrade ends a load balancer in order and starts it again.
func (s *stage) upgrade(name string) (string, error) {
	lb, err := s.needBalancer(name)
	if err == nil {
		err = lb.stop()
	}
	if err == nil {
		err = lb.start(s.ctx)
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s has ended in order, and was started again", lb.name), nil
}

func (s *stage) part(string) (string, error) {
	for _, l := range s.links {
		l.cut()
	}
	return "the load balancers don't hear each other any more; everybody else reaches both", nil
}

func (s *stage) join(string) (string, error) {
	for _, l := range s.links {
		l.join()
	}
	return "the load balancers hear each other again", nil
}
