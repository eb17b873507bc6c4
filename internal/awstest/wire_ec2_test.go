package awstest

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// ignoreMetadata leaves out what the SDK keeps beside an answer.
var ignoreMetadata = cmp.Options{
	cmpopts.IgnoreUnexported(
		types.Instance{}, types.InstanceState{}, types.InstanceNetworkInterface{}, types.InstanceNetworkInterfaceAttachment{},
		types.InstanceNetworkInterfaceAssociation{}, types.InstancePrivateIpAddress{}, types.InstanceIpv6Address{},
		types.Placement{}, types.Tag{}, types.AvailabilityZone{}, types.InstanceStateChange{},
	),
	cmpopts.EquateEmpty(),
}

func TestDescribeInstancesOnTheWire(t *testing.T) {
	clk := &clock{now: time.Now()}
	c := New(Config{Now: clk.Now})
	id := launch(t, c, Launch{
		Zone: "eu-west-1b", Type: "c7g.large", Spot: true, PrivateIP: "192.0.2.1", PublicIP: "198.51.100.1", IPv6: "2001:db8::1",
		Tags: map[string]string{"note": "<a & b> \"c\"\n\t€"},
	})
	i, _ := c.Instance(id)
	n := i.Interfaces[0]
	association := &types.InstanceNetworkInterfaceAssociation{PublicIp: aws.String("198.51.100.1"), IpOwnerId: aws.String("amazon")}
	want := types.Instance{
		InstanceId:        &id,
		ImageId:           &i.ImageID,
		State:             &types.InstanceState{Code: aws.Int32(16), Name: "running"},
		InstanceType:      "c7g.large",
		InstanceLifecycle: "spot",
		Architecture:      "x86_64",
		LaunchTime:        aws.Time(clk.Now().UTC().Truncate(time.Millisecond)),
		Placement:         &types.Placement{AvailabilityZone: aws.String("eu-west-1b"), AvailabilityZoneId: aws.String("euw1-az2"), Tenancy: "default"},
		SubnetId:          &i.SubnetID,
		VpcId:             &i.VPCID,
		PrivateIpAddress:  aws.String("192.0.2.1"),
		PublicIpAddress:   aws.String("198.51.100.1"),
		Ipv6Address:       aws.String("2001:db8::1"),
		Tags:              []types.Tag{{Key: aws.String("note"), Value: aws.String("<a & b> \"c\"\n\t€")}},
		NetworkInterfaces: []types.InstanceNetworkInterface{{
			NetworkInterfaceId: &n.ID,
			SubnetId:           &i.SubnetID,
			VpcId:              &i.VPCID,
			OwnerId:            &i.Account,
			Status:             "in-use",
			MacAddress:         &n.MAC,
			PrivateIpAddress:   aws.String("192.0.2.1"),
			Attachment:         &types.InstanceNetworkInterfaceAttachment{AttachmentId: &n.AttachmentID, DeviceIndex: aws.Int32(0), Status: "attached"},
			Association:        association,
			PrivateIpAddresses: []types.InstancePrivateIpAddress{{PrivateIpAddress: aws.String("192.0.2.1"), Primary: aws.Bool(true), Association: association}},
			Ipv6Addresses:      []types.InstanceIpv6Address{{Ipv6Address: aws.String("2001:db8::1")}},
		}},
	}
	client := ec2Client(t, serve(t, c))
	out, err := client.DescribeInstances(soon(t), &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	do(t, err)
	r := out.Reservations[0]
	if *r.ReservationId != i.ReservationID || *r.OwnerId != DefaultAccount {
		t.Errorf("reservation %s of %s", *r.ReservationId, *r.OwnerId)
	}
	if diff := cmp.Diff(want, r.Instances[0], ignoreMetadata); diff != "" {
		t.Error(diff)
	}

	do(t, c.Terminate(id))
	out, err = client.DescribeInstances(soon(t), &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	do(t, err)
	ended := out.Reservations[0].Instances[0]
	if ended.PrivateIpAddress != nil || ended.PublicIpAddress != nil || ended.SubnetId != nil || len(ended.NetworkInterfaces) != 0 || len(ended.Tags) != 1 {
		t.Errorf("terminated %+v", ended)
	}
}

func TestPaginatorOfTheSDK(t *testing.T) {
	c := New(Config{})
	_, err := c.LaunchN(7, Launch{Tags: map[string]string{"app": "web"}})
	do(t, err)
	_, err = c.LaunchN(5, Launch{Tags: map[string]string{"app": "web"}})
	do(t, err)
	launch(t, c, Launch{})
	pages := ec2.NewDescribeInstancesPaginator(ec2Client(t, serve(t, c)), &ec2.DescribeInstancesInput{
		MaxResults: aws.Int32(5),
		Filters:    []types.Filter{{Name: aws.String("tag:app"), Values: []string{"no", "w?b"}}},
	})
	var sizes []int
	seen := make(map[string]bool)
	for pages.HasMorePages() {
		page, err := pages.NextPage(soon(t))
		do(t, err)
		n := 0
		for _, r := range page.Reservations {
			for _, i := range r.Instances {
				seen[*i.InstanceId] = true
				n++
			}
		}
		sizes = append(sizes, n)
	}
	if len(seen) != 12 || !slices.Equal(sizes, []int{5, 5, 2}) {
		t.Errorf("%d instances on pages of %v", len(seen), sizes)
	}
	if calls := c.Calls(); len(calls) != 3 || calls[2].Page != 3 || calls[2].Caller.AccessKeyID != AccessKeyID {
		t.Errorf("calls %+v", calls)
	}
}

func TestLifeOnTheWire(t *testing.T) {
	c := New(Config{})
	client, ctx := ec2Client(t, serve(t, c)), soon(t)
	run := &ec2.RunInstancesInput{
		ImageId: aws.String("ami-1"), MinCount: aws.Int32(1), MaxCount: aws.Int32(2), InstanceType: "t4g.nano",
		Placement: &types.Placement{AvailabilityZone: aws.String("eu-west-1c")}, ClientToken: aws.String("once"),
		TagSpecifications: []types.TagSpecification{
			{ResourceType: "volume", Tags: []types.Tag{{Key: aws.String("app"), Value: aws.String("disk")}}},
			{ResourceType: "instance", Tags: []types.Tag{{Key: aws.String("app"), Value: aws.String("web")}, {Key: aws.String("empty"), Value: aws.String("")}}},
		},
	}
	out, err := client.RunInstances(ctx, run)
	do(t, err)
	if len(out.Instances) != 2 || out.Instances[0].State.Name != "pending" || *out.Instances[0].PrivateIpAddress == "" {
		t.Fatalf("run: %+v", out.Instances)
	}
	id := *out.Instances[0].InstanceId
	again, err := client.RunInstances(ctx, run)
	do(t, err)
	if *again.ReservationId != *out.ReservationId || len(c.Instances()) != 2 {
		t.Errorf("run again with the same token: %+v", again)
	}
	if i, _ := c.Instance(id); i.Tag("app") != "web" || i.Type != "t4g.nano" || i.Zone.Name != "eu-west-1c" || i.ImageID != "ami-1" || len(i.Tags) != 2 {
		t.Errorf("launched %+v", i)
	}

	change := func(name, previous, current string, changes []types.InstanceStateChange, err error) {
		t.Helper()
		do(t, err)
		if len(changes) != 1 || *changes[0].InstanceId != id || string(changes[0].PreviousState.Name) != previous || string(changes[0].CurrentState.Name) != current {
			t.Errorf("%s: %+v", name, changes)
		}
	}
	one := []string{id}
	stop, err := client.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: one, Force: aws.Bool(true)})
	change("stop", "running", "stopping", stop.StoppingInstances, err)
	start, err := client.StartInstances(ctx, &ec2.StartInstancesInput{InstanceIds: one})
	change("start", "stopped", "pending", start.StartingInstances, err)
	end, err := client.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: one})
	change("terminate", "running", "shutting-down", end.TerminatingInstances, err)

	other := *out.Instances[1].InstanceId
	for name, want := range map[string]string{
		id:                    "IncorrectInstanceState",
		"i-00000000":          "InvalidInstanceID.NotFound",
		"web":                 "InvalidInstanceID.Malformed",
		"i-0000000g000000000": "InvalidInstanceID.Malformed",
	} {
		_, err := client.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: []string{other, name}})
		if i, _ := c.Instance(other); code(err) != want || i.State != Running {
			t.Errorf("stopping %s as well: %v, the other is %v", name, err, i.State)
		}
	}
	_, err = client.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{other}, DryRun: aws.Bool(true)})
	if i, _ := c.Instance(other); code(err) != "DryRunOperation" || i.State != Running {
		t.Errorf("dry run: %v, %v", err, i.State)
	}
	run.ClientToken, run.MinCount = aws.String("more"), aws.Int32(3)
	if _, err := client.RunInstances(ctx, run); code(err) != "InvalidParameterValue" {
		t.Errorf("at least three and at most two: %v", err)
	}
	run.MinCount, run.DryRun = aws.Int32(1), aws.Bool(true)
	if _, err := client.RunInstances(ctx, run); code(err) != "DryRunOperation" || len(c.Instances()) != 2 {
		t.Errorf("dry run: %v", err)
	}
}

