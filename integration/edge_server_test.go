//go:build linux

package integration

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// edgeServer is the real binary as a process of its own, with a Caddyfile of the test. It has nothing to do with AWS.
type edgeServer struct {
	*testing.T
	dir    string
	cmd    *exec.Cmd
	exited chan struct{}
}

// newEdgeServer makes one that does not run yet.
func newEdgeServer(t *testing.T) *edgeServer {
	t.Helper()
	if testing.Short() {
		t.Skip("it runs real processes for some seconds")
	}
	return &edgeServer{T: t, dir: t.TempDir()}
}

func (s *edgeServer) file(name string) string { return filepath.Join(s.dir, name) }

// run starts the process, and waits until addresses are served. The text goes on behind the global options that all of them have,
// within their block.
func (s *edgeServer) run(text string, addrs ...string) {
	s.Helper()
	name, err := binary()
	s.must(err)
	config := "{\nadmin off\npersist_config off\nauto_https off\nstorage file_system " + s.file("storage") + "\ngrace_period 5s\n" + text
	s.must(os.WriteFile(s.file("Caddyfile"), []byte(config), 0o600))
	out, err := os.OpenFile(s.file("out"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	s.must(err)
	defer out.Close()
	s.cmd = exec.Command(name, "run", "--config", s.file("Caddyfile"), "--adapter", "caddyfile")
	s.cmd.Env = append(os.Environ(), "NODE=lb1")
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.must(s.cmd.Start())
	exited, cmd := make(chan struct{}), s.cmd
	s.exited = exited
	go func() {
		cmd.Wait() // how it ended is in cmd.ProcessState
		close(exited)
	}()
	s.Cleanup(s.stop)
	s.eventually("the server to listen", func() bool {
		for _, addr := range addrs {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				return false
			}
			c.Close()
		}
		return true
	})
}

// stop ends the process as systemd does, and checks that it goes well.
func (s *edgeServer) stop() {
	s.Helper()
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(within):
		s.Error("the server does not end")
		s.cmd.Process.Kill()
		<-s.exited
	}
	text, err := os.ReadFile(s.file("out"))
	s.must(err)
	for _, bad := range []string{"panic", "DATA RACE"} {
		if strings.Contains(string(text), bad) {
			s.Errorf("the server has written %q", bad)
		}
	}
	if s.Failed() {
		s.Logf("the server wrote: %s", text[max(0, len(text)-8000):])
	}
}

// eventually waits until cond holds, for a time that only a failure takes.
func (s *edgeServer) eventually(what string, cond func() bool) {
	s.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-s.exited:
			text, _ := os.ReadFile(s.file("out"))
			s.Fatalf("the server has ended by itself: %s: %s", s.cmd.ProcessState, text[max(0, len(text)-3000):])
		case <-deadline:
			s.Fatalf("waited in vain for: %s", what)
		}
	}
}

func (s *edgeServer) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// ports are some that nobody listens on, at any address of this host.
func (s *edgeServer) ports(n int) (ports []string) {
	s.Helper()
	for range n {
		ln, err := net.Listen("tcp", ":0")
		s.must(err)
		defer ln.Close()
		_, port, err := net.SplitHostPort(ln.Addr().String())
		s.must(err)
		ports = append(ports, port)
	}
	return ports
}
