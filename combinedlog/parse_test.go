package combinedlog

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// parsed is what a reader gets out of a line. It is written from the description of the format, not from the encoder.
type parsed struct {
	host, port            string // vhost_combined alone
	address, user, time   string
	method, target, proto string
	status, size          string
	referer, agent        string
	fields                [][2]string
}

// parse takes a line of a style apart.
func parse(line, style string) (p parsed, err error) {
	rest, ok := strings.CutSuffix(line, "\n")
	if !ok {
		return p, fmt.Errorf("no end of the line")
	}
	for i := range len(rest) {
		if rest[i] < ' ' || rest[i] > '~' {
			return p, fmt.Errorf("byte %#x at %d", rest[i], i)
		}
	}
	// next returns what comes before a text, and goes on behind it.
	next := func(end string) string {
		token, after, ok := strings.Cut(rest, end)
		if !ok && err == nil {
			err = fmt.Errorf("no %q in %q", end, rest)
		}
		rest = after
		return token
	}
	// quotedText returns what comes before a quote that is not escaped, and goes on behind it.
	quotedText := func() string {
		for i := 0; i < len(rest); i++ {
			switch rest[i] {
			case '\\':
				i++
			case '"':
				text := rest[:i]
				rest = rest[i+1:]
				return text
			}
		}
		if err == nil {
			err = fmt.Errorf("no quote in %q", rest)
		}
		return ""
	}
	if style == "vhost_combined" {
		host := next(" ")
		colon := strings.LastIndexByte(host, ':')
		if colon < 0 {
			return p, fmt.Errorf("no port in %q", host)
		}
		p.host, p.port = unescape(host[:colon], &err), host[colon+1:]
	}
	p.address = unescape(next(" "), &err)
	if dash := next(" "); dash != "-" && err == nil {
		err = fmt.Errorf("%q in place of the second field", dash)
	}
	p.user = unescape(next(" ["), &err)
	p.time = next(`] "`)
	request := quotedText()
	switch parts := strings.Split(request, " "); {
	case len(parts) == 3:
		p.method, p.target, p.proto = unescape(parts[0], &err), unescape(parts[1], &err), unescape(parts[2], &err)
	case request != "-" && err == nil:
		err = fmt.Errorf("%d parts in %q", len(parts), request)
	}
	next(" ")
	p.status, rest, _ = strings.Cut(rest, " ")
	p.size, rest, _ = strings.Cut(rest, " ")
	if style != "common" {
		next(`"`)
		p.referer = unescape(quotedText(), &err)
		next(` "`)
		p.agent = unescape(quotedText(), &err)
		rest = strings.TrimPrefix(rest, " ")
	}
	for rest != "" && err == nil {
		key := unescape(next(`="`), &err)
		p.fields = append(p.fields, [2]string{key, unescape(quotedText(), &err)})
		if rest != "" && !strings.HasPrefix(rest, " ") && err == nil {
			err = fmt.Errorf("%q behind a field", rest)
		}
		rest = strings.TrimPrefix(rest, " ")
	}
	return p, err
}

// unescape undoes what ap_escape_logitem of httpd does. A dash alone is nothing.
func unescape(text string, err *error) string {
	if text == "-" {
		return ""
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			b.WriteByte(text[i])
			continue
		}
		i++
		if i == len(text) {
			*err = fmt.Errorf("a backslash ends %q", text)
			return ""
		}
		switch c := text[i]; c {
		case 'b', 'n', 'r', 't', 'v':
			b.WriteByte(map[byte]byte{'b': '\b', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}[c])
		case '\\', '"':
			b.WriteByte(c)
		case 'x':
			if i+2 < len(text) {
				if n, fault := strconv.ParseUint(text[i+1:i+3], 16, 8); fault == nil {
					b.WriteByte(byte(n))
					i += 2
					continue
				}
			}
			fallthrough
		default:
			*err = fmt.Errorf("unknown escape at %d of %q", i, text)
			return ""
		}
	}
	return b.String()
}

func TestParseRefuses(t *testing.T) {
	const good = `192.0.2.7 - - [21/Nov/2026:16:33:44 +0000] "GET / HTTP/1.1" 200 1 "-" "-"` + "\n"
	if _, err := parse(good, "combined"); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{"\n", ""}, {"\n", "\n\n"}, {"GET ", "GET\t"}, {"GET ", "GET " + "/x "}, {`"-" "-"`, `"-" "-`}, {`"-" "-"`, `"\" "-"`}, {`"-" "-"`, `"\q" "-"`}, {`"-" "-"`, `"-" "-"x`}, {" - - ", " - "}, {"GET", "\\x4"}, {"-\"\n", "é\"\n"},
	} {
		if p, err := parse(strings.Replace(good, change[0], change[1], 1), "combined"); err == nil {
			t.Errorf("with %q for %q: %+v", change[1], change[0], p)
		}
	}
}
