package combinedlog

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/quic-go/quic-go/http3"
)

// moment is what differs between two runs.
var moment = regexp.MustCompile(`\[\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d \+0000\]`)

func TestServerHTTP1(t *testing.T) {
	s := newSite(t, "combined {\nstyle vhost_combined\nfields node\n}", "")
	const end = ` node="lb \"1\""`
	// The site is served for the host of its address; any other one would be nobody's.
	host := "Host: " + s.plain + "\r\nConnection: close\r\n"
	tests := []struct {
		name, request, want string
	}{
		{"usual", "GET /hello?a=b HTTP/1.1\r\n" + host + "Referer: https://example.com/\r\nUser-Agent: curl/8\r\n\r\n",
			s.plain + ` 127.0.0.1 - - [] "GET /hello?a=b HTTP/1.1" 200 5 "https://example.com/" "curl/8"` + end},
		{"HEAD", "HEAD /hello HTTP/1.1\r\n" + host + "\r\n",
			s.plain + ` 127.0.0.1 - - [] "HEAD /hello HTTP/1.1" 200 - "-" "-"` + end},
		{"hostile", "GET /hello\"\\[x]|{}<>`^'\xe9\xc3\xa9 HTTP/1.1\r\n" + host + "Referer: \" 200 1 \"x\" \"y\"\r\nUser-Agent: a\tb\\\xff\\\"\r\n\r\n",
			s.plain + ` 127.0.0.1 - - [] "GET /hello\"\\[x]|{}<>` + "`" + `^'\xe9\xc3\xa9 HTTP/1.1" 200 5 "\" 200 1 \"x\" \"y\"" "a\tb\\\xff\\\""` + end},
		{"a spoofed address", "GET /hello HTTP/1.1\r\n" + host + "X-Forwarded-For: 192.0.2.1\r\n\r\n",
			s.plain + ` 127.0.0.1 - - [] "GET /hello HTTP/1.1" 200 5 "-" "-"` + end},
		{"two agents", "GET /hello HTTP/1.1\r\n" + host + "User-Agent: a\r\nUser-Agent: b\r\n\r\n",
			s.plain + ` 127.0.0.1 - - [] "GET /hello HTTP/1.1" 200 5 "-" "a, b"` + end},
		{"8 KiB", "GET /hello HTTP/1.1\r\n" + host + "User-Agent: " + strings.Repeat("\"\xff", 4096) + "\r\n\r\n",
			s.plain + ` 127.0.0.1 - - [] "GET /hello HTTP/1.1" 200 5 "-" "` + strings.Repeat(`\"\xff`, 4096) + `"` + end},
		{"HTTP/1.0", "GET /hello HTTP/1.0\r\n" + host + "\r\n",
			s.plain + ` 127.0.0.1 - - [] "GET /hello HTTP/1.0" 200 5 "-" "-"` + end},
		{"a password", "GET http://me:secret@" + s.plain + "/hello HTTP/1.1\r\n" + host + "\r\n",
			s.plain + ` 127.0.0.1 - - [] "GET http://me:XXXXXXXX@` + s.plain + `/hello HTTP/1.1" 200 5 "-" "-"` + end},
		{"nothing written", "GET /nothing HTTP/1.1\r\n" + host + "\r\n",
			s.plain + ` 127.0.0.1 - - [] "GET /nothing HTTP/1.1" 200 - "-" "-"` + end},
		{"aborted", "GET /abort HTTP/1.1\r\n" + host + "\r\n",
			s.plain + ` 127.0.0.1 - - [] "GET /abort HTTP/1.1" 444 - "-" "-" node="-"`},
		{"not found", "GET /else HTTP/1.1\r\n" + host + "\r\n",
			s.plain + ` 127.0.0.1 - - [] "GET /else HTTP/1.1" 404 - "-" "-"` + end},
		{"an error of the backend", "GET /backend/fails HTTP/1.1\r\n" + host + "\r\n",
			s.plain + ` 127.0.0.1 - - [] "GET /backend/fails HTTP/1.1" 503 - "-" "-"` + end},
		{"much", "GET /backend/large HTTP/1.1\r\n" + host + "\r\n",
			s.plain + ` 127.0.0.1 - - [] "GET /backend/large HTTP/1.1" 200 20971520 "-" "-"` + end},
		{"a very long method", strings.Repeat("M", 40) + " /hello HTTP/1.1\r\n" + host + "\r\n",
			s.plain + ` 127.0.0.1 - - [] "` + strings.Repeat("M", 40) + ` /hello HTTP/1.1" 405 - "-" "-" node="-"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.raw(tt.request)
			s.T = t
			if got := moment.ReplaceAllString(s.lines(1)[0], "[]"); got != tt.want+"\n" {
				t.Errorf("got  %swant %s", got, tt.want)
			}
		})
	}
}

func TestServerUpgradeAndAbort(t *testing.T) {
	s := newSite(t, "combined", "")
	s.upgrade("/backend/socket", strings.Repeat("x", 99))
	if got := s.lines(1)[0]; !regexp.MustCompile(`"GET /backend/socket HTTP/1\.1" 101 \d{3} "-" "-"\n$`).MatchString(got) {
		t.Errorf("a connection that carried 100 bytes back: %s", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-s.waiting
		cancel()
	}()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.plain+"/backend/wait", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err == nil {
		answer.Body.Close()
	}
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("answer %+v, error %v", answer, err)
	}
	<-s.gone
	if got := s.lines(1)[0]; !strings.Contains(got, `"GET /backend/wait HTTP/1.1" 499 - "-" "Go-http-client/1.1"`) {
		t.Errorf("a client that went away: %s", got)
	}
}

// TestServerOtherVersions is about HTTP/2 and HTTP/3, in which what a client sends is checked by other code.
func TestServerOtherVersions(t *testing.T) {
	s := newSite(t, "combined {\nstyle vhost_combined\n}", "")
	h2 := &http.Transport{TLSClientConfig: anyCertificate.Clone(), ForceAttemptHTTP2: true}
	defer h2.CloseIdleConnections()
	h3 := &http3.Transport{TLSClientConfig: anyCertificate.Clone()}
	defer h3.Close()
	for proto, transport := range map[string]http.RoundTripper{"HTTP/2.0": h2, "HTTP/3.0": h3} {
		for target, size := range map[string]string{"/hello": "5", "/hello?\"[ \\\xff": "5", "/nothing": "-", "/backend/large": "20971520"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.secure, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.URL.Path, r.URL.RawQuery, _ = strings.Cut(target, "?")
			r.Header = http.Header{"Referer": {"\xff\t\""}, "User-Agent": {"a"}}
			answer, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			if err != nil || answer.Proto != proto {
				t.Fatalf("%s, error %v", answer.Proto, err)
			}
			line := s.lines(1)[0]
			p, err := parse(line, "vhost_combined")
			if err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			p.time = ""
			host, port, _ := net.SplitHostPort(s.secure)
			if size == "-" {
				size = ""
			}
			want := parsed{host: host, port: port, address: host, method: "GET", target: target, proto: proto, status: "200", size: size, referer: "\xff\t\"", agent: "a"}
			if p.size == "-" {
				p.size = ""
			}
			if diff := cmp.Diff(want, p, cmp.AllowUnexported(parsed{})); diff != "" {
				t.Errorf("%s%s", line, diff)
			}
		}
	}
}

// TestServerBehindProxy is about whose address is written.
func TestServerBehindProxy(t *testing.T) {
	for format, want := range map[string]string{
		"combined":                        "2001:db8::1",
		"combined {\nclient_ip remote\n}": "127.0.0.1",
		"filter {\nwrap combined\nrequest>client_ip ip_mask 16 16\n}":            "2001::",
		"filter {\nwrap append {\nwrap combined\n}\nrequest>client_ip delete\n}": "-",
	} {
		t.Run(want, func(t *testing.T) {
			s := newSite(t, format, "trusted_proxies static 127.0.0.1/32")
			s.raw("GET /hello HTTP/1.1\r\nHost: " + s.plain + "\r\nConnection: close\r\nX-Forwarded-For: 2001:db8::1, 127.0.0.1\r\n\r\n")
			if got := s.lines(1)[0]; !strings.HasPrefix(got, want+" - - [") {
				t.Errorf("want %s: %s", want, got)
			}
		})
	}
}
