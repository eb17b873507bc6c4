package combinedlog

import (
	"net/http"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// TestFilter shows that what a filter removes or replaces is written nowhere, and that the rest of the line stays.
func TestFilter(t *testing.T) {
	const usual = `www.example.com:443 192.0.2.7 - frank [21/Nov/2026:16:33:44 +0000] "GET /a?token=s3cret&b=1 HTTP/2.0" 200 2326 "https://s3cret/" "Mozilla/5.0" node="s3cret"`
	tests := []struct{ name, fields, old, new string }{
		{"nothing", ``, "", ""},
		{"an address", `"request>client_ip": {"filter": "ip_mask", "ipv4_cidr": 24}`, "192.0.2.7", "192.0.2.0"},
		{"an address away", `"request>client_ip": {"filter": "delete"}`, "192.0.2.7", "-"},
		{"an address hashed", `"request>client_ip": {"filter": "hash"}`, "192.0.2.7", "37dad677"},
		{"the other address", `"request>remote_ip": {"filter": "delete"}`, "", ""},
		{"a query", `"request>uri": {"filter": "query", "actions": [{"type": "replace", "parameter": "token", "value": "x y"}]}`, "token=s3cret&b=1", "b=1&token=x+y"},
		{"a target", `"request>uri": {"filter": "replace", "value": "a \"b\""}`, "/a?token=s3cret&b=1", `a\x20\"b\"`},
		{"a target away", `"request>uri": {"filter": "delete"}`, "/a?token=s3cret&b=1", "-"},
		{"a target by pattern", `"request>uri": {"filter": "regexp", "regexp": "s3cret", "value": "*"}`, "token=s3cret", "token=*"},
		{"a header away", `"request>headers>Referer": {"filter": "delete"}`, "https://s3cret/", "-"},
		{"a header replaced", `"request>headers>Referer": {"filter": "replace", "value": "é"}`, "https://s3cret/", `\xc3\xa9`},
		{"a header by pattern", `"request>headers>User-Agent": {"filter": "regexp", "regexp": "[0-9.]+", "value": "n"}`, "Mozilla/5.0", "Mozilla/n"},
		{"a header renamed", `"request>headers>X-Agent": {"filter": "rename", "name": "User-Agent"}`, "", ""},
		{"other headers", `"request>headers>Cookie": {"filter": "delete"}, "resp_headers>Content-Type": {"filter": "delete"}`, "", ""},
		{"all headers", `"request>headers": {"filter": "delete"}`, `"https://s3cret/" "Mozilla/5.0"`, `"-" "-"`},
		{"the method", `"request>method": {"filter": "delete"}`, `"GET `, `"- `},
		{"the host", `"request>host": {"filter": "delete"}`, "www.example.com", "-"},
		{"TLS", `"request>tls": {"filter": "delete"}`, ":443", ":80"},
		{"part of TLS", `"request>tls>version": {"filter": "delete"}`, "", ""},
		{"the user", `"user_id": {"filter": "delete"}`, "frank", "-"},
		{"the user replaced", `"user_id": {"filter": "replace", "value": "someone else"}`, "frank", `someone\x20else`},
		{"the status", `"status": {"filter": "delete"}`, " 200 ", " - "},
		{"the status replaced by a text", `"status": {"filter": "replace", "value": "no"}`, " 200 ", " - "},
		{"the size", `"size": {"filter": "delete"}`, " 2326 ", " - "},
		{"the duration", `"duration": {"filter": "delete"}`, "16:33:44", "16:33:46"},
		{"response headers", `"resp_headers": {"filter": "delete"}`, "", ""},
		{"a field", `"node": {"filter": "replace", "value": "n\n"}`, `node="s3cret"`, `node="n\n"`},
		{"a field away", `"node": {"filter": "delete"}`, `node="s3cret"`, `node="-"`},
		{"the request", `"request": {"filter": "delete"}`,
			`www.example.com:443 192.0.2.7 - frank [21/Nov/2026:16:33:44 +0000] "GET /a?token=s3cret&b=1 HTTP/2.0" 200 2326 "https://s3cret/" "Mozilla/5.0"`,
			`-:80 - - frank [21/Nov/2026:16:33:44 +0000] "-" 200 2326 "-" "-"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := get()
			s.uri, s.proto, s.user, s.tls = "/a?token=s3cret&b=1", "HTTP/2.0", "frank", true
			s.header = http.Header{"Referer": {"https://s3cret/"}, "User-Agent": {"Mozilla/5.0"}, "Cookie": {"a=b"}}
			s.more = []zapcore.Field{zap.String("node", "s3cret")}
			const ours = `{"format": "combined", "style": "vhost_combined", "fields": ["node"]}`
			const appends = `{"format": "append", "fields": {"more": "x"}, "wrap": `
			want := strings.Replace(usual, tt.old, tt.new, 1) + "\n"
			for _, config := range []string{
				`{"format": "filter", "fields": {` + tt.fields + `}, "wrap": ` + ours + `}`,
				`{"format": "filter", "fields": {` + tt.fields + `}, "wrap": ` + appends + ours + `}}`,
				appends + `{"format": "filter", "fields": {` + tt.fields + `}, "wrap": ` + ours + `}}`,
			} {
				if got := s.line(encoder(t, config)); got != want {
					t.Errorf("%s\ngot  %swant %s", config, got, want)
				}
			}
		})
	}
}

// TestRemoteFiltered is about the other address, and about one that a filter took away.
func TestRemoteFiltered(t *testing.T) {
	for filter, want := range map[string]string{
		`"request>remote_ip": {"filter": "ip_mask", "ipv4_cidr": 16}`: "192.0.0.0",
		`"request>remote_ip": {"filter": "delete"}`:                   "-",
		`"request>client_ip": {"filter": "delete"}`:                   "192.0.2.7",
	} {
		got := get().line(encoder(t, `{"format": "filter", "fields": {`+filter+`}, "wrap": {"format": "combined", "client_ip": "remote"}}`))
		if !strings.HasPrefix(got, want+" - - ") {
			t.Errorf("%s: %s", filter, got)
		}
	}
}

// TestAppend shows that fields of the append format come as those of the directive do.
func TestAppend(t *testing.T) {
	const want = `192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET /a?b HTTP/1.1" 200 2326 node="a \"b\"" n="1"` + "\n"
	got := get().line(encoder(t, `{"format": "append", "fields": {"node": "a \"b\"", "n": 1}, "wrap": {"format": "combined", "style": "common", "fields": ["node", "n"]}}`))
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestProvisionRefuses(t *testing.T) {
	for _, e := range []Encoder{
		{Style: "apache"}, {TimeZone: "UTC"}, {ClientIP: "real"}, {Fields: []string{"a", ""}}, {Fields: []string{"*", "a"}}, {Fields: []string{"a", "a"}},
		{Fields: []string{"request"}}, {Fields: []string{"request>uri"}}, {Fields: []string{"resp_headers"}},
	} {
		if _, err := e.settings(); err == nil {
			t.Errorf("accepted: %+v", e)
		}
	}
}
