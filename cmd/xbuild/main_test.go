package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The test binary stands in for the go command when stubMode is set: a build then takes no time, and can be made to fail or hang.
const (
	stubMode   = "XBUILD_TEST_MODE"   // "ok", "fail get", "fail build", "hang get", "hang build", "no binary"
	stubRecord = "XBUILD_TEST_RECORD" // a file to which every call is appended
	stubDial   = "XBUILD_TEST_DIAL"   // an address to connect to when hanging
)

func TestMain(m *testing.M) {
	if os.Getenv(stubMode) != "" {
		os.Exit(stubGo(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// stubGo is the go command: the real one for questions, a recording stub for everything that would take time.
func stubGo(args []string) int {
	mode := os.Getenv(stubMode)
	if args[0] == "list" || args[0] == "env" || slices.Contains(args, "-json") {
		cmd := exec.Command("go", args...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if cmd.Run() != nil {
			return 1
		}
		return 0
	}
	f, err := os.OpenFile(os.Getenv(stubRecord), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(f, "go %s", strings.Join(args, " "))
	for _, name := range []string{"GOOS", "GOARCH", "CGO_ENABLED", "GOWORK", "GOFLAGS", "GOVCS", "GONOPROXY"} {
		fmt.Fprintf(f, " %s=%s", name, os.Getenv(name))
	}
	if _, err := os.Stat("go.sum"); err == nil {
		fmt.Fprint(f, " with go.sum")
	}
	fmt.Fprintln(f)
	f.Close()
	switch mode {
	case "fail " + args[0]:
		fmt.Fprintln(os.Stderr, "something is wrong with "+args[0])
		return 1
	case "hang " + args[0]:
		conn, err := net.Dial("tcp", os.Getenv(stubDial))
		if err != nil {
			panic(err)
		}
		io.Copy(io.Discard, conn) // until killed
		return 1
	}
	if args[0] == "build" && mode != "no binary" {
		os.WriteFile(args[2], []byte("a binary"), 0o755)
	}
	return 0
}

// useStub makes xbuild use stubGo in the given mode, in a temporary directory of its own, and returns that directory and the file
// with the recorded calls.
func useStub(t *testing.T, mode string) (tmp, record string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tmp = t.TempDir()
	record = filepath.Join(t.TempDir(), "record")
	t.Setenv("TMPDIR", tmp)
	t.Setenv("XCADDY_WHICH_GO", self)
	t.Setenv(stubMode, mode)
	t.Setenv(stubRecord, record)
	t.Setenv("GORACE", "atexit_sleep_ms=0") // a stub built with the race detector would linger for a second
	return tmp, record
}

// output is a buffer that the build and its progress may write to at once.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// wantAll fails unless text contains every part.
func wantAll(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s lacks %q:\n%s", what, p, text)
		}
	}
}

// wantEmpty fails unless the directory has no entries.
func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		t.Errorf("left behind in the temporary directory: %s", e.Name())
	}
}

func TestHelp(t *testing.T) {
	var stdout, stderr output
	if code := run(t.Context(), []string{"--help"}, &stdout, &stderr); code != exitOK {
		t.Errorf("exit code %d, want %d", code, exitOK)
	}
	wantAll(t, "help", stdout.String(), "go run ./cmd/xbuild -os linux -arch arm64",
		"-config file", "-o file", "-os system", "-arch architecture", "  -v\t", "Exit codes")
	if stderr.String() != "" {
		t.Errorf("unexpected on standard error: %s", stderr.String())
	}
}

func TestWrongUse(t *testing.T) {
	unknown := filepath.Join(t.TempDir(), "unknown.json")
	if err := os.WriteFile(unknown, []byte(`{"caddy_vers": "v2.11.9"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want []string
	}{
		{"unknown flag", []string{"-nope"}, []string{"-nope", "--help"}},
		{"argument", []string{"build"}, []string{`unexpected argument "build"`, "--help"}},
		{"no config file", []string{"-config", "absent.json"}, []string{"no config file absent.json", "-config"}},
		{"bad config file", []string{"-config", unknown}, []string{unknown, "caddy_vers", "Builder"}},
		{"output is a directory", []string{"-o", t.TempDir()}, []string{"is a directory", "-o"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr output
			if code := run(t.Context(), tt.args, &stdout, &stderr); code != exitUsage {
				t.Errorf("exit code %d, want %d", code, exitUsage)
			}
			wantAll(t, "message", stderr.String(), tt.want...)
		})
	}
}

func TestWrongPlace(t *testing.T) {
	goMod := func(t *testing.T, module string) string {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module "+module+"\n\ngo 1.26\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	tests := []struct {
		name string
		dir  func(t *testing.T) string
		want []string
	}{
		{"no module", func(t *testing.T) string { return t.TempDir() }, []string{"not in a checkout of " + modulePath}},
		{"another module", func(t *testing.T) string { return goMod(t, "example.com/other") }, []string{"not in a checkout of " + modulePath, "example.com/other"}},
		{"a checkout without xcaddy.json", func(t *testing.T) string { return goMod(t, modulePath) }, []string{"no config file", "xcaddy.json"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(tt.dir(t))
			var stdout, stderr output
			if code := run(t.Context(), nil, &stdout, &stderr); code != exitUsage {
				t.Errorf("exit code %d, want %d", code, exitUsage)
			}
			wantAll(t, "message", stderr.String(), tt.want...)
		})
	}
}

func TestGoMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("XCADDY_WHICH_GO", "")
	var stdout, stderr output
	if code := run(t.Context(), nil, &stdout, &stderr); code != exitUsage {
		t.Errorf("exit code %d, want %d", code, exitUsage)
	}
	wantAll(t, "message", stderr.String(), "install Go")
}

func TestBuild(t *testing.T) {
	tests := []struct {
		name   string
		args   []string
		build  []string // parts of the recorded go build
		stderr []string
	}{
		{
			"for this machine", nil,
			[]string{"CGO_ENABLED=0", "-trimpath", "-tags nobadger,nomysql,nopgx", "-ldflags -w -s", "-buildvcs=false", "GOWORK=off"},
			[]string{"building Caddy v2.11.9 with github.com/caddy-dns/route53@v1.6.2 and " + modulePath + "@v0.0.0", "1 to 3 minutes", "(0.0 MB)"},
		},
		{"for another", []string{"-os", "linux", "-arch", "arm64"}, []string{"GOOS=linux", "GOARCH=arm64"}, nil},
		{"verbose", []string{"-v"}, nil, []string{"[INFO] Pinning versions"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tmp, record := useStub(t, "ok")
			bin := filepath.Join(t.TempDir(), "caddy")
			var stdout, stderr output
			if code := run(t.Context(), append(tt.args, "-o", bin), &stdout, &stderr); code != exitOK {
				t.Fatalf("exit code %d, want %d:\n%s", code, exitOK, stderr.String())
			}
			wantAll(t, "output", stderr.String(), append(tt.stderr, "wrote "+bin)...)
			wantEmpty(t, tmp)
			calls, err := os.ReadFile(record)
			if err != nil {
				t.Fatal(err)
			}
			root := filepath.Dir(filepath.Dir(mustGetwd(t)))
			wantAll(t, "calls", string(calls),
				"-replace "+modulePath+"="+root,
				"go mod edit -require=github.com/aws/",
				"-require=github.com/caddyserver/caddy/v2@v2.11.9 ",
				"go get -v github.com/caddyserver/caddy/v2@v2.11.9 ",
				"go get -v github.com/caddy-dns/route53@v1.6.2 ",
				"go get -v "+modulePath+"@v0.0.0",
				"GOVCS="+modulePath+":off",
				"GONOPROXY="+modulePath,
				"go build -o "+bin)
			for line := range strings.Lines(string(calls)) {
				switch {
				case strings.HasPrefix(line, "go build"):
					wantAll(t, "go build", line, tt.build...)
				case strings.HasPrefix(line, "go get"):
					wantAll(t, "go get", line, "with go.sum")
				}
			}
			if text, err := os.ReadFile(bin); err != nil || string(text) != "a binary" {
				t.Errorf("the binary holds %q, %v", text, err)
			}
		})
	}
}

func TestBuildFails(t *testing.T) {
	tests := []struct {
		mode string
		args []string
		want []string
	}{
		{"fail get", nil, []string{"something is wrong with get", "pinning their versions: exit status 1", "check the versions"}},
		{"fail build", nil, []string{"something is wrong with build", "compiling: exit status 1", "go build ./..."}},
		{"fail mod", nil, []string{"something is wrong with mod", "preparing the temporary module: exit status 1", "-v"}},
		{"fail build", []string{"-v"}, []string{"something is wrong with build", "compiling: exit status 1"}},
		{"no binary", nil, []string{"no error, but"}},
	}
	for _, tt := range tests {
		t.Run(strings.Join(append([]string{tt.mode}, tt.args...), " "), func(t *testing.T) {
			tmp, _ := useStub(t, tt.mode)
			bin := filepath.Join(t.TempDir(), "caddy")
			var stdout, stderr output
			if code := run(t.Context(), append(tt.args, "-o", bin), &stdout, &stderr); code != exitFailed {
				t.Errorf("exit code %d, want %d", code, exitFailed)
			}
			wantAll(t, "output", stderr.String(), tt.want...)
			if n := strings.Count(stderr.String(), "something is wrong"); n > 1 {
				t.Errorf("the message is shown %d times:\n%s", n, stderr.String())
			}
			wantEmpty(t, tmp)
		})
	}
}

func TestInterrupt(t *testing.T) {
	for _, mode := range []string{"hang mod", "hang get", "hang build"} {
		t.Run(mode, func(t *testing.T) {
			tmp, _ := useStub(t, mode)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			t.Setenv(stubDial, l.Addr().String())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				conn, err := l.Accept()
				if err == nil {
					cancel()
					io.Copy(io.Discard, conn)
					conn.Close()
				}
			}()
			bin := filepath.Join(t.TempDir(), "caddy")
			var stdout, stderr output
			if code := run(ctx, []string{"-o", bin}, &stdout, &stderr); code != exitInterrupted {
				t.Errorf("exit code %d, want %d", code, exitInterrupted)
			}
			wantAll(t, "output", stderr.String(), "interrupted")
			wantEmpty(t, tmp)
			if _, err := os.Stat(bin); err == nil {
				t.Error("a binary was written")
			}
		})
	}
}

func mustGetwd(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
