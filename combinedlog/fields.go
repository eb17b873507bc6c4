package combinedlog

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap/zapcore"
)

// take keeps one of the fields that belong to a request, unless there is one already.
func (e *entry) take(which known) bool {
	if e.at != top || e.prefix != "" || e.has&which != 0 || which == hasRequest && e.req != nil {
		return false
	}
	e.has |= which
	return true
}

// keep keeps any other field as text.
func (e *entry) keep(key, value string) {
	e.open()
	if e.at != top {
		return // in a request all that matters are strings
	}
	from := len(e.text)
	e.text = appendEscaped(e.text, value, inQuotes)
	e.end(key, from)
}

// end ends the text of a field that began at a position of e.text.
func (e *entry) end(key string, from int) {
	if e.prefix != "" {
		key = e.prefix + key
	}
	e.others = append(e.others, other{key, from, len(e.text)})
}

// AddString adds a field, which may be one of a request.
func (e *entry) AddString(key, value string) {
	e.open()
	switch e.at {
	case inHeaders:
		if isHeader(key) {
			e.header(key, []string{value})
		}
	case inRequest:
		e.part(key, value)
	case top:
		if key == "user_id" && e.take(hasUser) {
			e.user = value
			return
		}
		e.keep(key, value)
	}
}

// AddInt64 adds a field, which may be one of a request.
func (e *entry) AddInt64(key string, value int64) {
	e.open()
	switch {
	case key == "status" && e.take(hasStatus):
		e.status = value
	case key == "size" && e.take(hasSize):
		e.size = value
	case key == "bytes_read" && e.take(hasBytesRead):
		e.bytesRead = value
	case e.at == top:
		from := len(e.text)
		e.text = strconv.AppendInt(e.text, value, 10)
		e.end(key, from)
	}
}

// AddDuration adds a field, which may be one of a request. As text it is in seconds.
func (e *entry) AddDuration(key string, value time.Duration) {
	e.open()
	switch {
	case key == "duration" && e.take(hasDuration):
		e.duration = value
	case e.at == top:
		from := len(e.text)
		e.text = appendSeconds(e.text, value)
		e.end(key, from)
	}
}

func appendSeconds(b []byte, d time.Duration) []byte {
	return strconv.AppendFloat(b, d.Seconds(), 'f', -1, 64)
}

// AddObject adds a request, or any other object, whose fields are kept one by one.
func (e *entry) AddObject(key string, object zapcore.ObjectMarshaler) error {
	if key == "request" && e.req == nil && e.rest == nil { // as the server does
		if r, ok := object.(caddyhttp.LoggableHTTPRequest); ok {
			e.req = r.Request
			return nil
		}
	}
	e.open()
	switch e.at {
	case inHeaders:
		return nil
	case inRequest:
		return e.object(key, object)
	case top:
		if key == "request" && e.take(hasRequest) {
			if r, ok := object.(caddyhttp.LoggableHTTPRequest); ok {
				e.req = r.Request
				return nil
			}
			return e.inside(inRequest, "", object)
		}
		if key == "resp_headers" && !e.named(key) {
			return nil
		}
		return e.inside(top, e.prefix+key+">", object)
	}
	return nil
}

// inside adds the fields of an object. Below a `filter` the object does not use the encoder that it is given, but adds its fields
// to the one that the filter wraps, which is this one: so where they belong is a state of it.
func (e *entry) inside(at place, prefix string, object zapcore.ObjectMarshaler) (err error) {
	oldAt, oldPrefix := e.at, e.prefix
	defer func() {
		e.at, e.prefix = oldAt, oldPrefix
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	e.at, e.prefix = at, prefix
	return object.MarshalLogObject(e)
}

// AddArray adds a header of a request, or any other list.
func (e *entry) AddArray(key string, array zapcore.ArrayMarshaler) (err error) {
	e.open()
	if e.at == inRequest || e.at == inHeaders && !isHeader(key) {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	list, ok := array.(caddyhttp.LoggableStringArray)
	if !ok {
		m := zapcore.NewMapObjectEncoder()
		if err := m.AddArray("", array); err != nil {
			return err
		}
		values, _ := m.Fields[""].([]any)
		for _, v := range values {
			s, ok := v.(string)
			if !ok {
				return e.AddReflected(key, values)
			}
			list = append(list, s)
		}
	}
	if e.at == inHeaders {
		e.header(key, list)
		return nil
	}
	e.keep(key, strings.Join(list, ", "))
	return nil
}

// AddReflected adds any value, as JSON.
func (e *entry) AddReflected(key string, value any) (err error) {
	e.open()
	if e.at != top {
		return nil
	}
	if value == nil {
		e.keep(key, "-")
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return err
	}
	e.keep(key, strings.TrimSuffix(b.String(), "\n"))
	return nil
}

// OpenNamespace puts a name before those of the fields to come.
func (e *entry) OpenNamespace(key string) {
	e.open()
	e.prefix += key + ">"
}

// AddBinary adds a field, as base64.
func (e *entry) AddBinary(key string, value []byte) {
	e.keep(key, base64.StdEncoding.EncodeToString(value))
}

// AddTime adds a field, in UTC as RFC 3339 has it.
func (e *entry) AddTime(key string, value time.Time) {
	e.keep(key, value.UTC().Format(time.RFC3339Nano))
}

// AddFloat64 adds a field.
func (e *entry) AddFloat64(key string, value float64) {
	e.keep(key, strconv.FormatFloat(value, 'f', -1, 64))
}

// AddFloat32 adds a field.
func (e *entry) AddFloat32(key string, value float32) {
	e.keep(key, strconv.FormatFloat(float64(value), 'f', -1, 32))
}

// AddComplex128 adds a field.
func (e *entry) AddComplex128(key string, value complex128) {
	e.keep(key, strconv.FormatComplex(value, 'f', -1, 128))
}

// AddUint64 adds a field.
func (e *entry) AddUint64(key string, value uint64) { e.keep(key, strconv.FormatUint(value, 10)) }

// AddBool adds a field.
func (e *entry) AddBool(key string, value bool) { e.keep(key, strconv.FormatBool(value)) }

// The rest of zapcore.ObjectEncoder: narrower types of the same.

func (e *entry) AddByteString(key string, value []byte)   { e.AddString(key, string(value)) }
func (e *entry) AddComplex64(key string, value complex64) { e.AddComplex128(key, complex128(value)) }
func (e *entry) AddInt(key string, value int)             { e.AddInt64(key, int64(value)) }
func (e *entry) AddInt32(key string, value int32)         { e.AddInt64(key, int64(value)) }
func (e *entry) AddInt16(key string, value int16)         { e.AddInt64(key, int64(value)) }
func (e *entry) AddInt8(key string, value int8)           { e.AddInt64(key, int64(value)) }
func (e *entry) AddUint(key string, value uint)           { e.AddUint64(key, uint64(value)) }
func (e *entry) AddUint32(key string, value uint32)       { e.AddUint64(key, uint64(value)) }
func (e *entry) AddUint16(key string, value uint16)       { e.AddUint64(key, uint64(value)) }
func (e *entry) AddUint8(key string, value uint8)         { e.AddUint64(key, uint64(value)) }
func (e *entry) AddUintptr(key string, value uintptr)     { e.AddUint64(key, uint64(value)) }
