package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/xcaddy"
)

// logTail is how many of the last lines of xcaddy's output are shown when a build fails without -v.
const logTail = 40

// plan is everything that is known before the build starts.
type plan struct {
	builder  xcaddy.Builder
	checkout string // root directory of this module
	output   string // the binary, as the user names it
	verbose  bool
}

// makePlan finds the checkout, reads the config and completes the Builder. Its errors say what the user can do about them.
func makePlan(ctx context.Context, opt options) (plan, error) {
	root, err := findCheckout(ctx)
	if err != nil {
		return plan{}, err
	}
	config := opt.config
	if config == "" {
		config = filepath.Join(root, "xcaddy.json")
	}
	b, err := loadConfig(config)
	if err != nil {
		return plan{}, err
	}
	for i, p := range b.Plugins {
		if p.PackagePath == modulePath {
			// Without a version, go asks the module's server for its newest one, even though the checkout replaces it.
			b.Plugins[i].Version = checkoutVersion(ctx, root)
		}
	}
	b.Replacements = append(b.Replacements, xcaddy.NewReplace(modulePath, root))
	if b.Env, err = goEnvironment(ctx); err != nil {
		return plan{}, err
	}
	if opt.goos != "" {
		b.OS = opt.goos
	}
	if opt.goarch != "" {
		b.Arch = opt.goarch
	}
	output := opt.output
	if output == "" {
		output = "caddy"
		if b.OS == "windows" || b.OS == "" && runtime.GOOS == "windows" {
			output = "caddy.exe"
		}
	}
	if info, err := os.Stat(output); err == nil && info.IsDir() {
		return plan{}, fmt.Errorf("%s is a directory: name a file with -o", output)
	}
	return plan{builder: b, checkout: root, output: output, verbose: opt.verbose}, nil
}

// build carries the plan out and reports on w.
func (p plan) build(ctx context.Context, w io.Writer) error {
	// xcaddy leaves its directory behind when it is cancelled at some points, and so does a killed go command. Both follow TMPDIR,
	// so one directory of ours holds everything there is to remove. (On macOS xcaddy works in the current directory instead.)
	tmp, err := os.MkdirTemp("", "xbuild-")
	if err != nil {
		return fmt.Errorf("making a temporary directory: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Setenv("TMPDIR", tmp); err != nil { // for the rest of the process, which ends with the build
		return fmt.Errorf("using the temporary directory: %w", err)
	}
	b := p.builder
	b.Env = append(b.Env, "TMPDIR="+tmp)

	start := time.Now()
	fmt.Fprintf(w, "xbuild: building Caddy %s with %s from %s\n", b.CaddyVersion, plugins(b), p.checkout)
	fmt.Fprintln(w, "xbuild: this takes 1 to 3 minutes when Go's build cache is cold")
	prog := startProgress(w, !p.verbose && isTerminal(w))
	var log stepLog
	if p.verbose {
		log.live = w
	}
	// xcaddy waits for a step's callback before it begins the next step.
	b.OnStep = func(e *xcaddy.StepEvent) error {
		prog.enter(e.Step)
		_, err := io.Copy(&log, e.Output)
		if e.Step == xcaddy.StepInitializeModule {
			err = errors.Join(err, seedModule(ctx, p.checkout, tmp))
		}
		return err
	}
	err = b.Build(ctx, p.output)
	step := prog.stop()
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !p.verbose {
			fmt.Fprint(w, log.tail(logTail))
		}
		return fmt.Errorf("%s: %w; %s", label(step), err, hint(step, p.checkout))
	}
	info, err := os.Stat(p.output)
	if err != nil {
		return fmt.Errorf("the build reported no error, but: %w", err)
	}
	fmt.Fprintf(w, "xbuild: wrote %s (%.1f MB) in %.0f s; see what is in it: %s list-modules --packages --versions\n",
		p.output, float64(info.Size())/1e6, time.Since(start).Seconds(), runnable(p.output))
	return nil
}

// plugins lists what goes into the build, for people.
func plugins(b xcaddy.Builder) string {
	names := make([]string, len(b.Plugins))
	for i, p := range b.Plugins {
		names[i] = p.String()
	}
	return strings.Join(names, " and ")
}

// runnable is a path that a shell runs as it is.
func runnable(path string) string {
	if strings.ContainsRune(path, filepath.Separator) {
		return path
	}
	return "." + string(filepath.Separator) + path
}

// stepLog collects the output of all steps, and passes it on at once when live is set. It is safe for concurrent use.
type stepLog struct {
	live io.Writer

	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *stepLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.live != nil {
		return l.live.Write(p)
	}
	return l.buf.Write(p)
}

// tail returns the last n lines.
func (l *stepLog) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := strings.SplitAfter(strings.TrimSuffix(l.buf.String(), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "") + "\n"
}

// Interface guards
var _ io.Writer = (*stepLog)(nil)
