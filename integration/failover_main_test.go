//go:build linux

package integration

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// atOnce is how many labs run side by side. They wait most of the time, so there may be more of them than cores.
const atOnce = "3"

// TestMain removes the binaries that the tests have built, and finds goroutines that they have left.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", atOnce); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if built != "" {
		os.RemoveAll(built)
	}
	// Pebble, a certificate authority, can't be ended.
	if err := goleak.Find(goleak.IgnoreAnyFunction("github.com/letsencrypt/pebble/v2/va.VAImpl.processTasks")); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// built is the directory of the binaries that the tests have built, if they have.
var (
	built    string
	building sync.Mutex
)

// binary returns the Caddy binary of the labs.
var binary = sync.OnceValues(func() (string, error) { return namedBinary("CADDY_BIN", "./cmd/caddy") })

// namedBinary returns the binary that an environment variable names, or builds a command of this module.
func namedBinary(variable, command string) (string, error) {
	if named := os.Getenv(variable); named != "" {
		path, err := exec.LookPath(named)
		if err != nil {
			return "", fmt.Errorf("%s: %w", variable, err)
		}
		return filepath.Abs(path)
	}
	building.Lock()
	defer building.Unlock()
	if built == "" {
		dir, err := os.MkdirTemp("", "caddy-ec2-*")
		if err != nil {
			return "", err
		}
		built = dir
	}
	path := filepath.Join(built, filepath.Base(command))
	cmd := exec.Command("go", "build", "-o", path, command)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", command, err, out)
	}
	return path, nil
}
