package combinedlog

import (
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

func init() { caddy.RegisterModule(nothing{}) }

// nothing is an encoder that looks at every part of a request, and writes none of it: what is left under a filter is the price of
// the filter and of Caddy's own marshalling, which no encoder can go below.
type nothing struct{}

var emptyLines = buffer.NewPool()

func (nothing) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.logging.encoders.nothing", New: func() caddy.Module { return new(nothing) }}
}

func (n nothing) Clone() zapcore.Encoder { return n }

func (n nothing) EncodeEntry(_ zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	for i := range fields {
		fields[i].AddTo(n)
	}
	return emptyLines.Get(), nil
}

func (n nothing) AddObject(key string, object zapcore.ObjectMarshaler) error {
	if key == "request" || key == "headers" {
		return object.MarshalLogObject(n)
	}
	return nil
}

func (nothing) AddArray(string, zapcore.ArrayMarshaler) error { return nil }
func (nothing) AddBinary(string, []byte)                      {}
func (nothing) AddByteString(string, []byte)                  {}
func (nothing) AddBool(string, bool)                          {}
func (nothing) AddComplex128(string, complex128)              {}
func (nothing) AddComplex64(string, complex64)                {}
func (nothing) AddDuration(string, time.Duration)             {}
func (nothing) AddFloat64(string, float64)                    {}
func (nothing) AddFloat32(string, float32)                    {}
func (nothing) AddInt(string, int)                            {}
func (nothing) AddInt64(string, int64)                        {}
func (nothing) AddInt32(string, int32)                        {}
func (nothing) AddInt16(string, int16)                        {}
func (nothing) AddInt8(string, int8)                          {}
func (nothing) AddString(_, _ string)                         {}
func (nothing) AddTime(string, time.Time)                     {}
func (nothing) AddUint(string, uint)                          {}
func (nothing) AddUint64(string, uint64)                      {}
func (nothing) AddUint32(string, uint32)                      {}
func (nothing) AddUint16(string, uint16)                      {}
func (nothing) AddUint8(string, uint8)                        {}
func (nothing) AddUintptr(string, uintptr)                    {}
func (nothing) AddReflected(string, any) error                { return nil }
func (nothing) OpenNamespace(string)                          {}
