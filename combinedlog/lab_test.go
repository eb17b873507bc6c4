package combinedlog

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func TestMain(m *testing.M) {
	time.Local = time.FixedZone("", -(9*3600 + 1800)) // before anything reads it, and where no machine is
	goleak.VerifyTestMain(m,
		// Caddy and its libraries start these once per process and never end them.
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
		goleak.IgnoreAnyFunction("github.com/DeRuina/timberjack.(*Logger).millRun"),
	)
}

// encoder returns the encoder of a configuration in JSON: ours, or another of Caddy's around it.
func encoder(tb testing.TB, config string) zapcore.Encoder {
	tb.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	tb.Cleanup(cancel)
	var log caddy.BaseLog
	log.EncoderRaw = json.RawMessage(config)
	mod, err := ctx.LoadModule(&log, "EncoderRaw")
	if err != nil {
		tb.Fatal(err)
	}
	return mod.(zapcore.Encoder)
}

// output is where a logger of these tests writes.
type output struct{ bytes.Buffer }

func (*output) Sync() error { return nil }

// took is how long the requests of these tests took, and ended when they ended.
const took = 1500 * time.Millisecond

var ended = time.Date(2026, 11, 21, 16, 33, 46, 123456789, time.UTC)

type fixedClock struct{}

func (fixedClock) Now() time.Time                       { return ended }
func (fixedClock) NewTicker(time.Duration) *time.Ticker { panic("no ticker is needed") }

// logger returns a logger for an encoder, and what it writes.
func logger(enc zapcore.Encoder) (*zap.Logger, *output) {
	out := new(output)
	return zap.New(zapcore.NewCore(enc, out, zapcore.DebugLevel), zap.WithClock(fixedClock{})), out
}

// served is a request and how it was answered.
type served struct {
	method, uri, proto, host string
	remote, client           string // address with port; address
	user                     string
	header                   http.Header
	tls                      bool
	status, size             int
	took                     time.Duration
	more                     []zapcore.Field
}

// get is a usual request.
func get() served {
	return served{
		method: "GET", uri: "/a?b", proto: "HTTP/1.1", host: "www.example.com",
		remote: "192.0.2.7:4711", client: "192.0.2.7",
		header: http.Header{"Referer": {"https://example.com/"}, "User-Agent": {"Mozilla/5.0"}, "Cookie": {"a=b"}},
		status: 200, size: 2326, took: took,
	}
}

// request is the field that Caddy's server gives to the logger.
func (s served) request() zapcore.Field {
	r := &http.Request{Method: s.method, RequestURI: s.uri, Proto: s.proto, Host: s.host, RemoteAddr: s.remote, Header: s.header}
	if s.tls {
		r.TLS = &tls.ConnectionState{ServerName: "www.example.com"}
	}
	ctx := context.WithValue(context.Background(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: s.client})
	return zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: r.WithContext(ctx)})
}

// fields are those that Caddy's server gives to the entry.
func (s served) fields() []zapcore.Field {
	return append([]zapcore.Field{
		zap.Int("bytes_read", 12), zap.String("user_id", s.user), zap.Duration("duration", s.took), zap.Int("size", s.size), zap.Int("status", s.status),
		zap.Object("resp_headers", caddyhttp.LoggableHTTPHeader{Header: http.Header{"Content-Type": {"text/html"}, "Set-Cookie": {"secret=1"}}}),
	}, s.more...)
}

// line returns what an encoder makes of a request, by the way it goes in Caddy's server.
func (s served) line(enc zapcore.Encoder) string {
	log, out := logger(enc)
	log.Named("http.log.access").Named("log0").WithLazy(s.request()).Info("handled request", s.fields()...)
	return out.String()
}
