package combinedlog

// kind is what a text stands in, which decides what has to be escaped in it.
type kind byte

const (
	inQuotes kind = 1 << iota // quotes, backslashes, control bytes and all from 0x80 up, as httpd does
	alone                     // spaces too, which end a text without quotes
	asUser                    // square brackets too, which begin the time that follows, and slashes, by which AWStats knows a time
)

// special holds, for each byte, the kinds in which it is escaped.
var special = func() (table [256]kind) {
	for c := range table {
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			table[c] = inQuotes | alone | asUser
		}
	}
	table[' '] = alone | asUser
	table['['] = asUser
	table[']'] = asUser
	table['/'] = asUser
	return table
}()

// appendEscaped appends a text as it may stand in a line. It writes printable ASCII alone.
func appendEscaped(b []byte, text string, k kind) []byte {
	from := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if special[c]&k == 0 {
			continue
		}
		b = append(b, text[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, '\\', 'b')
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		case '\v':
			b = append(b, '\\', 'v')
		default:
			const hex = "0123456789abcdef"
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
		}
	}
	return append(b, text[from:]...)
}

// appendText appends a text, or a dash where there is none.
func (r *rest) appendText(b []byte, text string, k kind) []byte {
	if text == "" {
		return append(b, '-')
	}
	return r.cut(appendEscaped(b, text, k), len(b))
}

// cut ends a text that begins at a position at the limit, but within no escape.
func (r *rest) cut(b []byte, from int) []byte {
	if r.limit == 0 || len(b)-from <= r.limit {
		return b
	}
	end := from
	for {
		next := end + 1
		if b[end] == '\\' {
			next++
			if b[end+1] == 'x' {
				next += 2
			}
		}
		if next > from+r.limit {
			return b[:end]
		}
		end = next
	}
}
