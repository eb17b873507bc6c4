package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// screen is where everything is printed: on a terminal with a block of lines at the bottom that is kept up to date,
// otherwise as plain lines.
type screen struct {
	out   io.Writer
	live  bool // lines can be replaced
	color bool
	full  string // one step of a bar

	mu    sync.Mutex
	shown int       // lines of the block that are on the screen
	said  time.Time // when progress was last printed as a line
}

// newScreen prints to a file, in the way that it and the environment allow.
func newScreen(f *os.File, env func(string) string) *screen {
	info, err := f.Stat()
	live := err == nil && info.Mode()&os.ModeCharDevice != 0 && env("TERM") != "dumb" && env("TERM") != ""
	s := &screen{out: f, live: live, color: live && env("NO_COLOR") == "", full: "="}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToUpper(env(name)); v != "" {
			if strings.Contains(v, "UTF-8") || strings.Contains(v, "UTF8") {
				s.full = "█"
			}
			break
		}
	}
	return s
}

// Control sequences of terminals. Long lines of the block are cut off rather than wrapped, so that it keeps its height.
const (
	wrapOff  = "\x1b[?7l"
	wrapOn   = "\x1b[?7h"
	clear    = "\x1b[J" // to the end of the screen
	clearRow = "\x1b[K" // to the end of the line
)

// Write prints above the block.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	return s.out.Write(p)
}

// event prints a line with the time.
func (s *screen) event(format string, args ...any) {
	fmt.Fprintf(s, "%s  %s\n", time.Now().Format("15:04:05"), s.paint(bold, fmt.Sprintf(format, args...)))
}

// block replaces the block.
func (s *screen) block(lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	fmt.Fprint(s.out, wrapOff, strings.Join(lines, "\n"), "\n", wrapOn)
	s.shown = len(lines)
}

// erase takes the block off the screen.
func (s *screen) erase() {
	if s.shown > 0 {
		fmt.Fprintf(s.out, "\x1b[%dA\r%s", s.shown, clear)
		s.shown = 0
	}
}

// progressEvery is how often progress is a line of its own where lines can't be replaced.
const progressEvery = 10 * time.Second

// progress says how something goes that takes long. With "" it is over.
func (s *screen) progress(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.live:
		fmt.Fprint(s.out, "\r", clearRow, text)
	case text == "":
		s.said = time.Time{}
	case time.Since(s.said) >= progressEvery:
		s.said = time.Now()
		fmt.Fprintln(s.out, text)
	}
}

// style is how a text looks where colors are wanted.
type style string

const (
	bold  style = "1"
	dim   style = "2"
	red   style = "31"
	green style = "32"
)

func (s *screen) paint(as style, text string) string {
	if !s.color {
		return text
	}
	return "\x1b[" + string(as) + "m" + text + "\x1b[0m"
}
