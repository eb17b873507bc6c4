package main

import (
	"path/filepath"
	"testing"

	"github.com/caddyserver/xcaddy"
)

func TestPlanOutput(t *testing.T) {
	tests := []struct {
		name string
		opt  options
		want string
	}{
		{"default", options{goos: "linux"}, "caddy"},
		{"Windows", options{goos: "windows"}, "caddy.exe"},
		{"named", options{goos: "windows", output: "lb"}, "lb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := makePlan(t.Context(), tt.opt)
			if err != nil {
				t.Fatal(err)
			}
			if p.output != tt.want || p.builder.OS != tt.opt.goos {
				t.Errorf("got output %s for %s, want %s for %s", p.output, p.builder.OS, tt.want, tt.opt.goos)
			}
		})
	}
}

func TestRunnable(t *testing.T) {
	for path, want := range map[string]string{"caddy": "./caddy", "./caddy": "./caddy", "/usr/bin/caddy": "/usr/bin/caddy"} {
		if got := runnable(filepath.FromSlash(path)); got != filepath.FromSlash(want) {
			t.Errorf("runnable(%s) = %s, want %s", path, got, want)
		}
	}
}

func TestStepLogTail(t *testing.T) {
	var l stepLog
	for _, s := range []string{"one\n", "two\nth", "ree\n"} {
		if _, err := l.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	for n, want := range map[int]string{1: "three\n", 2: "two\nthree\n", 9: "one\ntwo\nthree\n"} {
		if got := l.tail(n); got != want {
			t.Errorf("tail(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestPlugins(t *testing.T) {
	b := xcaddy.Builder{Plugins: []xcaddy.Dependency{{PackagePath: "a", Version: "v1.0.0"}, {PackagePath: "b"}}}
	if got, want := plugins(b), "a@v1.0.0 and b"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
