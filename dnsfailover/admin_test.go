package dnsfailover

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// wantAPIError compares an error's status and a part of its text.
func wantAPIError(t *testing.T, err error, status int, part string) {
	t.Helper()
	var api caddy.APIError
	if !errors.As(err, &api) || api.HTTPStatus != status || !strings.Contains(api.Error(), part) {
		t.Errorf("the error is %d, %v, want %d and %q", api.HTTPStatus, err, status, part)
	}
}

func TestReadOrder(t *testing.T) {
	const form, object = "application/x-www-form-urlencoded", "application/json; charset=utf-8"
	for _, tc := range []struct {
		name, query, media, body string
		service, reason          string
		err                      string
	}{
		{name: "nothing", reason: noReason},
		{name: "the query", query: "?service=www&reason=on+a+whim", service: "www", reason: "on a whim"},
		{name: "a form", media: form, body: "service=www&reason=%20maintenance", service: "www", reason: "maintenance"},
		{name: "JSON", media: object, body: `{"service": "www", "reason": "maintenance"}`, service: "www", reason: "maintenance"},
		{name: "both", query: "?service=www", media: object, body: `{"reason": "maintenance"}`, service: "www", reason: "maintenance"},
		{name: "twice", query: "?service=www", media: form, body: "service=api", err: "service is given twice"},
		{name: "twice in the query", query: "?reason=a&reason=b", err: "reason is given twice"},
		{name: "another field", query: "?Service=www", err: `there is no field "Service", only service and reason`},
		{name: "no texts", media: object, body: `{"service": 1}`, err: "not a JSON object of texts"},
		{name: "a list", media: object, body: `[]`, err: "not a JSON object of texts"},
		{name: "a broken form", media: form, body: "%zz", err: "its form"},
		{name: "something else", media: "multipart/form-data; boundary=x", body: "--x", err: "curl -d service=www"},
		{name: "no media type", body: "service=www", err: "neither a form nor JSON"},
		{name: "a broken media type", media: "/", err: "Content-Type"},
		{name: "more than a line", media: object, body: `{"reason": "a\nb"}`, err: "one line"},
		{name: "a novel", media: form, body: "reason=" + strings.Repeat("a", maxReason+1), err: "256 bytes"},
		{name: "more than that", media: form, body: strings.Repeat("a", maxOrder+1), err: "too large"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/dnsfailover/pause"+tc.query, strings.NewReader(tc.body))
		if tc.media != "" {
			r.Header.Set("Content-Type", tc.media)
		}
		service, reason, err := readOrder(httptest.NewRecorder(), r)
		switch {
		case tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)):
			t.Errorf("%s: the error is %v, want %q", tc.name, err, tc.err)
		case tc.err == "" && (err != nil || service != tc.service || reason != tc.reason):
			t.Errorf("%s: %q, %q, %v", tc.name, service, reason, err)
		}
	}
}

func TestPickService(t *testing.T) {
	status := func(names ...string) *Status {
		s := &Status{Node: "lb1"}
		for _, n := range names {
			s.Services = append(s.Services, StatusService{Name: n})
		}
		return s
	}
	for _, tc := range []struct {
		status *Status
		name   string
		want   string
		code   int
		part   string
	}{
		{status: status("www"), want: "www"},
		{status: status("www", "api"), name: "api", want: "api"},
		{status: status("www", "api"), code: http.StatusBadRequest, part: "which service? say service=NAME, there are: www, api"},
		{status: status("www"), name: "wwww", code: http.StatusNotFound, part: `no service "wwww" here, only: www`},
		{status: status(), code: http.StatusNotFound, part: "only names of its own"},
		{status: &Status{}, code: http.StatusConflict, part: "it has just begun"},
		{status: &Status{Problems: []StatusProblem{{About: "dns", Error: "set a region"}}}, name: "www", code: http.StatusConflict, part: "dns: set a region"},
	} {
		c, err := tc.status.pick(tc.name)
		switch {
		case tc.code != 0:
			wantAPIError(t, err, tc.code, tc.part)
		case err != nil || c.Name != tc.want:
			t.Errorf("%q gives %v, %v", tc.name, c, err)
		}
	}
}

func TestOrdersThatMakeNoSense(t *testing.T) {
	s := viewPair(t).status()
	www, api := &s.Services[0], &s.Services[1]
	for _, o := range []engine.Order{engine.Takeover, engine.Pause, engine.Resume} {
		if err := s.allows(o, www); err != nil {
			t.Error(err)
		}
	}
	if err := s.allows(engine.Release, api); err != nil {
		t.Error(err)
	}
	wantAPIError(t, s.allows(engine.Release, www), http.StatusConflict, "lb2 does: release it there, or take it over here")
	www.Holder = ""
	wantAPIError(t, s.allows(engine.Release, www), http.StatusConflict, "nothing to release")
	s.Leaving = true
	wantAPIError(t, s.allows(engine.Takeover, www), http.StatusConflict, "this node is leaving")
}

func TestAdminMethods(t *testing.T) {
	for _, route := range (Admin{}).Routes() {
		method := http.MethodPost
		if route.Pattern != "/dnsfailover/status" {
			method = http.MethodGet
		}
		w := httptest.NewRecorder()
		err := route.Handler.ServeHTTP(w, httptest.NewRequest(method, route.Pattern, nil))
		wantAPIError(t, err, http.StatusMethodNotAllowed, "method "+method+" is not allowed here")
		if allow := w.Header().Get("Allow"); allow == "" || allow == method {
			t.Errorf("%s allows %q", route.Pattern, allow)
		}
	}
}
