package main

import (
	"errors"
	"flag"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	const none = "" // no CADDY_BIN
	type want struct {
		Caddy, Command, Instance string
		Story                    bool
		Parts                    []string
	}
	tests := []struct {
		name string
		args []string
		bin  string // CADDY_BIN
		want want
		err  string // a part of it
	}{
		{"the show", nil, none, want{}, ""},
		{"the binary of the environment", nil, "/opt/caddy", want{Caddy: "/opt/caddy"}, ""},
		{"the flag wins", []string{"-caddy", "./caddy"}, "/opt/caddy", want{Caddy: "./caddy"}, ""},
		{"the whole story", []string{"story"}, none, want{Story: true, Parts: []string{}}, ""},
		{"a part of it", []string{"story", "fleet"}, none, want{Story: true, Parts: []string{"fleet"}}, ""},
		{"a flag behind", []string{"story", "--caddy=./caddy", "fleet"}, none, want{Caddy: "./caddy", Story: true, Parts: []string{"fleet"}}, ""},
		{"an unknown part", []string{"story", "fleets"}, none, want{}, `no part of the story is called "fleets"`},
		{"a command", []string{"drain", "web-1"}, none, want{Command: "drain", Instance: "web-1"}, ""},
		{"a command without an instance", []string{"api-down"}, none, want{Command: "api-down"}, ""},
		{"an instance that may be left out", []string{"launch"}, none, want{Command: "launch"}, ""},
		{"an instance is missing", []string{"drain"}, none, want{}, "drain needs an instance"},
		{"an instance too many", []string{"api-up", "web-1"}, none, want{}, "api-up takes no instance"},
		{"two instances", []string{"kill", "web-1", "web-2"}, none, want{}, "kill takes one instance at a time"},
		{"an unknown command", []string{"drian", "web-1"}, none, want{}, `no command is called "drian"`},
		{"an unknown flag", []string{"-fast"}, none, want{}, "-fast"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := parse(tt.args, func(string) string { return tt.bin })
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got error %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := want{a.caddy, a.command.name, a.instance, a.story, a.parts}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"-h"}, {"--help"}, {"help"}, {"story", "-help"}} {
		if _, err := parse(args, func(string) string { return "" }); !errors.Is(err, flag.ErrHelp) {
			t.Errorf("%v: %v", args, err)
		}
	}
	text := usage()
	for _, c := range commands() {
		if !strings.Contains(text, "\n  "+c.name+" ") || !strings.Contains(text, c.about) {
			t.Errorf("the help lacks the command %s", c.name)
		}
	}
	for _, p := range parts() {
		if !strings.Contains(text, "\n  "+p.name+" ") {
			t.Errorf("the help lacks the part %s", p.name)
		}
	}
}
