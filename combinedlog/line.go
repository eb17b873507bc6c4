package combinedlog

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// appendRequest appends the line of a request that ended at a time.
func (e *entry) appendRequest(b []byte, end time.Time) []byte {
	if e.vhost {
		b = e.appendHost(b)
		b = append(b, ' ')
	}
	b = e.appendText(b, e.address(), alone)
	b = append(b, " - "...)
	b = e.appendText(b, e.user, asUser)
	b = append(b, " ["...)
	b = appendTime(b, e.zoned(end.Add(-e.duration)))
	b = append(b, `] "`...)
	b = e.appendRequestLine(b)
	b = append(b, `" `...)
	b = e.appendStatus(b)
	b = append(b, ' ')
	if e.size > 0 && e.method != http.MethodHead {
		b = strconv.AppendInt(b, e.size, 10)
	} else {
		b = append(b, '-')
	}
	if e.headers {
		b = append(b, ` "`...)
		b = e.cut(appendHeader(b, e.referer), len(b))
		b = append(b, `" "`...)
		b = e.cut(appendHeader(b, e.agent), len(b))
		b = append(b, '"')
	}
	return append(e.appendFields(b), '\n')
}

// appendHost appends host and port. The port is that of the Host header, where Caddy does not say on which one it listens.
func (e *entry) appendHost(b []byte) []byte {
	host, port := e.host, "80"
	if e.has&hasTLS != 0 {
		port = "443"
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 && isPort(host[i+1:]) && (strings.IndexByte(host, ':') == i || host[i-1] == ']') {
		if i+1 < len(host) {
			port = host[i+1:]
		}
		host = host[:i]
	}
	b = e.appendText(b, host, alone)
	b = append(b, ':')
	return append(b, port...)
}

// isPort reports whether a text can be what follows the colon of a Host header.
func isPort(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return len(text) <= 5
}

// appendRequestLine appends method, target and protocol.
func (e *entry) appendRequestLine(b []byte) []byte {
	if e.method == "" && e.uri == "" && e.proto == "" {
		return append(b, '-')
	}
	b = e.appendText(b, e.method, alone)
	b = append(b, ' ')
	b = e.cut(appendTarget(b, e.uri), len(b))
	b = append(b, ' ')
	return e.appendText(b, e.proto, alone)
}

// appendTarget appends the target of a request. A password in it, which only a target with a host can have, is hidden.
func appendTarget(b []byte, uri string) []byte {
	if strings.HasPrefix(uri, "/") {
		return appendEscaped(b, uri, alone)
	}
	from, to := 0, len(uri)
	if i := strings.IndexAny(uri, "/?#"); i >= 0 {
		to = i
	}
	if strings.HasSuffix(uri[:to], ":") && strings.HasPrefix(uri[to:], "//") {
		from, to = to+2, len(uri)
		if i := strings.IndexAny(uri[from:], "/?#"); i >= 0 {
			to = from + i
		}
	}
	authority := uri[from:to]
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		if colon := strings.IndexByte(authority[:at], ':'); colon >= 0 {
			b = appendEscaped(b, uri[:from+colon+1], alone)
			b = append(b, "XXXXXXXX"...)
			return appendEscaped(b, uri[from+at:], alone)
		}
	}
	if uri == "" {
		return append(b, '-')
	}
	return appendEscaped(b, uri, alone)
}

// appendStatus appends the status that the client got.
func (e *entry) appendStatus(b []byte) []byte {
	status := e.status
	switch {
	case e.has&hasStatus == 0 || status < 0:
		return append(b, '-')
	case status == 0 && e.has&hasDuration != 0 && e.duration == 0:
		// The server measures no duration when a handler has ended the connection instead of answering.
		status = 444
	case status < 200 && status != http.StatusSwitchingProtocols:
		// Nothing was sent, or only a word in advance: then Go's server sends this.
		status = http.StatusOK
	}
	return strconv.AppendInt(b, status, 10)
}

// appendHeader appends the values of a header.
func appendHeader(b []byte, values []string) []byte {
	if len(values) == 0 {
		return append(b, '-')
	}
	for i, v := range values {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendEscaped(b, v, inQuotes)
	}
	return b
}

// appendFields appends the fields that the configuration asks for.
func (e *entry) appendFields(b []byte) []byte {
	if e.all {
		for _, o := range e.others {
			if !own(o.key) {
				b = e.appendField(b, o)
			}
		}
	}
	for _, name := range e.names {
		b = append(b, ' ')
		b = appendEscaped(b, name, alone)
		b = append(b, `="`...)
		if text, ok := e.last(name); e.has&isKnown(name) != 0 {
			b = e.appendKnown(b, name)
		} else if ok {
			b = e.cut(append(b, text...), len(b))
		} else {
			b = append(b, '-')
		}
		b = append(b, '"')
	}
	return b
}

func (e *entry) appendField(b []byte, o other) []byte {
	b = append(b, ' ')
	b = e.appendText(b, o.key, alone)
	b = append(b, `="`...)
	b = e.cut(append(b, e.text[o.from:o.to]...), len(b))
	return append(b, '"')
}

// last returns the text of the last field of a name: one that was added again replaces the one before.
func (e *entry) last(name string) (text []byte, ok bool) {
	for i := len(e.others) - 1; i >= 0; i-- {
		if o := e.others[i]; o.key == name {
			return e.text[o.from:o.to], true
		}
	}
	return nil, false
}

// zoned returns a time in the zone that is configured.
func (s *settings) zoned(t time.Time) time.Time {
	if s.local {
		return t.Local()
	}
	return t.UTC()
}

// appendTime appends a time as 21/Nov/2026:16:33:46 +0000, in a quarter of the time that a layout takes.
func appendTime(b []byte, t time.Time) []byte {
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	_, zone := t.Zone()
	b = appendTwo(b, day)
	b = append(b, '/')
	b = append(b, month.String()[:3]...)
	b = append(b, '/')
	if year < 1000 || year > 9999 {
		b = t.AppendFormat(b, "2006")
	} else {
		b = appendTwo(appendTwo(b, year/100), year%100)
	}
	b = append(b, ':')
	b = appendTwo(b, hour)
	b = append(b, ':')
	b = appendTwo(b, minute)
	b = append(b, ':')
	b = appendTwo(b, second)
	if zone < 0 {
		zone = -zone
		b = append(b, " -"...)
	} else {
		b = append(b, " +"...)
	}
	zone /= 60
	return appendTwo(appendTwo(b, zone/60), zone%60)
}

// appendTwo appends a number below a hundred with two digits.
func appendTwo(b []byte, n int) []byte {
	return append(b, byte('0'+n/10), byte('0'+n%10))
}
