package probe

import (
	"crypto/tls"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestHTTPSettings(t *testing.T) {
	for _, tc := range []struct {
		name string
		h    HTTP
		want string // how the error begins; empty: none
	}{
		{"zero value", HTTP{}, ""},
		{"everything", HTTP{
			Scheme: "https", URI: "/healthz?full=1", Port: 8443, Method: "POST", Host: "app.example.com:8443",
			Header: http.Header{"x-token": {"a\tb"}}, Body: "ping", Status: 2, Expect: regexp.MustCompile("ok"),
			MaxBody: 10, FollowRedirects: true, TLS: &tls.Config{}, Timeout: ample,
		}, ""},
		{"IPv6 host", HTTP{Host: "[2001:db8::1]:80"}, ""},
		{"scheme", HTTP{Scheme: "HTTP"}, `scheme: "HTTP" is neither http nor https`},
		{"h2c", HTTP{Scheme: "h2c"}, "scheme: "},
		{"tls without https", HTTP{TLS: &tls.Config{}}, "tls: "},
		{"negative port", HTTP{Port: -1}, "port: -1"},
		{"large port", HTTP{Port: 65536}, "port: 65536"},
		{"lower-case method", HTTP{Method: "get"}, `method: "get"`},
		{"method with space", HTTP{Method: "GET /"}, "method: "},
		{"connect", HTTP{Method: "CONNECT"}, "method: "},
		{"HEAD with expected body", HTTP{Method: "HEAD", Expect: regexp.MustCompile("ok")}, "method: HEAD"},
		{"HEAD with body", HTTP{Method: "HEAD", Body: "x"}, "method: HEAD"},
		{"status too small", HTTP{Status: 1}, "status: 1 "},
		{"status no code", HTTP{Status: 99}, "status: 99 "},
		{"status informational", HTTP{Status: 101}, "status: 101 "},
		{"status too large", HTTP{Status: 600}, "status: 600 "},
		{"followed and expected", HTTP{FollowRedirects: true, Status: 302}, "status: 302 is never seen"},
		{"followed and expected class", HTTP{FollowRedirects: true, Status: 3}, "status: 3xx is never seen"},
		{"max body", HTTP{MaxBody: -1}, "max_body: -1"},
		{"timeout", HTTP{Timeout: -1}, "timeout: -1ns"},
		{"uri without slash", HTTP{URI: "healthz"}, `uri: "healthz"`},
		{"uri with two slashes", HTTP{URI: "//evil.example.com/"}, "uri: "},
		{"whole url", HTTP{URI: "http://evil.example.com/"}, "uri: "},
		{"uri with fragment", HTTP{URI: "/a#b"}, "uri: "},
		{"uri with space", HTTP{URI: "/a b\n"}, "uri: "},
		{"bad escape", HTTP{URI: "/%zz"}, "uri: "},
		{"header name", HTTP{Header: http.Header{"X Y": {"1"}}}, `header: "X Y"`},
		{"empty header name", HTTP{Header: http.Header{"": {"1"}}}, `header: ""`},
		{"header value", HTTP{Header: http.Header{"X": {"a\r\nEvil: 1"}}}, "header: the value of X"},
		{"length", HTTP{Header: http.Header{"content-length": {"3"}}}, "header: Content-Length"},
		{"transfer encoding", HTTP{Header: http.Header{"Transfer-Encoding": {"chunked"}}}, "header: Transfer-Encoding"},
		{"two hosts", HTTP{Host: "a.test", Header: http.Header{"Host": {"b.test"}}}, "header: Host"},
		{"two host headers", HTTP{Header: http.Header{"Host": {"a.test", "b.test"}}}, "header: Host"},
		{"same host twice", HTTP{Host: "a.test", Header: http.Header{"host": {"a.test"}}}, ""},
		{"host with path", HTTP{Host: "a.test/x"}, `host: "a.test/x"`},
		{"host with user", HTTP{Host: "me@a.test"}, "host: "},
		{"host with scheme", HTTP{Host: "http://a.test"}, "host: "},
		{"host with space", HTTP{Header: http.Header{"Host": {"a b"}}}, "host: "},
		{"only a port", HTTP{Host: ":80"}, "host: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := tc.h.New()
			if err == nil {
				c.Close()
			}
			switch {
			case (err == nil) != (tc.want == ""):
				t.Fatalf("error %v, want %q", err, tc.want)
			case err != nil && !strings.HasPrefix(err.Error(), tc.want):
				t.Fatalf("error %q does not begin with %q", err, tc.want)
			}
		})
	}
}

// The settings belong to the caller, who may go on using them.
func TestHTTPSettingsAreCopied(t *testing.T) {
	name := "x-a" // as JSON gives it, not canonical
	header := http.Header{name: {"1"}, "Host": {"a.test"}}
	cfg := new(tls.Config)
	c := checker(t, HTTP{Scheme: "https", Header: header, TLS: cfg})
	if len(header) != 2 || header[name] == nil || cfg.ServerName != "" || cfg.NextProtos != nil {
		t.Errorf("changed: %v %q", header, cfg.ServerName)
	}
	header.Set("X-Late", "1")
	if c.request.Header.Get("X-Late") != "" {
		t.Error("a later change of the header is seen")
	}
}

func TestHTTPUsesNoProxy(t *testing.T) {
	if c := checker(t, HTTP{}); c.transport.Proxy != nil {
		t.Error("a proxy would be asked in place of the address")
	}
}
