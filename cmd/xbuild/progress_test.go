package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/xcaddy"
)

// wait lets the bubble's clock pass.
func wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestProgressSparse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out output
		p := startProgress(&out, false)
		wait(5 * time.Second) // before the first step there is nothing to tell
		p.enter(xcaddy.StepPinVersions)
		wait(1500 * time.Millisecond) // too short for a line
		p.enter(xcaddy.StepCompile)
		wait(65 * time.Second)
		p.enter(xcaddy.StepCleanup)
		if step := p.stop(); step != xcaddy.StepCompile {
			t.Errorf("the last step is %q, want %q", step, xcaddy.StepCompile)
		}
		want := "xbuild: compiling, 2 s\nxbuild: compiling, 32 s\nxbuild: compiling, 62 s\n"
		if got := out.String(); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

func TestProgressTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out output
		p := startProgress(&out, true)
		p.enter(xcaddy.StepCompile)
		wait(4 * time.Second)
		p.stop()
		const clear = "\r\x1b[K"
		want := clear + "xbuild: compiling, 2 s" + clear + "xbuild: compiling, 3 s" + clear + "xbuild: compiling, 4 s" + clear
		if got := out.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestStepTexts(t *testing.T) {
	for _, s := range []xcaddy.Step{
		"", xcaddy.StepCreateEnvironment, xcaddy.StepInitializeModule, xcaddy.StepPinVersions,
		xcaddy.StepWindowsResources, xcaddy.StepTidyModule, xcaddy.StepCompile,
	} {
		if label(s) == "" || hint(s, "/src") == "" {
			t.Errorf("step %q has label %q and hint %q", s, label(s), hint(s, "/src"))
		}
	}
	if !strings.Contains(hint(xcaddy.StepCompile, "/src"), "/src") {
		t.Error("the hint for compiling does not name the checkout")
	}
}

func TestIsTerminal(t *testing.T) {
	if isTerminal(new(output)) {
		t.Error("a buffer is taken for a terminal")
	}
}
