package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// command is something that can be done to a show that runs, from another terminal.
type command struct {
	name     string
	instance string // what it takes: "" for nothing, "INSTANCE", "BALANCER", or "[NAME]" if it may be left out
	about    string
	do       func(s *stage, instance string) (string, error)
}

// commands are all of them. The help, the command line and the control endpoint read them here.
func commands() []command {
	of := func(f func(*world, string) (string, error)) func(*stage, string) (string, error) {
		return func(s *stage, instance string) (string, error) { return f(s.world, instance) }
	}
	return []command{
		{"launch", "[NAME]", "launch another instance with the tag Role=web", of((*world).launch)},
		{"drain", "INSTANCE", "tag it, so that it gets no new requests", of((*world).drain)},
		{"undrain", "INSTANCE", "take the tag off again", of((*world).undrain)},
		{"kill", "INSTANCE", "end its process: connections are reset; lb1 and lb2 can be killed too", (*stage).kill},
		{"fail", "INSTANCE", "make its health check fail", of((*world).fail)},
		{"heal", "INSTANCE", "make it well again, whatever was done to it; lb1 and lb2 too", (*stage).heal},
		{"terminate", "INSTANCE", "terminate the instance in EC2", of((*world).terminate)},
		{"freeze", "BALANCER", "stop the process of lb1 or lb2 where it is", (*stage).freeze},
		{"unlisten", "BALANCER", "close its site; its process lives", (*stage).unlisten},
		{"upgrade", "BALANCER", "end it in order, and start it again", (*stage).upgrade},
		{"part", "", "let lb1 and lb2 not hear each other", (*stage).part},
		{"join", "", "and hear each other again", (*stage).join},
		{"api-down", "", "make the AWS API unreachable", of((*world).apiDown)},
		{"api-up", "", "and reachable again", of((*world).apiUp)},
		{"reload", "", "make the load balancers take over an edited Caddyfile", (*stage).reload},
		{"env", "", "print the environment that leads an AWS CLI to the fake AWS", (*stage).awsEnv},
	}
}

// findCommand returns the command of that name.
func findCommand(name string) (command, bool) {
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return c.name == name })
	if i < 0 {
		return command{}, false
	}
	return all[i], true
}

// check refuses an instance too many or too few.
func (c command) check(instance string) error {
	switch {
	case c.instance == "" && instance != "":
		return fmt.Errorf("%s takes no instance, but got %q", c.name, instance)
	case c.instance == "INSTANCE" && instance == "":
		return fmt.Errorf("%s needs an instance, by name or id: %s web-1", c.name, c.name)
	case c.instance == "BALANCER" && instance == "":
		return fmt.Errorf("%s needs a load balancer: %s lb1", c.name, c.name)
	}
	return nil
}

// control is the endpoint of a show: POST /drain/web-1 does what the command drain web-1 does.
type control struct {
	stage *stage
	tell  func(what string) // of what was done
}

// ServeHTTP carries out one command and answers with what was done, as plain text.
func (h control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, instance, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	c, ok := findCommand(name)
	if !ok {
		http.Error(w, "no such command: "+name, http.StatusNotFound)
		return
	}
	if r.Method != http.MethodPost {
		http.Error(w, "commands are sent with POST", http.StatusMethodNotAllowed)
		return
	}
	done, err := "", c.check(instance)
	if err == nil {
		done, err = c.do(h.stage, instance)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if c.name != "env" {
		h.tell(done)
	}
	fmt.Fprintln(w, done)
}

// serveControl serves the endpoint until the context ends.
func serveControl(ctx context.Context, addr string, h control) (wait func(), err error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, inUse(addr, err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(ln)
	}()
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	return func() { stop(); srv.Close(); <-done }, nil
}

// send makes a show that runs at the address carry out a command, and prints its answer.
func send(ctx context.Context, addr string, c command, instance string, out io.Writer) error {
	if err := c.check(instance); err != nil {
		return err
	}
	u := url.URL{Scheme: "http", Host: addr, Path: "/" + c.name + "/" + instance}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("no quickstart runs at %s; start it in another terminal: go run ./examples/quickstart", addr)
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	answer := strings.TrimSpace(string(body))
	if resp.StatusCode != http.StatusOK {
		return errors.New(answer)
	}
	fmt.Fprintln(out, answer)
	return nil
}
