package combinedlog

import (
	"net/http"
	"runtime/debug"
	"slices"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// usual is a request as browsers send it, and its fields.
func usual() (zapcore.Field, []zapcore.Field) {
	s := get()
	s.tls, s.proto, s.uri = true, "HTTP/2.0", "/articles/2026/11/some-words-about-something?page=2"
	s.header = http.Header{
		"Referer":         {"https://www.example.com/articles/2026/"},
		"User-Agent":      {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"},
		"Accept":          {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
		"Accept-Encoding": {"gzip, deflate, br, zstd"},
		"Accept-Language": {"en-US,en;q=0.9"},
		"Cookie":          {"session=0123456789abcdef"},
	}
	return s.request(), s.fields()
}

const (
	ours    = `{"format": "combined"}`
	withAll = `{"format": "combined", "fields": ["*"]}`
	masked  = `{"format": "filter", "fields": {"request>client_ip": {"filter": "ip_mask", "ipv4_cidr": 16}}, "wrap": `
)

var benchmarks = []struct{ name, config string }{
	{"combined", ours},
	{"combined_fields", withAll},
	{"json", `{"format": "json"}`},
	{"console", `{"format": "console"}`},
	{"filter_combined", masked + ours + `}`},
	{"filter_json", masked + `{"format": "json"}}`},
	{"filter_console", masked + `{"format": "console"}}`},
	{"filter_nothing", masked + `{"format": "nothing"}}`},
}

// BenchmarkLine is what a request costs: the clone that Caddy's server has zap make for the request, and the entry.
func BenchmarkLine(b *testing.B) {
	request, fields := usual()
	for _, bm := range benchmarks {
		b.Run(bm.name, func(b *testing.B) {
			enc := encoder(b, bm.config)
			ent := zapcore.Entry{Time: ended, LoggerName: "http.log.access.log0", Message: "handled request"}
			b.ReportAllocs()
			for b.Loop() {
				clone := enc.Clone()
				request.AddTo(clone)
				buf, err := clone.EncodeEntry(ent, fields)
				if err != nil {
					b.Fatal(err)
				}
				buf.Free()
			}
		})
	}
}

// BenchmarkEncodeEntry is ours without that clone.
func BenchmarkEncodeEntry(b *testing.B) {
	request, fields := usual()
	enc := encoder(b, ours).Clone()
	request.AddTo(enc)
	ent := zapcore.Entry{Time: ended, LoggerName: "http.log.access.log0", Message: "handled request"}
	b.ReportAllocs()
	for b.Loop() {
		buf, err := enc.EncodeEntry(ent, fields)
		if err != nil {
			b.Fatal(err)
		}
		buf.Free()
	}
}

// TestAllocations holds the encoder to one allocation for a request, beyond the clone.
func TestAllocations(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("with the race detector pools forget on purpose: the stage test of .ci/run counts without it")
	}
	request, fields := usual()
	fields = append(fields, zap.String("upstream", "10.0.0.1:80"), zap.Int("tries", 2))
	for _, config := range []string{ours, withAll, `{"format": "combined", "style": "vhost_combined", "fields": ["upstream", "duration"]}`} {
		enc := encoder(t, config).Clone()
		request.AddTo(enc)
		ent := zapcore.Entry{Time: ended, LoggerName: "http.log.access.log0", Message: "handled request"}
		allocs := testing.AllocsPerRun(1000, func() {
			buf, err := enc.EncodeEntry(ent, fields)
			if err != nil {
				t.Fatal(err)
			}
			buf.Free()
		})
		if allocs > 1 {
			t.Errorf("%s: %g allocations", config, allocs)
		}
	}
}
