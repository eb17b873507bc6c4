package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEnvironmentOfCaddy(t *testing.T) {
	own := []string{"PATH=/bin", "HOME=/home/me", "AWS_PROFILE=mine", "AWS_REGION=us-east-1", "CADDY_ADMIN=:2019", "QUICKSTART_SITE_PORT=1", "XDG_DATA_HOME=/home/me/data"}
	env := environment(own, []string{"AWS_REGION=eu-west-1"}, "/tmp/show", ports{backend: 1, site: 2, control: 3, api: 4})
	last := make(map[string]string) // the last value counts
	for _, kv := range env {
		name, value, _ := strings.Cut(kv, "=")
		last[name] = value
	}
	for name, want := range map[string]string{
		"PATH": "/bin", "HOME": "/home/me", "AWS_REGION": "eu-west-1",
		"XDG_DATA_HOME": filepath.Join("/tmp/show", "data"), "XDG_CONFIG_HOME": filepath.Join("/tmp/show", "config"),
		"QUICKSTART_SITE_PORT": "2", "QUICKSTART_BACKEND_PORT": "1", "QUICKSTART_STATIC": "127.0.1.9:1",
	} {
		if last[name] != want {
			t.Errorf("%s is %q, want %q", name, last[name], want)
		}
	}
	for _, name := range []string{"AWS_PROFILE", "CADDY_ADMIN"} {
		if v, there := last[name]; there {
			t.Errorf("%s=%s got through", name, v)
		}
	}
}

func TestEnvironmentOfABalancer(t *testing.T) {
	p := ports{site: 2, heartbeat: 6, admin: 5, admin2: 7}
	for i, want := range []map[string]string{
		{"QUICKSTART_NAME": "lb1", "QUICKSTART_ADDRESS": "127.0.0.1", "QUICKSTART_ADMIN_PORT": "5", "QUICKSTART_HEARTBEAT": "127.0.0.1:6"},
		{"QUICKSTART_NAME": "lb2", "QUICKSTART_ADDRESS": "127.0.0.2", "QUICKSTART_ADMIN_PORT": "7", "QUICKSTART_HEARTBEAT": "127.0.0.2:6"},
	} {
		c := newCaddy(p.balancers()[i], "caddy", "Caddyfile", "/tmp/show", p, "a:1 b:2", []string{"AWS_REGION=eu-west-1"})
		want["QUICKSTART_PEERS"], want["AWS_REGION"], want["QUICKSTART_SECRET_FILE"] = "a:1 b:2", "eu-west-1", secretFile("/tmp/show")
		want["XDG_DATA_HOME"] = filepath.Join("/tmp/show", c.name, "data")
		for name, value := range want {
			if !slices.Contains(c.env, name+"="+value) {
				t.Errorf("%s lacks %s=%s", c.name, name, value)
			}
		}
	}
}

// TestCaddyfileFits holds the Caddyfile to what this program takes for granted.
func TestCaddyfileFits(t *testing.T) {
	for _, part := range []string{
		fmt.Sprintf("\nhttp://:{$QUICKSTART_SITE_PORT:%d} {\n", known.site),
		fmt.Sprintf("{$QUICKSTART_ADMIN_PORT:%d}", known.admin),
		fmt.Sprintf("{$QUICKSTART_HEARTBEAT:%s}", heartbeat(known, known.balancers()[0])),
		"hosted_zone_id " + zoneID + "\n", "record " + siteName + " {\n", "register {node}." + zoneName + "\n",
		fmt.Sprintf("{$QUICKSTART_BACKEND_PORT:%d}", known.backend),
		fmt.Sprintf("{$QUICKSTART_STATIC:%s:%d}", host(staticHost), known.backend),
		"tag Role " + roleWeb + "\n", "tag Role " + roleBackup + "\n", "drain tag " + drainTag + "\n",
	} {
		if strings.Count(caddyfile, part) != 1 {
			t.Errorf("the Caddyfile has %q %d times, want once", part, strings.Count(caddyfile, part))
		}
	}
	if n := strings.Count(caddyfile, "QUICKSTART_SITE_PORT"); strings.Count(caddyfile, fmt.Sprintf("{$QUICKSTART_SITE_PORT:%d}", known.site)) != n {
		t.Error("the port of the site has another default somewhere in the Caddyfile")
	}
	text := edited("101", "2s")
	if !strings.Contains(text, "header X-Config-Version 101\n") || !strings.Contains(text, "refresh 2s\n") {
		t.Errorf("an edit has no effect:\n%s", text)
	}
}

func TestLogIsRead(t *testing.T) {
	c := &caddy{logPath: filepath.Join(t.TempDir(), "caddy.log")}
	if c.log(0) != "" || c.logSize() != 0 {
		t.Error("a log that is not there has something in it")
	}
	const first = "one missing i-1\n"
	if err := os.WriteFile(c.logPath, []byte(first), 0o600); err != nil {
		t.Fatal(err)
	}
	mark := c.logSize()
	if err := os.WriteFile(c.logPath, []byte(first+"two missing i-2\nthree missing i-2 gone\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n := matching(c.log(mark), "missing"); n != 2 {
		t.Errorf("%d lines after the mark", n)
	}
	if n := matching(c.log(0), "missing", "i-2", "gone"); n != 1 {
		t.Errorf("%d lines have all parts", n)
	}
	if got := tail(c.log(0), 2); got != "two missing i-2\nthree missing i-2 gone\n" {
		t.Errorf("the tail is %q", got)
	}
	if got := tail(strings.Repeat("x", 10000), 5); len(got) > 401 {
		t.Errorf("a long line has %d bytes in the tail", len(got))
	}
}

func TestCheckoutIsFound(t *testing.T) {
	ours, other := t.TempDir(), t.TempDir()
	deep := filepath.Join(ours, "examples", "quickstart")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(dir, module string) {
		if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module "+module+"\n\ngo 1.26\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(ours, modulePath)
	write(other, "example.com/other")
	for _, dir := range []string{ours, deep} {
		if got, err := checkout(dir); err != nil || got != ours {
			t.Errorf("from %s: %s, %v", dir, got, err)
		}
	}
	if got, err := checkout(other); err == nil || !strings.Contains(err.Error(), "is not in a checkout") {
		t.Errorf("from another module: %s, %v", got, err)
	}
}

func TestBinaryIsNamed(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := binary(t.Context(), self, &screen{}); err != nil || got != self {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := binary(t.Context(), filepath.Join(t.TempDir(), "caddy"), &screen{}); err == nil {
		t.Error("a binary that is not there is taken")
	}
}

func TestCaddyThatEndsAtOnce(t *testing.T) {
	bin, err := exec.LookPath("false")
	if err != nil {
		t.Skipf("this needs the program false, which every Unix has: %v", err)
	}
	port, err := freePort("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	c := newCaddy(balancer{name: "lb1", address: "127.0.0.1"}, bin, "Caddyfile", t.TempDir(), ports{site: port}, "", nil)
	if err := c.start(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status") {
		t.Errorf("%v", err)
	}
	if err := c.dead(); err == nil {
		t.Error("it is not dead")
	}
	if err := c.stop(); err != nil {
		t.Errorf("stopping what has ended: %v", err)
	}
}
