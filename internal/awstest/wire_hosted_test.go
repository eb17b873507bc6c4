package awstest

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/google/go-cmp/cmp"
)

func TestHostedZonesOnTheWire(t *testing.T) {
	c := New(Config{})
	c.SetRate(AnyRoute53, Rate{})
	for _, z := range []HostedZone{{ID: "Z1", Name: "example.com", Comment: "ours"}, {ID: "Z2", Name: "example.com", Private: true}, {ID: "Z3", Name: "example.net"}} {
		_, err := c.AddZone(z)
		do(t, err)
	}
	client := route53Client(t, serve(t, c))
	zones := []types.HostedZone{
		{Id: aws.String("/hostedzone/Z1"), Name: aws.String("example.com."), CallerReference: aws.String("Z1"),
			Config: &types.HostedZoneConfig{Comment: aws.String("ours")}, ResourceRecordSetCount: aws.Int64(2)},
		{Id: aws.String("/hostedzone/Z2"), Name: aws.String("example.com."), CallerReference: aws.String("Z2"),
			Config: &types.HostedZoneConfig{PrivateZone: true}, ResourceRecordSetCount: aws.Int64(2)},
	}
	named, err := client.ListHostedZonesByName(soon(t), &route53.ListHostedZonesByNameInput{DNSName: aws.String("example.com"), MaxItems: aws.Int32(2)})
	do(t, err)
	if diff := cmp.Diff(zones, named.HostedZones, ignoreRoute53); diff != "" {
		t.Error(diff)
	}
	if !named.IsTruncated || *named.NextDNSName != "example.net." || *named.NextHostedZoneId != "Z3" || *named.DNSName != "example.com" || *named.MaxItems != 2 {
		t.Errorf("got %+v", named)
	}
	rest, err := client.ListHostedZonesByName(soon(t), &route53.ListHostedZonesByNameInput{DNSName: named.NextDNSName, HostedZoneId: named.NextHostedZoneId})
	do(t, err)
	if rest.IsTruncated || len(rest.HostedZones) != 1 || *rest.HostedZones[0].Id != "/hostedzone/Z3" || *rest.HostedZoneId != "Z3" {
		t.Errorf("got %+v", rest)
	}
	all, err := client.ListHostedZones(soon(t), &route53.ListHostedZonesInput{MaxItems: aws.Int32(1)})
	do(t, err)
	if diff := cmp.Diff(zones[:1], all.HostedZones, ignoreRoute53); diff != "" || !all.IsTruncated || *all.NextMarker != "Z2" {
		t.Errorf("%+v %s", all, diff)
	}
	all, err = client.ListHostedZones(soon(t), &route53.ListHostedZonesInput{Marker: all.NextMarker})
	do(t, err)
	if len(all.HostedZones) != 2 || all.IsTruncated || *all.Marker != "Z2" {
		t.Errorf("got %+v", all)
	}
	for i, want := range zones {
		got, err := client.GetHostedZone(soon(t), &route53.GetHostedZoneInput{Id: want.Id})
		do(t, err)
		if diff := cmp.Diff(&want, got.HostedZone, ignoreRoute53); diff != "" {
			t.Error(diff)
		}
		if i == 0 && (got.DelegationSet == nil || len(got.DelegationSet.NameServers) != 4 || got.DelegationSet.NameServers[0] != "ns-2048.awsdns-64.com") || i == 1 && got.DelegationSet != nil {
			t.Errorf("name servers %+v", got.DelegationSet)
		}
	}
}
