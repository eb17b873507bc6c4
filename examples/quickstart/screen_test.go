package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestScreenFits(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a character device, as terminals are
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	tests := []struct {
		name        string
		f           *os.File
		env         string
		live, color bool
		full        string
	}{
		{"a file", f, "TERM=xterm LANG=en_US.UTF-8", false, false, "█"},
		{"a terminal", null, "TERM=xterm LANG=en_US.UTF-8", true, true, "█"},
		{"without color", null, "TERM=xterm NO_COLOR=1", true, false, "="},
		{"a dumb terminal", null, "TERM=dumb", false, false, "="},
		{"no terminal type", null, "", false, false, "="},
		{"the first locale variable decides", null, "TERM=xterm LC_ALL=C LANG=en_US.utf8", true, true, "="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env := func(name string) string {
				for kv := range strings.FieldsSeq(tt.env) {
					if v, ok := strings.CutPrefix(kv, name+"="); ok {
						return v
					}
				}
				return ""
			}
			s := newScreen(tt.f, env)
			if s.live != tt.live || s.color != tt.color || s.full != tt.full {
				t.Errorf("live %v, color %v, bars of %s", s.live, s.color, s.full)
			}
		})
	}
}

func TestBlockIsReplaced(t *testing.T) {
	var b bytes.Buffer
	s := &screen{out: &b, live: true}
	s.block([]string{"one", "two"})
	b.Reset()
	fmt.Fprintln(s, "an event")
	if got, want := b.String(), "\x1b[2A\r\x1b[Jan event\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	b.Reset()
	s.block([]string{"three"})
	if got, want := b.String(), "\x1b[?7lthree\n\x1b[?7h"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	b.Reset()
	s.block([]string{"four"})
	if got, want := b.String(), "\x1b[1A\r\x1b[J\x1b[?7lfour\n\x1b[?7h"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProgressWithoutTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		s := &screen{out: &b}
		for i := range 25 {
			s.progress(fmt.Sprintf("building: %d s", i))
			time.Sleep(time.Second) // of the bubble
		}
		s.progress("")
		if got, want := b.String(), "building: 0 s\nbuilding: 10 s\nbuilding: 20 s\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestProgressOnTerminal(t *testing.T) {
	var b bytes.Buffer
	s := &screen{out: &b, live: true}
	s.progress("building: 3 s")
	s.progress("")
	if got, want := b.String(), "\r\x1b[Kbuilding: 3 s\r\x1b[K"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
