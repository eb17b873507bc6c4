package probe

import "testing"

func TestParseStatus(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want Status // zero: an error
	}{
		{"200", 200}, {"204", 204}, {"599", 599}, {"2xx", 2}, {"5xx", 5},
		{"", 0}, {"2", 0}, {"02", 0}, {"002", 0}, {"0xx", 0}, {"1xx", 0}, {"6xx", 0}, {"100", 0}, {"199", 0}, {"600", 0},
		{"2XX", 0}, {"xxx", 0}, {"20x", 0}, {"-20", 0}, {"+20", 0}, {"200 ", 0}, {"2000", 0}, {"abc", 0},
	} {
		got, err := ParseStatus(tc.in)
		if got != tc.want || (err == nil) != (tc.want != 0) {
			t.Errorf("%q: got %d, %v, want %d", tc.in, got, err, tc.want)
		}
		if err == nil && got.String() != tc.in {
			t.Errorf("%q is printed as %q", tc.in, got)
		}
	}
}

func TestStatusMatches(t *testing.T) {
	for _, tc := range []struct {
		want Status
		code int
		ok   bool
	}{
		{0, 200, true}, {0, 299, true}, {0, 300, false}, {0, 199, false},
		{2, 204, true}, {2, 304, false}, {4, 404, true}, {5, 500, true}, {5, 499, false},
		{200, 200, true}, {200, 204, false}, {503, 503, true},
	} {
		if got := tc.want.matches(tc.code); got != tc.ok {
			t.Errorf("%s matches %d: %v, want %v", tc.want, tc.code, got, tc.ok)
		}
	}
	if got := Status(0).String(); got != "2xx" {
		t.Errorf("the default is printed as %q", got)
	}
}
