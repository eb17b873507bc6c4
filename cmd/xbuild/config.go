package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"

	"github.com/caddyserver/xcaddy"
)

// modulePath is the module that is built from the checkout.
const modulePath = "github.com/caddy-ec2/caddy-ec2"

// exactVersion matches a release, a pre-release or a pseudo-version in Go's canonical form. Branches, commits and "latest" are
// resolved by asking a server, so a build from them is neither reproducible nor possible without a network.
var exactVersion = regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+incompatible)?$`)

// loadConfig reads a file in the JSON form of xcaddy's Builder and checks what xcaddy does not: that no field is misspelled, that
// every version is exact, and that this module is part of the build and comes from the checkout.
func loadConfig(file string) (xcaddy.Builder, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return xcaddy.Builder{}, fmt.Errorf("no config file %s: name one with -config, or restore xcaddy.json (git checkout xcaddy.json)", file)
	}
	if err != nil {
		return xcaddy.Builder{}, fmt.Errorf("opening the config file: %w", err)
	}
	defer f.Close()
	b, err := decodeConfig(f)
	if err != nil {
		return xcaddy.Builder{}, fmt.Errorf("config file %s: %w", file, err)
	}
	return b, nil
}

// decodeConfig is loadConfig without the file.
func decodeConfig(r io.Reader) (xcaddy.Builder, error) {
	var b xcaddy.Builder
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		return b, fmt.Errorf("%w (the fields are those of xcaddy's Builder; see --help)", err)
	}
	if err := dec.Decode(new(json.RawMessage)); !errors.Is(err, io.EOF) {
		return b, errors.New("something follows the JSON object")
	}
	if !exactVersion.MatchString(b.CaddyVersion) {
		return b, fmt.Errorf("caddy_version is %q, want an exact version such as v2.11.9", b.CaddyVersion)
	}
	if b.SkipBuild || b.SkipCleanup {
		return b, errors.New("skip_build and skip_cleanup have no effect here: remove them")
	}
	own := false
	for _, p := range b.Plugins {
		switch {
		case p.PackagePath == "":
			return b, errors.New("a plugin has no module_path")
		case p.PackagePath == modulePath && p.Version != "":
			return b, fmt.Errorf("plugin %s has version %s: leave it out, the checkout is what is built", p.PackagePath, p.Version)
		case p.PackagePath == modulePath:
			own = true
		case !exactVersion.MatchString(p.Version):
			return b, fmt.Errorf("plugin %s has version %q, want an exact one such as v1.6.2", p.PackagePath, p.Version)
		}
	}
	if !own {
		return b, fmt.Errorf(`plugins lack {"module_path": %q}, so the binary would have nothing of this project`, modulePath)
	}
	for _, r := range b.Replacements {
		if r.Old.String() == modulePath {
			return b, fmt.Errorf("replacements name %s: remove it, the checkout replaces it already", modulePath)
		}
	}
	return b, nil
}
