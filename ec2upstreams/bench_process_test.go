//go:build linux

// Linux alone gives every address of 127.0.0.0/8 to this host, and getrusage differs elsewhere.

package ec2upstreams

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// benchProcessVariable makes a process of this test binary something else than a test: benchBackends, or a Caddy with
// the Caddyfile of that path.
const (
	benchProcessVariable = "EC2UPSTREAMS_BENCH_PROCESS"
	benchBackends        = "backends"
)

// TestBenchProcess is no test but the main program of the benchmarks' other processes, which it tells by the environment.
// With a clean process around it, what Caddy costs is what its process costs.
func TestBenchProcess(t *testing.T) {
	switch what := os.Getenv(benchProcessVariable); what {
	case "":
	case benchBackends:
		beBackends(t)
	default:
		beCaddy(t, what)
	}
}

// benchProcess is another process, as this one sees it: it answers lines with JSON values, and ends with its input.
type benchProcess struct {
	*testing.B
	stdin   *os.File
	answers *json.Decoder
	errors  *bytes.Buffer // to be read when the process has ended
	end     func()
}

// startProcess runs this test binary as something else. It ends with the benchmark.
func startProcess(b *testing.B, what string, env ...string) *benchProcess {
	b.Helper()
	in, stdin, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, out, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	p := &benchProcess{B: b, stdin: stdin, answers: json.NewDecoder(stdout), errors: new(bytes.Buffer)}
	cmd := exec.Command(os.Args[0], "-test.run=^TestBenchProcess$", "-test.timeout=0")
	cmd.Env = append(append(os.Environ(), env...), benchProcessVariable+"="+what)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, p.errors
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	in.Close()
	out.Close()
	p.end = sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
		stdin.Close()
		stdout.Close()
	})
	b.Cleanup(p.end)
	return p
}

// answer reads the next JSON value.
func (p *benchProcess) answer(to any) {
	p.Helper()
	if err := p.answers.Decode(to); err != nil {
		p.fatal("no answer: %v", err)
	}
}

// fatal ends the benchmark with what the process had to say.
func (p *benchProcess) fatal(format string, args ...any) {
	p.Helper()
	p.end()
	p.Fatalf(format+"\n%s", append(args, p.errors)...)
}

// caddyReport is what a Caddy says of itself.
type caddyReport struct {
	CPU            time.Duration // user and system time of the process so far
	Usable         int           // backends, of all pools
	Passed, Failed uint64        // checks so far
}

// beCaddy is Caddy. It answers every line with a caddyReport, and starts with one.
func beCaddy(t *testing.T, path string) {
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(file, map[string]any{"filename": path})
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}
	defer caddy.Stop()
	answers := json.NewEncoder(os.Stdout)
	for lines := bufio.NewScanner(os.Stdin); ; {
		var used syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
			t.Fatal(err)
		}
		r := caddyReport{CPU: time.Duration(used.Utime.Nano() + used.Stime.Nano())}
		for _, p := range startedPools() {
			passed, failed := p.checkCounts()
			r.Usable += p.view.Load().counts.usable
			r.Passed += passed
			r.Failed += failed
		}
		if err := answers.Encode(r); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() {
			return
		}
	}
}

// caddyProcess is a Caddy in a process of its own.
type caddyProcess struct{ *benchProcess }

// startCaddy runs Caddy with the given sites, against a fake cloud.
func startCaddy(b *testing.B, cloud *awstest.Server, sites string) caddyProcess {
	b.Helper()
	dir := b.TempDir()
	path := filepath.Join(dir, "Caddyfile")
	file := fmt.Sprintf(`{
		admin off
		persist_config off
		auto_https off
		storage file_system %s
		log {
			level ERROR
		}
	}
	%s`, filepath.Join(dir, "storage"), sites)
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		b.Fatal(err)
	}
	c := caddyProcess{startProcess(b, path, cloud.Env("")...)}
	c.answer(new(caddyReport))
	return c
}

// report asks the process how it stands.
func (c caddyProcess) report() (r caddyReport) {
	c.Helper()
	if _, err := c.stdin.WriteString("\n"); err != nil {
		c.fatal("asking Caddy's process: %v", err)
	}
	c.answer(&r)
	return r
}

// await asks until the answer is as wanted, and returns it.
func (c caddyProcess) await(what string, ok func(caddyReport) bool) caddyReport {
	c.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		r := c.report()
		if ok(r) {
			return r
		}
		select {
		case <-tick.C:
		case <-deadline:
			c.fatal("waited in vain for %s: %+v", what, r)
		}
	}
}
