package combinedlog

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// scheme and password are what a target that begins with no slash can begin with.
var (
	scheme   = regexp.MustCompile(`^[^/?#]*://`)
	password = regexp.MustCompile(`^([^/?#@:]*):([^/?#]*)@`)
)

// FuzzLine shows for any request, in every style and by both ways in which requests come, that its entry is one line of printable
// ASCII, which can be taken apart into what went in.
func FuzzLine(f *testing.F) {
	f.Add("GET", "/a?b", "HTTP/1.1", "www.example.com", "192.0.2.7:4711", "192.0.2.7", "frank", "https://example.com/", "Mozilla/5.0", "upstream", "10.0.0.1:80", 200, 2326, int64(took), true)
	f.Add("", "", "", "", "", "", "", "", "", "", "", 0, 0, int64(0), false)
	f.Add("A B", "/ \"\\", "\x00", "[::1]:80", "@", "-", "[x] \"", "\n\r\t\v\b\f", "\xff\xfe€", "a=\"b", "\"\n", -1, -1, int64(-1), false)
	f.Add("CONNECT", "me:secret@example.com:443", "HTTP/2.0", "a:b:c", "[fe80::1%eth0]:1", "::1", "-", "-", `\x41`, "duration", `\`, 101, 1<<40, int64(1)<<62, true)
	f.Add("GET", "http://me:se:@cret@example.com/@:", "HTTP/1.1", ":", ":", ":", `"`, `\"`, `\\"`, "status", " ", 103, 1, int64(1), true)
	type way struct {
		style string
		enc   zapcore.Encoder
		more  bool
	}
	var ways []way
	for _, style := range []string{"common", "combined", "vhost_combined"} {
		for _, fields := range []string{``, `, "fields": ["*"]`} {
			config := `{"format": "combined", "style": "` + style + `"` + fields + `}`
			ways = append(ways, way{style, encoder(f, config), fields != ""}, way{style, encoder(f, `{"format": "filter", "wrap": `+config+`}`), fields != ""})
		}
	}
	f.Fuzz(func(t *testing.T, method, uri, proto, host, remote, client, user, referer, agent, key, value string, status, size int, duration int64, tls bool) {
		s := served{
			method: method, uri: uri, proto: proto, host: host, remote: remote, client: client, user: user,
			header: http.Header{"Referer": {referer}, "User-Agent": {agent}},
			status: status, size: size, took: time.Duration(duration), tls: tls, more: []zapcore.Field{zap.String(key, value)},
		}
		direct := ""
		for i, w := range ways {
			line := s.line(w.enc)
			if i%2 == 0 {
				direct = line
			} else if line != direct {
				t.Fatalf("below a filter %s, without it %s", line, direct)
			}
			p, err := parse(line, w.style)
			if err != nil {
				t.Fatalf("%s: %v: %s", w.style, err, line)
			}
			if client == "" {
				client = remote
				if u, err := url.Parse("//" + remote); err == nil && u.Port() != "" {
					client = u.Hostname()
				}
				if p.address != remote && strings.HasPrefix(strings.TrimPrefix(remote, "["), p.address) {
					client = p.address // without the port, and brackets around it
				}
			}
			same := func(what, got, want string) {
				if want == "-" {
					want = ""
				}
				if got != want {
					t.Errorf("%s: %s is %q, not %q: %s", w.style, what, got, want, line)
				}
			}
			same("address", p.address, client)
			same("user", p.user, user)
			same("time", p.time, ended.Add(-s.took).Format("02/Jan/2006:15:04:05 -0700"))
			if uri != "" && uri[0] != '/' {
				begin := scheme.FindString(uri)
				uri = begin + password.ReplaceAllString(uri[len(begin):], "$1:XXXXXXXX@")
			}
			same("method", p.method, method)
			same("target", p.target, uri)
			same("protocol", p.proto, proto)
			if n, err := strconv.Atoi(p.status); err != nil && (p.status != "-" || status >= 0) || err == nil && n != status && (n != 200 || status >= 200) && (n != 444 || duration != 0) {
				t.Errorf("status %d is %q", status, p.status)
			}
			if n, err := strconv.Atoi(p.size); err != nil && (p.size != "-" || size > 0 && method != "HEAD") || err == nil && n != size {
				t.Errorf("size %d is %q", size, p.size)
			}
			if w.style != "common" {
				same("Referer", p.referer, referer)
				same("User-Agent", p.agent, agent)
			}
			if w.style == "vhost_combined" {
				if p.host != host && p.host+":"+p.port != host && p.host+":" != host {
					t.Errorf("host %q is %q and %q", host, p.host, p.port)
				}
			}
			switch {
			case !w.more || own(key):
				if len(p.fields) != 0 {
					t.Errorf("fields that nobody asked for: %q", p.fields)
				}
			case len(p.fields) != 1:
				t.Errorf("fields %q", p.fields)
			default:
				same("key", p.fields[0][0], key)
				same("value", p.fields[0][1], value)
			}
		}
	})
}

// FuzzOther shows the same for entries that are no request.
func FuzzOther(f *testing.F) {
	f.Add("http.log.error", "dial tcp: refused", "key", "value", "example.com", "192.0.2.7")
	f.Add("", "", "", "", "", "")
	f.Add("a] [b", "\" x=\"y\"\n", "a=\"b\" c", "\\\"\n\x7f€", "\n", "] x")
	enc := encoder(f, `{"format": "combined"}`)
	f.Fuzz(func(t *testing.T, name, message, key, value, host, client string) {
		if strings.HasPrefix(name, accessLog) {
			return
		}
		s := get()
		s.host, s.client = host, client
		log, out := logger(enc)
		log.Named(name).With(s.request(), zap.String("a "+key, value)).Error(message, zap.Any("list", []string{key, value}), zap.Any("map", map[string]string{key: value}))
		line := out.String()
		begin := regexp.MustCompile(`^\[Sat Nov 21 16:33:46\.123456 2026\] \[([^] []*):error\]( \[client ([^] []*)\])? ((?:[^"\\]|\\.)*?) request="GET /a\?b HTTP/1\.1" request>host="`)
		m := begin.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("not of the form: %s", line)
		}
		var err error
		if client == "" {
			client = "192.0.2.7" // that of the socket
		}
		for i, want := range map[int]string{1: name, 3: client, 4: message} {
			if got := unescape(m[i], &err); err != nil || got != want && want != "-" {
				t.Errorf("got %q, want %q, error %v: %s", got, want, err, line)
			}
		}
		// The fields are as those behind the line of a request.
		p, err := parse(`x - - [x] "-" 200 - `+line[len(m[0])-len(`request>host="`):], "common")
		if err != nil || len(p.fields) != 4 {
			t.Fatalf("error %v, fields %q: %s", err, p.fields, line)
		}
		for i, want := range [][2]string{{"request>host", host}, {"a " + key, value}} {
			if got := p.fields[i]; got[0] != want[0] || got[1] != want[1] && want[1] != "-" {
				t.Errorf("got %q, want %q: %s", got, want, line)
			}
		}
	})
}
