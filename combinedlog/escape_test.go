package combinedlog

import (
	"fmt"
	"strings"
	"testing"
)

// TestEscapeByte holds every byte to what httpd's ap_escape_logitem makes of it, and to what is escaped beyond that.
func TestEscapeByte(t *testing.T) {
	short := map[byte]string{'\b': `\b`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\v': `\v`, '"': `\"`, '\\': `\\`}
	beyond := map[kind]string{inQuotes: "", alone: " ", asUser: " []/"}
	for k, more := range beyond {
		for c := range 256 {
			want := string([]byte{byte(c)})
			if s, ok := short[byte(c)]; ok {
				want = s
			} else if c < 32 || c > 126 || strings.Contains(more, want) {
				want = fmt.Sprintf(`\x%02x`, c)
			}
			if got := string(appendEscaped(nil, string([]byte{byte(c)}), k)); got != want {
				t.Errorf("kind %d, byte %#x: got %s, want %s", k, c, got, want)
			}
		}
	}
}

func TestEscapeText(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", ""},
		{"plain [text]", "plain [text]"},
		{"\"", `\"`},
		{"a\"b\\c\n", `a\"b\\c\n`},
		{"€", `\xe2\x82\xac`},
		{"\x00\x7f\xff", `\x00\x7f\xff`},
		{"\n\nend", `\n\nend`},
	}
	for _, tt := range tests {
		if got := string(appendEscaped([]byte("before "), tt.text, inQuotes)); got != "before "+tt.want {
			t.Errorf("%q: got %s, want %s behind what was there", tt.text, got, tt.want)
		}
	}
}
