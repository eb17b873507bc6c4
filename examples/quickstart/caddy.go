package main

import (
	"bytes"
	"context"
	"errors"
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

const (
	// startTime is how long Caddy may take until it serves, and stopTime until it has ended. Both are for slow machines.
	startTime = 30 * time.Second
	stopTime  = 15 * time.Second
)

// caddy is the real binary as a process of its own, with its own place for everything it stores.
type caddy struct {
	bin     string
	config  string // the Caddyfile's path
	logPath string
	env     []string
	ports   ports
	client  *http.Client

	cmd    *exec.Cmd     // nil unless it runs
	exited chan struct{} // closed when cmd has ended
}

// newCaddy prepares a Caddy that keeps everything in the folder dir. aws is the environment that leads to the fake cloud.
func newCaddy(bin, config, dir string, p ports, aws []string) *caddy {
	return &caddy{
		bin: bin, config: config, logPath: filepath.Join(dir, "caddy.log"), ports: p,
		env: environment(os.Environ(), aws, dir, p),
		// The admin endpoint is a new one after each reload, so no connection is kept.
		client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

// environment is what Caddy runs with: the user's own, without anything that concerns AWS or Caddy.
func environment(own, aws []string, dir string, p ports) []string {
	var env []string
	for _, kv := range own {
		if !strings.HasPrefix(kv, "AWS_") && !strings.HasPrefix(kv, "CADDY_") && !strings.HasPrefix(kv, "QUICKSTART_") {
			env = append(env, kv)
		}
	}
	env = append(env, aws...)
	return append(env,
		"XDG_DATA_HOME="+filepath.Join(dir, "data"),
		"XDG_CONFIG_HOME="+filepath.Join(dir, "config"),
		fmt.Sprintf("QUICKSTART_SITE_PORT=%d", p.site),
		fmt.Sprintf("QUICKSTART_ADMIN_PORT=%d", p.admin),
		fmt.Sprintf("QUICKSTART_BACKEND_PORT=%d", p.backend),
		fmt.Sprintf("QUICKSTART_STATIC=%s:%d", host(staticHost), p.backend),
	)
}

// start runs Caddy, and returns when it accepts requests.
func (c *caddy) start(ctx context.Context) error {
	log, err := os.OpenFile(c.logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("starting Caddy: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(c.bin, "run", "--config", c.config, "--adapter", "caddyfile")
	cmd.Env, cmd.Stdout, cmd.Stderr = c.env, log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting Caddy: %w", err)
	}
	exited := make(chan struct{})
	go func() {
		cmd.Wait() // how it ended is in cmd.ProcessState
		close(exited)
	}()
	c.cmd, c.exited = cmd, exited

	deadline := time.NewTimer(startTime)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.DialTimeout("tcp", local(c.ports.site), time.Second)
		if err == nil {
			conn.Close()
			return nil
		}
		select {
		case <-tick.C:
		case <-exited:
			return fmt.Errorf("starting Caddy: %s", cmd.ProcessState)
		case <-deadline.C:
			return fmt.Errorf("starting Caddy: it does not listen at %s after %s", local(c.ports.site), startTime)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// stop asks Caddy to end, and ends it if it doesn't.
func (c *caddy) stop() error {
	if c.cmd == nil {
		return nil
	}
	cmd, exited := c.cmd, c.exited
	c.cmd = nil
	if err := cmd.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		<-exited
		return nil // how it ended is for dead to say
	}
	patience := time.NewTimer(stopTime)
	defer patience.Stop()
	select {
	case <-exited:
		if !cmd.ProcessState.Success() {
			return fmt.Errorf("stopping Caddy: %s", cmd.ProcessState)
		}
		return nil
	case <-patience.C:
		cmd.Process.Kill()
		<-exited
		return fmt.Errorf("stopping Caddy: it did not end within %s of SIGTERM and was killed", stopTime)
	}
}

// dead says how Caddy has ended if nobody has stopped it.
func (c *caddy) dead() error {
	if c.cmd == nil {
		return nil
	}
	select {
	case <-c.exited:
		return fmt.Errorf("caddy has ended by itself: %s", c.cmd.ProcessState)
	default:
		return nil
	}
}

// reload makes Caddy take over a Caddyfile. The error is Caddy's own words if it refuses.
func (c *caddy) reload(text string) error {
	resp, err := c.client.Post("http://"+local(c.ports.admin)+"/load", "text/caddyfile", strings.NewReader(text))
	if err != nil {
		return fmt.Errorf("reloading: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("reloading: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("reloading: %s", bytes.TrimSpace(body))
	}
	return nil
}

// log returns what Caddy has logged from an offset on.
func (c *caddy) log(from int64) string {
	f, err := os.Open(c.logPath)
	if err != nil {
		return ""
	}
	defer f.Close()
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return ""
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return ""
	}
	return string(text)
}

// logSize is the offset at which the log ends now.
func (c *caddy) logSize() int64 {
	info, err := os.Stat(c.logPath)
	if err != nil {
		return 0
	}
	return info.Size()
}

// matching counts the lines of a text that have all of the parts.
func matching(text string, parts ...string) int {
	n := 0
next:
	for line := range strings.Lines(text) {
		for _, p := range parts {
			if !strings.Contains(line, p) {
				continue next
			}
		}
		n++
	}
	return n
}

// tail returns the last n lines of a text, without the middle of very long ones.
func tail(text string, n int) string {
	const longest = 400
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	lines = lines[max(0, len(lines)-n):]
	for i, l := range lines {
		lines[i] = clip(l, longest)
	}
	return strings.Join(lines, "\n") + "\n"
}
