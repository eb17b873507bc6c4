package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// modulePath is the path of this module, and of its root package.
const modulePath = "github.com/caddy-ec2/caddy-ec2"

// adapterFiles are the files of ec2upstreams, dnsfailover and logqueue that tie the engine to Caddy. All others, tests aside, are the engine,
// which has to run and be tested without Caddy.
var adapterFiles = []string{
	"module.go", "app.go", "config.go", "config_check.go", "config_dns.go", "secrets.go", "handler.go", "health_handler.go",
	"caddyfile.go", "caddyfile_args.go", "admin.go", "metrics.go", "events.go",
}

// sourceFile is what the import rules look at: one Go file of this module.
type sourceFile struct {
	pkg     string   // the directory from the module's root, with slashes; empty for the root package
	name    string   // the base name
	imports []string // the import paths
	sleeps  bool     // whether it calls time.Sleep
}

// in reports whether a package, given as sourceFile.pkg gives it, is the named one or below it.
func in(pkg, name string) bool {
	return pkg == name || strings.HasPrefix(pkg, name+"/")
}

// inAny reports whether a package is one of those named or below it.
func inAny(pkg string, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return in(pkg, name) })
}

// brokenRules returns a line for each import that a package of this module may not have.
func brokenRules(files []sourceFile) []string {
	var broken []string
	for _, f := range files {
		for _, imp := range f.imports {
			if reason := forbidden(f, imp); reason != "" {
				broken = append(broken, fmt.Sprintf("%s imports %s: %s", path.Join(f.pkg, f.name), imp, reason))
			}
		}
	}
	return broken
}

// forbidden says why a file may not import a package; it returns the empty string if it may.
func forbidden(f sourceFile, imp string) string {
	test := strings.HasSuffix(f.name, "_test.go")
	if in(imp, "github.com/caddyserver/caddy") {
		if inAny(f.pkg, "ec2upstreams", "dnsfailover", "logqueue") && !test && !slices.Contains(adapterFiles, f.name) {
			return "the engine knows nothing of Caddy (only " + strings.Join(adapterFiles, ", ") + " do)"
		}
		return ""
	}
	if in(f.pkg, "dnsfailover/engine") && !test && strings.Contains(strings.Split(imp, "/")[0], ".") {
		return "the rules of failover stand on the standard library alone"
	}
	if !in(imp, modulePath) {
		return ""
	}
	to := strings.TrimPrefix(strings.TrimPrefix(imp, modulePath), "/")
	switch {
	case in(f.pkg, "ec2upstreams") && in(to, "dnsfailover"), in(f.pkg, "dnsfailover") && in(to, "ec2upstreams"):
		return "ec2upstreams and dnsfailover do not know each other"
	case in(f.pkg, "combinedlog") && !in(to, "combinedlog") && (!test || to != "internal/logtest"):
		return "combinedlog knows no other package of this module"
	case in(f.pkg, "logqueue") && !in(to, "logqueue"):
		return "logqueue knows no other package of this module"
	case in(to, "caddyfile") && f.pkg != "" && !in(f.pkg, "caddyfile"):
		return "only the root package knows caddyfile"
	case in(to, "internal/awstest") && !test && !inAny(f.pkg, "internal/awstest", "examples/quickstart", "dnsfailover/sim/core"):
		return "the fake AWS is for tests and the quickstart"
	case in(to, "internal/knottest") && !test:
		return "Knot DNS is for tests"
	case in(to, "internal/logtest") && !test:
		return "the readers of logs are for tests"
	case f.pkg == "dnsfailover/sim" && !test && to != "dnsfailover/engine":
		return "the simulator knows the rules alone, since it is compiled anew for every mutant of them"
	case in(to, "dnsfailover/sim") && !test && !in(f.pkg, "dnsfailover/sim"):
		return "the simulator is for tests"
	case in(to, "dnsfailover/sim/core") && !test:
		return "the model of Route 53 is for tests, and brings the fake AWS with it"
	case in(f.pkg, "internal") && !test && (to == "" || inAny(to, "ec2upstreams", "dnsfailover", "combinedlog", "logqueue")):
		return "what several modules share knows none of them"
	}
	return ""
}

// TestImportRules holds the packages that exist to the rules of who may import whom.
func TestImportRules(t *testing.T) {
	files := moduleFiles(t)
	if !slices.ContainsFunc(files, func(f sourceFile) bool {
		return f.pkg == "cmd/caddy" && slices.Contains(f.imports, "github.com/caddyserver/caddy/v2/cmd")
	}) {
		t.Fatalf("go list and the parser see no cmd/caddy importing Caddy among %d files, so nothing is checked", len(files))
	}
	for _, line := range brokenRules(files) {
		t.Error(line)
	}
}

