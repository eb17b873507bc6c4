package dnsfailover

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const systemdCgroup = "0::/system.slice/caddy.service\n"

// fakeSystemctl puts a systemctl on the PATH that runs a script.
func fakeSystemctl(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func TestStopTimeoutWarning(t *testing.T) {
	const asks = `[ "$*" = "show --property=TimeoutStopUSec --value -- caddy.service" ] || exit 1; `
	for _, tc := range []struct {
		name, script, cgroup string
		need                 time.Duration
		parts                []string // nil: no warning
	}{
		{"too short", asks + "echo 5s", systemdCgroup, 70 * time.Second,
			[]string{"kills caddy.service 5s after", "can take 1m15s", "systemctl edit caddy.service", "TimeoutStopSec=75 "}},
		{"short by a second", asks + "echo 1min 14s", systemdCgroup, 70 * time.Second, []string{"1m14s"}},
		{"rounded up", asks + "echo 15s", systemdCgroup, 10*time.Second + time.Millisecond, []string{"TimeoutStopSec=16 "}},
		{"just enough", asks + "echo 1min 15s", systemdCgroup, 70 * time.Second, nil},
		{"for ever", asks + "echo infinity", systemdCgroup, 70 * time.Second, nil},
		{"a user's", `[ "$1" = --user ] && echo 5s`, "0::/user.slice/user-1000.slice/user@1000.service/app.slice/caddy.service\n", 70 * time.Second,
			[]string{"run systemctl --user edit caddy.service"}},
		{"systemd does not answer", "exit 1", systemdCgroup, time.Hour, nil},
		{"nor anything that makes sense", "echo soon", systemdCgroup, time.Hour, nil},
		{"nothing", "echo", systemdCgroup, time.Hour, nil},
		{"no service", "echo 5s", "0::/user.slice/user-1000.slice/session-3.scope\n", time.Hour, nil},
		{"a container", "echo 5s", "0::/\n", time.Hour, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fakeSystemctl(t, tc.script)
			got := stopTimeoutWarning(t.Context(), tc.cgroup, tc.need)
			if (got == "") != (tc.parts == nil) {
				t.Fatalf("the warning is %q", got)
			}
			for _, part := range tc.parts {
				if !strings.Contains(got, part) {
					t.Errorf("%q is not in %q", part, got)
				}
			}
		})
	}
}

// A systemctl that hangs holds nobody up for ever, and nobody is asked outside systemd.
func TestStopTimeoutUnknown(t *testing.T) {
	fakeSystemctl(t, "exec sleep 600")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if got := stopTimeoutWarning(ctx, systemdCgroup, time.Hour); got != "" {
		t.Errorf("the warning is %q", got)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	asked := filepath.Join(t.TempDir(), "asked")
	fakeSystemctl(t, "touch "+asked)
	t.Setenv("INVOCATION_ID", "")
	if got := checkStopTimeout(t.Context(), time.Hour); got != "" {
		t.Errorf("the warning is %q", got)
	}
	if _, err := os.Stat(asked); err == nil {
		t.Error("it was asked")
	}
}

func TestSystemdUnit(t *testing.T) {
	for _, tc := range []struct {
		cgroup, unit string
		user         bool
	}{
		{systemdCgroup, "caddy.service", false},
		{"0::/system.slice/system-caddy.slice/caddy@lb1.service\n", "caddy@lb1.service", false},
		{"0::/system.slice/caddy.service/workers\n", "caddy.service", false},
		{"12:cpu,cpuacct:/other.service\n1:name=systemd:/system.slice/caddy.service\n0::/\n", "caddy.service", false},
		{"0::/user.slice/user-1000.slice/user@1000.service/app.slice/caddy.service\n", "caddy.service", true},
		{"0::/system.slice/docker.service/x.scope\n", "", false},
		{"0::/user.slice/user-1000.slice/session-3.scope\n", "", false},
		{"0::/\n", "", false},
		{"nonsense", "", false},
		{"", "", false},
	} {
		if unit, user := systemdUnit(tc.cgroup); unit != tc.unit || user != tc.user {
			t.Errorf("%q is in %q, %v", tc.cgroup, unit, user)
		}
	}
}

func TestParseTimespan(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"5s": 5 * time.Second, "1min 30s": 90 * time.Second, "90": 90 * time.Second, "1h 30min": 90 * time.Minute, "1.500s": 1500 * time.Millisecond,
		"100ms": 100 * time.Millisecond, "infinity": foreverTimespan, "0": foreverTimespan, "584542y 2w": foreverTimespan,
		"": 0, "soon": 0, "5 apples": 0, "-5s": 0, "0s": 0, "5fortnights": 0,
	} {
		got, err := parseTimespan(s)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("%q: %s, %v", s, got, err)
		}
	}
}

// The example units leave a node of the default configuration the time to leave, and do what their comments say.
func TestExampleUnits(t *testing.T) {
	for _, file := range []string{"caddy-ec2.service", "failover.conf"} {
		unit := readUnit(t, filepath.Join("..", "examples", "systemd", file))
		last := func(key string) string {
			values := unit[key]
			if len(values) == 0 {
				t.Fatalf("%s has no %s", file, key)
			}
			return values[len(values)-1]
		}
		timeout, err := parseTimespan(last("Service.TimeoutStopSec"))
		if need := defaultHandOver + defaultTTL + stopMargin; err != nil || timeout < need {
			t.Errorf("%s: TimeoutStopSec is %s, %v; leaving takes %s", file, timeout, err, need)
		}
		if run := last("Service.ExecStart"); strings.Contains(run, "--environ") || !strings.Contains(run, " run --config ") {
			t.Errorf("%s starts %s", file, run)
		}
		if got := last("Service.Restart"); got != "on-failure" {
			t.Errorf("%s: Restart is %s", file, got)
		}
		if file == "failover.conf" {
			if start := unit["Service.ExecStart"]; len(start) != 2 || start[0] != "" {
				t.Errorf("%s does not replace the command line: %q", file, start)
			}
			continue
		}
		if got := last("Service.Type"); got != "notify" {
			t.Errorf("Type is %s", got)
		}
		if got := last("Service.ExecReload"); !strings.HasSuffix(got, " --force") {
			t.Errorf("ExecReload is %s", got)
		}
		last("Install.WantedBy")
	}
}

// readUnit reads the settings of a unit file, by section and key.
func readUnit(t *testing.T, file string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	unit, section := map[string][]string{}, ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		key, value, ok := strings.Cut(line, "=")
		switch {
		case line == "", strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			section = line[1 : len(line)-1]
		case ok && section != "":
			unit[section+"."+key] = append(unit[section+"."+key], value)
		default:
			t.Errorf("%s: %q is no setting", file, line)
		}
	}
	return unit
}
