package dnsfailover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	caddyroute53 "github.com/caddy-dns/route53"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
)

// route53Region is where Route 53, which has one API for all regions, is signed for. Naming one keeps the instance metadata
// service from being asked, which is not there outside EC2.
const route53Region = "us-east-1"

// awsAccess is the way to the records of a configured DNS provider.
type awsAccess struct {
	Config aws.Config
}

// route53Access makes the access of what a provider is configured with: its region, profile and keys.
// What it says about retries and about waiting counts for nothing here. It never calls a method of the provider, whose
// client ends the whole process if a profile does not exist.
//
// It reads files, and takes no network. The default of the region is AWS_REGION, AWS_DEFAULT_REGION or us-east-1; in a
// partition of its own, such as that of China, one of them has to name a region there. No error holds a key.
func route53Access(ctx context.Context, p *caddyroute53.Provider) (awsAccess, error) {
	const doing = "finding the credentials of the DNS provider route53"
	switch {
	case (p.AccessKeyId == "") != (p.SecretAccessKey == ""):
		return awsAccess{}, &outcomeError{engine.Denied, errors.New(
			doing + ": access_key_id and secret_access_key are needed together, and one of them is empty: set both, or neither")}
	case p.AccessKeyId == "" && p.SessionToken != "":
		return awsAccess{}, &outcomeError{engine.Denied, errors.New(
			doing + ": a session_token is part of access_key_id and secret_access_key, which are not set: set them, too")}
	}
	source := awsconf.Source{
		Region:  cmp.Or(p.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), route53Region),
		Profile: p.Profile,
	}
	cfg, err := source.Load(ctx)
	if err != nil {
		return awsAccess{}, fmt.Errorf("%s: %w", doing, err)
	}
	if p.AccessKeyId != "" {
		cfg.Credentials = aws.NewCredentialsCache(
			credentials.NewStaticCredentialsProvider(p.AccessKeyId, p.SecretAccessKey, p.SessionToken))
	}
	return awsAccess{Config: cfg}, nil
}
