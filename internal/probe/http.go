package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// DefaultMaxBody is how much of an answer is read if nothing else is set.
	DefaultMaxBody = 64 << 10

	userAgent       = "caddy-ec2-healthcheck/1"
	maxHeaderBytes  = 64 << 10
	idleConnTimeout = 90 * time.Second
	// bufferSize is for each direction of each kept-alive connection; a check is a few hundred bytes.
	bufferSize = 1 << 10
	// quotedBody is how much of an unexpected body an error shows.
	quotedBody = 80
)

// HTTP is an HTTP/1.1 request and what the answer must be. [HTTP.New] makes the checker.
//
// The dialled address is always the one that is checked: redirects, proxies from the environment and the Host header change
// nothing about it. Connections are kept alive, one per address; one that the server closed in between is replaced
// within the check and is no failure, whatever the method, since a check must be harmless to repeat anyway.
type HTTP struct {
	// Scheme is http (default) or https.
	Scheme string
	// URI is the path and query to ask for. Default: "/".
	URI string
	// Port is dialled in place of the address's own. Zero: the address's own.
	Port int
	// Method is the request method. Default: GET.
	Method string
	// Host is sent as Host header, and to https servers as SNI name, which the certificate must match. Default: the
	// address.
	Host string
	// Header is sent along. Names are canonicalized; Host in it means the same as the field Host. User-Agent is
	// "caddy-ec2-healthcheck/1" unless set here.
	Header http.Header
	// Body is sent with the request. Default: none.
	Body string
	// Status is the expected status. Zero: any 2xx.
	Status Status
	// Expect must match somewhere in the first MaxBody bytes of the body. Nil: any body will do, but all of it
	// (up to MaxBody) must arrive in time.
	Expect *regexp.Regexp
	// MaxBody bounds what is read of a body, in bytes. Zero: 64 KiB. The connection is not kept if a body is longer.
	MaxBody int64
	// FollowRedirects follows up to 5 redirects, all of them on the dialled address: the host in a redirect becomes the
	// Host header, and one to another scheme fails the check. False: a redirect is judged by its status.
	FollowRedirects bool
	// TLS is for https; it is copied. Its ServerName, if set, goes before Host. Nil: the system's certificate authorities.
	TLS *tls.Config
	// Timeout bounds a check as a whole: name resolution, connection, handshake, redirects and body.
	// Zero: [DefaultTimeout].
	Timeout time.Duration
}

// HTTPChecker checks addresses by HTTP. It owns its connections: Close it.
type HTTPChecker struct {
	request   *http.Request // copied for each check, never sent; its header is shared by all of them
	body      string
	port      string
	status    Status
	expect    *regexp.Regexp
	maxBody   int64
	follow    bool
	timeout   time.Duration
	tls       *tls.Config // nil for http
	dialer    net.Dialer
	transport *http.Transport
	buffers   sync.Pool // of *bytes.Buffer
}

// New checks the settings and makes a checker of them. Errors begin with the name of the setting, in lower case.
func (h HTTP) New() (*HTTPChecker, error) {
	h, err := h.normalize()
	if err != nil {
		return nil, err
	}
	c := &HTTPChecker{
		body:    h.Body,
		status:  h.Status,
		expect:  h.Expect,
		maxBody: h.MaxBody,
		follow:  h.FollowRedirects,
		timeout: h.Timeout,
		tls:     h.TLS,
		dialer:  net.Dialer{KeepAlive: -1}, // the checks themselves notice a dead connection
		buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}
	if h.Port != 0 {
		c.port = strconv.Itoa(h.Port)
	}
	if c.request, err = h.template(); err != nil {
		return nil, err
	}
	c.transport = &http.Transport{
		DialContext:            c.dial,
		DialTLSContext:         c.dialTLS,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        idleConnTimeout,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeaderBytes,
		ReadBufferSize:         bufferSize,
		WriteBufferSize:        bufferSize,
	}
	return c, nil
}

// Close closes the kept-alive connections. Checks that are running are not ended by it.
func (c *HTTPChecker) Close() { c.transport.CloseIdleConnections() }