func TestTagsOnTheWire(t *testing.T) {
	c := New(Config{})
	client, ctx := ec2Client(t, serve(t, c)), soon(t)
	id := launch(t, c, Launch{ASG: "group", Tags: map[string]string{"keep": "1"}})
	other := launch(t, c, Launch{})
	tag := func(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }
	create := func(ids []string, tags ...types.Tag) error {
		_, err := client.CreateTags(ctx, &ec2.CreateTagsInput{Resources: ids, Tags: tags})
		return err
	}
	remove := func(tags ...types.Tag) error {
		_, err := client.DeleteTags(ctx, &ec2.DeleteTagsInput{Resources: []string{id}, Tags: tags})
		return err
	}
	tags := func() map[string]string {
		i, _ := c.Instance(id)
		m := make(map[string]string)
		for _, t := range i.Tags {
			m[t.Key] = t.Value
		}
		return m
	}
	var many []types.Tag
	for n := range 49 {
		many = append(many, tag(string(rune('A'+n)), ""))
	}
	asg := map[string]string{AutoScalingGroupTag: "group"}
	for _, step := range []struct {
		name string
		act  func() error
		want string            // error code
		tags map[string]string // afterwards, beside that of the group
	}{
		{"create", func() error { return create([]string{id, other}, tag("app", "web"), tag("empty", "")) }, "",
			map[string]string{"keep": "1", "app": "web", "empty": ""}},
		{"change", func() error { return create([]string{id}, tag("app", "db")) }, "",
			map[string]string{"keep": "1", "app": "db", "empty": ""}},
		{"delete another value", func() error { return remove(tag("app", "web")) }, "",
			map[string]string{"keep": "1", "app": "db", "empty": ""}},
		{"delete the value", func() error { return remove(tag("app", "db")) }, "",
			map[string]string{"keep": "1", "empty": ""}},
		{"delete whatever the value", func() error { return remove(types.Tag{Key: aws.String("keep")}, types.Tag{Key: aws.String("unknown")}) }, "",
			map[string]string{"empty": ""}},
		{"delete all", func() error { return remove() }, "", nil},
		{"create a tag of AWS", func() error { return create([]string{id}, tag("aws:x", "")) }, "InvalidParameterValue", nil},
		{"delete a tag of AWS", func() error { return remove(types.Tag{Key: aws.String(AutoScalingGroupTag)}) }, "InvalidParameterValue", nil},
		{"tag what is not there", func() error { return create([]string{"i-00000000", id}, tag("app", "web")) }, "InvalidInstanceID.NotFound", nil},
		{"one key twice", func() error { return create([]string{id}, tag("app", "web"), tag("app", "db")) }, "InvalidParameterValue", nil},
		{"too many", func() error { return create([]string{id}, append(many, tag("app", "web"))...) }, "TagLimitExceeded", nil},
	} {
		if err := step.act(); code(err) != step.want {
			t.Errorf("%s: got %v, want %q", step.name, err, step.want)
		}
		want := maps.Clone(asg)
		maps.Copy(want, step.tags)
		if diff := cmp.Diff(want, tags()); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
	}
	if i, _ := c.Instance(other); i.Tag("app") != "web" {
		t.Errorf("the other instance has %v", i.Tags)
	}
}

