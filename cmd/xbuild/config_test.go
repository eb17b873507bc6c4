package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestDecodeConfig(t *testing.T) {
	const own = `{"module_path": "github.com/caddy-ec2/caddy-ec2"}`
	tests := []struct {
		name string
		json string
		want string // part of the error; empty: no error
	}{
		{"least", `{"caddy_version": "v2.11.9", "plugins": [` + own + `]}`, ""},
		{"more", `{"caddy_version": "v2.12.0-beta.1", "os": "linux", "arch": "arm64", "cgo": true, "race_detector": true, "build_flags": "-x",
			"plugins": [` + own + `, {"module_path": "example.com/p", "version": "v0.0.0-20260102030405-abcdef012345"}],
			"replacements": [{"old": "example.com/p", "new": "/src/p"}]}`, ""},
		{"empty file", ``, "EOF"},
		{"not JSON", `caddy_version = 2`, "invalid character"},
		{"two objects", `{"caddy_version": "v2.11.9", "plugins": [` + own + `]} {}`, "follows"},
		{"unknown field", `{"version": "v2.11.9"}`, `unknown field "version"`},
		{"unknown field in a plugin", `{"caddy_version": "v2.11.9", "plugins": [{"path": "a"}]}`, `unknown field "path"`},
		{"no caddy version", `{"plugins": [` + own + `]}`, "caddy_version"},
		{"latest caddy", `{"caddy_version": "latest", "plugins": [` + own + `]}`, "exact"},
		{"half a version", `{"caddy_version": "v2.11", "plugins": [` + own + `]}`, "exact"},
		{"a version without its v", `{"caddy_version": "2.11.9", "plugins": [` + own + `]}`, "exact"},
		{"skipped build", `{"caddy_version": "v2.11.9", "skip_build": true, "plugins": [` + own + `]}`, "skip_build"},
		{"kept directory", `{"caddy_version": "v2.11.9", "skip_cleanup": true, "plugins": [` + own + `]}`, "skip_cleanup"},
		{"not this module", `{"caddy_version": "v2.11.9", "plugins": []}`, "github.com/caddy-ec2/caddy-ec2"},
		{"this module with a version", `{"caddy_version": "v2.11.9", "plugins": [{"module_path": "github.com/caddy-ec2/caddy-ec2", "version": "v1.0.0"}]}`, "leave it out"},
		{"this module replaced", `{"caddy_version": "v2.11.9", "plugins": [` + own + `], "replacements": [{"old": "github.com/caddy-ec2/caddy-ec2", "new": "/x"}]}`, "replaces it already"},
		{"plugin without path", `{"caddy_version": "v2.11.9", "plugins": [` + own + `, {"version": "v1.0.0"}]}`, "module_path"},
		{"plugin without version", `{"caddy_version": "v2.11.9", "plugins": [` + own + `, {"module_path": "example.com/p"}]}`, "example.com/p"},
		{"plugin from a branch", `{"caddy_version": "v2.11.9", "plugins": [` + own + `, {"module_path": "example.com/p", "version": "main"}]}`, "exact"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := decodeConfig(strings.NewReader(tt.json))
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got error %v, want none", err)
			case tt.want == "" && (b.CaddyVersion == "" || len(b.Plugins) == 0):
				t.Errorf("the Builder is incomplete: %+v", b)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}

// The tests of this module run against the versions in go.mod, so xcaddy.json must ship those, and the help must show them.
func TestConfigMatchesGoMod(t *testing.T) {
	b, err := loadConfig(filepath.Join("..", "..", "xcaddy.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"github.com/caddyserver/caddy/v2": b.CaddyVersion}
	for _, p := range b.Plugins {
		if p.PackagePath != modulePath {
			want[p.PackagePath] = p.Version
			wantAll(t, "the help", help, " --with "+p.String()+" ")
		}
	}
	wantAll(t, "the help", help, " xcaddy build "+b.CaddyVersion+" ")
	for path, version := range want {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}}", path).Output()
		if err != nil {
			t.Errorf("go list -m %s: %v", path, err)
		} else if got := strings.TrimSpace(string(out)); got != version {
			t.Errorf("%s is %s in xcaddy.json and %s in go.mod", path, version, got)
		}
	}
}
