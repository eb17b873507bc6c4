package awstest

import (
	"strings"
	"testing"
	"time"
)

func TestAssumeRole(t *testing.T) {
	clk := newClock()
	c := New(Config{Now: clk.Now})
	const open, closed, long = "arn:aws:iam::210987654321:role/path/open", "arn:aws:iam::210987654321:role/closed", "arn:aws:iam::210987654321:role/long"
	do(t, c.AddRole(Role{ARN: open}))
	do(t, c.AddRole(Role{ARN: closed, ExternalID: "secret"}))
	do(t, c.AddRole(Role{ARN: long, MaxSession: 12 * time.Hour}))
	for _, tc := range []struct {
		name string
		in   AssumeRoleInput
		want string
	}{
		{"well", AssumeRoleInput{RoleARN: open, SessionName: "caddy"}, ""},
		{"unneeded external id", AssumeRoleInput{RoleARN: open, SessionName: "caddy", ExternalID: "x"}, ""},
		{"external id", AssumeRoleInput{RoleARN: closed, SessionName: "caddy", ExternalID: "secret"}, ""},
		{"no external id", AssumeRoleInput{RoleARN: closed, SessionName: "caddy"}, "AccessDenied"},
		{"wrong external id", AssumeRoleInput{RoleARN: closed, SessionName: "caddy", ExternalID: "x"}, "AccessDenied"},
		{"unknown role", AssumeRoleInput{RoleARN: open + "x", SessionName: "caddy"}, "AccessDenied"},
		{"not a role", AssumeRoleInput{RoleARN: "arn:aws:iam::210987654321:user/x", SessionName: "caddy"}, "ValidationError"},
		{"no session name", AssumeRoleInput{RoleARN: open}, "ValidationError"},
		{"bad session name", AssumeRoleInput{RoleARN: open, SessionName: "a b"}, "ValidationError"},
		{"15 minutes", AssumeRoleInput{RoleARN: open, SessionName: "caddy", Duration: 15 * time.Minute}, ""},
		{"too short", AssumeRoleInput{RoleARN: open, SessionName: "caddy", Duration: 15*time.Minute - 1}, "ValidationError"},
		{"longer than the role allows", AssumeRoleInput{RoleARN: open, SessionName: "caddy", Duration: 2 * time.Hour}, "ValidationError"},
		{"12 hours", AssumeRoleInput{RoleARN: long, SessionName: "caddy", Duration: 12 * time.Hour}, ""},
		{"too long", AssumeRoleInput{RoleARN: long, SessionName: "caddy", Duration: 12*time.Hour + 1}, "ValidationError"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, err := c.AssumeRole(Caller{}, tc.in)
			if code(err) != tc.want {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
			if err != nil {
				return
			}
			duration := tc.in.Duration
			if duration == 0 {
				duration = time.Hour
			}
			if !out.Credentials.Expires.Equal(clk.Now().Add(duration)) {
				t.Errorf("expires %v", out.Credentials.Expires)
			}
			role := tc.in.RoleARN[strings.LastIndexByte(tc.in.RoleARN, '/')+1:]
			if want := "arn:aws:sts::210987654321:assumed-role/" + role + "/caddy"; out.ARN != want {
				t.Errorf("session %s, want %s", out.ARN, want)
			}
		})
	}

	out, err := c.AssumeRole(Caller{}, AssumeRoleInput{RoleARN: open, SessionName: "caddy"})
	do(t, err)
	chained := Caller{AccessKeyID: out.Credentials.AccessKeyID}
	if _, err := c.AssumeRole(chained, AssumeRoleInput{RoleARN: long, SessionName: "next", Duration: 2 * time.Hour}); code(err) != "ValidationError" {
		t.Errorf("a chained session of two hours: %v", err)
	}
	if err := c.AddRole(Role{ARN: "discovery"}); code(err) != "ValidationError" {
		t.Errorf("adding a role without ARN: %v", err)
	}
}

func TestAuthenticate(t *testing.T) {
	clk := newClock()
	c := New(Config{Now: clk.Now})
	const role = "arn:aws:iam::210987654321:role/r"
	do(t, c.AddRole(Role{ARN: role}))
	session, err := c.AssumeRole(Caller{}, AssumeRoleInput{RoleARN: role, SessionName: "caddy"})
	do(t, err)
	temporary := session.Credentials
	id := launch(t, c, Launch{Account: "210987654321"})
	node, err := c.Keys(id)
	do(t, err)
	if again, err := c.Keys(id); err != nil || again != node {
		t.Errorf("asked again, %s has the keys %v, %v", id, again, err)
	}

	for _, tc := range []struct {
		name     string
		keys     Credentials
		skew     time.Duration
		later    time.Duration
		ec2, sts string // error codes
		want     Caller
	}{
		{name: "user", keys: userKeys,
			want: Caller{Account: DefaultAccount, ARN: "arn:aws:iam::123456789012:user/caddy"}},
		{name: "session", keys: temporary,
			want: Caller{Account: "210987654321", ARN: session.ARN}},
		{name: "instance", keys: node,
			want: Caller{Account: "210987654321", ARN: "arn:aws:iam::210987654321:user/" + id, Instance: id}},
		{name: "unknown", keys: Credentials{AccessKeyID: "AKIAUNKNOWN"}, ec2: "AuthFailure", sts: "InvalidClientTokenId"},
		{name: "session without token", keys: Credentials{AccessKeyID: temporary.AccessKeyID}, ec2: "AuthFailure", sts: "InvalidClientTokenId"},
		{name: "user with token", keys: Credentials{AccessKeyID: AccessKeyID, SessionToken: "x"}, ec2: "AuthFailure", sts: "InvalidClientTokenId"},
		{name: "clock five minutes behind", keys: userKeys, skew: -5 * time.Minute,
			want: Caller{Account: DefaultAccount, ARN: "arn:aws:iam::123456789012:user/caddy"}},
		{name: "clock further behind", keys: userKeys, skew: -5*time.Minute - time.Second, ec2: "RequestExpired", sts: "SignatureDoesNotMatch"},
		{name: "clock ahead", keys: userKeys, skew: 5*time.Minute + time.Second, ec2: "RequestExpired", sts: "SignatureDoesNotMatch"},
		{name: "session over", keys: temporary, later: time.Hour, ec2: "RequestExpired", sts: "ExpiredToken"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			clk.advance(tc.later)
			defer clk.advance(-tc.later)
			for service, want := range map[string]string{"ec2": tc.ec2, "sts": tc.sts} {
				who, err := c.authenticate(&signature{
					accessKeyID: tc.keys.AccessKeyID, sessionToken: tc.keys.SessionToken,
					region: "eu-west-1", service: service, date: clk.Now().Add(tc.skew),
				})
				if code(err) != want {
					t.Errorf("%s: got %v, want %q", service, err, want)
				}
				if err == nil {
					tc.want.Region, tc.want.AccessKeyID = "eu-west-1", tc.keys.AccessKeyID
					if who != tc.want {
						t.Errorf("%s: got %+v, want %+v", service, who, tc.want)
					}
				}
			}
		})
	}
	if _, err := c.authenticate(nil); code(err) != "MissingAuthenticationToken" {
		t.Errorf("unsigned: %v", err)
	}
}
