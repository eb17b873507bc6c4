package awstest

import (
	"errors"
	"testing"
	"time"
)

func TestRates(t *testing.T) {
	web := []Filter{{"tag:app", []string{"web"}}}
	for _, tc := range []struct {
		name      string
		call      func(*Cloud) error
		burst     int
		perSecond int
	}{
		{"filtered", func(c *Cloud) error {
			_, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{Filters: web})
			return err
		}, 100, 20},
		{"paginated", func(c *Cloud) error {
			_, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{MaxResults: 5})
			return err
		}, 100, 20},
		{"neither", func(c *Cloud) error {
			_, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{})
			return err
		}, 50, 10},
		{"following a token without MaxResults", func(c *Cloud) error {
			_, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{NextToken: "x"})
			if code(err) == "InvalidParameterValue" {
				return nil
			}
			return err
		}, 50, 10},
		{"zones", func(c *Cloud) error {
			_, err := c.DescribeAvailabilityZones(Caller{}, DescribeZonesInput{})
			return err
		}, 100, 20},
		{"mutating", func(c *Cloud) error {
			id := c.Instances()[0].ID
			return c.do(Caller{}, c.changeInstances("StartInstances", starting, changeInput{ids: []string{id}})).err
		}, 50, 5},
		{"tags", func(c *Cloud) error {
			id := c.Instances()[0].ID
			return c.do(Caller{}, c.createTags(createTagsInput{ids: []string{id}, tags: map[string]string{"a": "b"}})).err
		}, 100, 10},
	} {
		t.Run(tc.name, func(t *testing.T) {
			clk := newClock()
			c := New(Config{Now: clk.Now})
			launch(t, c, Launch{})
			drain := func() int {
				for n := 0; ; n++ {
					if err := tc.call(c); err != nil {
						var e *Error
						if !errors.As(err, &e) || e.Code != "RequestLimitExceeded" || e.Status != 503 {
							t.Fatal(err)
						}
						return n
					}
				}
			}
			if n := drain(); n != tc.burst {
				t.Errorf("burst of %d, want %d", n, tc.burst)
			}
			clk.advance(time.Second)
			if n := drain(); n != tc.perSecond {
				t.Errorf("%d after a second, want %d", n, tc.perSecond)
			}
			clk.advance(time.Hour)
			if n := drain(); n != tc.burst {
				t.Errorf("%d after an hour, want %d", n, tc.burst)
			}
		})
	}
}

func TestBucketsAreSeparate(t *testing.T) {
	c := New(Config{Now: newClock().Now})
	c.SetRate("ec2:DescribeInstances", Rate{1, 1})
	c.SetRate(UnfilteredDescribeInstances, Rate{1, 1})
	paged := DescribeInstancesInput{MaxResults: 5}
	for _, tc := range []struct {
		name string
		who  Caller
		in   DescribeInstancesInput
		want string
	}{
		{"first", Caller{}, paged, ""},
		{"second", Caller{}, paged, "RequestLimitExceeded"},
		{"another user of the account", Caller{AccessKeyID: "x"}, paged, "RequestLimitExceeded"},
		{"another kind of call", Caller{}, DescribeInstancesInput{}, ""},
		{"another region", Caller{Region: "us-east-1"}, paged, ""},
		{"another account", Caller{Account: "210987654321"}, paged, ""},
	} {
		if _, err := c.DescribeInstances(tc.who, tc.in); code(err) != tc.want {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestSetRate(t *testing.T) {
	c := New(Config{Now: newClock().Now})
	calls := func() int {
		for n := range 1000 {
			if _, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{MaxResults: 5}); err != nil {
				return n
			}
		}
		return 1000
	}
	c.SetRate("ec2:DescribeInstances", Rate{3, 1})
	if n := calls(); n != 3 {
		t.Errorf("own rate: %d calls", n)
	}
	c.SetRate("", Rate{7, 1})
	if n := calls(); n != 7 {
		t.Errorf("rate of all: %d calls", n)
	}
	c.SetRate("", Rate{})
	if n := calls(); n != 1000 {
		t.Errorf("no limit: %d calls", n)
	}
}
