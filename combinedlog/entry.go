package combinedlog

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

// entry is what is known of a log entry, or of all entries of a logger that was given fields. Caddy's server gives the request to
// a logger first, as it is, and the rest to the entry; below a `filter` everything arrives as fields of a clone. The server makes
// a clone for each request, so it is small.
type entry struct {
	*settings
	req   *http.Request // a request that came as it is
	*rest               // everything else; nil until there is any
}

// rest holds fields. Those that make up the line of a request are kept as they are, the first that come of each; all others are
// kept as text.
type rest struct {
	has                            known
	at                             place
	remoteIP, clientIP             string
	method, uri, proto, host, user string
	referer, agent                 []string
	duration                       time.Duration
	size, status, bytesRead        int64
	prefix                         string // of the keys in a namespace or an object
	text                           []byte // values of other fields, escaped
	others                         []other
	limit                          int // of a text in a line that was too long; 0 for none
}

// known says which fields are there.
type known uint8

const (
	hasRequest known = 1 << iota
	hasTLS
	hasClientIP
	hasUser
	hasDuration
	hasSize
	hasStatus
	hasBytesRead
)

// place is where the next field belongs.
type place uint8

const (
	top       place = iota
	inRequest       // directly in the request
	inHeaders       // in its headers
)

// other is a field that is no part of the line of a request: its value is rest.text[from:to].
type other struct {
	key      string
	from, to int
}

// open makes room for fields.
func (e *entry) open() {
	if e.rest == nil {
		e.rest = new(rest)
	}
}

// Clone returns an entry to which fields can be added without changing this one.
func (e *entry) Clone() zapcore.Encoder {
	if e.rest == nil {
		return &entry{settings: e.settings, req: e.req}
	}
	c := &struct {
		entry
		room rest
	}{room: *e.rest}
	c.room.text, c.room.others = slices.Clip(e.text), slices.Clip(e.others)
	c.entry = entry{e.settings, e.req, &c.room}
	return &c.entry
}

// line is an entry being encoded, with memory to do it in.
type line struct {
	entry
	room rest
	out  []byte
}

var (
	lines   = sync.Pool{New: func() any { return new(line) }}
	buffers = buffer.NewPool()
)

// keeps is how much memory a line leaves to the next one. A request can be a thousand times longer than usual.
const keeps = 1 << 14

// EncodeEntry returns the line of an entry. It never fails.
func (e *entry) EncodeEntry(ent zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	l := lines.Get().(*line)
	l.load(e)
	request := isRequest(&ent, e, fields)
	for i := range fields {
		if !request || l.needs(fields[i].Key) {
			l.add(&fields[i])
		}
	}
	l.resolve()
	l.write(request, &ent)
	// A line that is too long loses what is longest in it, and then the last of its fields.
	long := func() bool { return l.most > 0 && len(l.out) > l.most }
	for l.limit = l.most / 2; long() && l.limit >= 8; l.limit /= 2 {
		l.write(request, &ent)
	}
	others := l.others
	for long() && len(l.others) > 0 {
		l.others = l.others[:len(l.others)/2]
		l.write(request, &ent)
	}
	l.others = others
	buf := buffers.Get()
	buf.AppendBytes(l.out)
	l.unload()
	return buf, nil
}

// write makes the line of what is known.
func (l *line) write(request bool, ent *zapcore.Entry) {
	if request {
		l.out = l.appendRequest(l.out[:0], ent.Time)
	} else {
		l.out = l.appendOther(l.out[:0], ent)
	}
}

// load makes a line begin with what an entry holds.
func (l *line) load(e *entry) {
	text, others := l.room.text[:0], l.room.others[:0]
	if e.rest != nil {
		l.room = *e.rest
		text, others = append(text, e.text...), append(others, e.others...)
	}
	l.room.text, l.room.others = text, others
	l.entry = entry{e.settings, e.req, &l.room}
}

// unload gives a line back, without what it refers to, and without the memory that only a request of unusual size needs.
func (l *line) unload() {
	clear(l.others)
	l.room = rest{text: l.text, others: l.others}
	l.entry = entry{}
	if cap(l.out) > keeps || cap(l.room.text) > keeps {
		l.out, l.room.text = nil, nil
	}
	lines.Put(l)
}

// accessLog is the name of the logger of requests, or the beginning of it.
const accessLog = "http.log.access"

// isRequest reports whether an entry is about a request that was served, rather than about anything else.
func isRequest(ent *zapcore.Entry, e *entry, fields []zapcore.Field) bool {
	if rest, ok := strings.CutPrefix(ent.LoggerName, accessLog); !ok || rest != "" && rest[0] != '.' {
		return false
	}
	if e.req != nil || e.rest != nil && e.has&(hasRequest|hasStatus) != 0 {
		return true
	}
	return slices.ContainsFunc(fields, func(f zapcore.Field) bool { return f.Key == "request" || f.Key == "status" })
}

// add adds a field, whatever is in it.
func (e *entry) add(f *zapcore.Field) {
	switch f.Type { // the usual ones, quickly
	case zapcore.StringType:
		e.AddString(f.Key, f.String)
	case zapcore.Int64Type:
		e.AddInt64(f.Key, f.Integer)
	case zapcore.DurationType:
		e.AddDuration(f.Key, time.Duration(f.Integer))
	default:
		e.addAny(f)
	}
}

func (e *entry) addAny(f *zapcore.Field) {
	at, prefix := e.at, e.prefix
	defer func() {
		if p := recover(); p != nil {
			e.at, e.prefix = at, prefix
			e.AddString(f.Key+"Error", fmt.Sprintf("panic: %v", p))
		}
	}()
	f.AddTo(e)
}
