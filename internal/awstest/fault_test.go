package awstest

import (
	"errors"
	"testing"
	"time"
)

func TestFaultMatching(t *testing.T) {
	c := New(Config{})
	_, err := c.LaunchN(12, Launch{})
	do(t, err)
	id := c.Instances()[0].ID
	keys, err := c.Keys(id)
	do(t, err)
	user := Caller{AccessKeyID: AccessKeyID, ARN: "arn:aws:iam::123456789012:user/caddy"}
	node := Caller{AccessKeyID: keys.AccessKeyID, Instance: id, ARN: "arn:aws:iam::123456789012:user/" + id}
	first, err := c.DescribeInstances(user, DescribeInstancesInput{MaxResults: 5})
	do(t, err)
	second, err := c.DescribeInstances(user, DescribeInstancesInput{MaxResults: 5, NextToken: first.NextToken})
	do(t, err)

	for _, tc := range []struct {
		name  string
		f     Fault
		who   Caller
		token string
		hit   bool
	}{
		{"any", Fault{}, user, "", true},
		{"service", Fault{Service: "ec2"}, user, "", true},
		{"other service", Fault{Service: "sts"}, user, "", false},
		{"action", Fault{Service: "ec2", Action: "DescribeInstances"}, user, "", true},
		{"wildcard", Fault{Action: "Describe*"}, user, "", true},
		{"other action", Fault{Action: "RunInstances"}, user, "", false},
		{"page 1", Fault{Page: 1}, user, "", true},
		{"page 2 of page 1", Fault{Page: 2}, user, "", false},
		{"page 2", Fault{Page: 2}, user, first.NextToken, true},
		{"page 3", Fault{Page: 3}, user, second.NextToken, true},
		{"page 2 of page 3", Fault{Page: 2}, user, second.NextToken, false},
		{"from a key", Fault{From: AccessKeyID}, user, "", true},
		{"from another key", Fault{From: AccessKeyID}, node, "", false},
		{"from an ARN", Fault{From: user.ARN}, user, "", true},
		{"from an instance", Fault{From: id}, node, "", true},
		{"from another instance", Fault{From: id}, user, "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.f.Code = "Unavailable"
			remove := c.Inject(tc.f)
			defer remove()
			_, err := c.DescribeInstances(tc.who, DescribeInstancesInput{MaxResults: 5, NextToken: tc.token})
			if hit := code(err) == "Unavailable"; hit != tc.hit || err != nil && !hit {
				t.Errorf("got %v, want a hit: %v", err, tc.hit)
			}
		})
	}
}

func TestFaultTimes(t *testing.T) {
	c := New(Config{})
	call := func() string {
		_, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{})
		return code(err)
	}
	c.Inject(Fault{Code: "InternalError", Times: 2})
	remove := c.Inject(Fault{Code: "RequestLimitExceeded"})
	for n, want := range []string{"InternalError", "InternalError", "RequestLimitExceeded", "RequestLimitExceeded"} {
		if got := call(); got != want {
			t.Errorf("call %d: got %q, want %q", n, got, want)
		}
	}
	remove()
	remove()
	if got := call(); got != "" {
		t.Errorf("after its removal: %q", got)
	}
}

