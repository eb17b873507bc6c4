package combinedlog

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap/zapcore"
)

func init() {
	caddy.RegisterModule(new(Encoder))
}

// Encoder writes access logs in the formats of Apache httpd. Entries that are no request become lines like those of its error
// log. It can be wrapped by `filter` and `append`.
type Encoder struct {
	zapcore.Encoder `json:"-"`

	// What a line consists of: `combined`, `vhost_combined`, which begins with the host and port that the client asked for, or
	// `common`, which ends before the Referer and User-Agent headers. Default: `combined`.
	Style string `json:"style,omitempty"`
	// The time zone of times: `utc`, in which the logs of several nodes can be merged, or `local`, that of the machine, which is
	// what httpd uses. Default: `utc`.
	TimeZone string `json:"time_zone,omitempty"`
	// Whose address a line begins with: `client`, the one that Caddy believes to be the client's (with `trusted_proxies` it is
	// taken from a header), or `remote`, the other end of the connection. They are equal without a proxy in front. A filter has to
	// mask the one that is written, `request>client_ip` or `request>remote_ip`. Default: `client`.
	ClientIP string `json:"client_ip,omitempty"`
	// What follows the line as ` name="value"`, escaped like headers. Either names, in this order: a field of the `log_append`
	// directive or the `append` format, or Caddy's own `duration` (in seconds), `bytes_read` (of the request's body), `size`,
	// `status`, `user_id`, `write_error`, or `resp_headers>` with the name of a header; one that an entry lacks is written as -.
	// Or `*` alone: all fields that are not Caddy's own, in the order in which they were added; then lines differ in length.
	// Most readers ignore what follows a line that they know. Default: none.
	Fields []string `json:"fields,omitempty"`
	// The most bytes that a line may have, its end included, 1024 to 1048576. In a line that would have more, the longest texts
	// are cut, never within an escape, and if that is not enough, the last fields are left out. A client can make a line of some
	// 80,000 bytes, more with a larger `max_header_size`, and GoAccess, as Debian has it, takes one of more than 4096 for several.
	// Default: 0, no limit.
	MaxLine int `json:"max_line,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*Encoder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.logging.encoders.combined",
		New: func() caddy.Module { return new(Encoder) },
	}
}

// Provision checks the configuration and makes the encoder ready.
func (e *Encoder) Provision(caddy.Context) error {
	s, err := e.settings()
	if err != nil {
		return fmt.Errorf("format combined: %w", err)
	}
	e.Encoder = &entry{settings: s}
	return nil
}

// settings are what the configuration means.
type settings struct {
	vhost   bool // the line begins with the virtual host
	headers bool // the line ends with the Referer and User-Agent headers
	local   bool // times are in the machine's time zone
	remote  bool // the address is the socket's
	all     bool // all fields that are not Caddy's own follow
	names   []string
	most    int // bytes of a line; 0 for no limit
}

func (e *Encoder) settings() (*settings, error) {
	s := &settings{headers: true, names: e.Fields, most: e.MaxLine}
	switch e.Style {
	case "", "combined":
	case "vhost_combined":
		s.vhost = true
	case "common":
		s.headers = false
	default:
		return nil, fmt.Errorf("style: %q is not combined, vhost_combined or common", e.Style)
	}
	switch e.TimeZone {
	case "", "utc":
	case "local":
		s.local = true
	default:
		return nil, fmt.Errorf("time_zone: %q is not utc or local", e.TimeZone)
	}
	switch e.ClientIP {
	case "", "client":
	case "remote":
		s.remote = true
	default:
		return nil, fmt.Errorf("client_ip: %q is not client or remote", e.ClientIP)
	}
	if e.MaxLine != 0 && (e.MaxLine < 1<<10 || e.MaxLine > 1<<20) {
		return nil, fmt.Errorf("max_line: %d is not between 1024 and 1048576", e.MaxLine)
	}
	for i, name := range e.Fields {
		switch {
		case name == "":
			return nil, errors.New("fields: a name is empty")
		case name == "*" && len(e.Fields) > 1:
			return nil, errors.New("fields: * stands for all, so it must stand alone")
		case name == "request" || strings.HasPrefix(name, "request>"):
			return nil, fmt.Errorf("fields: %s is not a field of its own; use log_append with a placeholder, such as {tls_version}", name)
		case name == "resp_headers":
			return nil, errors.New("fields: resp_headers are many; name one, such as resp_headers>Content-Type")
		case slices.Contains(e.Fields[:i], name):
			return nil, fmt.Errorf("fields: %s is given twice; remove one of them", name)
		}
	}
	if slices.Contains(e.Fields, "*") {
		s.all, s.names = true, nil
	}
	return s, nil
}

// own reports whether a field is one that Caddy's server adds to each request.
func own(key string) bool {
	switch key {
	case "request", "bytes_read", "user_id", "duration", "size", "status", "resp_headers", "write_error":
		return true
	}
	return false
}

// needs reports whether a field of a request can make a difference to its line.
func (s *settings) needs(key string) bool {
	switch key {
	case "request", "user_id", "duration", "size", "status":
		return true
	}
	return s.all && !own(key) || s.named(key)
}

// named reports whether a field, or one inside of it, was asked for by its name.
func (s *settings) named(key string) bool {
	for _, name := range s.names {
		if rest, ok := strings.CutPrefix(name, key); ok && (rest == "" || rest[0] == '>') {
			return true
		}
	}
	return false
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Encoder)(nil)
	_ caddyfile.Unmarshaler = (*Encoder)(nil)
	_ zapcore.Encoder       = (*Encoder)(nil)
	_ zapcore.Encoder       = (*entry)(nil)
)
