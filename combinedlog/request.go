package combinedlog

import (
	"net"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap/zapcore"
)

// part adds a field of a request.
func (e *entry) part(key, value string) {
	switch key {
	case "remote_ip":
		e.remoteIP = value
	case "client_ip":
		e.clientIP = value
		e.has |= hasClientIP
	case "proto":
		e.proto = value
	case "method":
		e.method = value
	case "host":
		e.host = value
	case "uri":
		e.uri = value
	}
}

// object adds an object of a request.
func (e *entry) object(key string, object zapcore.ObjectMarshaler) error {
	switch key {
	case "headers":
		return e.inside(inHeaders, "", object)
	case "tls":
		e.has |= hasTLS
	}
	return nil
}

// isHeader reports whether a header of a request is part of its line.
func isHeader(key string) bool { return key == "Referer" || key == "User-Agent" }

// header adds a header of a request.
func (e *entry) header(key string, values []string) {
	switch key {
	case "Referer":
		e.referer = values
	case "User-Agent":
		e.agent = values
	}
}

// resolve takes from a request that came as it is what it would have added field by field.
func (e *entry) resolve() {
	r := e.req
	if r == nil {
		return
	}
	e.has |= hasRequest
	e.remoteIP = r.RemoteAddr
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		e.remoteIP = host
	}
	if ip, ok := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string); ok {
		e.clientIP = ip
		e.has |= hasClientIP
	}
	e.proto, e.method, e.host, e.uri = r.Proto, r.Method, r.Host, r.RequestURI
	e.referer, e.agent = r.Header["Referer"], r.Header["User-Agent"]
	if r.TLS != nil {
		e.has |= hasTLS
	}
}

// address is the one that the line shows. Caddy knows no client address where the socket has none, as with a Unix socket; then it
// is whatever the socket has. One that a filter has taken away is not made up for by the other.
func (e *entry) address() string {
	if e.remote || e.has&hasClientIP != 0 && e.clientIP == "" {
		return e.remoteIP
	}
	return e.clientIP
}
