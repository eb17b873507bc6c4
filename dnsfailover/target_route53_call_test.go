package dnsfailover

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// What the fake has no model of: the policies that it does not know.
func TestOdd(t *testing.T) {
	for want, r := range map[string]types.ResourceRecordSet{
		"":                                    {},
		"geolocation (set identifier \"x\")":  {GeoLocation: &types.GeoLocation{}, SetIdentifier: aws.String("x")},
		"geoproximity (set identifier \"x\")": {GeoProximityLocation: &types.GeoProximityLocation{}, SetIdentifier: aws.String("x")},
		"IP-based (set identifier \"x\")":     {CidrRoutingConfig: &types.CidrRoutingConfig{}, SetIdentifier: aws.String("x")},
		"made by a traffic policy":            {TrafficPolicyInstanceId: aws.String("x")},
		"(set identifier \"x\")":              {SetIdentifier: aws.String("x")},
		"with a health check":                 {HealthCheckId: aws.String("x")},
		"weighted, an alias of a.b (set identifier \"x\")": {Weight: aws.Int64(0), AliasTarget: &types.AliasTarget{DNSName: aws.String("a.b.")}, SetIdentifier: aws.String("x")},
	} {
		if got := odd(&r); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// An answer of which a part is missing is an error, whatever part.
func TestIncompleteListings(t *testing.T) {
	whole := types.ResourceRecordSet{Name: aws.String("lb.example.com."), Type: "A", TTL: aws.Int64(60), ResourceRecords: []types.ResourceRecord{{Value: aws.String("203.0.113.1")}}}
	with := func(f func(*types.ResourceRecordSet)) types.ResourceRecordSet {
		r := whole
		f(&r)
		return r
	}
	full := aws.Int32(pageSize)
	for _, tc := range []struct {
		name string
		out  route53.ListResourceRecordSetsOutput
		part string
	}{
		{"whole", route53.ListResourceRecordSetsOutput{MaxItems: full, ResourceRecordSets: []types.ResourceRecordSet{whole}}, ""},
		{"cut off", route53.ListResourceRecordSetsOutput{ResourceRecordSets: []types.ResourceRecordSet{whole}}, "where to go on"},
		{"no next name", route53.ListResourceRecordSetsOutput{MaxItems: full, IsTruncated: true, ResourceRecordSets: []types.ResourceRecordSet{whole}}, "where to go on"},
		{"empty", route53.ListResourceRecordSetsOutput{MaxItems: full}, "the hosted zone is empty"},
		{"no end", route53.ListResourceRecordSetsOutput{MaxItems: full, IsTruncated: true, NextRecordName: aws.String("lb.example.com."), NextRecordType: "A"}, "no end after 50 pages"},
		{"no TTL", route53.ListResourceRecordSetsOutput{MaxItems: full, ResourceRecordSets: []types.ResourceRecordSet{with(func(r *types.ResourceRecordSet) { r.TTL = nil })}}, "lacks something"},
		{"no values", route53.ListResourceRecordSetsOutput{MaxItems: full, ResourceRecordSets: []types.ResourceRecordSet{with(func(r *types.ResourceRecordSet) { r.ResourceRecords = nil })}}, "lacks something"},
		{"no type", route53.ListResourceRecordSetsOutput{MaxItems: full, ResourceRecordSets: []types.ResourceRecordSet{with(func(r *types.ResourceRecordSet) { r.Type = "" })}}, "lacks something"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := NewRoute53(Route53Options{Zone: "Z0123456789ABCDEFGHIJ", Name: "lb.example.com"})
			if err != nil {
				t.Fatal(err)
			}
			r.pause = 1
			r.list = func(context.Context, *route53.ListResourceRecordSetsInput) (*route53.ListResourceRecordSetsOutput, error) {
				return &tc.out, nil
			}
			got, err := r.Read(t.Context())
			if tc.part == "" {
				if err != nil || got.Addrs != "203.0.113.1" {
					t.Errorf("%+v, %v", got, err)
				}
				return
			}
			wantError(t, err, engine.Unknown, "half an answer", tc.part)
			if !strings.HasPrefix(err.Error(), "reading lb.example.com in hosted zone Z0123456789ABCDEFGHIJ: ") || got.Token != "" {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}
