// Package logtest has what tests of access logs share: programs that many people read them with, and a server's odd answer.
package logtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// Program returns the path of a program: by its name, or of the first of other places where there is one. If there is none, the test
// is skipped, and says which package of Debian has it.
func Program(t *testing.T, name, debian string, elsewhere ...string) string {
	t.Helper()
	for _, candidate := range append([]string{name}, elsewhere...) {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed: apt-get install %s", name, debian)
	return ""
}

// GoAccess has GoAccess read a log in one of its formats, such as COMBINED. It must find so many lines, and understand all of them.
func GoAccess(t *testing.T, log, format string, lines int) {
	t.Helper()
	goaccess, dir := Program(t, "goaccess", "goaccess"), t.TempDir()
	report, invalid := filepath.Join(dir, "report.json"), filepath.Join(dir, "invalid.log")
	cmd := exec.CommandContext(t.Context(), goaccess, log, "--no-global-config", "--no-progress", "--log-format="+format, "--invalid-requests="+invalid, "-o", report)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		General struct {
			Total  int `json:"total_requests"`
			Valid  int `json:"valid_requests"`
			Failed int `json:"failed_requests"`
		}
	}
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if g := read.General; g.Total != lines || g.Valid != lines || g.Failed != 0 {
		refused, _ := os.ReadFile(invalid)
		t.Errorf("%+v of %d lines; refused: %.3000s", g, lines, refused)
	}
}

// AWStats has AWStats read a log in one of its formats: 1 is combined, and 4 is common. It must find so many lines, and understand all
// of them.
func AWStats(t *testing.T, log string, format, lines int) {
	t.Helper()
	awstats, dir := Program(t, "awstats", "awstats", "/usr/lib/cgi-bin/awstats.pl"), t.TempDir()
	config := fmt.Sprintf("LogFile=%q\nLogType=W\nLogFormat=%d\nSiteDomain=\"www.example.com\"\nDirData=%q\nDNSLookup=0\nSkipHosts=\"\"\nAllowFullYearView=2\n", log, format, dir)
	if err := os.WriteFile(filepath.Join(dir, "awstats.test.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), awstats, "-config=test", "-configdir="+dir, "-update", "-showcorrupted").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for what, want := range map[string]int{"Parsed lines in file": lines, "corrupted records": 0} {
		found := regexp.MustCompile(`(?m)(\d+) ` + what + `|` + what + `: (\d+)`).FindSubmatch(out)
		if found == nil || string(found[1])+string(found[2]) != fmt.Sprint(want) {
			t.Errorf("want %d %s: %.3000s", want, what, out)
		}
	}
}

// Upgrade answers a request by another protocol, and gives back one line of it. A client may be gone at any time.
func Upgrade(t testing.TB, w http.ResponseWriter) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	if _, err := io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"); err != nil {
		return
	}
	if line, err := rw.ReadString('\n'); err == nil {
		_, _ = io.WriteString(c, line)
	}
}
