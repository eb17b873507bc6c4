package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestControl(t *testing.T) {
	var told []string
	s := &stage{world: newTestWorld(t)}
	srv := httptest.NewServer(control{s, func(what string) { told = append(told, what) }})
	defer srv.Close()
	tests := []struct {
		name         string
		method, path string
		status       int
		body         string // a part of it
		told         bool
	}{
		{"drain", http.MethodPost, "/drain/web-1", 200, "tagged web-1 with Drain=yes", true},
		{"launch", http.MethodPost, "/launch", 200, "launched web-4", true},
		{"the API", http.MethodPost, "/api-down", 200, "the AWS API is down", true},
		{"the environment", http.MethodPost, "/env", 200, "export AWS_ENDPOINT_URL='" + s.world.server.URL() + "'", false},
		{"looking changes nothing", http.MethodGet, "/kill/web-1", 405, "POST", false},
		{"an unknown command", http.MethodPost, "/explode/web-1", 404, "explode", false},
		{"no load balancer", http.MethodPost, "/freeze", 400, "needs a load balancer", false},
		{"an unknown load balancer", http.MethodPost, "/freeze/web-1", 400, "no load balancer is called", false},
		{"the network", http.MethodPost, "/part", 200, "don't hear each other", true},
		{"an unknown instance", http.MethodPost, "/drain/web-99", 400, "no instance is called", false},
		{"no instance", http.MethodPost, "/drain", 400, "needs an instance", false},
		{"the root", http.MethodGet, "/", 404, "no such command", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			told = nil
			req := httptest.NewRequest(tt.method, tt.path, nil)
			rec := httptest.NewRecorder()
			srv.Config.Handler.ServeHTTP(rec, req)
			if rec.Code != tt.status || !strings.Contains(rec.Body.String(), tt.body) {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
			if (len(told) > 0) != tt.told {
				t.Errorf("told: %q", told)
			}
		})
	}
	if got := tags(t, s.world, "web-1"); got != "web/yes/running" {
		t.Errorf("web-1 is %s", got)
	}
}

func TestSend(t *testing.T) {
	s := &stage{world: newTestWorld(t)}
	srv := httptest.NewServer(control{s, func(string) {}})
	addr := strings.TrimPrefix(srv.URL, "http://")
	drain, _ := findCommand("drain")

	var out bytes.Buffer
	if err := send(t.Context(), addr, drain, "web-1", &out); err != nil || out.String() != "tagged web-1 with Drain=yes\n" {
		t.Errorf("%v, %q", err, out.String())
	}
	if err := send(t.Context(), addr, drain, "web 1?#", &out); err == nil || !strings.Contains(err.Error(), "no instance is called") {
		t.Errorf("%v", err)
	}
	srv.Close()
	if err := send(t.Context(), addr, drain, "web-1", &out); err == nil || !strings.Contains(err.Error(), "no quickstart runs at "+addr) {
		t.Errorf("%v", err)
	}
}

func TestControlEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := freePort("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	wait, err := serveControl(ctx, local(p), control{&stage{}, nil})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := serveControl(ctx, local(p), control{}); err == nil {
		t.Error("two serve at one address")
	}
	cancel()
	wait()
	if err := listenable(p, []string{"127.0.0.1"}); err != nil {
		t.Errorf("after its end: %v", err)
	}
}
