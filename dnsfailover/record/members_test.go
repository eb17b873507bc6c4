package record

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// The leases of several nodes are the values of one TXT set.
func TestMembers(t *testing.T) {
	lb1 := engine.Member{Node: "lb1", Instance: "i-1", Epoch: 3, Nonce: "a-1", Hash: "5f3a", Addrs: "203.0.113.1,2001:db8::1"}
	lb2 := engine.Member{Node: "lb2", Instance: "i-2", Epoch: 4, Nonce: "b-7", Hash: "5f3a", Addrs: "203.0.113.2"}
	lease := engine.LeaseOf([]engine.Member{lb2, lb1})
	values, err := encodeAll(lease)
	want := []string{
		`"v=1 epoch=3 holder=lb1 instance=i-1 nonce=a-1 mode=all hash=5f3a addr=203.0.113.1,2001:db8::1"`,
		`"v=1 epoch=4 holder=lb2 instance=i-2 nonce=b-7 mode=all hash=5f3a addr=203.0.113.2"`,
	}
	if diff := cmp.Diff(want, values); diff != "" || err != nil {
		t.Fatal(diff, err)
	}
	slices.Reverse(values) // Route 53 promises no order
	got, err := decodeAll(values)
	if diff := cmp.Diff(lease, got); diff != "" || err != nil {
		t.Fatal(diff, err)
	}
	if got.Epoch != 4 || got.Holder != "lb2" || got.Addrs != "203.0.113.1,203.0.113.2,2001:db8::1" {
		t.Errorf("together they are %+v", got)
	}
	if diff := cmp.Diff([]engine.Member{lb1, lb2}, got.List()); diff != "" {
		t.Error(diff)
	}
	for _, tc := range []struct {
		values []string
		part   string
	}{
		{nil, "no value"},
		{[]string{values[0], strings.Replace(values[1], "lb1", "lb2", 1)}, "two of its values are of the node lb2"},
		{[]string{values[0], strings.Replace(values[1], "all", "one", 1)}, "one of them is of a service that one node holds"},
		{[]string{values[0], `"something else"`}, "does not begin with v=1"},
	} {
		if l, err := decodeAll(tc.values); err == nil || !strings.Contains(err.Error(), tc.part) || l != (engine.Lease{}) {
			t.Errorf("%q: %+v, %v", tc.values, l, err)
		}
	}
}
