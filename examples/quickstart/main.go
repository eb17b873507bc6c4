// Command quickstart shows caddy-ec2 on one machine, without an AWS account: a fake AWS, backends on loopback addresses,
// and in front of them two load balancers with one name, each the real Caddy.
//
//	go run ./examples/quickstart          the show, until Ctrl-C; -help says what can be done with it
//	go run ./examples/quickstart story    the same as a test: everything is done and checked by itself
//
// # How it is built
//
//	clients ──► lb1 or lb2: Caddy (the real binary) ──► backends on 127.0.1.x, one for each instance
//	   │           │ DescribeInstances, every second; the name, when it has to move
//	   │ where?    ▼
//	   └──────► fake AWS (internal/awstest), with DNS ◄── tags, launches, outages: control endpoint, AWS CLI, or the story
//
// stage.go puts these together: build.go, caddy.go and balancer.go run Caddy, cloud.go and backend.go are what it finds, link.go
// is what the two have between them, name.go who has the name, elastic.go an address that goes with it in one of the stories,
// traffic.go are the clients. timeline.go and screen.go show what happens, control.go takes commands from another terminal, and
// story.go plays the parts in story_*.go.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

// run does what the arguments say and returns the exit status: 0, 1 if it went wrong, 2 if it was not understood.
func run(ctx context.Context, args []string) int {
	a, err := parse(args, os.Getenv)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Print(usage())
		return 0
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "quickstart: %v\n-help says what there is\n", err)
		return 2
	}
	out := newScreen(os.Stdout, os.Getenv)
	switch {
	case a.story:
		err = tellStories(ctx, a, out)
	case a.command.name != "":
		err = send(ctx, local(known.control), a.command, a.instance, out)
	default:
		err = show(ctx, a, out)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "quickstart: %v\n", err)
		return 1
	}
	return 0
}

// The clients of the show: few enough to count along, over connections enough for round robin to be seen.
const (
	showConnections = 4
	showRate        = 50 // requests per second
)

// show runs everything until the context ends, or Caddy does.
func show(ctx context.Context, a arguments, out *screen) error {
	bin, err := binary(ctx, a.caddy, out)
	if err != nil {
		return err
	}
	s, err := newStage(ctx, bin, editable(), known, scene{balancers: 2}, clients{connections: showConnections, rate: showRate, patience: pairPatience})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tell := func(what string) { out.event("%s", what) }
	wait, err := serveControl(ctx, local(known.control), control{s, tell})
	if err != nil {
		return errors.Join(err, s.close())
	}
	fmt.Fprint(out, greeting(s))
	told := make(chan struct{})
	go func() {
		defer close(told)
		showTimeline(ctx, s, out)
	}()

	failed := s.watch(ctx)
	cancel()
	<-told
	wait()
	fmt.Fprintln(out, "ending the load balancers and the backends")
	return errors.Join(failed, s.close())
}

// watch returns when the context ends, or with an error when a load balancer has ended by itself.
func (s *stage) watch(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := s.dead(); err != nil {
			// A Ctrl-C reaches Caddy too, and sometimes first.
			if endsWithin(ctx, ctrlC) {
				return nil
			}
			return errors.Join(err, s.explain())
		}
	}
}

// editable is the Caddyfile of the checkout that this runs in. Elsewhere it is "": the one within the program is as good,
// it only can't be edited.
func editable() string {
	here, err := os.Getwd()
	if err != nil {
		return ""
	}
	root, err := checkout(here)
	if err != nil {
		return ""
	}
	return filepath.Join(root, "examples", "quickstart", "Caddyfile")
}

// reload makes both load balancers take over the Caddyfile as it is now.
func (s *stage) reload(string) (string, error) {
	config := s.lbs[0].config
	text, err := os.ReadFile(config)
	if err != nil {
		return "", err
	}
	for _, lb := range s.lbs {
		if is := lb.condition(); is == running || is == deaf {
			if err := lb.reload(string(text)); err != nil {
				return "", err
			}
		}
	}
	return "lb1 and lb2 have taken over " + shortPath(config), nil
}
