package awstest

import "strings"

// pattern is a filter value: * stands for any characters, none included, ? for
// exactly one, and a backslash takes the next character as it is. Case counts.
type pattern struct {
	literal string // the whole of it, if it has no wildcard
	tokens  []token
}

type token struct {
	wildcard bool
	r        rune
}

func compilePattern(s string) pattern {
	var p pattern
	var plain strings.Builder
	wild, escaped := false, false
	for _, r := range s {
		if r == '\\' && !escaped {
			escaped = true
			continue
		}
		w := !escaped && (r == '*' || r == '?')
		wild = wild || w
		plain.WriteRune(r)
		p.tokens = append(p.tokens, token{w, r})
		escaped = false
	}
	if !wild {
		return pattern{literal: plain.String()}
	}
	return p
}

func (p pattern) match(s string) bool {
	if p.tokens == nil {
		return s == p.literal
	}
	// On a mismatch the last star takes one character more.
	runes := []rune(s)
	star, retry := -1, 0
	t := 0
	for i := 0; i < len(runes); {
		switch {
		case t < len(p.tokens) && p.tokens[t].wildcard && p.tokens[t].r == '*':
			star, retry = t, i
			t++
		case t < len(p.tokens) && (p.tokens[t].r == runes[i] && !p.tokens[t].wildcard || p.tokens[t].wildcard && p.tokens[t].r == '?'):
			t++
			i++
		case star >= 0:
			retry++
			t, i = star+1, retry
		default:
			return false
		}
	}
	for t < len(p.tokens) && p.tokens[t].wildcard && p.tokens[t].r == '*' {
		t++
	}
	return t == len(p.tokens)
}

// glob matches a name against a pattern of which "" means any.
func glob(p, s string) bool {
	return p == "" || compilePattern(p).match(s)
}
