package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	// stopMargin is what an exit takes beside the hand-over and the linger: own names, and the rest of Caddy.
	stopMargin = 5 * time.Second

	// systemctlTime bounds the question to systemd.
	systemctlTime = 2 * time.Second
)

// checkStopTimeout warns if systemd kills this process before it can leave in order, which may take as long as need, that is,
// hand_over and the longest linger, and 5 s on top of that. The warning is empty if the time is enough, or unknown: not
// under systemd, or systemd does not answer within 2 s.
func checkStopTimeout(ctx context.Context, need time.Duration) (warning string) {
	if os.Getenv("INVOCATION_ID") == "" {
		return ""
	}
	cgroup, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	return stopTimeoutWarning(ctx, string(cgroup), need)
}

// stopTimeoutWarning is checkStopTimeout for a process in a control group, as /proc/self/cgroup has it.
func stopTimeoutWarning(ctx context.Context, cgroup string, need time.Duration) string {
	unit, user := systemdUnit(cgroup)
	if unit == "" {
		return ""
	}
	has, err := askStopTimeout(ctx, unit, user)
	need = (need + stopMargin + time.Second - 1).Truncate(time.Second)
	if err != nil || has >= need {
		return ""
	}
	edit := "systemctl edit "
	if user {
		edit = "systemctl --user edit "
	}
	return fmt.Sprintf("systemd kills %s %s after it has told it to stop, and leaving in order can take %s: peers would have to find out that "+
		"this node is gone, and clients with the old address would fail; run %s%s, and put TimeoutStopSec=%d below [Service]",
		unit, has, need, edit, unit, int(need.Seconds()))
}

// systemdUnit finds the service that a process runs in, and whether it is one of a user's own manager. It is empty for a
// process that is in none, such as one in a container or in a login session.
func systemdUnit(cgroup string) (unit string, user bool) {
	for line := range strings.Lines(cgroup) {
		// id:controllers:path. Version 2 has the id 0 and no controllers, version 1 a hierarchy of systemd's own.
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 || parts[0]+":"+parts[1] != "0:" && parts[1] != "name=systemd" {
			continue
		}
		unit, user = "", false
		for name := range strings.SplitSeq(parts[2], "/") {
			switch {
			case strings.HasSuffix(name, ".scope"):
				unit = ""
			case strings.HasSuffix(name, ".service"):
				user = user || strings.HasPrefix(unit, "user@")
				unit = name
			}
		}
		if unit != "" {
			return unit, user
		}
	}
	return "", false
}

// askStopTimeout asks systemd how long after the request to stop it kills a service.
func askStopTimeout(ctx context.Context, unit string, user bool) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, systemctlTime)
	defer cancel()
	args := []string{"show", "--property=TimeoutStopUSec", "--value", "--", unit}
	if user {
		args = append([]string{"--user"}, args...)
	}
	cmd := exec.CommandContext(ctx, "systemctl", args...)
	cmd.WaitDelay = 100 * time.Millisecond // whom it has started may keep the pipe open
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("asking systemd for the time-out of %s: %w", unit, err)
	}
	return parseTimespan(strings.TrimSpace(string(out)))
}

// foreverTimespan is longer than anybody waits.
const foreverTimespan = time.Duration(1<<63 - 1)

var timespanForm = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)([a-zA-Z]*)$`)

// timespanUnits are those that systemd prints, and those of unit files in use (systemd.time(7)).
var timespanUnits = map[string]time.Duration{
	"us": time.Microsecond, "ms": time.Millisecond, "s": time.Second, "min": time.Minute, "h": time.Hour,
	"d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "month": 2629800 * time.Second, "y": 31557600 * time.Second,
	"sec": time.Second, "": time.Second,
}

// parseTimespan reads a time span as systemd writes it, such as "1min 30s". For it, infinity and 0 are both for ever.
func parseTimespan(s string) (time.Duration, error) {
	if s == "infinity" || s == "0" {
		return foreverTimespan, nil
	}
	var sum float64
	for word := range strings.FieldsSeq(s) {
		m := timespanForm.FindStringSubmatch(word)
		if m == nil {
			return 0, fmt.Errorf("%q is not a time span of systemd", s)
		}
		unit, ok := timespanUnits[m[2]]
		n, err := strconv.ParseFloat(m[1], 64)
		if !ok || err != nil {
			return 0, fmt.Errorf("%q is not a time span of systemd", s)
		}
		sum += n * float64(unit)
	}
	switch {
	case sum == 0:
		return 0, errors.New("a time span of nothing")
	case sum >= float64(foreverTimespan):
		return foreverTimespan, nil
	}
	return time.Duration(sum), nil
}
