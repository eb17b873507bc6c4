package expand

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/google/go-cmp/cmp"
)

type leaf struct {
	Text   string
	Number int
	hidden string
}

type inner struct{ Text string }

type tree struct {
	inner  // not exported itself
	Leaf   leaf
	Nil    *leaf
	Behind *leaf
	List   []string
	Leaves []leaf
	Map    map[string][]string
	Raw    []byte
}

func sample() *tree {
	return &tree{
		inner: inner{"a"}, Leaf: leaf{"b", 1, "c"}, Behind: &leaf{Text: "d"}, List: []string{"e", "f"}, Leaves: []leaf{{Text: "g"}},
		Map: map[string][]string{"h": {"i", "j"}, "k": nil}, Raw: []byte("l"),
	}
}

func TestStringsReachesAll(t *testing.T) {
	var seen []string
	got := sample()
	err := Strings(got, func(field, s string) (string, error) {
		seen = append(seen, field+" "+s)
		return strings.ToUpper(s), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(seen)
	want := []string{
		"leaf.Text b", "leaf.Text d", "leaf.Text g",
		"tree.List e", "tree.List f", "tree.Map h", "tree.Map i", "tree.Map j", "tree.Map k",
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("- is wanted, + was replaced:\n%s", diff)
	}
	upper := &tree{
		inner: inner{"a"}, Leaf: leaf{"B", 1, "c"}, Behind: &leaf{Text: "D"}, List: []string{"E", "F"}, Leaves: []leaf{{Text: "G"}},
		Map: map[string][]string{"H": {"I", "J"}, "K": nil}, Raw: []byte("l"),
	}
	if diff := cmp.Diff(upper, got, cmp.AllowUnexported(tree{}, leaf{})); diff != "" {
		t.Errorf("- is wanted, + came:\n%s", diff)
	}
}

func TestStringsStopsAtAnError(t *testing.T) {
	bad := errors.New("bad")
	for _, at := range []string{"b", "d", "f", "g", "i", "k"} {
		err := Strings(sample(), func(_, s string) (string, error) {
			if s == at {
				return "", bad
			}
			return s, nil
		})
		if !errors.Is(err, bad) {
			t.Errorf("error at %s: %v", at, err)
		}
	}
}

func TestKeysThatBecomeTheSame(t *testing.T) {
	err := Strings(sample(), func(field, s string) (string, error) {
		if field == "tree.Map" && (s == "h" || s == "k") {
			return "same", nil
		}
		return s, nil
	})
	if err == nil || !strings.Contains(err.Error(), "same is given twice once the placeholder") {
		t.Errorf("error %v", err)
	}
}

func TestGlobal(t *testing.T) {
	t.Setenv("EXPANDTEST", "value")
	t.Setenv("EXPANDTEST_EMPTY", "")
	for _, c := range []struct{ in, want, wrong string }{
		{"plain", "plain", ""},
		{"a {env.EXPANDTEST} b", "a value b", ""},
		{`\{literal\}`, "{literal}", ""},
		{"{env.EXPANDTEST_EMPTY}", "", "is empty (a brace that belongs to no placeholder is written \\{ or \\})"},
		{"{http.request.host}", "", `replacing placeholders in "{http.request.host}": unrecognized placeholder`},
	} {
		got, err := Global(caddy.NewReplacer(), c.in)
		if got != c.want || (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s becomes %q, error %v", c.in, got, err)
		}
	}
}
