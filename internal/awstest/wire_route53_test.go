package awstest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// route53Client is the client of the default user.
func route53Client(t testing.TB, s *Server) *route53.Client {
	t.Helper()
	return route53.NewFromConfig(sdk(t, s, userKeys, DefaultRegion))
}

// sdkChange is a change of an A record as the SDK has it.
func sdkChange(action types.ChangeAction, name string, values ...string) types.Change {
	set := &types.ResourceRecordSet{Name: &name, Type: types.RRTypeA, TTL: aws.Int64(60)}
	for _, v := range values {
		set.ResourceRecords = append(set.ResourceRecords, types.ResourceRecord{Value: &v})
	}
	return types.Change{Action: action, ResourceRecordSet: set}
}

func batchInput(zone string, changes ...types.Change) *route53.ChangeResourceRecordSetsInput {
	return &route53.ChangeResourceRecordSetsInput{HostedZoneId: &zone, ChangeBatch: &types.ChangeBatch{Changes: changes, Comment: aws.String("by <us>")}}
}

var ignoreRoute53 = cmp.Options{
	cmpopts.IgnoreUnexported(
		types.ResourceRecordSet{}, types.ResourceRecord{}, types.AliasTarget{}, types.HostedZone{}, types.HostedZoneConfig{},
		types.ChangeInfo{}, types.DelegationSet{},
	),
	cmpopts.EquateEmpty(),
}

func TestRecordSetsOnTheWire(t *testing.T) {
	c, _, zone := newZone(t, Config{Now: time.Now})
	client := route53Client(t, serve(t, c))
	want := []types.ResourceRecordSet{
		*sdkChange("", "lb.example.com.", "192.0.2.1", "192.0.2.2").ResourceRecordSet,
		{Name: aws.String("a.lb.example.com."), Type: "AAAA", AliasTarget: &types.AliasTarget{
			HostedZoneId: aws.String("Z1"), DNSName: aws.String("x.example.net"), EvaluateTargetHealth: true}},
		{Name: aws.String("f.lb.example.com."), Type: "A", TTL: aws.Int64(0), ResourceRecords: []types.ResourceRecord{{Value: aws.String("192.0.2.1")}},
			SetIdentifier: aws.String("<one>"), Failover: "PRIMARY", HealthCheckId: aws.String("check")},
		{Name: aws.String("m.lb.example.com."), Type: "TXT", TTL: aws.Int64(5), ResourceRecords: []types.ResourceRecord{{Value: aws.String(`"a & \"b\" <c>" "d"`)}},
			SetIdentifier: aws.String("one"), MultiValueAnswer: aws.Bool(true)},
		{Name: aws.String("r.lb.example.com."), Type: "A", TTL: aws.Int64(5), ResourceRecords: []types.ResourceRecord{{Value: aws.String("192.0.2.1")}},
			SetIdentifier: aws.String("one"), Region: "eu-west-1"},
		{Name: aws.String("w.lb.example.com."), Type: "A", TTL: aws.Int64(5), ResourceRecords: []types.ResourceRecord{{Value: aws.String("192.0.2.1")}},
			SetIdentifier: aws.String("one"), Weight: aws.Int64(0)},
	}
	var changes []types.Change
	for i := range want {
		changes = append(changes, types.Change{Action: types.ChangeActionCreate, ResourceRecordSet: &want[i]})
	}
	before := time.Now()
	made, err := client.ChangeResourceRecordSets(soon(t), batchInput("/hostedzone/"+zone, changes...))
	do(t, err)
	if i := made.ChangeInfo; i.Status != types.ChangeStatusPending || *i.Comment != "by <us>" || i.SubmittedAt.Before(before.Truncate(time.Millisecond)) || !strings.HasPrefix(*i.Id, "/change/C") {
		t.Errorf("accepted as %+v", i)
	}
	list, err := client.ListResourceRecordSets(soon(t), &route53.ListResourceRecordSetsInput{HostedZoneId: &zone, StartRecordName: aws.String("lb.example.com")})
	do(t, err)
	if diff := cmp.Diff(want, list.ResourceRecordSets, ignoreRoute53); diff != "" || list.IsTruncated || *list.MaxItems != 300 {
		t.Errorf("%v, %d: %s", list.IsTruncated, *list.MaxItems, diff)
	}
	// What was listed is what a DELETE wants.
	for i := range changes {
		changes[i] = types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: &list.ResourceRecordSets[i]}
	}
	_, err = client.ChangeResourceRecordSets(soon(t), batchInput(zone, changes...))
	do(t, err)
	if got := present(c, zone); got != nil {
		t.Errorf("left %q", got)
	}
}

