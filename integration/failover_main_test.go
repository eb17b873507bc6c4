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

// TestMain removes the binary that the tests have built, and finds goroutines that they have left.
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
		os.RemoveAll(filepath.Dir(built))
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// built is the binary that binary has built, if it has.
var built string

// binary returns the Caddy binary of all labs: the one that CADDY_BIN names, or one that is built when it is first needed.
var binary = sync.OnceValues(func() (string, error) {
	if named := os.Getenv("CADDY_BIN"); named != "" {
		path, err := exec.LookPath(named)
		if err != nil {
			return "", fmt.Errorf("CADDY_BIN: %w", err)
		}
		return filepath.Abs(path)
	}
	dir, err := os.MkdirTemp("", "caddy-ec2-*")
	if err != nil {
		return "", err
	}
	built = filepath.Join(dir, "caddy")
	cmd := exec.Command("go", "build", "-o", built, "./cmd/caddy")
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/caddy: %w\n%s", err, out)
	}
	return built, nil
})
