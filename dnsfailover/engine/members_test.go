package engine

import "testing"

func TestSift(t *testing.T) {
	for _, tc := range []struct{ list, others, without, among string }{
		{"", "", "", ""},
		{"", "1", "", ""},
		{"1", "", "1", ""},
		{"1", "1", "", "1"},
		{"1,2,3", "2", "1,3", "2"},
		{"1,2,3", "3,1", "2", "1,3"},
		{"1,2", "3", "1,2", ""},
		{"10.0.0.1", "10.0.0.11,110.0.0.1", "10.0.0.1", ""},
	} {
		if got := without(tc.list, tc.others); got != tc.without {
			t.Errorf("%q without %q is %q", tc.list, tc.others, got)
		}
		if got := among(tc.list, tc.others); got != tc.among {
			t.Errorf("%q among %q is %q", tc.list, tc.others, got)
		}
	}
	if got := union("192.0.2.9,2001:db8::1", "192.0.2.10", "", "192.0.2.9"); got != "192.0.2.9,192.0.2.10,2001:db8::1" {
		t.Errorf("the union is %q", got)
	}
}
