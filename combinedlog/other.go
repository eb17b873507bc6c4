package combinedlog

import (
	"strconv"

	"go.uber.org/zap/zapcore"
)

// appendOther appends the line of an entry that is no request: its time, logger and level, the client if there is one, the
// message, and all fields.
func (e *entry) appendOther(b []byte, ent *zapcore.Entry) []byte {
	b = append(b, '[')
	b = e.zoned(ent.Time).AppendFormat(b, "Mon Jan 02 15:04:05.000000 2006")
	b = append(b, "] ["...)
	b = e.appendText(b, ent.LoggerName, asUser)
	b = append(b, ':')
	b = append(b, ent.Level.String()...)
	b = append(b, ']')
	if address := e.address(); address != "" {
		b = append(b, " [client "...)
		b = e.appendText(b, address, asUser)
		b = append(b, ']')
	}
	b = append(b, ' ')
	b = e.appendText(b, ent.Message, inQuotes)
	if e.has&hasRequest != 0 {
		b = append(b, ` request="`...)
		b = e.appendRequestLine(b)
		b = append(b, `" request>host="`...)
		b = e.appendText(b, e.host, inQuotes)
		b = append(b, '"')
	}
	for _, name := range [...]string{"user_id", "status", "size", "bytes_read", "duration"} {
		if e.has&isKnown(name) != 0 {
			b = append(b, ' ')
			b = append(b, name...)
			b = append(b, `="`...)
			b = e.appendKnown(b, name)
			b = append(b, '"')
		}
	}
	for _, o := range e.others {
		b = e.appendField(b, o)
	}
	if ent.Caller.Defined {
		b = append(b, ` caller="`...)
		b = e.appendText(b, ent.Caller.TrimmedPath(), inQuotes)
		b = append(b, '"')
	}
	if ent.Stack != "" {
		b = append(b, ` stacktrace="`...)
		b = e.appendText(b, ent.Stack, inQuotes)
		b = append(b, '"')
	}
	return append(b, '\n')
}

// isKnown returns which of the fields of a request a name stands for, if any.
func isKnown(name string) known {
	switch name {
	case "user_id":
		return hasUser
	case "status":
		return hasStatus
	case "size":
		return hasSize
	case "bytes_read":
		return hasBytesRead
	case "duration":
		return hasDuration
	}
	return 0
}

// appendKnown appends the value of such a field, as it came.
func (e *entry) appendKnown(b []byte, name string) []byte {
	switch isKnown(name) {
	case hasUser:
		return e.appendText(b, e.user, inQuotes)
	case hasStatus:
		return strconv.AppendInt(b, e.status, 10)
	case hasSize:
		return strconv.AppendInt(b, e.size, 10)
	case hasBytesRead:
		return strconv.AppendInt(b, e.bytesRead, 10)
	case hasDuration:
		return appendSeconds(b, e.duration)
	}
	return b
}