// moduleFiles returns every Go file of this module with its imports, those that other systems or build tags select included.
func moduleFiles(t *testing.T) []sourceFile {
	t.Helper()
	// -e goes on when a package does not compile, which other tests report better.
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Dir,GoFiles,CgoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles", modulePath+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var files []sourceFile
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Dir                                              string
			GoFiles, CgoFiles, IgnoredGoFiles, TestGoFiles, XTestGoFiles []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return files
		} else if err != nil {
			t.Fatalf("reading the output of go list: %v", err)
		}
		for _, name := range slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredGoFiles, p.TestGoFiles, p.XTestGoFiles) {
			f, err := parseSource(filepath.Join(p.Dir, name), nil)
			if err != nil {
				t.Errorf("parsing a file: %v", err)
				continue
			}
			f.pkg = strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, modulePath), "/")
			files = append(files, f)
		}
	}
}

// parseSource reads one file, or the text given instead.
func parseSource(file string, text any) (sourceFile, error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.SkipObjectResolution)
	if err != nil {
		return sourceFile{}, err
	}
	f := sourceFile{name: filepath.Base(file)}
	for _, spec := range parsed.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return sourceFile{}, fmt.Errorf("%s: import %s: %w", file, spec.Path.Value, err)
		}
		f.imports = append(f.imports, imp)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sleep" {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" {
				f.sleeps = true
			}
		}
		return true
	})
	return f, nil
}

// sleepyTest reports whether a file is a test that waits for the real clock. In a testing/synctest bubble the clock is not real.
func sleepyTest(f sourceFile) bool {
	return f.sleeps && strings.HasSuffix(f.name, "_test.go") && !slices.Contains(f.imports, "testing/synctest")
}

// TestTestsDoNotSleep keeps the tests quick and independent of how fast the machine is.
func TestTestsDoNotSleep(t *testing.T) {
	for _, f := range moduleFiles(t) {
		if sleepyTest(f) {
			t.Errorf("%s calls time.Sleep: wait for a condition, or use testing/synctest", path.Join(f.pkg, f.name))
		}
	}
}

