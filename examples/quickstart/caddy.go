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
	"slices"
	"strconv"
	"strings"
	"sync"
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
	balancer
	bin     string
	config  string // the Caddyfile's path
	dir     string
	logPath string
	env     []string
	ports   ports
	client  *http.Client

	mu     sync.Mutex
	is     condition
	cmd    *exec.Cmd     // nil unless it runs
	exited chan struct{} // closed when cmd has ended
}

// newCaddy prepares a Caddy that keeps everything in a folder of its own below dir. aws is the environment that leads to the fake
// cloud, and peers are the addresses of other heartbeats, with a space between two.
func newCaddy(b balancer, bin, config, dir string, p ports, peers string, aws []string) *caddy {
	own := filepath.Join(dir, b.name)
	return &caddy{
		balancer: b, bin: bin, config: config, dir: own, logPath: filepath.Join(own, "caddy.log"), ports: p, is: stopped,
		env: slices.Concat(environment(os.Environ(), aws, own, p), []string{
			"QUICKSTART_NAME=" + b.name,
			"QUICKSTART_ADDRESS=" + b.address,
			fmt.Sprintf("QUICKSTART_ADMIN_PORT=%d", b.port),
			"QUICKSTART_HEARTBEAT=" + heartbeat(p, b),
			"QUICKSTART_PEERS=" + peers,
			"QUICKSTART_SECRET_FILE=" + secretFile(dir),
		}),
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
		fmt.Sprintf("QUICKSTART_BACKEND_PORT=%d", p.backend),
		fmt.Sprintf("QUICKSTART_STATIC=%s:%d", host(staticHost), p.backend),
	)
}

// site is where it serves.
func (c *caddy) site() string { return net.JoinHostPort(c.address, strconv.Itoa(c.ports.site)) }

// admin is the URL of something at its admin endpoint.
func (c *caddy) admin(path string) string { return "http://" + local(c.port) + path }

// process is the one that runs, or nil.
func (c *caddy) process() (cmd *exec.Cmd, exited chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cmd, c.exited
}

// forget makes the end of the process no surprise.
func (c *caddy) forget(is condition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.is, c.cmd = is, nil
}

// start runs Caddy, and returns when it accepts requests.
func (c *caddy) start(ctx context.Context) error {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return fmt.Errorf("starting %s: %w", c.name, err)
	}
	log, err := os.OpenFile(c.logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("starting %s: %w", c.name, err)
	}
	defer log.Close()
	cmd := exec.Command(c.bin, "run", "--config", c.config, "--adapter", "caddyfile")
	cmd.Env, cmd.Stdout, cmd.Stderr = c.env, log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", c.name, err)
	}
	exited := make(chan struct{})
	go func() {
		cmd.Wait() // how it ended is in cmd.ProcessState
		close(exited)
	}()
	c.mu.Lock()
	c.cmd, c.exited, c.is = cmd, exited, running
	c.mu.Unlock()

	deadline := time.NewTimer(startTime)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.DialTimeout("tcp", c.site(), time.Second)
		if err == nil {
			conn.Close()
			return nil
		}
		select {
		case <-tick.C:
		case <-exited:
			return fmt.Errorf("starting %s: %s", c.name, cmd.ProcessState)
		case <-deadline.C:
			return fmt.Errorf("starting %s: it does not listen at %s after %s", c.name, c.site(), startTime)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// stop asks Caddy to end, and ends it if it doesn't.
func (c *caddy) stop() error {
	cmd, exited := c.process()
	if cmd == nil {
		return nil
	}
	if c.condition() == frozen {
		if err := c.thaw(); err != nil { // or it would not hear of it
			return err
		}
	}
	c.forget(stopped)
	if err := cmd.Process.Signal(syscall.SIGTERM); errors.Is(err, os.ErrProcessDone) {
		<-exited
		return nil // how it ended is for dead to say
	}
	patience := time.NewTimer(stopTime)
	defer patience.Stop()
	select {
	case <-exited:
		if !cmd.ProcessState.Success() {
			return fmt.Errorf("stopping %s: %s", c.name, cmd.ProcessState)
		}
		return nil
	case <-patience.C:
		cmd.Process.Kill()
		<-exited
		return fmt.Errorf("stopping %s: it did not end within %s of SIGTERM and was killed", c.name, stopTime)
	}
}

// dead says how Caddy has ended if nobody has stopped it.
func (c *caddy) dead() error {
	cmd, exited := c.process()
	if cmd == nil {
		return nil
	}
	select {
	case <-exited:
		return fmt.Errorf("caddy %s has ended by itself: %s", c.name, cmd.ProcessState)
	default:
		return nil
	}
}

// reload makes Caddy take over a Caddyfile. The error is Caddy's own words if it refuses.
func (c *caddy) reload(text string) error {
	req, err := http.NewRequest(http.MethodPost, c.admin("/load"), strings.NewReader(text))
	if err == nil {
		req.Header.Set("Content-Type", "text/caddyfile")
		err = c.send(req)
	}
	if err != nil {
		return fmt.Errorf("reloading: %w", err)
	}
	c.set(running)
	return nil
}

// send asks the admin endpoint for something that has no answer. An error is in its own words.
func (c *caddy) send(req *http.Request) error {
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(string(bytes.TrimSpace(body)))
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