func TestZonesOnTheWire(t *testing.T) {
	c := New(Config{})
	c.SetZoneOutage("eu-west-1a", true)
	out, err := ec2Client(t, serve(t, c)).DescribeAvailabilityZones(soon(t), &ec2.DescribeAvailabilityZonesInput{
		AllAvailabilityZones: aws.Bool(true), ZoneIds: []string{"euw1-az1"},
	})
	do(t, err)
	want := []types.AvailabilityZone{{
		ZoneName: aws.String("eu-west-1a"), ZoneId: aws.String("euw1-az1"), State: "impaired", ZoneType: aws.String("availability-zone"),
		RegionName: aws.String("eu-west-1"), GroupName: aws.String("eu-west-1"), OptInStatus: "opt-in-not-required",
	}}
	if diff := cmp.Diff(want, out.AvailabilityZones, ignoreMetadata); diff != "" {
		t.Error(diff)
	}
}

func TestErrorOnTheWire(t *testing.T) {
	c := New(Config{})
	defer c.Deny("ec2:DescribeInstances")()
	_, err := ec2Client(t, serve(t, c)).DescribeInstances(soon(t), &ec2.DescribeInstancesInput{})
	var response *awshttp.ResponseError
	if !errors.As(err, &response) || response.HTTPStatusCode() != 403 || code(err) != "UnauthorizedOperation" {
		t.Fatal(err)
	}
	if response.RequestID != c.Calls()[0].RequestID {
		t.Errorf("request id %q, recorded %q", response.RequestID, c.Calls()[0].RequestID)
	}
}

