package probe

import (
	"io"
	"net/http"
	"regexp"
	"testing"
)

func TestHTTPRedirects(t *testing.T) {
	trap, trapped := server(t, func(http.ResponseWriter, *http.Request) {})
	addr, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		to := func(status int, location string) {
			w.Header().Set("Location", location)
			w.WriteHeader(status)
		}
		switch r.URL.Path {
		case "/relative":
			to(302, "here?q=1")
		case "/same":
			to(301, "http://"+r.Host+"/here")
		case "/other-host":
			to(302, "http://"+trap+"/here")
		case "/protocol-relative":
			to(302, "//"+trap+"/here")
		case "/other-scheme":
			to(308, "https://"+r.Host+"/here")
		case "/file":
			to(302, "file:///etc/passwd")
		case "/garbage":
			to(302, "http://[::1/%zz")
		case "/nowhere":
			w.WriteHeader(302)
		case "/loop":
			to(307, "/loop")
		case "/choices":
			to(300, "/here")
		case "/302":
			to(302, "/here")
		case "/303":
			to(303, "/here")
		case "/307":
			to(307, "/here")
		case "/308":
			to(308, "/here")
		case "/here":
			body, _ := io.ReadAll(r.Body)
			io.WriteString(w, r.Method+" "+r.URL.RawQuery+" "+r.Host+" "+r.Header.Get("X-Token")+" "+string(body))
		}
	})
	post := func(uri string) HTTP { return HTTP{URI: uri, Method: "POST", Body: "ping"} }
	for _, tc := range []struct {
		name string
		h    HTTP
		kind Kind
		want string // of the body as the last request made it, or of the error
	}{
		{"relative", HTTP{URI: "/relative"}, "", "GET q=1 " + addr + " t "},
		{"relative with host", HTTP{URI: "/relative", Host: "app.test"}, "", "GET q=1 app.test t "},
		{"absolute", HTTP{URI: "/same", Host: "app.test"}, "", "GET  app.test t "},
		{"another host is asked for at the same address", HTTP{URI: "/other-host"}, "", "GET  " + trap + " t "},
		{"another host without scheme", HTTP{URI: "/protocol-relative"}, "", "GET  " + trap + " t "},
		{"another scheme", HTTP{URI: "/other-scheme"}, KindStatus, `status 308 with a redirect away from http://` + addr + `: "https://` + addr + `/here"`},
		{"no web address", HTTP{URI: "/file"}, KindStatus, "file:///etc/passwd"},
		{"garbage", HTTP{URI: "/garbage"}, KindStatus, "status 302 with a redirect away from"},
		{"no location", HTTP{URI: "/nowhere"}, KindStatus, "status 302, want 2xx"},
		{"loop", HTTP{URI: "/loop"}, KindStatus, "GET http://" + addr + "/loop: more than 5 redirects"},
		{"not a redirect", HTTP{URI: "/choices"}, KindStatus, "status 300, want 2xx"},
		{"302 of a POST", post("/302"), "", "GET  " + addr + " t "},
		{"303 of a POST", post("/303"), "", "GET  " + addr + " t "},
		{"307 of a POST", post("/307"), "", "POST  " + addr + " t ping"},
		{"308 of a POST", post("/308"), "", "POST  " + addr + " t ping"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.h.FollowRedirects = true
			tc.h.Header = http.Header{"X-Token": {"t"}}
			if tc.kind == "" {
				tc.h.Expect = regexp.MustCompile("^" + regexp.QuoteMeta(tc.want) + "$")
			}
			expect(t, checker(t, tc.h).Check(t.Context(), addr), tc.kind, tc.want)
		})
	}
	t.Run("HEAD stays HEAD", func(t *testing.T) {
		expect(t, checker(t, HTTP{Method: "HEAD", URI: "/303", FollowRedirects: true}).Check(t.Context(), addr), "")
	})
	if n := trapped.Load(); n != 0 {
		t.Errorf("%d connections went to another address", n)
	}
}
