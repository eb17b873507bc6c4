package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// arguments are what the command line asks for. Without a story and a command it is the show.
type arguments struct {
	caddy    string // the Caddy binary; "" builds it
	story    bool
	parts    []string // of the story; none means all
	command  command
	instance string
}

// parse reads the command line. Flags may stand before and behind the command.
func parse(args []string, env func(string) string) (arguments, error) {
	a := arguments{caddy: env("CADDY_BIN")}
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&a.caddy, "caddy", a.caddy, "")
	var words []string
	for {
		if err := flags.Parse(args); err != nil {
			return a, err
		}
		if flags.NArg() == 0 {
			break
		}
		words = append(words, flags.Arg(0))
		args = flags.Args()[1:]
	}
	if len(words) == 0 {
		return a, nil
	}
	if words[0] == "help" {
		return a, flag.ErrHelp
	}
	if words[0] == "story" {
		a.story, a.parts = true, words[1:]
		for _, name := range a.parts {
			if !slices.ContainsFunc(parts(), func(p part) bool { return p.name == name }) {
				return a, fmt.Errorf("no part of the story is called %q", name)
			}
		}
		return a, nil
	}
	c, ok := findCommand(words[0])
	if !ok {
		return a, fmt.Errorf("no command is called %q", words[0])
	}
	if len(words) > 2 {
		return a, fmt.Errorf("%s takes one instance at a time", c.name)
	}
	a.command = c
	if len(words) == 2 {
		a.instance = words[1]
	}
	return a, c.check(a.instance)
}

// usage is the help.
func usage() string {
	var b strings.Builder
	b.WriteString(`quickstart shows caddy-ec2 on this machine, without an AWS account and without root.

  go run ./examples/quickstart              run the show until Ctrl-C
  go run ./examples/quickstart story [PART] do and check everything by itself; exit status 0 if all went as expected
  go run ./examples/quickstart COMMAND      change something in the show that runs in another terminal

The show is a fake AWS with the instances web-1, web-2, web-3 (tag Role=web) and backup-1 (Role=web-backup), a web server
on each, and two load balancers, lb1 and lb2, each a real Caddy that finds them by tag. One of the two has the name
lb.example.com. Clients look it up and send requests all the time; you see who answers, who does not, and why.

Flags:
  -caddy FILE   run this Caddy binary instead of building ./cmd/caddy (default: the environment variable CADDY_BIN)

Parts of the story:
`)
	for _, p := range parts() {
		fmt.Fprintf(&b, "  %-20s %s\n", p.name, p.about)
	}
	b.WriteString("\nCommands (an instance is given by name, such as web-1, or by id):\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %-20s %s\n", strings.TrimSpace(c.name+" "+c.instance), c.about)
	}
	lbs := known.balancers()
	fmt.Fprintf(&b, `
Without this program: curl -X POST http://%s/drain/web-1

Where things are:
  %-24s the site at lb1, and at %s:%d at lb2 (/slow takes %d seconds to answer)
  %-24s DNS: dig -p %d @127.0.0.1 %s
  %-24s lb1's admin endpoint, and %s lb2's: /dnsfailover/status says who has the name and why,
  %-24s /ec2upstreams/pools who is in or out, and why
  %-24s commands, as above
  %-24s the AWS API
  %-24s and so on: the backends

The Caddyfile is examples/quickstart/Caddyfile. Change it while the show runs, then use the command reload.
The environment variable NO_COLOR turns colors off.
`, local(known.control), local(known.site), lbs[1].address, known.site, slowSeconds, local(known.dns), known.dns, siteName,
		local(known.admin), local(known.admin2), "", local(known.control), local(known.api), fmt.Sprintf("%s:%d", host(1), known.backend))
	return b.String()
}

// greeting says what can be done with a show that has just begun.
func greeting(s *stage) string {
	p, first := s.ports, s.lbs[0]
	dig := fmt.Sprintf("dig +short -p %d @127.0.0.1 %s", p.dns, siteName)
	return fmt.Sprintf(`lb1 and lb2 serve whatever EC2 instances carry the tag Role=web, and one of them has the name %[1]s. Try in
another terminal:

  %[2]s
  curl --resolve %[1]s:%[3]d:$(%[2]s) http://%[1]s:%[3]d/
  curl http://%[4]s/                   lb1 itself
  curl -s %[5]s
  go run ./examples/quickstart kill lb1          the name goes to lb2; then: heal lb1
  go run ./examples/quickstart freeze lb2        and unlisten lb2; then: heal lb2
  go run ./examples/quickstart part              they don't hear each other; then: join
  go run ./examples/quickstart upgrade lb1       and no request fails
  curl -X POST %[6]s    lb2 takes it

  curl -s %[7]s
  go run ./examples/quickstart launch            one more backend
  go run ./examples/quickstart drain web-1       then: undrain web-1
  go run ./examples/quickstart fail web-2        its health check fails; then: heal web-2
  go run ./examples/quickstart kill web-3        its connections are reset; then: heal web-3
  go run ./examples/quickstart terminate web-3
  go run ./examples/quickstart api-down          AWS can't be reached; then: api-up
  go run ./examples/quickstart reload            after an edit of %[8]s
  curl -X POST http://%[9]s/drain/web-1
or with the AWS CLI:
  eval "$(go run ./examples/quickstart env)"
  aws ec2 create-tags --resources %[10]s --tags Key=Drain,Value=yes
  aws route53 list-resource-record-sets --hosted-zone-id %[11]s

The logs are %[12]s and %[13]s. Ctrl-C ends everything.
`, siteName, dig, p.site, first.site(), first.statusURL(), s.lbs[1].admin("/dnsfailover/takeover"), first.poolsURL(),
		shortPath(first.config), local(p.control), s.world.all()[0].id, zoneID, first.logPath, s.lbs[1].logPath)
}

// awsEnv is the environment for an AWS CLI, to be evaluated by a shell.
func (s *stage) awsEnv(string) (string, error) {
	var b strings.Builder
	env := s.world.server.Env("")
	for _, kv := range env { // the AWS CLI has a name of its own for the region
		if region, ok := strings.CutPrefix(kv, "AWS_REGION="); ok {
			env = append(env, "AWS_DEFAULT_REGION="+region)
		}
	}
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		if value == "" {
			fmt.Fprintf(&b, "unset %s\n", name) // some programs take an empty value for a wrong one
		} else {
			fmt.Fprintf(&b, "export %s='%s'\n", name, value)
		}
	}
	return b.String(), nil
}

// ctrlC is how long after Caddy's end this program waits to hear that the user wanted it.
const ctrlC = time.Second

// endsWithin reports whether the context ends within the time.
func endsWithin(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return true
	case <-t.C:
		return false
	}
}
