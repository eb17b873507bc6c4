//go:build linux

// Package knottest runs Knot DNS, a real DNS server, for tests of dynamic updates (RFC 2136) that are signed (TSIG).
package knottest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/libdns/rfc2136"
)

const (
	// Zone is the name of the only zone.
	Zone = "example.com"

	// Writer is the name of the key that may list the zone and update it.
	Writer = "writer"

	// Reader is the name of the key that may list the zone, and no more.
	Reader = "reader"

	// Algorithm is that of both keys.
	Algorithm = "hmac-sha256"
)

// Secret is that of a key by its name, in base64.
func Secret(key string) string { return secrets[key] }

var secrets = map[string]string{
	Writer: "d3JpdGVyLW9mLXRoZS10ZXN0cy1pbi1iYXNlNjQtMDE=",
	Reader: "cmVhZGVyLW9mLXRoZS10ZXN0cy1pbi1iYXNlNjQtMDI=",
}

// port is below those that Linux gives to clients, so nobody takes it while the server is away.
const port = 10053

// Server is a server at an address of its own, with a zone that holds what it takes to be one, and some records more. It is
// for one goroutine, but for Updates.
type Server struct {
	t       testing.TB
	bin     string
	dir     string
	addr    string
	process *exec.Cmd // nil while there is none
	reading sync.WaitGroup

	mu      sync.Mutex
	said    []string
	updates int
}

// servers counts those of this process.
var servers atomic.Uint32

// New starts a server, which ends with the test. The test is skipped if Knot DNS is not installed.
func New(t testing.TB) *Server {
	t.Helper()
	bin, err := lookPath("knotd")
	if err != nil {
		t.Skipf("without a DNS server that takes updates (apt-get install knot): %v", err)
	}
	at := uint32(os.Getpid()%4000)<<6 + servers.Add(1)
	s := &Server{t: t, bin: bin, dir: t.TempDir(), addr: fmt.Sprintf("127.%d.%d.%d", 251+at>>16, at>>8&0xff, at&0xff)}
	s.file("zone", `$ORIGIN example.com.
$TTL 3600
@ SOA ns1 admin 1 3600 600 86400 60
@ NS ns1
ns1 A 127.0.0.1
other TXT "one" "two \"three\""
other TYPE65280 \# 1 00
`)
	s.file("knot.conf", fmt.Sprintf(`
server:
    rundir: %[1]q
    listen: %[2]s@%[3]d
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: info
database:
    storage: %[1]q
key:
  - id: writer
    algorithm: hmac-sha256
    secret: %[4]s
  - id: reader
    algorithm: hmac-sha256
    secret: %[5]s
acl:
  - id: write
    key: writer
    action: [transfer, update]
  - id: read
    key: reader
    action: transfer
zone:
  - domain: example.com
    storage: %[1]q
    file: zone
    acl: [write, read]
`, s.dir, s.addr, port, Secret(Writer), Secret(Reader)))
	t.Cleanup(s.end)
	s.Start()
	return s
}

// lookPath also looks where Debian puts servers, which is not on every user's path.
func lookPath(name string) (string, error) {
	bin, err := exec.LookPath(name)
	if err == nil {
		return bin, nil
	}
	if bin, elsewhere := exec.LookPath(filepath.Join("/usr/sbin", name)); elsewhere == nil {
		return bin, nil
	}
	return "", err
}

func (s *Server) file(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// Addr is where the server answers, over UDP and TCP, also while it is away.
func (s *Server) Addr() string { return fmt.Sprint(s.addr, ":", port) }

// Provider is that of a node that has a key. It shares nothing with others.
func (s *Server) Provider(key, secret string) *rfc2136.Provider {
	return &rfc2136.Provider{KeyName: key, KeyAlg: Algorithm, Key: secret, Server: s.Addr()}
}

// Updates is how many updates the server has let in so far, those that changed nothing included.
func (s *Server) Updates() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.updates
}

// Start runs the server again, with what it had, and returns when it answers.
func (s *Server) Start() {
	s.t.Helper()
	cmd := exec.Command(s.bin, "-c", filepath.Join(s.dir, "knot.conf"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed leaves nothing behind
	out, err := cmd.StderrPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.process = cmd
	started := make(chan bool, 1)
	s.reading.Go(func() { s.read(out, started) })
	if !<-started {
		s.t.Fatal("knotd has not started")
	}
}

// read takes in what the server says until it has ended, and tells whether it has started.
func (s *Server) read(out io.Reader, started chan<- bool) {
	running := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		s.mu.Lock()
		s.said = append(s.said, line)
		if _, what, ok := strings.Cut(line, "DDNS, processing "); ok {
			number, _, _ := strings.Cut(what, " ")
			n, err := strconv.Atoi(number)
			if err != nil {
				s.t.Errorf("counting updates: %s: %v", line, err)
			}
			s.updates += n
		}
		s.mu.Unlock()
		if !running && strings.Contains(line, "server started") {
			running = true
			started <- true
		}
	}
	if !running {
		started <- false
	}
}

// Stop asks the server to end, and waits for that.
func (s *Server) Stop() {
	s.t.Helper()
	if err := s.ended(syscall.SIGINT); err != nil {
		s.t.Errorf("stopping knotd: %v", err)
	}
}

// Kill ends the server at once, as a loss of power would.
func (s *Server) Kill() {
	s.t.Helper()
	var killed *exec.ExitError
	if err := s.ended(syscall.SIGKILL); !errors.As(err, &killed) {
		s.t.Errorf("killing knotd: %v", err)
	}
}

// ended sends a signal to the process and waits for its end.
func (s *Server) ended(signal os.Signal) error {
	if err := s.process.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	s.reading.Wait()
	err := s.process.Wait()
	s.process = nil
	return err
}

// end ends the server, if there is one, and shows what it said to a test that has failed.
func (s *Server) end() {
	if s.process != nil {
		s.Stop()
	}
	if s.t.Failed() {
		s.t.Logf("knotd at %s:\n%s", s.Addr(), strings.Join(s.said[max(0, len(s.said)-60):], "\n"))
	}
}
