package probe

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// normalize fills in the defaults and refuses what cannot work.
func (h HTTP) normalize() (HTTP, error) {
	switch h.Scheme {
	case "":
		h.Scheme = "http"
	case "http", "https":
	default:
		return h, fmt.Errorf("scheme: %q is neither http nor https", h.Scheme)
	}
	if h.Scheme == "http" && h.TLS != nil {
		return h, errors.New("tls: it needs the scheme https")
	}
	if h.Port < 0 || h.Port > 65535 {
		return h, fmt.Errorf("port: %d is not between 1 and 65535", h.Port)
	}
	if h.Method == "" {
		h.Method = http.MethodGet
	}
	if !isToken(h.Method) || h.Method != strings.ToUpper(h.Method) || h.Method == http.MethodConnect {
		return h, fmt.Errorf("method: %q is not a method to check with, such as GET or HEAD", h.Method)
	}
	if h.Method == http.MethodHead && (h.Expect != nil || h.Body != "") {
		return h, errors.New("method: HEAD has no body, neither to send nor to expect")
	}
	if !h.Status.valid() {
		return h, fmt.Errorf("status: %d is neither a code (200 to 599) nor a class (2 to 5)", int(h.Status))
	}
	if h.FollowRedirects && (h.Status == 3 || h.Status/100 == 3) {
		return h, fmt.Errorf("status: %s is never seen when redirects are followed", h.Status)
	}
	if h.MaxBody < 0 {
		return h, fmt.Errorf("max_body: %d is negative", h.MaxBody)
	}
	if h.MaxBody == 0 {
		h.MaxBody = DefaultMaxBody
	}
	if h.Timeout < 0 {
		return h, fmt.Errorf("timeout: %s is negative", h.Timeout)
	}
	if h.Timeout == 0 {
		h.Timeout = DefaultTimeout
	}
	var err error
	if h.Header, h.Host, err = header(h.Header, h.Host); err != nil {
		return h, err
	}
	if h.Scheme == "https" {
		h.TLS = tlsConfig(h.TLS, h.Host)
	}
	return h, nil
}

// header canonicalizes the names, and takes the host out.
func header(given http.Header, host string) (http.Header, string, error) {
	out := make(http.Header, len(given)+2)
	for name, values := range given {
		if !isToken(name) {
			return nil, "", fmt.Errorf("header: %q cannot be the name of a header", name)
		}
		for _, v := range values {
			if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				return nil, "", fmt.Errorf("header: the value of %s has a control character", name)
			}
		}
		switch canonical := textproto.CanonicalMIMEHeaderKey(name); canonical {
		case "Content-Length", "Transfer-Encoding", "Trailer", "Upgrade":
			return nil, "", fmt.Errorf("header: %s is not for settings, it follows from the request", canonical)
		case "Host":
			if len(values) != 1 || host != "" && host != values[0] {
				return nil, "", errors.New("header: Host is given more than once")
			}
			host = values[0]
		default:
			out[canonical] = append(out[canonical], values...)
		}
	}
	if host != "" && !isHost(host) {
		return nil, "", fmt.Errorf("host: %q is not a host name or address, with or without port", host)
	}
	if _, ok := out["User-Agent"]; !ok {
		out.Set("User-Agent", userAgent)
	}
	// The transport repeats a request on a new connection when a kept-alive one turns out to be closed, but only
	// one that is safe to repeat: GET and HEAD, and by this (never sent, having no value) all others.
	if _, ok := out["Idempotency-Key"]; !ok {
		out["Idempotency-Key"] = nil
	}
	return out, host, nil
}

func tlsConfig(given *tls.Config, host string) *tls.Config {
	cfg := given.Clone()
	if cfg == nil {
		cfg = new(tls.Config)
	}
	if cfg.ServerName == "" {
		cfg.ServerName = hostOnly(host)
	}
	cfg.NextProtos = []string{"http/1.1"}
	return cfg
}

// template is the request without address and body.
func (h HTTP) template() (*http.Request, error) {
	uri := h.URI
	if uri == "" {
		uri = "/"
	}
	u, err := url.ParseRequestURI(uri)
	if err != nil || !strings.HasPrefix(uri, "/") || strings.HasPrefix(uri, "//") || strings.Contains(uri, "#") {
		return nil, fmt.Errorf("uri: %q is not a path (and query) that begins with one slash", uri)
	}
	u.Scheme = h.Scheme
	return &http.Request{Method: h.Method, URL: u, Host: h.Host, Header: h.Header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}, nil
}

// isToken reports whether s can name a header or a method (RFC 9110, 5.6.2).
func isToken(s string) bool {
	return s != "" && strings.Trim(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// isHost reports whether s can stand in a Host header: that is, alone between the slashes of a URL.
func isHost(s string) bool {
	u, err := url.Parse("http://" + s + "/")
	return err == nil && u.Host == s && u.Hostname() != "" && u.User == nil
}

func hostOnly(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return strings.Trim(hostport, "[]")
}
