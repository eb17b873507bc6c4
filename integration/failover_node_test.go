//go:build linux

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// node is a load balancer: the real binary as a process of its own, at an address of its own, with its own place for all that it
// stores.
type node struct {
	lab  *lab
	name string // such as lb1
	addr string // for clients and peers
	id   string // of its instance in the fake cloud
	dir  string
	conf conf
	env  []string
	via  []*wire // to the others, in their order; nil if they are asked directly

	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended; nil before the first start
	frozen bool
	asked  bool  // to end
	port   *port // of a switch, behind which it has a network of its own; nil for that of the test
}

var adminClient = &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// peers are where the node asks the others.
func (n *node) peers() (addrs []string) {
	for i, other := range n.lab.nodes {
		switch {
		case other == n:
		case n.via != nil:
			addrs = append(addrs, n.via[i].addr())
		default:
			addrs = append(addrs, net.JoinHostPort(other.addr, beatPort))
		}
	}
	return addrs
}

func (n *node) secretFile() string { return filepath.Join(n.dir, "secret") }
func (n *node) logFile() string    { return filepath.Join(n.dir, "log") }

// secrets writes the secret file. They are in force after the next reload.
func (n *node) secrets(lines ...string) {
	n.lab.Helper()
	n.lab.must(os.WriteFile(n.secretFile(), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
}

// spawn runs the process, and does not wait for anything.
func (n *node) spawn() {
	l := n.lab
	l.Helper()
	file := filepath.Join(n.dir, "Caddyfile")
	l.must(os.WriteFile(file, []byte(n.text()), 0o600))
	log, err := os.OpenFile(n.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	l.must(err)
	defer log.Close()
	cmd := exec.Command(l.binary, "run", "--config", file, "--adapter", "caddyfile")
	cmd.Env, cmd.Stdout, cmd.Stderr = n.env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed leaves nothing behind
	if n.port == nil {
		l.must(cmd.Start())
	} else {
		l.must(n.port.start(cmd))
	}
	exited := make(chan struct{})
	go func() {
		cmd.Wait() // how it ended is in cmd.ProcessState
		close(exited)
	}()
	n.cmd, n.exited, n.frozen, n.asked = cmd, exited, false, false
}

// up waits until the process serves.
func (n *node) up() {
	n.lab.Helper()
	n.lab.eventually(n.name+" to serve", func() bool {
		conn, err := net.Dial("tcp", net.JoinHostPort(n.addr, n.lab.port))
		if err != nil {
			return false
		}
		conn.Close()
		return true
	})
}

// runs reports whether there is a process, frozen or not.
func (n *node) runs() bool {
	if n.exited == nil {
		return false
	}
	select {
	case <-n.exited:
		return false
	default:
		return true
	}
}

func (n *node) signal(s syscall.Signal) {
	n.lab.Helper()
	n.lab.must(n.cmd.Process.Signal(s))
}

// kill ends the process at once, and returns when that was.
func (n *node) kill() time.Time {
	n.lab.Helper()
	at := time.Now()
	n.asked = true
	n.signal(syscall.SIGKILL)
	<-n.exited
	return at
}

// freeze stops the process as a whole, as a machine that is paused, and returns when that was.
func (n *node) freeze() time.Time {
	n.lab.Helper()
	at := time.Now()
	n.signal(syscall.SIGSTOP)
	n.frozen = true
	return at
}

func (n *node) thaw() {
	n.lab.Helper()
	n.frozen = false
	n.signal(syscall.SIGCONT)
}

// term asks the process to end, and returns when that was.
func (n *node) term() time.Time {
	n.lab.Helper()
	at := time.Now()
	n.asked = true
	n.signal(syscall.SIGTERM)
	return at
}

// ended waits until the process has ended well.
func (n *node) ended() {
	n.lab.Helper()
	n.lab.eventually(n.name+" to end", func() bool { return !n.runs() })
	if !n.cmd.ProcessState.Success() {
		n.lab.Errorf("%s has ended with %s", n.name, n.cmd.ProcessState)
	}
}

// reload makes the process take over the Caddyfile as its conf is now, even if nothing has changed.
func (n *node) reload() {
	n.lab.Helper()
	if _, err := n.admin(http.MethodPost, "/load", n.text()); err != nil {
		n.lab.Fatalf("%s: reloading: %v", n.name, err)
	}
}

// admin asks the admin API.
func (n *node) admin(method, path, body string) (string, error) {
	req, err := http.NewRequest(method, "http://"+net.JoinHostPort(n.addr, adminPort)+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	if net.ParseIP(n.addr).IsLoopback() {
		req.Host = "localhost:" + adminPort // Caddy takes only some names there
	}
	if path == "/load" {
		req.Header.Set("Content-Type", "text/caddyfile")
		req.Header.Set("Cache-Control", "must-revalidate")
	}
	resp, err := adminClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return "", fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(text))
	}
	return string(text), nil
}

// status is what the node says of itself; the zero value if it can't be asked.
func (n *node) status() (s status) {
	if n.frozen || !n.runs() {
		return s
	}
	text, err := n.admin(http.MethodGet, "/dnsfailover/status", "")
	if err != nil || json.Unmarshal([]byte(text), &s) != nil {
		return status{}
	}
	return s
}

// logged returns the log's lines that hold all of the parts.
func (n *node) logged(parts ...string) (lines []string) {
	raw, err := os.ReadFile(n.logFile())
	if err != nil {
		return nil
	}
next:
	for line := range strings.Lines(string(raw)) {
		for _, p := range parts {
			if !strings.Contains(line, p) {
				continue next
			}
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

// tail is the end of the log.
func (n *node) tail(most int) string {
	lines := n.logged()
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
