package awstest

import (
	"slices"
	"strings"
	"testing"
)

func TestShortRegion(t *testing.T) {
	for region, want := range map[string]string{
		"eu-west-1":      "euw1",
		"us-east-1":      "use1",
		"ap-southeast-2": "apse2",
		"ap-northeast-3": "apne3",
		"me-central-1":   "mec1",
		"us-gov-west-1":  "usgw1",
	} {
		if got := shortRegion(region); got != want {
			t.Errorf("%s: got %s, want %s", region, got, want)
		}
	}
}

func TestZonesOfAccounts(t *testing.T) {
	c := New(Config{})
	zones := func(who Caller) map[string]string {
		out, err := c.DescribeAvailabilityZones(who, DescribeZonesInput{})
		do(t, err)
		m := make(map[string]string)
		for _, z := range out {
			if z.State != "available" || z.Region == "" {
				t.Errorf("zone %+v", z)
			}
			m[z.Name] = z.ID
		}
		return m
	}
	own := zones(Caller{})
	foreign := zones(Caller{Account: "210987654321"})
	if own["eu-west-1a"] != "euw1-az1" || own["eu-west-1c"] != "euw1-az3" || len(own) != 3 {
		t.Errorf("zones %v", own)
	}
	seen := make(map[string]bool)
	for name, id := range foreign {
		seen[id] = true
		if own[name] == id {
			t.Errorf("%s is %s in both accounts", name, id)
		}
	}
	if len(seen) != 3 || !seen["euw1-az1"] {
		t.Errorf("zones of the other account %v", foreign)
	}
	if far := zones(Caller{Region: "us-east-1"}); far["us-east-1b"] != "use1-az2" {
		t.Errorf("zones of another region %v", far)
	}
}

func TestDescribeAvailabilityZones(t *testing.T) {
	c := New(Config{})
	c.SetZoneOutage("euw1-az3", true)
	for _, tc := range []struct {
		name string
		in   DescribeZonesInput
		want string // zone ids or an error
	}{
		{"all", DescribeZonesInput{}, "euw1-az1 euw1-az2 euw1-az3"},
		{"by name", DescribeZonesInput{Names: []string{"eu-west-1b"}}, "euw1-az2"},
		{"by id", DescribeZonesInput{IDs: []string{"euw1-az1"}}, "euw1-az1"},
		{"by both", DescribeZonesInput{IDs: []string{"euw1-az1"}, Names: []string{"eu-west-1b"}}, ""},
		{"impaired", DescribeZonesInput{Filters: []Filter{{"state", []string{"impaired"}}}}, "euw1-az3"},
		{"filter by name", DescribeZonesInput{Filters: []Filter{{"zone-name", []string{"*a"}}}}, "euw1-az1"},
		{"filter by region", DescribeZonesInput{Filters: []Filter{{"region-name", []string{"us-east-1"}}}}, ""},
		{"unknown filter", DescribeZonesInput{Filters: []Filter{{"zone", []string{"x"}}}}, "InvalidParameterValue"},
		{"unknown name", DescribeZonesInput{Names: []string{"eu-west-1z"}}, "InvalidParameterValue"},
		{"unknown id", DescribeZonesInput{IDs: []string{"use1-az1"}}, "InvalidParameterValue"},
		{"dry run", DescribeZonesInput{DryRun: true}, "DryRunOperation"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			zones, err := c.DescribeAvailabilityZones(Caller{}, tc.in)
			var ids []string
			for _, z := range zones {
				ids = append(ids, z.ID)
			}
			slices.Sort(ids)
			if got := strings.Join(ids, " ") + code(err); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
