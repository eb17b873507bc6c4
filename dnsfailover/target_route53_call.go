package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
)

const (
	opList   = "route53:ListResourceRecordSets"
	opChange = "route53:ChangeResourceRecordSets"

	// codeInvalidBatch is how Route 53 refuses a batch for what the zone holds.
	codeInvalidBatch = "InvalidChangeBatch"

	// pageSize is how many record sets are asked for at once: a name with all of its types and its lease, and some names
	// between them, in an answer of a few kilobytes.
	pageSize = 20

	// maxPages bounds a listing. Only a name with hundreds of weighted sets comes near.
	maxPages = 50
)

// write sends a batch once.
func (t *Route53) write(ctx context.Context, changes []record.Change, epoch uint64) error {
	batch := &types.ChangeBatch{Comment: aws.String(fmt.Sprintf("dnsfailover, epoch %d", epoch))}
	for _, c := range changes {
		batch.Changes = append(batch.Changes, toSDK(c))
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	_, err := t.change(ctx, &route53.ChangeResourceRecordSetsInput{HostedZoneId: &t.zone, ChangeBatch: batch})
	return explain(opChange, err)
}

// cursor is where a listing starts. The zero value is the top of the zone.
type cursor struct{ name, rrType, setID string }

// page asks for record sets from a cursor on, once.
func (t *Route53) page(ctx context.Context, at cursor, size int32) (*route53.ListResourceRecordSetsOutput, error) {
	in := &route53.ListResourceRecordSetsInput{HostedZoneId: &t.zone, MaxItems: &size, StartRecordType: types.RRType(at.rrType)}
	if at.name != "" {
		in.StartRecordName = &at.name
	}
	if at.setID != "" {
		in.StartRecordIdentifier = &at.setID
	}
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	out, err := t.list(ctx, in)
	if err != nil {
		return nil, explain(opList, err)
	}
	if out.MaxItems == nil || out.IsTruncated && aws.ToString(out.NextRecordName) == "" {
		return nil, half("it ends without saying where to go on")
	}
	return out, nil
}

// half is the error of an answer that lacks something. It must not be taken for one that says that there is nothing.
func half(what string) error { return fmt.Errorf("%s: half an answer: %s", opList, what) }

// look lists the record sets of the name and of its lease. A name's sets come together, and first if the listing starts
// at the name; nothing else of Route 53's order is relied upon. Two pages may be of two moments. A swap of what never
// was at one time is refused.
func (t *Route53) look(ctx context.Context) ([]record.Set, error) {
	var sets []record.Set
	leased := false
	at := cursor{name: t.name}
	for range maxPages {
		out, err := t.page(ctx, at, pageSize)
		if err != nil {
			return nil, err
		}
		for i := range out.ResourceRecordSets {
			r := &out.ResourceRecordSets[i]
			ofLease := record.Same(aws.ToString(r.Name), t.lease)
			if !ofLease && !record.Same(aws.ToString(r.Name), t.name) {
				continue
			}
			s, err := fromSDK(r)
			if err != nil {
				return nil, err
			}
			sets = append(sets, s)
			leased = leased || ofLease
		}
		next := cursor{aws.ToString(out.NextRecordName), string(out.NextRecordType), aws.ToString(out.NextRecordIdentifier)}
		switch {
		case !out.IsTruncated, !record.Same(next.name, t.name) && !record.Same(next.name, t.lease) && (leased || at.name == t.lease):
			if len(sets) == 0 {
				return nil, t.checkAbsent(ctx, len(out.ResourceRecordSets) == 0)
			}
			return sets, nil
		case record.Same(next.name, t.name), record.Same(next.name, t.lease):
			at = next
		default:
			at = cursor{name: t.lease}
		}
	}
	return nil, half(fmt.Sprintf("it has no end after %d pages", maxPages))
}

// checkAbsent makes sure that a name without record sets could have some. What the zone lists first is its own SOA or the
// like, which tells its name. After an empty listing that is asked for each time, because a zone is never empty.
func (t *Route53) checkAbsent(ctx context.Context, empty bool) error {
	if t.inside.Load() && !empty {
		return nil
	}
	out, err := t.page(ctx, cursor{}, 1)
	if err != nil {
		return err
	}
	if len(out.ResourceRecordSets) == 0 {
		return half("the hosted zone is empty, and not even its SOA is there")
	}
	top := strings.TrimSuffix(aws.ToString(out.ResourceRecordSets[0].Name), ".")
	if !record.Within(t.name, top) {
		return &outcomeError{engine.Denied, fmt.Errorf(
			"the name is not in this hosted zone, which is that of %s: check the name and the id of the zone", top)}
	}
	t.inside.Store(true)
	return nil
}

// explain makes an error of the SDK one that says what to do.
func explain(op string, err error) error {
	call := awsconf.Classify(op, err)
	if call == nil {
		return nil
	}
	var invalid *types.InvalidChangeBatch
	var noZone *types.NoSuchHostedZone
	switch {
	case errors.As(err, &invalid) && len(invalid.Messages) > 0:
		return fmt.Errorf("%w: %s", call, strings.Join(invalid.Messages, "; "))
	case errors.As(err, &noZone):
		return fmt.Errorf("%w; check the id of the hosted zone, and that the credentials are those of its account", call)
	}
	return call
}

func toSDK(c record.Change) types.Change {
	set := &types.ResourceRecordSet{Name: &c.Set.Name, Type: types.RRType(c.Set.Type), TTL: aws.Int64(int64(c.Set.TTL))}
	for _, v := range c.Set.Values {
		set.ResourceRecords = append(set.ResourceRecords, types.ResourceRecord{Value: aws.String(v)})
	}
	if c.Delete {
		return types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: set}
	}
	return types.Change{Action: types.ChangeActionCreate, ResourceRecordSet: set}
}

func fromSDK(r *types.ResourceRecordSet) (record.Set, error) {
	s := record.Set{Name: aws.ToString(r.Name), Type: string(r.Type), TTL: int(aws.ToInt64(r.TTL)), Odd: odd(r)}
	for _, v := range r.ResourceRecords {
		s.Values = append(s.Values, aws.ToString(v.Value))
	}
	if s.Type == "" || s.Odd == "" && (r.TTL == nil || len(s.Values) == 0) {
		return record.Set{}, half(fmt.Sprintf("the record set %q %s lacks something", s.Name, s.Type))
	}
	return s, nil
}

// odd says what a record set is beyond name, type, TTL and values.
func odd(r *types.ResourceRecordSet) string {
	var kinds []string
	for _, k := range []struct {
		is   bool
		kind string
	}{
		{r.Weight != nil, "weighted"},
		{r.Region != "", "latency-based"},
		{r.Failover != "", "failover"},
		{r.GeoLocation != nil, "geolocation"},
		{r.GeoProximityLocation != nil, "geoproximity"},
		{aws.ToBool(r.MultiValueAnswer), "multivalue answer"},
		{r.CidrRoutingConfig != nil, "IP-based"},
		{r.TrafficPolicyInstanceId != nil, "made by a traffic policy"},
	} {
		if k.is {
			kinds = append(kinds, k.kind)
		}
	}
	if r.AliasTarget != nil {
		kinds = append(kinds, "an alias of "+strings.TrimSuffix(aws.ToString(r.AliasTarget.DNSName), "."))
	}
	if r.HealthCheckId != nil {
		kinds = append(kinds, "with a health check")
	}
	text := strings.Join(kinds, ", ")
	if r.SetIdentifier != nil {
		text = strings.TrimSpace(fmt.Sprintf("%s (set identifier %q)", text, *r.SetIdentifier))
	}
	return text
}
