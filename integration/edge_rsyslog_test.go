//go:build linux

package integration

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/logtest"
)

// edgeRsyslog is an rsyslogd with a file of examples/aws/rsyslog.
type edgeRsyslog struct {
	*edgeServer
	program, config string
	cmd             *exec.Cmd
}

// newEdgeRsyslog makes one that does not run yet. What a user would have to change, is changed.
func newEdgeRsyslog(s *edgeServer, example string, change ...string) *edgeRsyslog {
	s.Helper()
	program := logtest.Program(s.T, "rsyslogd", "rsyslog", "/usr/sbin/rsyslogd")
	text, err := os.ReadFile(filepath.Join("..", "examples", "aws", "rsyslog", example))
	s.must(err)
	for i := 0; i < len(change); i += 2 {
		if !bytes.Contains(text, []byte(change[i])) {
			s.Fatalf("%s does not contain %q", example, change[i])
		}
		text = bytes.ReplaceAll(text, []byte(change[i]), []byte(change[i+1]))
	}
	r := &edgeRsyslog{edgeServer: s, program: program, config: s.file(example)}
	spool := s.file("spool-" + example)
	s.must(os.Mkdir(spool, 0o700))
	s.must(os.WriteFile(r.config, fmt.Appendf(nil, "global(workDirectory=%q)\n%s", spool, text), 0o600))
	return r
}

func (r *edgeRsyslog) start() {
	r.Helper()
	check := exec.Command(r.program, "-N1", "-f", r.config)
	if out, err := check.CombinedOutput(); err != nil {
		if bytes.Contains(out, []byte("could not load module")) {
			r.Skipf("rsyslog lacks a module: apt-get install rsyslog-relp: %s", out)
		}
		r.Fatalf("%s is not valid: %v: %s", r.config, err, out)
	}
	r.cmd = exec.Command(r.program, "-n", "-f", r.config, "-i", r.config+".pid")
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	r.must(r.cmd.Start())
	cmd := r.cmd
	r.Cleanup(func() {
		if cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
}

// kill ends it without a word.
func (r *edgeRsyslog) kill() {
	r.Helper()
	r.must(r.cmd.Process.Kill())
	r.cmd.Wait()                 // it was killed
	os.Remove(r.config + ".pid") // with it, it would not start again
}

// TestRsyslog sends a log over two rsyslogs with the configuration of the example into one file, while the second of them is away for a
// time. Nothing is lost, and it is said which node wrote a line.
func TestRsyslog(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root may have a buffer for UDP that is large enough for sure")
	}
	base := newEdgeServer(t)
	ports := base.ports(2)
	log := base.file("all/access.log")
	receiver := newEdgeRsyslog(base, "receive.conf", `"5515"`, `"`+ports[1]+`"`, "/var/log/caddy/access.log", log)
	sender := newEdgeRsyslog(base, "send.conf", `"5515"`, `"`+ports[1]+`"`, `"5514"`, `"`+ports[0]+`"`, "logs.internal", "127.0.0.1")
	receiver.start()
	sender.start()
	s := newEdgeShipper(t, "net udp/127.0.0.1:"+ports[0])
	s.eventually("rsyslog to listen", func() bool {
		c, err := net.ListenPacket("udp", "127.0.0.1:"+ports[0])
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	const some = 1000
	long := []int{3000, 100, 10} // of the lines before, while and after the receiver is away
	whole := regexp.MustCompile(`^127\.0\.0\.1 - - \[[^]]+\] "GET /(\d+) HTTP/1\.1" 200 5 "-" "(a+)" node="lb1"\n$`)
	// received is how many lines there are of some length, and how many of them twice.
	received := func(long int) (n, twice int) {
		text, _ := os.ReadFile(log)
		seen := map[string]bool{}
		for line := range bytes.Lines(text) {
			m := whole.FindSubmatch(line)
			switch {
			case m == nil && bytes.HasSuffix(line, []byte("\n")):
				t.Fatalf("not a whole line: %.300q", line)
			case m == nil || len(m[2]) != long:
			case seen[string(m[1])]:
				twice++
			default:
				seen[string(m[1])] = true
			}
		}
		return len(seen), twice
	}
	all := func(long int) {
		t.Helper()
		s.eventually(fmt.Sprintf("all lines of length %d", long), func() bool { n, _ := received(long); return n == some })
	}
	s.requests(some, long[0])
	all(long[0])
	receiver.kill()
	s.requests(some, long[1])
	receiver.start()
	all(long[1])
	s.requests(some, long[2])
	all(long[2])
	for _, l := range long {
		if _, twice := received(l); twice > 0 {
			t.Logf("%d lines of length %d are there twice", twice, l)
		}
	}
}

// TestMergedLogs merges files of several nodes by the command of the manual.
func TestMergedLogs(t *testing.T) {
	dir := t.TempDir()
	moments := []time.Time{
		time.Date(2025, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 2, 10, 9, 0, 0, 0, time.UTC),
		time.Date(2026, 4, 2, 0, 0, 0, 0, time.UTC), time.Date(2026, 4, 10, 0, 0, 0, 0, time.UTC), time.Date(2026, 8, 1, 10, 0, 0, 0, time.UTC), time.Date(2026, 8, 1, 10, 0, 1, 0, time.UTC),
	}
	var want strings.Builder
	files := []*strings.Builder{{}, {}}
	for i, m := range moments {
		line := fmt.Sprintf("192.0.2.%d - a\\x20b [%s] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\" node=\"lb%d\"\n", 99-i, m.Format("02/Jan/2006:15:04:05 -0700"), i%2+1)
		want.WriteString(line)
		files[i%2].WriteString(line)
	}
	for i, f := range files {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("lb%d.log", i+1)), []byte(f.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	manual, err := os.ReadFile(filepath.Join("..", "examples", "aws", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^(LC_ALL=C sort .*) lb1\.log lb2\.log > all\.log$`).FindSubmatch(manual)
	if command == nil {
		t.Fatal("the command is not in the manual")
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", string(command[1])+" lb2.log lb1.log")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != want.String() {
		t.Errorf("error %v, got:\n%swant:\n%s", err, out, &want)
	}
}
