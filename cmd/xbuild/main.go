// Command xbuild makes the custom Caddy that xcaddy.json describes, with this checkout as the caddy-ec2 plugin:
//
//	go run ./cmd/xbuild
//
// It uses xcaddy as a library, so the xcaddy command need not be installed. Run it with --help for the rest.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes of the command.
const (
	exitOK          = 0
	exitFailed      = 1   // the build was tried and failed
	exitUsage       = 2   // a flag, the config file, the go command or the checkout is wrong; nothing was tried
	exitInterrupted = 130 // SIGINT, SIGTERM or SIGHUP
)

// help is what --help prints before the list of flags.
const help = `xbuild makes a custom Caddy: the Caddy version and the plugins of xcaddy.json, with caddy-ec2 taken from this checkout.

    go run ./cmd/xbuild [flags]

Run it anywhere inside a checkout of caddy-ec2. It writes a small main module into a temporary directory, pins Caddy and
every plugin to the version in xcaddy.json and what they depend on to the versions in go.mod, replaces caddy-ec2 by the
checkout, compiles with cgo off, paths trimmed and symbols stripped, and removes the directory. That takes one to three
minutes on two cores when Go's build cache is cold, seconds when it is warm. After "go mod download" it needs no network.

The same with the xcaddy command:

    xcaddy build v2.11.9 --with github.com/caddy-dns/route53@v1.6.2 --with github.com/caddy-ec2/caddy-ec2@v0.0.0=.

Versions: Caddy and the plugins have the versions of xcaddy.json. caddy-ec2 has the pseudo-version of the checked-out commit,
or v0.0.0 when files differ from it. "caddy version" and "caddy list-modules --versions" print them from the binary.

xcaddy.json holds the JSON form of xcaddy's Builder. The fields most used: caddy_version, plugins (module_path, version),
replacements (old, new), os, arch, arm, cgo, race_detector, build_flags. An unknown field is an error, and so is a plugin
without an exact version, since "latest" would make two builds of one commit differ.

Examples:

    go run ./cmd/xbuild                                   ./caddy for this machine
    go run ./cmd/xbuild -o /usr/local/bin/caddy           straight to where it runs
    go run ./cmd/xbuild -os linux -arch arm64 -o caddy-arm64    for Graviton instances
    go run ./cmd/xbuild -config mine.json -v              another set of plugins, and xcaddy's log

Exit codes: 0 built, 1 the build failed, 2 wrong flags, config or checkout, 130 interrupted.

Flags:
`

// options are the command's flags.
type options struct {
	config  string // the file to build from; empty means xcaddy.json in the root of the checkout
	output  string // the binary to write; empty means caddy (caddy.exe for Windows) in the current directory
	goos    string // overrides the config's os; empty leaves it
	goarch  string // overrides the config's arch; empty leaves it
	verbose bool   // shows xcaddy's and go's output as it comes
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// The first signal cancels the build; after that signals have their usual effect, so a second one ends the process.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the command without the process around it. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	opt, err := parseFlags(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "xbuild: %v; see --help\n", err)
		return exitUsage
	}
	p, err := makePlan(ctx, opt)
	if err != nil {
		fmt.Fprintf(stderr, "xbuild: %v\n", err)
		return exitUsage
	}
	err = p.build(ctx, stderr)
	switch {
	case ctx.Err() != nil && err != nil:
		fmt.Fprintln(stderr, "xbuild: interrupted; the temporary directory is removed and no binary was written")
		return exitInterrupted
	case err != nil:
		fmt.Fprintf(stderr, "xbuild: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// parseFlags reads the command line. It prints the help itself and then returns flag.ErrHelp.
func parseFlags(args []string, stdout io.Writer) (options, error) {
	var opt options
	fs := flag.NewFlagSet("xbuild", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	fs.StringVar(&opt.config, "config", "", "build from this `file` (default xcaddy.json in the root of the checkout)")
	fs.StringVar(&opt.output, "o", "", "write the binary to this `file` (default caddy, for Windows caddy.exe)")
	fs.StringVar(&opt.goos, "os", "", "build for this operating `system`, as GOOS names it (default this one)")
	fs.StringVar(&opt.goarch, "arch", "", "build for this `architecture`, as GOARCH names it (default this one)")
	fs.BoolVar(&opt.verbose, "v", false, "show the output of xcaddy and go as it comes (otherwise only when the build fails)")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(stdout, help)
			fs.SetOutput(stdout)
			fs.PrintDefaults()
		}
		return options{}, err
	}
	if fs.NArg() > 0 {
		return options{}, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	return opt, nil
}
