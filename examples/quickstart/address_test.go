package main

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
)

// newPort is a port that all the loopback addresses of the show are free at.
func newPort(t *testing.T) int {
	t.Helper()
	p, err := free()
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Skipf("this needs the loopback addresses %s to %s: %v", host(1), host(staticHost), err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p.backend
}

func TestFreePortsDiffer(t *testing.T) {
	newPort(t)
	seen := make(map[int]bool)
	for range 2 {
		p, err := free()
		if err != nil {
			t.Fatal(err)
		}
		for _, port := range append(append(p.single(), p.shared()...), &p.backend) {
			if *port == 0 || seen[*port] {
				t.Errorf("%+v", p)
			}
			seen[*port] = true
		}
	}
}

func TestTakenPortsAreReplaced(t *testing.T) {
	newPort(t)
	taken := inUse("127.0.0.1:80", syscall.EADDRINUSE)
	other := errors.New("another error")
	tests := []struct {
		name  string
		fails []error // of the tries, one by one; none after them
		want  error
		tries int
	}{
		{"all are free", nil, nil, 1},
		{"one is taken", []error{taken}, nil, 2},
		{"always one is taken", []error{taken, taken, taken}, taken, 3},
		{"another error", []error{other}, other, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seen := make(map[int]bool)
			err := onFreePorts(func(p ports) error {
				seen[p.backend] = true
				if n := len(seen); n <= len(tt.fails) {
					return tt.fails[n-1]
				}
				return nil
			})
			if err != tt.want || len(seen) != tt.tries {
				t.Errorf("%v after %d tries, want %v after %d", err, len(seen), tt.want, tt.tries)
			}
		})
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