func TestRegionIsThatOfTheSignature(t *testing.T) {
	c := New(Config{})
	s := serve(t, c)
	id := launch(t, c, Launch{Region: "us-east-1"})
	out, err := ec2.NewFromConfig(sdk(t, s, userKeys, "us-east-1")).DescribeInstances(soon(t), &ec2.DescribeInstancesInput{})
	do(t, err)
	if len(out.Reservations) != 1 || *out.Reservations[0].Instances[0].InstanceId != id {
		t.Errorf("us-east-1 has %+v", out.Reservations)
	}
	out, err = ec2Client(t, s).DescribeInstances(soon(t), &ec2.DescribeInstancesInput{})
	do(t, err)
	if len(out.Reservations) != 0 {
		t.Errorf("eu-west-1 has %+v", out.Reservations)
	}
}

func BenchmarkPageOfThousand(b *testing.B) {
	c := New(Config{})
	c.SetRate("", Rate{})
	for range 10 {
		if _, err := c.LaunchN(1000, Launch{Tags: map[string]string{"app": "web", "Name": "web-1", "env": "production"}}); err != nil {
			b.Fatal(err)
		}
	}
	var x xmlWriter
	for b.Loop() {
		out, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{MaxResults: 1000, Filters: []Filter{{"tag:app", []string{"web"}}}})
		if err != nil || out.NextToken == "" {
			b.Fatal(err)
		}
		x.reset()
		writeEC2(&x, out, "id")
	}
	b.ReportMetric(float64(len(x.b)), "bytes")
}
