package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// goCommand is the go command that xcaddy uses too.
func goCommand() string {
	if g := os.Getenv("XCADDY_WHICH_GO"); g != "" {
		return g
	}
	return "go"
}

// goOutput runs the go command and returns what it prints, with what it complains about in the error.
func goOutput(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, goCommand(), args...).Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return "", fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
	case err != nil:
		return "", fmt.Errorf("%w: install Go, or put it on the PATH", err)
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}

// findCheckout returns the root directory of the checkout of this module that the current directory is in.
func findCheckout(ctx context.Context) (string, error) {
	out, err := goOutput(ctx, "list", "-m", "-f", "{{.Path}} {{.Dir}}")
	if err != nil {
		return "", fmt.Errorf("finding the checkout of %s around the current directory: %w", modulePath, err)
	}
	path, dir, _ := strings.Cut(out, " ")
	if path != modulePath {
		return "", fmt.Errorf("the current directory is not in a checkout of %s (go calls it %s): change into one", modulePath, path)
	}
	return dir, nil
}

// checkoutVersion is the version under which the binary lists the checkout: the pseudo-version of its commit, so that one can ask a
// running load balancer which commit it is made of, or v0.0.0 when no commit tells (local changes, or not a git checkout).
func checkoutVersion(ctx context.Context, root string) string {
	git := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...)
		cmd.Env = append(os.Environ(), "TZ=UTC")
		out, err := cmd.Output()
		return strings.TrimSpace(string(out)), err
	}
	const none = "v0.0.0"
	if changes, err := git("status", "--porcelain"); err != nil || changes != "" {
		return none
	}
	// Go's form of a commit without a tag: UTC time of the commit and twelve digits of its hash.
	commit, err := git("show", "-s", "--date=format-local:%Y%m%d%H%M%S", "--format=%cd-%H", "HEAD")
	const length = len("20060102150405-123456789012")
	if err != nil || len(commit) < length {
		return none
	}
	return none + "-" + commit[:length]
}

// goEnvironment is the environment of the go commands that xcaddy runs: ours, with these differences.
//
//   - This module is never asked for over the network (its own proxy rule, with version control off): the checkout answers.
//   - No version control stamp: the temporary module is in no repository, and looking for one can only fail.
//   - No workspace: it would override the pinned versions.
func goEnvironment(ctx context.Context) ([]string, error) {
	out, err := goOutput(ctx, "env", "GONOPROXY", "GOVCS", "GOFLAGS")
	if err != nil {
		return nil, fmt.Errorf("reading go's settings: %w", err)
	}
	set := strings.Split(out, "\n")
	if len(set) != 3 {
		return nil, fmt.Errorf("reading go's settings: got %q, want three lines", out)
	}
	return append(os.Environ(),
		"GONOPROXY="+join(",", modulePath, set[0]),
		"GOVCS="+join(",", modulePath+":off", set[1]),
		"GOFLAGS="+join(" ", set[2], "-buildvcs=false"),
		"GOWORK=off",
	), nil
}

// seedModule gives the temporary module in tmp, before xcaddy pins anything, the requirements and hashes of the checkout. The binary is
// then made of the module versions that the tests ran with, unless the config asks for newer ones, verified against the hashes that are
// under version control. And go has nothing left to look up: left to itself it fetches older versions to compare them, and asks the
// checksum database about each.
func seedModule(ctx context.Context, checkout, tmp string) error {
	dirs, err := filepath.Glob(filepath.Join(tmp, "buildenv_*"))
	if err != nil || len(dirs) == 0 { // none on macOS, where the build only takes longer without this
		return err
	}
	out, err := goOutput(ctx, "mod", "edit", "-json", filepath.Join(checkout, "go.mod"))
	if err != nil {
		return fmt.Errorf("reading the checkout's go.mod: %w", err)
	}
	var mod struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal([]byte(out), &mod); err != nil {
		return fmt.Errorf("reading the checkout's go.mod: %w", err)
	}
	edit := []string{"mod", "edit"}
	for _, r := range mod.Require {
		edit = append(edit, "-require="+r.Path+"@"+r.Version)
	}
	if _, err := goOutput(ctx, append(edit, filepath.Join(dirs[0], "go.mod"))...); err != nil {
		return fmt.Errorf("giving the temporary module the checkout's requirements: %w", err)
	}
	sums, err := os.ReadFile(filepath.Join(checkout, "go.sum"))
	if err != nil {
		return fmt.Errorf("reading the checkout's hashes: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dirs[0], "go.sum"), sums, 0o600); err != nil {
		return fmt.Errorf("giving the temporary module the checkout's hashes: %w", err)
	}
	return nil
}

// join puts sep between the two, unless one of them is empty.
func join(sep, a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + sep + b
}
