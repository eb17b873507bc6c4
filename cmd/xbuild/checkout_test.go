package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckoutVersion(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_SYSTEM", os.DevNull)
	t.Setenv("GIT_COMMITTER_DATE", "2026-01-02T03:04:05+0200")
	git := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "git",
			append([]string{"-C", dir, "-c", "user.name=n", "-c", "user.email=e@example.com"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	check := func(what, want string) {
		t.Helper()
		if got := checkoutVersion(t.Context(), dir); got != want {
			t.Errorf("%s: got %s, want %s", what, got, want)
		}
	}
	check("not a repository", "v0.0.0")
	git("init", "-q")
	check("no commit", "v0.0.0")
	file := filepath.Join(dir, "f.go")
	if err := os.WriteFile(file, []byte("package f\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	git("add", ".")
	git("commit", "-q", "-m", "f: begin")
	version := "v0.0.0-20260102010405-" + git("rev-parse", "HEAD")[:12]
	check("clean", version)
	if !exactVersion.MatchString(version) {
		t.Errorf("%s is no exact version", version)
	}
	if err := os.WriteFile(file, []byte("package g\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	check("changed", "v0.0.0")
}

func TestGoEnvironment(t *testing.T) {
	t.Setenv("GOFLAGS", "-mod=mod")
	t.Setenv("GONOPROXY", "example.com/private")
	t.Setenv("GOVCS", "example.com:git")
	env, err := goEnvironment(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	last := map[string]string{} // the last of a name is the one that counts
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		last[name] = value
	}
	for name, want := range map[string]string{
		"GOFLAGS":   "-mod=mod -buildvcs=false",
		"GONOPROXY": modulePath + ",example.com/private",
		"GOVCS":     modulePath + ":off,example.com:git",
		"GOWORK":    "off",
		"PATH":      os.Getenv("PATH"),
	} {
		if last[name] != want {
			t.Errorf("%s=%s, want %s", name, last[name], want)
		}
	}
}
