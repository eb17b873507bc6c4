package main

import (
	"net"
	"strings"
	"testing"
)

// newPort is a port that all the loopback addresses of the show are free at.
func newPort(t *testing.T) int {
	t.Helper()
	p, err := free()
	if err != nil {
		t.Skipf("this needs the loopback addresses %s to %s: %v", host(1), host(staticHost), err)
	}
	return p.backend
}

func TestFreePortsDiffer(t *testing.T) {
	newPort(t)
	p, err := free()
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[int]bool)
	for _, port := range append(p.single(), p.shared()...) {
		if *port == 0 || seen[*port] {
			t.Errorf("%+v", p)
		}
		seen[*port] = true
		if err := listenable(*port, []string{"127.0.0.1"}); err != nil {
			t.Error(err)
		}
	}
}

func TestTakenPortIsExplained(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	err = listenable(port, []string{"127.0.0.1"})
	if err == nil || !strings.Contains(err.Error(), "another program listens at "+local(port)) {
		t.Errorf("%v", err)
	}
}

func TestAliases(t *testing.T) {
	tests := []struct {
		name, system, addr string
		lines              int
	}{
		{"Linux has them all", "linux", "127.0.1.1:8080", 0},
		{"macOS", "darwin", "127.0.1.1:8080", staticHost + 2},
		{"macOS, the second load balancer", "darwin", "127.0.0.2:8081", staticHost + 2},
		{"macOS, one more than usual", "darwin", "127.0.1.10:8080", staticHost + 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := aliases(tt.system, tt.addr)
			ip, _, _ := strings.Cut(tt.addr, ":")
			if n := strings.Count(text, "sudo ifconfig lo0 alias "); n != tt.lines {
				t.Errorf("%d lines: %s", n, text)
			}
			if tt.lines > 0 && strings.Count(text, " "+ip+" ") != 1 {
				t.Errorf("%s is not named once: %s", ip, text)
			}
		})
	}
}
