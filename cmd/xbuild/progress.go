package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/caddyserver/xcaddy"
)

const (
	progressAfter  = 2 * time.Second  // a step that ends sooner is not worth a line
	progressTick   = time.Second      // how often the line on a terminal is rewritten
	progressSparse = 30 * time.Second // how often a line is added where lines cannot be rewritten
)

// progress tells on w which step of the build is running and for how long. On a terminal it rewrites one line; elsewhere (a file,
// a CI log) it adds a line when a step has lasted progressAfter and every progressSparse from then on.
type progress struct {
	w        io.Writer
	terminal bool
	quit     chan struct{}
	done     chan struct{}

	mu    sync.Mutex
	step  xcaddy.Step // the running one
	since time.Time   // when it began
	shown time.Time   // when a line was last written for it; zero: not yet
}

// startProgress starts reporting; stop ends it.
func startProgress(w io.Writer, terminal bool) *progress {
	p := &progress{w: w, terminal: terminal, quit: make(chan struct{}), done: make(chan struct{}), since: time.Now()}
	go p.loop()
	return p
}

// enter says that a step begins. The removal of the temporary directory follows a failed step too, so it is not taken as
// one: stop then returns the step that failed.
func (p *progress) enter(s xcaddy.Step) {
	if s == xcaddy.StepCleanup {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.step, p.since, p.shown = s, time.Now(), time.Time{}
}

// stop ends the reporting, clears the terminal's line and returns the last step.
func (p *progress) stop() xcaddy.Step {
	close(p.quit)
	<-p.done
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	return p.step
}

func (p *progress) loop() {
	defer close(p.done)
	t := time.NewTicker(progressTick)
	defer t.Stop()
	for {
		select {
		case <-p.quit:
			return
		case now := <-t.C:
			p.report(now)
		}
	}
}

// report writes the line if one is due.
func (p *progress) report(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := now.Sub(p.since)
	if elapsed < progressAfter || p.step == "" {
		return
	}
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[Kxbuild: %s, %d s", label(p.step), int(elapsed.Seconds()))
		return
	}
	if p.shown.IsZero() || now.Sub(p.shown) >= progressSparse {
		p.shown = now
		fmt.Fprintf(p.w, "xbuild: %s, %d s\n", label(p.step), int(elapsed.Seconds()))
	}
}

// label names a step for people.
func label(s xcaddy.Step) string {
	switch s {
	case xcaddy.StepPinVersions:
		return "fetching modules and pinning their versions"
	case xcaddy.StepTidyModule:
		return "tidying the temporary module"
	case xcaddy.StepWindowsResources:
		return "making the resources of the Windows binary"
	case xcaddy.StepCompile:
		return "compiling"
	default:
		return "preparing the temporary module"
	}
}

// hint says what to look at when a step has failed.
func hint(s xcaddy.Step, checkout string) string {
	switch s {
	case xcaddy.StepPinVersions, xcaddy.StepTidyModule:
		return "check the versions in the config file, the network, and \"go env GOPROXY\""
	case xcaddy.StepCompile:
		return "the compiler's messages are above; does \"go build ./...\" pass in " + checkout + "?"
	default:
		return "run it with -v to see every command"
	}
}

// isTerminal reports whether w is a device that can rewrite a line. (/dev/null passes too, where it does not matter.)
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
