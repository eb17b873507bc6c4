package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// caddyfile is the configuration as it was when this program was built.
//
//go:embed Caddyfile
var caddyfile string

// modulePath is the module that this program belongs to.
const modulePath = "github.com/caddy-ec2/caddy-ec2"

// checkout returns the folder of the module that the folder dir is in, or an error that says where to go.
func checkout(dir string) (string, error) {
	for at := dir; ; at = filepath.Dir(at) {
		f, err := os.Open(filepath.Join(at, "go.mod"))
		if err == nil {
			line, _ := bufio.NewReader(f).ReadString('\n')
			f.Close()
			if strings.TrimSpace(line) == "module "+modulePath {
				return at, nil
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("%s is not in a checkout of %s", dir, modulePath)
		}
	}
}

// binary returns the Caddy binary to run: the one named, or else one built from the checkout.
func binary(ctx context.Context, named string, out *screen) (string, error) {
	if named != "" {
		path, err := exec.LookPath(named)
		if err != nil {
			return "", fmt.Errorf("the Caddy binary: %w", err)
		}
		return filepath.Abs(path)
	}
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	root, err := checkout(here)
	if err != nil {
		return "", fmt.Errorf("building Caddy: %w; go there, or name a binary with -caddy FILE", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("building Caddy: %w; name a binary with -caddy FILE", err)
	}
	// Each checkout keeps its binary, which go build leaves alone while it is up to date.
	sum := sha256.Sum256([]byte(root))
	target := filepath.Join(cache, "caddy-ec2", fmt.Sprintf("quickstart-%x", sum[:4]), "caddy")
	return target, build(ctx, root, target, out)
}

// build runs go build, and says how long it has taken if it takes more than a moment.
func build(ctx context.Context, root, target string, out *screen) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", target, "./cmd/caddy")
	cmd.Dir = root
	var messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &messages, &messages
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("building Caddy: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if took := time.Since(began); took > 2*time.Second {
				out.progress(fmt.Sprintf("building Caddy: %d s (the first time takes a few minutes, later ones a moment)", int(took.Seconds())))
			}
		case err := <-ended:
			out.progress("")
			if err != nil {
				io.Copy(out, &messages)
				return fmt.Errorf("building Caddy: go build ./cmd/caddy in %s: %w", root, err)
			}
			return nil
		}
	}
}