func TestFaultKinds(t *testing.T) {
	for _, tc := range []struct {
		name    string
		f       Fault
		err     error // by code and status, or identity
		carried bool
	}{
		{"code", Fault{Code: "RequestLimitExceeded"}, &Error{Status: 503, Code: "RequestLimitExceeded"}, false},
		{"code and status", Fault{Code: "Unavailable", Status: 500}, &Error{Status: 500, Code: "Unavailable"}, false},
		{"status 500", Fault{Status: 500}, &Error{Status: 500, Code: "InternalError"}, false},
		{"status 503", Fault{Status: 503}, &Error{Status: 503, Code: "Unavailable"}, false},
		{"client error", Fault{Code: "InvalidParameterValue"}, &Error{Status: 400, Code: "InvalidParameterValue"}, false},
		{"latency", Fault{Latency: time.Hour}, nil, true},
		{"empty", Fault{Kind: Empty}, nil, false},
		{"truncate", Fault{Kind: Truncate}, ErrNoAnswer, true},
		{"lose", Fault{Kind: Lose}, ErrNoAnswer, true},
		{"drop", Fault{Kind: Drop}, ErrNoAnswer, false},
		{"hang", Fault{Kind: Hang}, ErrNoAnswer, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := New(Config{})
			id := launch(t, c, Launch{})
			c.Inject(tc.f)
			_, err := result[changed](c.do(Caller{}, c.changeInstances("StopInstances", stopping, changeInput{ids: []string{id}})))
			var got, want *Error
			if errors.As(tc.err, &want) {
				if !errors.As(err, &got) || got.Status != want.Status || got.Code != want.Code {
					t.Errorf("got %v, want %v", err, tc.err)
				}
			} else if err != tc.err {
				t.Errorf("got %v, want %v", err, tc.err)
			}
			if i, _ := c.Instance(id); (i.State == Stopped) != tc.carried {
				t.Errorf("state %v, want it carried out: %v", i.State, tc.carried)
			}
			if call := c.Calls()[0]; !call.Fault {
				t.Errorf("recorded as %+v", call)
			}
		})
	}
}

func TestEmptyAnswer(t *testing.T) {
	c := New(Config{})
	launch(t, c, Launch{})
	c.Inject(Fault{Kind: Empty, Times: 1})
	out, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{})
	if err != nil || len(out.Reservations) != 0 {
		t.Errorf("got %v, %v", ids(out), err)
	}
	if out, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{}); err != nil || len(ids(out)) != 1 {
		t.Errorf("then %v, %v", ids(out), err)
	}
}

func TestOutage(t *testing.T) {
	c := New(Config{})
	restore := c.Outage("ec2")
	if _, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{}); err != ErrNoAnswer {
		t.Errorf("EC2 during its outage: %v", err)
	}
	if _, err := c.GetCallerIdentity(Caller{}); err != nil {
		t.Errorf("STS during the outage of EC2: %v", err)
	}
	restore()
	if _, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{}); err != nil {
		t.Errorf("EC2 after its outage: %v", err)
	}
}

func TestDeny(t *testing.T) {
	const message = "You are not authorized to perform this operation. " +
		"User: arn:aws:iam::123456789012:user/caddy is not authorized to perform: ec2:DescribeInstances " +
		"because no identity-based policy allows the ec2:DescribeInstances action"
	c := New(Config{})
	for _, action := range []string{"ec2:DescribeInstances", "ec2:*"} {
		allow := c.Deny(action)
		for _, dryRun := range []bool{false, true} {
			_, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{DryRun: dryRun})
			var e *Error
			if !errors.As(err, &e) || e.Code != "UnauthorizedOperation" || e.Status != 403 || e.Message != message {
				t.Errorf("%s denied, dry run %v: %v", action, dryRun, err)
			}
		}
		allow()
		if _, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{}); err != nil {
			t.Errorf("%s allowed again: %v", action, err)
		}
	}
	defer c.Deny("sts:*")()
	if err := c.AddRole(Role{ARN: "arn:aws:iam::210987654321:role/r"}); err != nil {
		t.Fatal(err)
	}
	_, err := c.AssumeRole(Caller{}, AssumeRoleInput{RoleARN: "arn:aws:iam::210987654321:role/r", SessionName: "test"})
	if code(err) != "AccessDenied" {
		t.Errorf("sts:AssumeRole denied: %v", err)
	}
	if _, err := c.GetCallerIdentity(Caller{}); err != nil {
		t.Errorf("sts:GetCallerIdentity needs a permission: %v", err)
	}
}
