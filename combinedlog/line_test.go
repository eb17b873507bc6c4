package combinedlog

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// TestLine says byte for byte what a line looks like.
func TestLine(t *testing.T) {
	const combined = `{"format": "combined"}`
	const vhost = `{"format": "combined", "style": "vhost_combined"}`
	tests := []struct {
		name, config string
		change       func(*served)
		want         string
	}{
		{"combined", combined, nil,
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 "https://example.com/" "Mozilla/5.0"`},
		{"common", `{"format": "combined", "style": "common"}`, nil,
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326`},
		{"vhost_combined", vhost, nil,
			`www.example.com:80 192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 "https://example.com/" "Mozilla/5.0"`},
		{"everything is default", `{"format": "combined", "style": "combined", "time_zone": "utc", "client_ip": "client"}`, nil,
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 "https://example.com/" "Mozilla/5.0"`},
		{"a user", combined, func(s *served) { s.user = "frank" },
			`192.0.2.7 - frank [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 "https://example.com/" "Mozilla/5.0"`},
		{"a user who forges", combined, func(s *served) { s.user = "x [01/Jan/2000:00:00:00 +0000] \"GET /\n" },
			`192.0.2.7 - x\x20\x5b01\x2fJan\x2f2000:00:00:00\x20+0000\x5d\x20\"GET\x20\x2f\n [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 "https://example.com/" "Mozilla/5.0"`},
		{"no headers", combined, func(s *served) { s.header = nil },
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 "-" "-"`},
		{"empty headers", combined, func(s *served) { s.header = http.Header{"Referer": {""}, "User-Agent": {}} },
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 "" "-"`},
		{"several headers", combined, func(s *served) { s.header = http.Header{"User-Agent": {"a", "b \"c\""}} },
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 "-" "a, b \"c\""`},
		{"hostile headers", combined, func(s *served) {
			s.header = http.Header{"Referer": {"\" 200 1 \"\\\r\n"}, "User-Agent": {"\x1b[31m€"}}
		},
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 "\" 200 1 \"\\\r\n" "\x1b[31m\xe2\x82\xac"`},
		{"a hostile target", combined, func(s *served) { s.uri = "/\" 200 1 [x]\\"; s.proto = "HTTP/2.0" },
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /\"\x20200\x201\x20[x]\\ HTTP/2.0" 200 2326 "https://example.com/" "Mozilla/5.0"`},
		{"a password in the target", combined, func(s *served) { s.uri = "http://me:secret:@x@example.com:81/?@" },
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET http://me:XXXXXXXX@example.com:81/?@ HTTP/1.1" 200 2326 "https://example.com/" "Mozilla/5.0"`},
		{"no password in the target", combined, func(s *served) { s.uri = "http://me@example.com:81/x:y@z" },
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET http://me@example.com:81/x:y@z HTTP/1.1" 200 2326 "https://example.com/" "Mozilla/5.0"`},
		{"a password for a tunnel", combined, func(s *served) { s.method = "CONNECT"; s.uri = "me:secret@example.com:443" },
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "CONNECT me:XXXXXXXX@example.com:443 HTTP/1.1" 200 2326 "https://example.com/" "Mozilla/5.0"`},
		{"no request line", combined, func(s *served) { s.method, s.uri, s.proto = "", "", "" },
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "-" 200 2326 "https://example.com/" "Mozilla/5.0"`},
		{"an empty part", combined, func(s *served) { s.uri = "" },
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET - HTTP/1.1" 200 2326 "https://example.com/" "Mozilla/5.0"`},
		{"no body", combined, func(s *served) { s.status, s.size = 304, 0 },
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 304 - "https://example.com/" "Mozilla/5.0"`},
		{"a body that HEAD does not get", combined, func(s *served) { s.method = "HEAD" },
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "HEAD /a?b HTTP/1.1" 200 - "https://example.com/" "Mozilla/5.0"`},
		{"nothing written", combined, func(s *served) { s.status, s.size = 0, 0 },
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 - "https://example.com/" "Mozilla/5.0"`},
		{"aborted", combined, func(s *served) { s.status, s.size, s.took = 0, 0, 0 },
			`192.0.2.7 - - [21/Nov/2026:16:33:46 +0000] "GET /a?b HTTP/1.1" 444 - "https://example.com/" "Mozilla/5.0"`},
		{"only hints", combined, func(s *served) { s.status, s.size = 103, 0 },
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 - "https://example.com/" "Mozilla/5.0"`},
		{"a connection that is no longer HTTP", combined, func(s *served) { s.status, s.size = 101, 77 },
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 101 77 "https://example.com/" "Mozilla/5.0"`},
		{"a client that went away", combined, func(s *served) { s.status, s.size = 499, 0 },
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 499 - "https://example.com/" "Mozilla/5.0"`},
		{"more than 4 GiB", combined, func(s *served) { s.size = 5_000_000_000 },
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 5000000000 "https://example.com/" "Mozilla/5.0"`},
		{"a proxy in front", combined, func(s *served) { s.client = "2001:db8::1" },
			`2001:db8::1 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 "https://example.com/" "Mozilla/5.0"`},
		{"the proxy itself", `{"format": "combined", "client_ip": "remote"}`, func(s *served) { s.remote = "[fe80::1%eth0]:4711"; s.client = "192.0.2.9" },
			`fe80::1%eth0 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 "https://example.com/" "Mozilla/5.0"`},
		{"a Unix socket", combined, func(s *served) { s.remote, s.client = "@", "" },
			`@ - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 "https://example.com/" "Mozilla/5.0"`},
		{"no address", combined, func(s *served) { s.remote, s.client = "", "" },
			`- - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 "https://example.com/" "Mozilla/5.0"`},
		{"TLS", vhost, func(s *served) { s.tls = true },
			`www.example.com:443 192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 "https://example.com/" "Mozilla/5.0"`},
		{"a host with a space", vhost, func(s *served) { s.host = "a b:81 \"" },
			`a\x20b:81\x20\":80 192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 "https://example.com/" "Mozilla/5.0"`},
		{"named fields", `{"format": "combined", "style": "common", "fields": ["upstream", "duration", "gone", "resp_headers>Content-Type"]}`,
			func(s *served) {
				s.more = []zapcore.Field{zap.String("other", "x"), zap.String("upstream", "a \"b\"\n")}
			},
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 upstream="a \"b\"\n" duration="1.5" gone="-" resp_headers>Content-Type="text/html"`},
		{"Caddy's own fields", `{"format": "combined", "style": "common", "fields": ["user_id", "status", "size", "bytes_read", "write_error"]}`,
			func(s *served) { s.status, s.size = 0, 0 },
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 - user_id="-" status="0" size="0" bytes_read="12" write_error="-"`},
		{"all fields", `{"format": "combined", "style": "common", "fields": ["*"]}`,
			func(s *served) {
				s.more = []zapcore.Field{zap.Any("write_error", "own"), zap.Any("b c", nil), zap.Int("a", 1), zap.Duration("duration", time.Second), zap.Strings("", []string{"x", "y"})}
			},
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 b\x20c="-" a="1" -="x, y"`},
		{"a field that was added twice", `{"format": "combined", "style": "common", "fields": ["a"]}`,
			func(s *served) { s.more = []zapcore.Field{zap.Int("a", 1), zap.Int("a", 2)} },
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 a="2"`},
		{"fields that nobody asked for", combined, func(s *served) { s.more = []zapcore.Field{zap.Int("status", 404), zap.String("user_id", "root")} },
			`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 "https://example.com/" "Mozilla/5.0"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := get()
			if tt.change != nil {
				tt.change(&s)
			}
			if got := s.line(encoder(t, tt.config)); got != tt.want+"\n" {
				t.Errorf("got  %swant %s", got, tt.want)
			}
			wrapped := `{"format": "filter", "wrap": ` + tt.config + `}`
			if got := s.line(encoder(t, wrapped)); got != tt.want+"\n" {
				t.Errorf("below a filter\ngot  %swant %s", got, tt.want)
			}
		})
	}
}

func TestHost(t *testing.T) {
	tests := []struct {
		host string
		tls  bool
		want string
	}{
		{"example.com", false, "example.com:80"},
		{"example.com", true, "example.com:443"},
		{"example.com:8080", true, "example.com:8080"},
		{"example.com:", false, "example.com:80"},
		{"example.com:http", false, "example.com:http:80"},
		{"example.com:123456", false, "example.com:123456:80"},
		{"192.0.2.7:81", false, "192.0.2.7:81"},
		{"[2001:db8::1]", false, "[2001:db8::1]:80"},
		{"[2001:db8::1]:81", false, "[2001:db8::1]:81"},
		{"2001:db8::1", false, "2001:db8::1:80"},
		{":81", false, "-:81"},
		{"", true, "-:443"},
		{":", false, "-:80"},
		{"::", false, ":::80"},
	}
	for _, tt := range tests {
		e := entry{rest: &rest{host: tt.host}}
		if tt.tls {
			e.has = hasTLS
		}
		if got := string(e.appendHost(nil)); got != tt.want {
			t.Errorf("%q, TLS %t: got %s, want %s", tt.host, tt.tls, got, tt.want)
		}
	}
}

// TestTime compares with the layout of the time package, which readers are written for.
func TestTime(t *testing.T) {
	const layout = "02/Jan/2006:15:04:05 -0700"
	for _, zone := range []int{0, 3600, -3600, 5*3600 + 1800, -(9*3600 + 1800), 14 * 3600, -12 * 3600} {
		for _, at := range []time.Time{
			{}, time.Unix(0, 0), time.Unix(1e9, 0), ended, time.Date(2024, 2, 29, 23, 59, 59, 999999999, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
		} {
			at = at.In(time.FixedZone("", zone))
			if got, want := string(appendTime(nil, at)), at.Format(layout); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	}
}

// Here is where TestMain has it.
func TestTimeZone(t *testing.T) {
	for config, want := range map[string]string{
		`{"format": "combined", "style": "common", "time_zone": "local"}`: `192.0.2.7 - - [21/Nov/2026:07:03:44 -0930] "GET /a?b HTTP/1.1" 200 2326` + "\n",
		`{"format": "combined", "style": "common", "time_zone": "utc"}`:   `192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326` + "\n",
	} {
		if got := get().line(encoder(t, config)); got != want {
			t.Errorf("got  %swant %s", got, want)
		}
	}
}

// TestMaxLine shows that a line is no longer than it may be, whatever makes it long, and still can be taken apart.
func TestMaxLine(t *testing.T) {
	enc := encoder(t, `{"format": "combined", "style": "vhost_combined", "max_line": 1024, "fields": ["*"]}`)
	long := strings.Repeat("a\"\\é\n ", 5000)
	for name, change := range map[string]func(*served){
		"target":   func(s *served) { s.uri = "/" + long },
		"agent":    func(s *served) { s.header["User-Agent"] = []string{long, long} },
		"host":     func(s *served) { s.host = long },
		"method":   func(s *served) { s.method = long },
		"protocol": func(s *served) { s.proto = long },
		"user":     func(s *served) { s.user = long },
		"address":  func(s *served) { s.client = long },
		"field":    func(s *served) { s.more = []zapcore.Field{zap.String("a", long), zap.String("b", long)} },
		"all": func(s *served) {
			s.uri, s.host, s.method, s.proto, s.user, s.client = "/"+long, long, long, long, long, long
			s.header, s.more = http.Header{"Referer": {long}, "User-Agent": {long}}, []zapcore.Field{zap.String("a", long)}
		},
	} {
		s := get()
		change(&s)
		line := s.line(enc)
		p, err := parse(line, "vhost_combined")
		if err != nil || len(line) > 1024 || len(line) < 512 {
			t.Errorf("%s: %d bytes, error %v: %s", name, len(line), err, line)
			continue
		}
		for _, of := range [][2]string{{p.target, s.uri}, {p.referer, s.header["Referer"][0]}, {p.host, s.host}, {p.method, s.method}, {p.user, s.user}, {p.address, s.client}} {
			if !strings.HasPrefix(of[1], of[0]) || name != "all" && len(of[1]) < 100 && of[0] != of[1] {
				t.Errorf("%s: %q became %q", name, of[1], of[0])
			}
		}
	}
	many := get()
	for i := range 200 {
		many.more = append(many.more, zap.Int(fmt.Sprintf("a_name_of_its_own_%d", i), i))
	}
	many.more = append(many.more, zap.Int(long, 1))
	if line := many.line(enc); len(line) > 1024 || !strings.Contains(line, ` a_na="0" a_na="1"`) || !strings.HasSuffix(line, "\"\n") {
		t.Errorf("many fields: %d bytes: %s", len(line), line)
	}
	if line := get().line(enc); strings.Contains(line, "a_na") {
		t.Errorf("the fields of another line are in it: %s", line)
	}
	fits := get()
	fits.header["User-Agent"] = []string{strings.Repeat("x", 1024-len(get().line(enc))+len("Mozilla/5.0"))}
	if line := fits.line(enc); len(line) != 1024 {
		t.Errorf("a line of 1024 bytes has %d now", len(line))
	}
	log, out := logger(enc)
	log.Error(long, append(many.more, zap.String("a", long), zap.Strings("b", []string{long}))...)
	if n := out.Len(); n > 1024 || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("another entry has %d bytes: %s", n, out)
	}
}
