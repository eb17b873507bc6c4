package awstest

import "testing"

func TestPattern(t *testing.T) {
	for _, tc := range []struct {
		pattern, value string
		want           bool
	}{
		{"web", "web", true},
		{"web", "Web", false},
		{"web", "webs", false},
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "anything", true},
		{"web-*", "web-", true},
		{"web-*", "web-1", true},
		{"web-*", "my-web-1", false},
		{"*web*", "my-web-1", true},
		{"?", "", false},
		{"?", "ab", false},
		{"web-?", "web-1", true},
		{"web-?", "web-é", true},
		{"web-??", "web-1", false},
		{"*a*b", "xaab", true},
		{"*a*b", "xaba", false},
		{"a*a", "a", false},
		{"a*?c", "abc", true},
		{"a*?c", "ac", false},
		{`\*`, "*", true},
		{`\*`, "x", false},
		{`a\?c*`, "a?cd", true},
		{`a\?c*`, "abcd", false},
		{`\*amazon\?\\`, `*amazon?\`, true},
		{`\\*`, `\x`, true},
	} {
		if got := compilePattern(tc.pattern).match(tc.value); got != tc.want {
			t.Errorf("%q matches %q: %v, want %v", tc.pattern, tc.value, got, tc.want)
		}
	}
}
