package awstest

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const foreignRole = "arn:aws:iam::210987654321:role/discovery"

func TestAssumedRoleSeesItsAccount(t *testing.T) {
	c := New(Config{})
	s := serve(t, c)
	do(t, c.AddRole(Role{ARN: foreignRole, ExternalID: "secret"}))
	launch(t, c, Launch{})
	foreign := launch(t, c, Launch{Account: "210987654321"})

	cfg := sdk(t, s, userKeys, DefaultRegion)
	cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), foreignRole,
		func(o *stscreds.AssumeRoleOptions) {
			o.ExternalID = aws.String("secret")
			o.RoleSessionName = "caddy"
			o.Duration = 15 * time.Minute
		}))
	out, err := ec2.NewFromConfig(cfg).DescribeInstances(soon(t), &ec2.DescribeInstancesInput{})
	do(t, err)
	if len(out.Reservations) != 1 || *out.Reservations[0].Instances[0].InstanceId != foreign {
		t.Errorf("the role sees %+v", out.Reservations)
	}

	id, err := sts.NewFromConfig(cfg).GetCallerIdentity(soon(t), &sts.GetCallerIdentityInput{})
	do(t, err)
	if *id.Account != "210987654321" || *id.Arn != "arn:aws:sts::210987654321:assumed-role/discovery/caddy" || *id.UserId == "" {
		t.Errorf("identity %s %s %s", *id.Account, *id.Arn, *id.UserId)
	}
	if call := c.Calls()[1]; call.Caller.ARN != *id.Arn || call.Caller.Account != "210987654321" {
		t.Errorf("recorded as %+v", call)
	}
}

func TestSTSErrorsOnTheWire(t *testing.T) {
	c := New(Config{})
	s := serve(t, c)
	do(t, c.AddRole(Role{ARN: foreignRole, ExternalID: "secret"}))
	client := sts.NewFromConfig(sdk(t, s, userKeys, DefaultRegion))
	for _, tc := range []struct {
		name string
		in   sts.AssumeRoleInput
		want string
	}{
		{"wrong external id", sts.AssumeRoleInput{ExternalId: aws.String("x")}, "AccessDenied"},
		{"no duration at all", sts.AssumeRoleInput{ExternalId: aws.String("secret"), DurationSeconds: aws.Int32(0)}, "ValidationError"},
		{"too short", sts.AssumeRoleInput{ExternalId: aws.String("secret"), DurationSeconds: aws.Int32(899)}, "ValidationError"},
		{"a policy, which is not modelled", sts.AssumeRoleInput{ExternalId: aws.String("secret"), Policy: aws.String("{}")}, "UnknownParameter"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.in.RoleArn, tc.in.RoleSessionName = aws.String(foreignRole), aws.String("caddy")
			if _, err := client.AssumeRole(soon(t), &tc.in); code(err) != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
	stranger := sts.NewFromConfig(sdk(t, s, Credentials{AccessKeyID: "AKIAUNKNOWN", SecretAccessKey: "x"}, DefaultRegion))
	if _, err := stranger.GetCallerIdentity(soon(t), &sts.GetCallerIdentityInput{}); code(err) != "InvalidClientTokenId" {
		t.Errorf("unknown keys: %v", err)
	}
	if last := c.Calls()[c.Count("", "")-1]; last.Code != "InvalidClientTokenId" || last.Action != "GetCallerIdentity" || last.Caller.AccessKeyID != "AKIAUNKNOWN" {
		t.Errorf("recorded as %+v", last)
	}
}
