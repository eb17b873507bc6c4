package awsconf

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

// Source says which account, region and endpoint to talk to. The zero value is the SDK's default chain: environment
// variables, the shared config and credentials files, container credentials, the role of the instance.
// It is comparable: equal sources make equal calls.
type Source struct {
	// Region is the code of an AWS region, such as eu-west-1. Default: AWS_REGION, AWS_DEFAULT_REGION, the profile's
	// region, at last the region this instance runs in.
	Region string `json:"region,omitempty"`

	// Profile is a profile of the shared config and credentials files (~/.aws/config, ~/.aws/credentials, or what
	// AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name). Default: AWS_PROFILE, or "default" if there is one. A named
	// profile goes before credentials in environment variables. It is an error if it does not exist.
	Profile string `json:"profile,omitempty"`

	// RoleARN is a role to assume, with the credentials found otherwise: the way into another account. Default: none.
	RoleARN string `json:"role_arn,omitempty"`

	// ExternalID is sent when the role is assumed; the role's trust policy can ask for it. It needs RoleARN. Default: none.
	ExternalID string `json:"external_id,omitempty"`

	// Endpoint is the URL of the EC2 API, for an interface VPC endpoint without private DNS, or an emulator. Default:
	// AWS_ENDPOINT_URL_EC2, AWS_ENDPOINT_URL, else the region's public endpoint. It is for EC2 alone, whose clients set
	// it as their BaseEndpoint: a VPC endpoint of EC2 does not answer for STS or Route 53. Whoever wants one
	// address for all services has AWS_ENDPOINT_URL, or AWS_ENDPOINT_URL_STS and the like.
	Endpoint string `json:"endpoint,omitempty"`
}

var (
	regionForm     = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	zoneForm       = regexp.MustCompile(`^([a-z]+(-[a-z]+)+-[0-9]+)[a-z]$`)
	roleForm       = regexp.MustCompile(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+$`)
	externalIDForm = regexp.MustCompile(`^[\w+=,.@:/-]+$`) // the STS API reference, AssumeRole, ExternalId
)

// Validate reports what AWS would refuse, or the SDK would misunderstand. The error begins with the name of the option.
func (s Source) Validate() error {
	if m := zoneForm.FindStringSubmatch(s.Region); m != nil {
		return fmt.Errorf("region: %q is an availability zone, its region is %q", s.Region, m[1])
	}
	if s.Region != "" && (len(s.Region) > 64 || !regionForm.MatchString(s.Region)) {
		return fmt.Errorf("region: %q is not the code of a region, such as eu-west-1", s.Region)
	}
	if strings.TrimSpace(s.Profile) != s.Profile || strings.ContainsFunc(s.Profile, unicode.IsControl) || strings.ContainsAny(s.Profile, "[]") {
		return fmt.Errorf("profile: %q cannot be the name of a profile", s.Profile)
	}
	if s.RoleARN != "" && !roleForm.MatchString(s.RoleARN) {
		return fmt.Errorf("role_arn: %q is not the ARN of a role, such as arn:aws:iam::123456789012:role/name", s.RoleARN)
	}
	if s.ExternalID != "" {
		if s.RoleARN == "" {
			return errors.New("external_id: it is sent when a role is assumed, so role_arn must be set too")
		}
		if n := len(s.ExternalID); n < 2 || n > 1224 || !externalIDForm.MatchString(s.ExternalID) {
			return errors.New("external_id: it must have 2 to 1224 characters out of A-Z a-z 0-9 and _+=,.@:/-")
		}
	}
	return validateEndpoint(s.Endpoint)
}

// validateEndpoint never quotes the URL: it may hold a password by mistake.
func validateEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return errors.New("endpoint: it must be a URL with http or https and a host, such as https://ec2.eu-west-1.amazonaws.com")
	case u.User != nil:
		return errors.New("endpoint: the URL must not hold a user name or password")
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("endpoint: the URL must not have a query or fragment")
	}
	return nil
}
