package awstest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// ids returns the ids of all instances in an answer, sorted.
func ids(out DescribeInstancesOutput) []string {
	var all []string
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			all = append(all, i.ID)
		}
	}
	slices.Sort(all)
	return all
}

func TestFilters(t *testing.T) {
	const a, b, d = "i-aaaaaaaa", "i-bbbbbbbb", "i-dddddddd"
	c := New(Config{})
	launch(t, c, Launch{ID: a, Tags: map[string]string{"app": "web", "env": "prod"}, PublicIP: "198.51.100.1", IPv6: "2001:db8::a"})
	launch(t, c, Launch{ID: b, Tags: map[string]string{"app": "web-2", "Env": "prod"}, Zone: "eu-west-1b", Type: "c7g.large", Spot: true})
	launch(t, c, Launch{ID: d, Tags: map[string]string{"app": "db"}, ASG: "group", PrivateIP: "192.0.2.7"})
	do(t, c.Stop(d))
	second, err := c.AddInterface(a)
	do(t, err)
	ia, _ := c.Instance(a)
	ib, _ := c.Instance(b)

	for _, tc := range []struct {
		name    string
		filters []Filter
		want    []string
	}{
		{"none", nil, []string{a, b, d}},
		{"tag", []Filter{{"tag:app", []string{"web"}}}, []string{a}},
		{"values are alternatives", []Filter{{"tag:app", []string{"web", "db"}}}, []string{a, d}},
		{"filters must all match", []Filter{{"tag:app", []string{"web*"}}, {"tag:env", []string{"*"}}}, []string{a}},
		{"one name twice", []Filter{{"tag:app", []string{"web*"}}, {"tag:app", []string{"*2"}}}, []string{b}},
		{"keys have case", []Filter{{"tag:Env", []string{"prod"}}}, []string{b}},
		{"values have case", []Filter{{"tag:app", []string{"Web"}}}, nil},
		{"tag-key", []Filter{{"tag-key", []string{"env", "Env"}}}, []string{a, b}},
		{"tag-value", []Filter{{"tag-value", []string{"pro?"}}}, []string{a, b}},
		{"tag of AWS", []Filter{{"tag:aws:autoscaling:groupName", []string{"group"}}}, []string{d}},
		{"instance-state-name", []Filter{{"instance-state-name", []string{"running"}}}, []string{a, b}},
		{"instance-state-code", []Filter{{"instance-state-code", []string{"80"}}}, []string{d}},
		{"instance-id", []Filter{{"instance-id", []string{b}}}, []string{b}},
		{"instance-type", []Filter{{"instance-type", []string{"c7g.*"}}}, []string{b}},
		{"availability-zone", []Filter{{"availability-zone", []string{"eu-west-1b"}}}, []string{b}},
		{"availability-zone-id", []Filter{{"availability-zone-id", []string{"euw1-az1"}}}, []string{a, d}},
		{"vpc-id", []Filter{{"vpc-id", []string{ia.VPCID}}}, []string{a, b, d}},
		{"subnet-id", []Filter{{"subnet-id", []string{ib.SubnetID}}}, []string{b}},
		{"reservation-id", []Filter{{"reservation-id", []string{ib.ReservationID}}}, []string{b}},
		{"owner-id", []Filter{{"owner-id", []string{"210987654321"}}}, nil},
		{"private-ip-address", []Filter{{"private-ip-address", []string{"192.0.2.7"}}}, []string{d}},
		{"private-ip-address is the primary one", []Filter{{"private-ip-address", []string{second}}}, nil},
		{"ip-address", []Filter{{"ip-address", []string{"*"}}}, []string{a}},
		{"image-id", []Filter{{"image-id", []string{"ami-*"}}}, []string{a, b, d}},
		{"instance-lifecycle", []Filter{{"instance-lifecycle", []string{"spot"}}}, []string{b}},
		{"architecture", []Filter{{"architecture", []string{"arm64"}}}, nil},
		{"any interface's address", []Filter{{"network-interface.addresses.private-ip-address", []string{second}}}, []string{a}},
		{"any interface's index", []Filter{{"network-interface.attachment.device-index", []string{"1"}}}, []string{a}},
		{"interface", []Filter{{"network-interface.network-interface-id", []string{ib.Interfaces[0].ID}}}, []string{b}},
		{"interface's subnet", []Filter{{"network-interface.subnet-id", []string{ib.SubnetID}}}, []string{b}},
		{"IPv6", []Filter{{"network-interface.ipv6-addresses.ipv6-address", []string{"2001:db8::a"}}}, []string{a}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{Filters: tc.filters})
			if got := ids(out); err != nil || !slices.Equal(got, tc.want) {
				t.Errorf("got %v, %v, want %v", got, err, tc.want)
			}
		})
	}
}

func TestFilterErrors(t *testing.T) {
	var values []string
	for n := range 101 {
		values = append(values, fmt.Sprint(n))
	}
	for _, tc := range []struct {
		name    string
		filters []Filter
		want    string
	}{
		{"unknown", []Filter{{"tag:app", []string{"web"}}, {"colour", []string{"red"}}}, "InvalidParameterValue: The filter 'colour' is invalid"},
		{"names have case", []Filter{{"Instance-Id", []string{"x"}}}, "InvalidParameterValue: The filter 'Instance-Id' is invalid"},
		{"tag without a key", []Filter{{"tag:", []string{"x"}}}, "InvalidParameterValue: The filter 'tag:' is invalid"},
		{"no values", []Filter{{"tag:app", nil}}, "MissingParameter: The request must contain the parameter Filter.1.Value"},
		{"200 values", []Filter{{"tag-key", values[:100]}, {"tag-value", values[:100]}}, ""},
		{"201 values", []Filter{{"tag-key", values[:100]}, {"tag-value", values[:101]}},
			"FilterLimitExceeded: The maximum number of filter values specified on a single call is 200"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := New(Config{}).DescribeInstances(Caller{}, DescribeInstancesInput{Filters: tc.filters})
			if got := fmt.Sprint(err); strings.TrimPrefix(got, "<nil>") != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}
