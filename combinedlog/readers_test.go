package combinedlog

import (
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-ec2/caddy-ec2/internal/logtest"
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

// hostileLines is the length of such a log.
const hostileLines = 5000

// TestGoAccess has GoAccess read each style.
func TestGoAccess(t *testing.T) {
	for style, format := range map[string]string{"common": "COMMON", "combined": "COMBINED", "vhost_combined": "VCOMBINED"} {
		t.Run(style, func(t *testing.T) { logtest.GoAccess(t, hostileLog(t, style, hostileLines), format, hostileLines) })
	}
}

// TestAWStats has AWStats read the styles that it knows. A format of one's own, as vhost_combined would be, takes no Referer with a
// quote in it, from httpd neither.
func TestAWStats(t *testing.T) {
	for style, format := range map[string]int{"common": 4, "combined": 1} {
		t.Run(style, func(t *testing.T) { logtest.AWStats(t, hostileLog(t, style, hostileLines), format, hostileLines) })
	}
}