// Check sends the request to addr and judges the answer.
func (c *HTTPChecker) Check(parent context.Context, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return &Failure{Kind: KindOther, Doing: "check " + clip(addr, 200), Detail: "not a host and port to dial", Err: err}
	}
	if c.port != "" {
		addr = net.JoinHostPort(host, c.port)
	}
	ctx, cancel := context.WithTimeout(parent, c.timeout)
	defer cancel()
	a := &attempt{ctx: ctx, addr: addr}
	resp, err := c.exchange(context.WithValue(ctx, attemptKey{}, a), addr)
	if err == nil {
		err = c.judge(resp)
	}
	if err == nil {
		return nil
	}
	doing := c.doing(addr)
	var failure *Failure
	if errors.As(err, &failure) {
		failure.Doing = doing
		return failure
	}
	if a.connecting() {
		doing = "connect " + addr
	}
	return newFailure(parent, doing, c.timeout, err)
}

// doing names the check for an error. The query is left out, it may hold a token.
func (c *HTTPChecker) doing(addr string) string {
	s := c.request.Method + " " + c.request.URL.Scheme + "://" + clip(addr, 200) + clip(c.request.URL.EscapedPath(), 200)
	if c.request.Host != "" && c.request.Host != addr {
		s += " as " + c.request.Host
	}
	return s
}

// exchange sends the request, and those that redirects ask for.
func (c *HTTPChecker) exchange(ctx context.Context, addr string) (*http.Response, error) {
	req := c.request.WithContext(ctx)
	u := *c.request.URL
	u.Host = addr
	req.URL = &u
	if c.body != "" {
		req.ContentLength = int64(len(c.body))
		req.Body, _ = c.newBody()
		req.GetBody = c.newBody
	}
	for hops := 0; ; hops++ {
		resp, err := c.transport.RoundTrip(req)
		if err != nil || !c.follow || !isRedirect(resp.StatusCode) || resp.Header.Get("Location") == "" {
			return resp, err
		}
		location := resp.Header.Get("Location")
		_ = c.discard(resp) // for the connection's sake; the redirect counts
		if hops == maxRedirects {
			return nil, &Failure{Kind: KindStatus, Detail: "more than " + strconv.Itoa(maxRedirects) + " redirects"}
		}
		if req, err = redirected(req, resp.StatusCode, location); err != nil {
			return nil, err
		}
	}
}

func (c *HTTPChecker) newBody() (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(c.body)), nil
}

// judge compares the answer with what is expected, and leaves the connection fit for the next check if it can.
func (c *HTTPChecker) judge(resp *http.Response) error {
	if !c.status.matches(resp.StatusCode) {
		_ = c.discard(resp) // for the connection's sake; the status has decided
		return &Failure{Kind: KindStatus, Detail: "status " + strconv.Itoa(resp.StatusCode) + ", want " + c.status.String()}
	}
	if c.expect == nil {
		return c.discard(resp)
	}
	defer resp.Body.Close()
	buf := c.buffers.Get().(*bytes.Buffer)
	defer c.buffers.Put(buf)
	buf.Reset()
	// One byte more than is looked at, so that the end of a body of just that length is seen.
	if _, err := buf.ReadFrom(io.LimitReader(resp.Body, c.maxBody+1)); err != nil {
		return err
	}
	body := buf.Bytes()[:min(int64(buf.Len()), c.maxBody)]
	if !c.expect.Match(body) {
		return &Failure{Kind: KindBody, Detail: "body " + quote(body) + " does not match " + clip(c.expect.String(), 80)}
	}
	return nil
}

// discard reads the body to its end, up to the bound, so that the connection can be used again.
func (c *HTTPChecker) discard(resp *http.Response) error {
	defer resp.Body.Close()
	_, err := io.Copy(io.Discard, io.LimitReader(resp.Body, c.maxBody+1))
	return err
}

func quote(body []byte) string {
	if len(body) > quotedBody {
		return strconv.Quote(string(body[:quotedBody])) + "…"
	}
	return strconv.Quote(string(body))
}

var _ Checker = (*HTTPChecker)(nil)
