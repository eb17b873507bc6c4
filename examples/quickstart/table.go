package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// end prints the table and the verdict, and reports whether everything held.
func (s *story) end() bool {
	io.WriteString(s.out, "\n"+table(s.steps)+"\n")
	if s.summary != "" {
		io.WriteString(s.out, s.summary+"\n")
	}
	all, held, sent, failed, again := 0, 0, 0, 0, 0
	var broken []string
	for n, st := range s.steps {
		sent, failed, again = sent+st.requests.sent, failed+st.requests.failed, again+st.requests.again
		for _, e := range st.expectations {
			all++
			if e.held {
				held++
			} else {
				broken = append(broken, fmt.Sprintf("step %d: %s", n+1, e.want))
			}
		}
	}
	took := time.Since(s.began)
	fmt.Fprintf(s.out, "%d steps in %.1f s, %d requests, %d failed\n", len(s.steps), took.Seconds(), sent, failed)
	if again > 0 {
		fmt.Fprintf(s.out, "%d requests were sent again: Linux reset their connections before Caddy had accepted them, in a reload\n", again)
	}
	if held == all && all > 0 {
		fmt.Fprintf(s.out, "story %s: all %d expectations held\n", s.name, all)
		return true
	}
	fmt.Fprintf(s.out, "story %s: %d of %d expectations did not hold:\n", s.name, all-held, all)
	for _, b := range broken {
		fmt.Fprintln(s.out, "    "+b)
	}
	return false
}

// table is the record in columns, a line for each expectation. The failed requests are those of the whole step.
func table(steps []*step) string {
	rows := [][]string{{"", "step", "expected", "seen", "seconds", "failed requests"}}
	for n, st := range steps {
		first := []string{fmt.Sprint(n + 1), st.title}
		figures := []string{fmt.Sprintf("%.1f", st.took.Seconds()), st.requests.fate()}
		for _, e := range st.expectations {
			if e.want == noneFails {
				continue
			}
			seen := clip(e.seen, widest)
			if !e.held {
				seen = "NOT SO: " + seen
			}
			rows = append(rows, slices.Concat(first, []string{e.want, seen}, figures))
			first, figures = []string{"", ""}, []string{"", ""}
		}
		if first[0] != "" {
			rows = append(rows, slices.Concat(first, []string{"", ""}, figures))
		}
	}
	return columns(rows)
}

// columns are rows one below the other, the first of which names the columns.
func columns(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			widths[i] = max(widths[i], len(cell))
		}
	}
	var b strings.Builder
	for _, r := range rows {
		var line strings.Builder
		for i, cell := range r {
			fmt.Fprintf(&line, "%-*s  ", widths[i], cell)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// fate says how many of the requests have failed.
func (t tally) fate() string {
	s := fmt.Sprintf("%d of %d", t.failed, t.sent)
	if t.again > 0 {
		s += fmt.Sprintf(", %d sent again", t.again)
	}
	return s
}

// widest is how long a cell may be. A failure is printed in full when it happens.
const widest = 60

// clip takes the middle out of a text that is too long: what matters of an error is where it begins and how it ends.
func clip(text string, most int) string {
	r := []rune(text)
	if len(r) <= most {
		return text
	}
	const dots = " ... "
	head := (most - len(dots)) / 2
	return string(r[:head]) + dots + string(r[len(r)-(most-len(dots)-head):])
}

// dump shows what helps to find out why something did not hold.
func (s *story) dump(st *stage) {
	for _, f := range st.traffic.failures() {
		fmt.Fprintln(s.out, "failed request: "+f)
	}
	fmt.Fprintln(s.out, st.world.held())
	for _, lb := range st.lbs {
		fmt.Fprintf(s.out, "%s is %s\n", lb.name, lb.condition())
		if is := lb.condition(); is == running || is == deaf {
			fmt.Fprintf(s.out, "%s:\n%s\n%s:\n%s\n", lb.poolsURL(), orError(lb.pools()), lb.statusURL(), orError(lb.standing()))
		}
		fmt.Fprintf(s.out, "the end of the log of %s:\n%s\n", lb.name, tail(lb.log(0), 40))
	}
}

// orError is what was found as a text, or why nothing was.
func orError[T fmt.Stringer](found T, err error) string {
	if err != nil {
		return err.Error()
	}
	return found.String()
}
