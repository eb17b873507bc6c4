package awsconf

import (
	"strings"
	"testing"
)

func TestSourceValidate(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/discovery"
	for _, tc := range []struct {
		name string
		s    Source
		want string // how the error begins; empty: none
	}{
		{"zero value", Source{}, ""},
		{"everything", Source{"eu-west-1", "prod", role, "id=1", "https://vpce-1.ec2.eu-west-1.vpce.amazonaws.com"}, ""},
		{"government region", Source{Region: "us-gov-west-1"}, ""},
		{"sovereign region", Source{Region: "eusc-de-east-1"}, ""},
		{"emulator's region", Source{Region: "local"}, ""},
		{"region with space", Source{Region: "eu-west-1 "}, `region: "eu-west-1 "`},
		{"region in upper case", Source{Region: "EU-WEST-1"}, "region: "},
		{"region with slash", Source{Region: "eu-west-1/x"}, "region: "},
		{"region with dot", Source{Region: "evil.example.com"}, "region: "},
		{"region with dash at the end", Source{Region: "eu-west-"}, "region: "},
		{"long region", Source{Region: strings.Repeat("a", 65)}, "region: "},
		{"zone for a region", Source{Region: "eu-west-1a"}, `region: "eu-west-1a" is an availability zone, its region is "eu-west-1"`},
		{"profile with spaces inside", Source{Profile: "my profile"}, ""},
		{"profile with space at the end", Source{Profile: "prod "}, `profile: "prod "`},
		{"profile with bracket", Source{Profile: "[prod]"}, "profile: "},
		{"profile with line break", Source{Profile: "a\nb"}, "profile: "},
		{"role with path", Source{RoleARN: "arn:aws-cn:iam::123456789012:role/a/b/c+d"}, ""},
		{"role name alone", Source{RoleARN: "discovery"}, `role_arn: "discovery"`},
		{"instance profile", Source{RoleARN: "arn:aws:iam::123456789012:instance-profile/x"}, "role_arn: "},
		{"session of a role", Source{RoleARN: "arn:aws:sts::123456789012:assumed-role/x/y"}, "role_arn: "},
		{"short account", Source{RoleARN: "arn:aws:iam::12345:role/x"}, "role_arn: "},
		{"role without name", Source{RoleARN: "arn:aws:iam::123456789012:role/"}, "role_arn: "},
		{"role with line break", Source{RoleARN: role + "\n"}, "role_arn: "},
		{"external id without role", Source{ExternalID: "abc"}, "external_id: it is sent when a role is assumed, so role_arn"},
		{"external id with space", Source{RoleARN: role, ExternalID: "a b"}, "external_id: "},
		{"short external id", Source{RoleARN: role, ExternalID: "a"}, "external_id: "},
		{"emulator", Source{Endpoint: "http://127.0.0.1:4566"}, ""},
		{"emulator with path", Source{Endpoint: "http://[::1]:4566/ec2"}, ""},
		{"endpoint without scheme", Source{Endpoint: "127.0.0.1:4566"}, "endpoint: "},
		{"endpoint of another scheme", Source{Endpoint: "ftp://x"}, "endpoint: "},
		{"endpoint without host", Source{Endpoint: "https://:443"}, "endpoint: "},
		{"endpoint that does not parse", Source{Endpoint: "https://a b:secret@x"}, "endpoint: "},
		{"endpoint with password", Source{Endpoint: "https://me:secret@x"}, "endpoint: the URL must not hold a user name"},
		{"endpoint with query", Source{Endpoint: "https://x/?a=secret"}, "endpoint: the URL must not have a query"},
		{"endpoint with fragment", Source{Endpoint: "https://x/#secret"}, "endpoint: the URL must not have a query"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.s.Validate()
			switch {
			case (err == nil) != (tc.want == ""):
				t.Fatalf("error %v, want %q", err, tc.want)
			case err != nil && !strings.HasPrefix(err.Error(), tc.want):
				t.Fatalf("error %q does not begin with %q", err, tc.want)
			case err != nil && strings.Contains(err.Error(), "secret"):
				t.Errorf("a secret is in the error: %v", err)
			}
		})
	}
}

func TestLoadValidates(t *testing.T) {
	isolate(t)
	_, err := Source{Region: "nowhere!"}.Load(t.Context())
	wantError(t, Classify("", err), Request, true, `loading the AWS config: request: region: "nowhere!"`)
}
