package combinedlog

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// hostileLog writes a log of n requests, of which all that clients can choose is chosen badly, and returns its file. The
// lines have a field at the end that readers do not know of.
func hostileLog(t *testing.T, style string, n int) string {
	t.Helper()
	enc := encoder(t, `{"format": "combined", "style": "`+style+`", "max_line": 4096, "fields": ["*"]}`)
	rnd := rand.New(rand.NewPCG(1, 2))
	pick := func(from ...string) string { return from[rnd.IntN(len(from))] }
	bad := func() string {
		return pick("", "-", "a", `"`, `\`, `\"`, `\\"`, "\" 200 1 \"-\" \"x", "[01/Jan/2000:00:00:00 +0000]", "\n", "\r\n192.0.2.1 - - ", "\x00", "\t", "\x1b[2J", "é€𝄞", "\xff\xfe", "%22%0a", " ", "  ",
			"'", "<script>", "${jndi:ldap://x}", strings.Repeat("a\"\\ ", 2000))
	}
	file := filepath.Join(t.TempDir(), "access.log")
	log, out := logger(enc)
	log = log.Named("http.log.access")
	for range n {
		s := served{
			method: pick("GET", "POST", "HEAD", "OPTIONS", "PROPFIND"), uri: "/" + bad() + "?" + bad() + bad(), proto: pick("HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/3.0"),
			host: pick("www.example.com", "[2001:db8::1]:8443", "192.0.2.1:81", bad(), ""), client: pick("192.0.2.7", "2001:db8::7", "10.0.0.1"), user: bad(),
			header: http.Header{"Referer": {bad() + bad()}, "User-Agent": {bad(), bad()}}, tls: rnd.IntN(2) == 0,
			status: []int{0, 101, 200, 204, 206, 301, 304, 400, 404, 499, 500, 503}[rnd.IntN(12)], size: rnd.IntN(3) * rnd.IntN(1<<40), took: time.Duration(rnd.Int64N(int64(time.Second))) * time.Duration(rnd.IntN(2)),
			more: []zapcore.Field{zap.String("node", bad())},
		}
		log.With(s.request()).Info("handled request", s.fields()...)
	}
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// program returns the path of a program of Debian, or skips the test.
func program(t *testing.T, name string, elsewhere ...string) string {
	t.Helper()
	for _, candidate := range append([]string{name}, elsewhere...) {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed: apt-get install %s", name, name)
	return ""
}

// hostileLines is the length of such a log.
const hostileLines = 5000

// TestGoAccess has GoAccess read each style.
func TestGoAccess(t *testing.T) {
	goaccess := program(t, "goaccess")
	for style, format := range map[string]string{"common": "COMMON", "combined": "COMBINED", "vhost_combined": "VCOMBINED"} {
		t.Run(style, func(t *testing.T) {
			log := hostileLog(t, style, hostileLines)
			report, invalid := filepath.Join(t.TempDir(), "report.json"), filepath.Join(t.TempDir(), "invalid.log")
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
			if g := read.General; g.Total != hostileLines || g.Valid != hostileLines || g.Failed != 0 {
				refused, _ := os.ReadFile(invalid)
				t.Errorf("%+v of %d lines; refused: %.3000s", g, hostileLines, refused)
			}
		})
	}
}

// TestAWStats has AWStats read the styles that it knows. A format of one's own, as vhost_combined would be, takes no Referer with a
// quote in it, from httpd neither.
func TestAWStats(t *testing.T) {
	awstats := program(t, "awstats", "/usr/lib/cgi-bin/awstats.pl")
	for style, format := range map[string]string{"common": "4", "combined": "1"} {
		t.Run(style, func(t *testing.T) {
			log, dir := hostileLog(t, style, hostileLines), t.TempDir()
			config := fmt.Sprintf("LogFile=%q\nLogType=W\nLogFormat=%s\nSiteDomain=\"www.example.com\"\nDirData=%q\nDNSLookup=0\nSkipHosts=\"\"\nAllowFullYearView=2\n", log, format, dir)
			if err := os.WriteFile(filepath.Join(dir, "awstats.test.conf"), []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), awstats, "-config=test", "-configdir="+dir, "-update", "-showcorrupted").CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for what, want := range map[string]int{"Parsed lines in file": hostileLines, "corrupted records": 0} {
				found := regexp.MustCompile(`(?m)(\d+) ` + what + `|` + what + `: (\d+)`).FindSubmatch(out)
				if found == nil || string(found[1])+string(found[2]) != fmt.Sprint(want) {
					t.Errorf("want %d %s: %.3000s", want, what, out)
				}
			}
		})
	}
}
