package combinedlog

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// TestOther says what becomes of entries that are no request.
func TestOther(t *testing.T) {
	tests := []struct {
		name string
		log  func(*zap.Logger)
		want string
	}{
		{"no name and no fields", func(l *zap.Logger) { l.Info("serving") },
			`[Sat Nov 21 16:33:46.123456 2026] [-:info] serving`},
		{"a hostile message", func(l *zap.Logger) { l.Named("tls").Warn("a \"b\" c=\"d\"\nnext") },
			`[Sat Nov 21 16:33:46.123456 2026] [tls:warn] a \"b\" c=\"d\"\nnext`},
		{"no message", func(l *zap.Logger) { l.Debug("") },
			`[Sat Nov 21 16:33:46.123456 2026] [-:debug] -`},
		{"an error of a request", func(l *zap.Logger) {
			s := get()
			s.host = "a\nb"
			l.Named("http.log.error").WithLazy(s.request()).With(zap.Duration("duration", took)).
				Error("dial tcp: refused", zap.Int("status", 502), zap.String("err_id", "x"), zap.String("err_trace", "reverseproxy.go:1"))
		}, `[Sat Nov 21 16:33:46.123456 2026] [http.log.error:error] [client 192.0.2.7] dial tcp: refused` +
			` request="GET /a?b HTTP/1.1" request>host="a\nb" status="502" duration="1.5" err_id="x" err_trace="reverseproxy.go:1"`},
		{"an error about an error", func(l *zap.Logger) {
			l.Error("error handling handler error", zap.String("error", "x"), zap.Namespace("first_error"), zap.String("msg", "y"), zap.Int("status", 500), zap.Error(errors.New("z")))
		}, `[Sat Nov 21 16:33:46.123456 2026] [-:error] error handling handler error error="x" first_error>msg="y" first_error>status="500" first_error>error="z"`},
		{"a note of the access log that is no request", func(l *zap.Logger) {
			l.Named("http.log.access").Debug("rejecting request with long method", zap.String("method_trunc", "AAA"), zap.String("remote_addr", "192.0.2.7:1"))
		}, `[Sat Nov 21 16:33:46.123456 2026] [http.log.access:debug] rejecting request with long method method_trunc="AAA" remote_addr="192.0.2.7:1"`},
		{"another logger with a name like it", func(l *zap.Logger) { l.Named("http.log.accessory").Info("x", zap.Int("status", 1)) },
			`[Sat Nov 21 16:33:46.123456 2026] [http.log.accessory:info] x status="1"`},
		{"a name that is no name", func(l *zap.Logger) { l.Named("a] [b\n").Info("x") },
			`[Sat Nov 21 16:33:46.123456 2026] [a\x5d\x20\x5bb\n:info] x`},
		{"a caller and a stack", func(l *zap.Logger) {
			core := l.Core()
			core.Write(zapcore.Entry{Time: ended, Message: "x", Stack: "a\n\tb", Caller: zapcore.EntryCaller{Defined: true, File: "/go/src/p/f.go", Line: 7}}, nil)
		}, `[Sat Nov 21 16:33:46.123456 2026] [-:info] x caller="p/f.go:7" stacktrace="a\n\tb"`},
		{"every type", func(l *zap.Logger) {
			l.Info("x", zap.Bool("bool", true), zap.Binary("binary", []byte{0, 255}), zap.ByteString("bytes", []byte("\"")), zap.Complex128("c128", 1+2i),
				zap.Complex64("c64", 1-2i), zap.Float64("f64", math.Inf(-1)), zap.Float32("f32", 0.1), zap.Int("int", -1), zap.Int64("i64", math.MinInt64), zap.Int32("i32", 3),
				zap.Int16("i16", 4), zap.Int8("i8", 5), zap.Uint("uint", 6), zap.Uint64("u64", math.MaxUint64), zap.Uint32("u32", 8), zap.Uint16("u16", 9), zap.Uint8("u8", 10),
				zap.Uintptr("ptr", 11), zap.Duration("d", -time.Millisecond), zap.Time("t", ended.In(time.FixedZone("", 3600))), zap.Stringer("s", time.Second),
				zap.Skip(), zap.Any("nil", nil), zap.Any("map", map[string]string{"<k>": "v\n"}), zap.Ints("ints", []int{1, 2}), zap.Strings("none", nil))
		}, `[Sat Nov 21 16:33:46.123456 2026] [-:info] x bool="true" binary="AP8=" bytes="\"" c128="(1+2i)" c64="(1-2i)" f64="-Inf" f32="0.1" int="-1" i64="-9223372036854775808"` +
			` i32="3" i16="4" i8="5" uint="6" u64="18446744073709551615" u32="8" u16="9" u8="10" ptr="11" d="-0.001" t="2026-11-21T16:33:46.123456789Z" s="1s"` +
			` nil="-" map="{\"<k>\":\"v\\n\"}" ints="[1,2]" none=""`},
		{"objects", func(l *zap.Logger) {
			inner := zapcore.ObjectMarshalerFunc(func(enc zapcore.ObjectEncoder) error {
				enc.AddInt("status", 7)
				enc.OpenNamespace("n")
				enc.AddString("user_id", "x")
				return nil
			})
			l.Info("x", zap.Object("o", zapcore.ObjectMarshalerFunc(func(enc zapcore.ObjectEncoder) error {
				enc.AddString("a", "b")
				return enc.AddObject("i", inner)
			})), zap.Inline(inner), zap.String("after", "y"), zap.Objects("list", []zapcore.ObjectMarshaler{inner}))
		}, `[Sat Nov 21 16:33:46.123456 2026] [-:info] x status="7" o>a="b" o>i>status="7" o>i>n>user_id="x" n>user_id="x" n>after="y" n>list="[{\"n\":{\"user_id\":\"x\"},\"status\":7}]"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, config := range []string{`{"format": "combined"}`, `{"format": "append", "wrap": {"format": "combined"}}`, `{"format": "filter", "wrap": {"format": "combined"}}`} {
				log, out := logger(encoder(t, config))
				tt.log(log)
				if got := out.String(); got != tt.want+"\n" {
					t.Errorf("%s\ngot  %swant %s", config, got, tt.want)
				}
			}
		})
	}
}

// faulty fails in every way that a field can.
type faulty struct{ how string }

func (f faulty) fail() error {
	if f.how == "panic" {
		panic(errors.New("a \"fault\"\n"))
	}
	return errors.New("a fault")
}
func (f faulty) MarshalLogObject(zapcore.ObjectEncoder) error { return f.fail() }
func (f faulty) MarshalLogArray(zapcore.ArrayEncoder) error   { return f.fail() }
func (f faulty) MarshalJSON() ([]byte, error)                 { return nil, f.fail() }
func (f faulty) String() string                               { panic(f.how) }

// TestFaults shows that nothing in an entry keeps it from being one whole line.
func TestFaults(t *testing.T) {
	for _, how := range []string{"error", "panic"} {
		f := faulty{how}
		fields := []zapcore.Field{
			{}, // of no type
			{Key: "mixed", Type: zapcore.ObjectMarshalerType, Interface: 7},
			{Key: "none", Type: zapcore.ArrayMarshalerType},
			zap.Inline(f), // of which zap takes care only where its error is returned
			zap.Object("object", f), zap.Array("array", f), zap.Reflect("reflect", f), zap.Stringer("stringer", f),
			zap.Reflect("func", func() {}), zap.Object("request", f), zap.Object("resp_headers", f),
		}
		for _, config := range []string{`{"format": "combined"}`, `{"format": "combined", "fields": ["*"]}`} {
			enc := encoder(t, config)
			for i, field := range fields {
				if i > 3 { // zap itself adds the fields of a logger, and what is no field at all makes it panic
					log, out := logger(enc)
					log.With(field).Info("x", zap.String("last", "y"))
					if got := out.String(); strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "y\"\n") {
						t.Errorf("%s, with field %d: %s", how, i, got)
					}
				}
				for _, name := range []string{"other", "http.log.access"} {
					log, out := logger(enc)
					log.Named(name).Info("x", field, zap.Int("status", 200), zap.String("last", "y"))
					got := out.String()
					if strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "\n") || name == "other" && !strings.Contains(got, "Error=\"") && i != 10 {
						t.Errorf("%s, field %d of %s: %s", how, i, name, got)
					}
					if name == "http.log.access" && !strings.Contains(got, ` "-" 200 - "-" "-"`) {
						t.Errorf("%s, field %d of a request: %s", how, i, got)
					}
				}
			}
		}
	}
}

// TestAloneStaysAlone shows that what is added to a logger shows in its entries alone, and in their order.
func TestAloneStaysAlone(t *testing.T) {
	log, out := logger(encoder(t, `{"format": "combined"}`))
	a := log.With(zap.Int("a", 1))
	ab, ac := a.With(zap.Int("b", 2), zap.Namespace("n")), a.With(zap.Int("c", 3))
	for _, l := range []*zap.Logger{ab, ac, a, log, ab} {
		l.Info("x", zap.Int("last", 9))
	}
	const begin = "[Sat Nov 21 16:33:46.123456 2026] [-:info] x"
	want := begin + ` a="1" b="2" n>last="9"` + "\n" + begin + ` a="1" c="3" last="9"` + "\n" + begin + ` a="1" last="9"` + "\n" + begin + ` last="9"` + "\n" +
		begin + ` a="1" b="2" n>last="9"` + "\n"
	if got := out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestManyAtOnce is for the race detector: a logger is used by all requests of a server at once.
func TestManyAtOnce(t *testing.T) {
	for _, config := range []string{`{"format": "combined", "fields": ["*"]}`, `{"format": "filter", "wrap": {"format": "combined", "fields": ["*"]}}`} {
		enc := encoder(t, config)
		early := enc.Clone()
		early.AddString("early", "x")
		done := make(chan string)
		const workers, each = 8, 200
		for w := range workers {
			go func() {
				bad := ""
				for i := range each {
					s := get()
					s.uri = fmt.Sprintf("/%d/%d", w, i)
					s.header = http.Header{"User-Agent": {strings.Repeat("é", i)}}
					out := new(output)
					one := zapcore.NewCore(early, out, zapcore.DebugLevel).With([]zapcore.Field{s.request()})
					s.more = []zapcore.Field{zap.Int("w", w)}
					one.Write(zapcore.Entry{Time: ended, LoggerName: "http.log.access"}, s.fields())
					want := fmt.Sprintf(`192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET %s HTTP/1.1" 200 2326 "-" "%s" early="x" w="%d"`, s.uri, strings.Repeat(`\xc3\xa9`, i), w) + "\n"
					if got := out.String(); got != want && bad == "" {
						bad = "got  " + got + "want " + want
					}
				}
				done <- bad
			}()
		}
		for range workers {
			if bad := <-done; bad != "" {
				t.Error(bad)
			}
		}
	}
}