func TestSleepyTest(t *testing.T) {
	const call = "func f() { time.Sleep(time.Second) }"
	tests := []struct {
		name, file, text string
		want             bool
	}{
		{"a test that sleeps", "a_test.go", `package a; import "time"; ` + call, true},
		{"a test that hands the sleeping on", "a_test.go", `package a; import "time"; var f = time.Sleep`, true},
		{"a test in a bubble", "a_test.go", `package a; import ("time"; "testing/synctest"); ` + call, false},
		{"a test that only measures", "a_test.go", `package a; import "time"; var start = time.Now()`, false},
		{"not a test", "a.go", `package a; import "time"; ` + call, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := parseSource(tt.file, tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := sleepyTest(f); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

// TestBrokenRules proves that each rule is enforced, and that what is allowed is left alone.
func TestBrokenRules(t *testing.T) {
	const caddy = "github.com/caddyserver/caddy/v2"
	tests := []struct {
		name    string
		pkg     string
		file    string
		imp     string
		allowed bool
	}{
		{"upstreams know failover", "ec2upstreams", "pool.go", modulePath + "/dnsfailover", false},
		{"upstreams know a part of failover", "ec2upstreams", "module.go", modulePath + "/dnsfailover/sim", false},
		{"failover knows upstreams", "dnsfailover", "app.go", modulePath + "/ec2upstreams", false},
		{"the simulator knows upstreams", "dnsfailover/sim", "sim.go", modulePath + "/ec2upstreams", false},
		{"a test of failover knows upstreams", "dnsfailover", "app_test.go", modulePath + "/ec2upstreams", false},
		{"the simulator knows failover", "dnsfailover/sim", "sim.go", modulePath + "/dnsfailover", false},
		{"the simulator knows the rules", "dnsfailover/sim", "sim.go", modulePath + "/dnsfailover/engine", true},
		{"failover knows the simulator", "dnsfailover", "app.go", modulePath + "/dnsfailover/sim", false},
		{"the rules know a library", "dnsfailover/engine", "step.go", "go.uber.org/zap", false},
		{"the rules know this module", "dnsfailover/engine", "step.go", modulePath + "/internal/probe", false},
		{"the rules know the standard library", "dnsfailover/engine", "step.go", "hash/fnv", true},
		{"both use the fleet", "ec2upstreams", "pool.go", modulePath + "/internal/fleet", true},
		{"both use the probes", "dnsfailover", "peer.go", modulePath + "/internal/probe", true},
		{"the log knows a module", "combinedlog", "encoder.go", modulePath + "/ec2upstreams", false},
		{"the log knows a helper", "combinedlog", "encoder.go", modulePath + "/internal/awsconf", false},
		{"the log knows Caddy", "combinedlog", "encoder.go", caddy, true},
		{"a test of the log knows the log", "combinedlog", "encoder_test.go", modulePath + "/combinedlog", true},
		{"the queue knows the log", "logqueue", "module.go", modulePath + "/combinedlog", false},
		{"the queue's engine knows Caddy", "logqueue", "queue.go", caddy, false},
		{"the queue's adapter knows Caddy", "logqueue", "module.go", caddy, true},
		{"a helper knows the queue", "internal/fleet", "list.go", modulePath + "/logqueue", false},
		{"the root knows caddyfile", "", "caddyec2.go", modulePath + "/caddyfile", true},
		{"a module knows caddyfile", "dnsfailover", "caddyfile.go", modulePath + "/caddyfile", false},
		{"a command knows caddyfile", "cmd/caddy", "main.go", modulePath + "/caddyfile", false},
		{"a test of caddyfile knows caddyfile", "caddyfile", "golden_test.go", modulePath + "/caddyfile", true},
		{"caddyfile knows the modules", "caddyfile", "register.go", modulePath + "/dnsfailover", true},
		{"Caddy's caddyfile is another", "ec2upstreams", "caddyfile.go", caddy + "/caddyconfig/caddyfile", true},
		{"a command knows the root", "cmd/caddy", "main.go", modulePath, true},
		{"a module knows the fake", "ec2upstreams", "pool.go", modulePath + "/internal/awstest", false},
		{"a helper knows a part of the fake", "internal/fleet", "list.go", modulePath + "/internal/awstest/route53", false},
		{"a command knows the fake", "cmd/caddy", "main.go", modulePath + "/internal/awstest", false},
		{"another example knows the fake", "examples/aws", "main.go", modulePath + "/internal/awstest", false},
		{"a test knows the fake", "internal/fleet", "list_test.go", modulePath + "/internal/awstest", true},
		{"the quickstart knows the fake", "examples/quickstart", "main.go", modulePath + "/internal/awstest", true},
		{"a part of the fake knows the fake", "internal/awstest/dns", "server.go", modulePath + "/internal/awstest", true},
		{"a command knows Knot DNS", "cmd/caddy", "main.go", modulePath + "/internal/knottest", false},
		{"the encoder knows the readers of logs", "combinedlog", "line.go", modulePath + "/internal/logtest", false},
		{"a test of the encoder knows the readers of logs", "combinedlog", "readers_test.go", modulePath + "/internal/logtest", true},
		{"a test knows Knot DNS", "dnsfailover", "target_test.go", modulePath + "/internal/knottest", true},
		{"the model of Route 53 knows the fake", "dnsfailover/sim/core", "core.go", modulePath + "/internal/awstest", true},
		{"the simulator knows the fake", "dnsfailover/sim", "sim.go", modulePath + "/internal/awstest", false},
		{"the simulator knows the model of Route 53", "dnsfailover/sim", "sim.go", modulePath + "/dnsfailover/sim/core", false},
		{"failover knows the model of Route 53", "dnsfailover", "target.go", modulePath + "/dnsfailover/sim/core", false},
		{"a test knows the model of Route 53", "dnsfailover", "agree_test.go", modulePath + "/dnsfailover/sim/core", true},
		{"a name that begins alike", "internal/fleet", "list.go", modulePath + "/internal/awstester", true},
		{"the upstreams' engine knows Caddy", "ec2upstreams", "pool.go", caddy, false},
		{"failover's engine knows a part of Caddy", "dnsfailover", "step.go", caddy + "/modules/caddyhttp", false},
		{"the simulator knows Caddy", "dnsfailover/sim", "sim.go", caddy, false},
		{"an adapter knows Caddy", "dnsfailover", "app.go", caddy, true},
		{"another adapter knows Caddy", "ec2upstreams", "metrics.go", caddy + "/modules/metrics", true},
		{"a test of the engine knows Caddy", "ec2upstreams", "pool_test.go", caddy + "/caddytest", true},
		{"the engine knows a neighbour of Caddy", "dnsfailover", "step.go", "github.com/caddyserver/certmagic", true},
		{"a helper knows a module", "internal/probe", "http.go", modulePath + "/ec2upstreams", false},
		{"a helper knows the root", "internal/probe", "http.go", modulePath, false},
		{"a helper knows a helper", "internal/fleet", "query.go", modulePath + "/internal/awsconf", true},
		{"anything else", "ec2upstreams", "pool.go", "net/http", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := brokenRules([]sourceFile{{pkg: tt.pkg, name: tt.file, imports: []string{"context", tt.imp}}})
			if tt.allowed && len(got) != 0 {
				t.Errorf("got %q, want no complaint", got)
			}
			if !tt.allowed && (len(got) != 1 || !strings.Contains(got[0], path.Join(tt.pkg, tt.file)+" imports "+tt.imp)) {
				t.Errorf("got %q, want one complaint about %s in %s", got, tt.imp, tt.file)
			}
		})
	}
}