func TestPagesOnTheWire(t *testing.T) {
	c, _, zone := newZone(t, Config{Now: time.Now})
	for n := range 7 {
		do(t, c.SetRecord(zone, weighted("w.example.com", fmt.Sprint("set", n), 1, "192.0.2.1")))
	}
	pages := route53.NewListResourceRecordSetsPaginator(route53Client(t, serve(t, c)),
		&route53.ListResourceRecordSetsInput{HostedZoneId: &zone, MaxItems: aws.Int32(2)})
	var got []string
	for n := 0; pages.HasMorePages() && n < 10; n++ {
		page, err := pages.NextPage(soon(t))
		do(t, err)
		if len(page.ResourceRecordSets) > 2 || *page.MaxItems != 2 {
			t.Errorf("a page of %d", len(page.ResourceRecordSets))
		}
		for _, r := range page.ResourceRecordSets {
			got = append(got, string(r.Type)+aws.ToString(r.SetIdentifier))
		}
	}
	if want := []string{"NS", "SOA", "Aset0", "Aset1", "Aset2", "Aset3", "Aset4", "Aset5", "Aset6"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestErrorForms tells what the SDK makes of the two forms of an error.
func TestErrorForms(t *testing.T) {
	const first = "Tried to delete resource record set [name='a.example.com.', type='A'] but it was not found"
	const second = "RRSet with DNS name b.example.net. is not permitted in zone example.com."
	c, _, zone := newZone(t, Config{Now: time.Now})
	client := route53Client(t, serve(t, c))
	refused := func() *types.InvalidChangeBatch {
		t.Helper()
		_, err := client.ChangeResourceRecordSets(soon(t), batchInput(zone,
			sdkChange(types.ChangeActionDelete, "a.example.com", "192.0.2.1"), sdkChange(types.ChangeActionCreate, "b.example.net", "192.0.2.1")))
		var batch *types.InvalidChangeBatch
		if !errors.As(err, &batch) || code(err) != "InvalidChangeBatch" {
			t.Fatalf("got %v", err)
		}
		return batch
	}
	c.SetChangeErrors(MessagesForm)
	for range 5 {
		if e := refused(); aws.ToString(e.Message) != "ChangeBatch errors occurred" || !slices.Equal(e.Messages, []string{first, second}) {
			t.Errorf("messages: %s, %q", aws.ToString(e.Message), e.Messages)
		}
	}
	c.SetChangeErrors(CodeForm)
	for range 5 {
		if e := refused(); aws.ToString(e.Message) != "["+first+", "+second+"]" || e.Messages != nil {
			t.Errorf("code: %s, %q", aws.ToString(e.Message), e.Messages)
		}
	}
	c.SetChangeErrors(EitherForm)
	listed := 0
	for range 64 {
		if refused().Messages != nil {
			listed++
		}
	}
	if listed < 8 || listed > 56 {
		t.Errorf("%d of 64 errors have their messages listed", listed)
	}
	c.SetChangeErrors(MessagesForm)
	c.Inject(Fault{Service: "route53", Code: "InvalidChangeBatch", Message: "so be it"})
	if e := refused(); !slices.Equal(e.Messages, []string{"so be it"}) {
		t.Errorf("injected: %q", e.Messages)
	}
}

func TestRoute53ErrorsOnTheWire(t *testing.T) {
	c, _, zone := newZone(t, Config{Now: time.Now})
	client := route53Client(t, serve(t, c))
	create := func(zone string) error {
		_, err := client.ChangeResourceRecordSets(soon(t), batchInput(zone, sdkChange(types.ChangeActionUpsert, "lb.example.com", "192.0.2.1")))
		return err
	}
	typed := func(err error) string {
		var prior *types.PriorRequestNotComplete
		var zone *types.NoSuchHostedZone
		var change *types.NoSuchChange
		var input *types.InvalidInput
		switch {
		case errors.As(err, &prior):
			return "prior: " + aws.ToString(prior.Message)
		case errors.As(err, &zone):
			return "zone: " + aws.ToString(zone.Message)
		case errors.As(err, &change):
			return "change: " + aws.ToString(change.Message)
		case errors.As(err, &input):
			return "input: " + aws.ToString(input.Message)
		}
		return code(err)
	}
	if got := typed(create("Z0")); got != "zone: No hosted zone found with ID: Z0" {
		t.Error(got)
	}
	_, err := client.GetChange(soon(t), &route53.GetChangeInput{Id: aws.String("C0")})
	if got := typed(err); got != "change: Could not find resource with ID: C0" {
		t.Error(got)
	}
	_, err = client.ListResourceRecordSets(soon(t), &route53.ListResourceRecordSetsInput{HostedZoneId: &zone, MaxItems: aws.Int32(0)})
	if got := typed(err); !strings.HasPrefix(got, "input: ") {
		t.Error(got)
	}
	c.SetChangeTime(time.Hour)
	do(t, create(zone))
	if got := typed(create(zone)); got != "prior: The request was rejected because Route 53 was still processing a prior request." {
		t.Error(got)
	}
	c.SetRate(AnyRoute53, Rate{Burst: 1, PerSecond: 1e-9})
	_, err = client.GetHostedZone(soon(t), &route53.GetHostedZoneInput{Id: &zone})
	do(t, err)
	if err := create(zone); code(err) != "Throttling" || !strings.Contains(err.Error(), "Rate exceeded") || !strings.Contains(err.Error(), "StatusCode: 400") {
		t.Error(err)
	}
	c.SetRate(AnyRoute53, Rate{})
	lift := c.AllowChanges(ChangePolicy{Actions: []ChangeAction{Create, Delete}})
	if err := create(zone); code(err) != "AccessDenied" {
		t.Error(err)
	}
	lift()
	stranger := route53.NewFromConfig(sdk(t, serve(t, c), Credentials{AccessKeyID: "AKIAUNKNOWN", SecretAccessKey: "x"}, "us-east-1"))
	if _, err := stranger.ListHostedZones(soon(t), nil); code(err) != "InvalidClientTokenId" {
		t.Error(err)
	}
}

// TestWaiter lets the SDK wait for a change to be in sync.
func TestWaiter(t *testing.T) {
	clk := &clock{now: time.Now()}
	c := New(Config{Now: clk.Now, Propagation: 30 * time.Second})
	zone, err := c.AddZone(HostedZone{Name: "example.com"})
	do(t, err)
	client := route53Client(t, serve(t, c))
	made, err := client.ChangeResourceRecordSets(soon(t), batchInput(zone, sdkChange(types.ChangeActionCreate, "lb.example.com", "192.0.2.1")))
	do(t, err)
	polls := 0
	waiter := route53.NewResourceRecordSetsChangedWaiter(client, func(o *route53.ResourceRecordSetsChangedWaiterOptions) {
		o.MinDelay, o.MaxDelay = time.Millisecond, time.Millisecond
		inner := o.Retryable
		o.Retryable = func(ctx context.Context, in *route53.GetChangeInput, out *route53.GetChangeOutput, err error) (bool, error) {
			polls++
			if polls == 2 {
				clk.advance(30 * time.Second)
			}
			return inner(ctx, in, out, err)
		}
	})
	out, err := waiter.WaitForOutput(soon(t), &route53.GetChangeInput{Id: made.ChangeInfo.Id}, time.Minute)
	do(t, err)
	if out.ChangeInfo.Status != types.ChangeStatusInsync || polls != 3 || *out.ChangeInfo.Id != *made.ChangeInfo.Id {
		t.Errorf("%+v after %d polls", out.ChangeInfo, polls)
	}
}
