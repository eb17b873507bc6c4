package awstest

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestCalls(t *testing.T) {
	clk := newClock()
	c := New(Config{Now: clk.Now})
	_, err := c.LaunchN(6, Launch{})
	do(t, err)
	who := Caller{Region: "eu-west-1", Account: DefaultAccount, AccessKeyID: AccessKeyID, ARN: "arn:aws:iam::123456789012:user/caddy"}
	out, err := c.DescribeInstances(who, DescribeInstancesInput{MaxResults: 5})
	do(t, err)
	c.Inject(Fault{Code: "Unavailable", Times: 1})
	c.DescribeInstances(who, DescribeInstancesInput{MaxResults: 5, NextToken: out.NextToken})
	c.DescribeInstances(who, DescribeInstancesInput{MaxResults: 3})
	c.GetCallerIdentity(who)

	want := []Call{
		{Time: clk.Now(), Service: "ec2", Action: "DescribeInstances", Page: 1, Caller: who},
		{Time: clk.Now(), Service: "ec2", Action: "DescribeInstances", Page: 2, Caller: who, Code: "Unavailable", Fault: true},
		{Time: clk.Now(), Service: "ec2", Action: "DescribeInstances", Page: 1, Caller: who, Code: "InvalidParameterValue"},
		{Time: clk.Now(), Service: "sts", Action: "GetCallerIdentity", Caller: who},
	}
	if diff := cmp.Diff(want, c.Calls(), cmpopts.IgnoreFields(Call{}, "RequestID")); diff != "" {
		t.Error(diff)
	}
	requests := make(map[string]bool)
	for _, call := range c.Calls() {
		requests[call.RequestID] = true
	}
	if len(requests) != 4 || requests[""] {
		t.Errorf("request ids %v", requests)
	}
	for _, tc := range []struct {
		service, action string
		want            int
	}{
		{"", "", 4}, {"ec2", "", 3}, {"sts", "GetCallerIdentity", 1}, {"", "Describe*", 3}, {"imds", "", 0},
	} {
		if n := c.Count(tc.service, tc.action); n != tc.want {
			t.Errorf("%q %q: %d calls, want %d", tc.service, tc.action, n, tc.want)
		}
	}
	c.ResetCalls()
	if len(c.Calls()) != 0 || c.Count("", "") != 0 {
		t.Error("calls are remembered after the reset")
	}
}

func TestCallsAreBounded(t *testing.T) {
	c := New(Config{})
	for range maxCalls + 1 {
		c.GetCallerIdentity(Caller{})
	}
	if n := len(c.Calls()); n > maxCalls || n < maxCalls/2 {
		t.Errorf("%d calls are remembered", n)
	}
	if n := c.Count("sts", ""); n != maxCalls+1 {
		t.Errorf("%d calls are counted", n)
	}
}

func TestAwait(t *testing.T) {
	c := New(Config{})
	go func() {
		for range 3 {
			c.GetCallerIdentity(Caller{})
		}
	}()
	do(t, c.Await(soon(t), "sts", "GetCallerIdentity", 3))
	do(t, c.Await(soon(t), "sts", "", 1))
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.Await(ended, "sts", "", 4); err == nil {
		t.Error("did not wait for the fourth call")
	}
}
