package dnsfailover

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
)

const (
	// reapPage is how many record sets are asked for at once, the most that Route 53 gives, and reapPages how often that is. Between
	// two requests is reapPause: the account has five a second, which a takeover may need.
	reapPage  = 300
	reapPages = 200
	reapPause = time.Second
)

// ownLease is the lease of an own name.
type ownLease struct {
	Name  string // as [record.Name] gives it
	Lease engine.Lease
}

// foundName is an own name of another node that could be reaped.
type foundName struct {
	key   ownKey
	lease ownLease
	after time.Duration
}

// find lists the names that could be reaped, were their instances gone.
func (p *ownReaper) find(ctx context.Context, r *reaping) (found []foundName, err error) {
	zones := map[string][]ownLease{}
	for _, n := range r.names {
		leases, listed := zones[n.own.Zone]
		if !listed {
			if leases, err = p.list(ctx, r.access, n.own.Zone, n.own.Name); err != nil {
				return nil, err
			}
			zones[n.own.Zone] = leases
		}
		if !slices.ContainsFunc(leases, func(l ownLease) bool { return l.Name == n.own.Name && l.Lease.Instance == r.instance }) {
			continue // another one could be the last
		}
		for _, l := range leases {
			f := foundName{ownKey{n.own.Zone, l.Name}, l, n.after}
			known := slices.ContainsFunc(found, func(o foundName) bool { return o.key == f.key }) ||
				slices.ContainsFunc(r.names, func(o reapName) bool { return o.own.key() == f.key })
			if !known && r.wants(n.template, l) {
				found = append(found, f)
			}
		}
	}
	return found, nil
}

// wants reports whether a name is that of another node, by this template, which is not there.
func (r *reaping) wants(template string, l ownLease) bool {
	id := l.Lease.Instance
	return instanceID.MatchString(id) && id != r.instance && r.place != "" && l.Lease.Hash == r.place &&
		l.nameBy(template) && !r.here(id)
}

// nameBy reports whether this is the name that a node gets by a template. Who wrote it stands in the lease; what else was put into
// the name can't be known any more, and may be anything.
func (l ownLease) nameBy(template string) bool {
	if !instancePlaceholder.MatchString(template) {
		return false // all nodes would have the same
	}
	const anything = "anything-at-all"
	name, err := record.Name(instancePlaceholder.ReplaceAllStringFunc(template, func(p string) string {
		switch p {
		case "{node}":
			return l.Lease.Holder
		case "{ec2.instance_id}":
			return l.Lease.Instance
		}
		return anything
	}))
	if err != nil {
		return false
	}
	form := strings.ReplaceAll(regexp.QuoteMeta(name), anything, ".+")
	ok, err := regexp.MatchString("^"+form+"$", l.Name)
	return ok && err == nil
}

// listOwn lists the leases of the own names in a zone, in which name is one.
func listOwn(ctx context.Context, a *awsAccess, zone, name string) ([]ownLease, error) {
	t, err := NewRoute53(Route53Options{Config: a.Config, Zone: zone, Name: name})
	if err != nil {
		return nil, &outcomeError{engine.Denied, err}
	}
	return t.ownLeases(ctx, reapPage, reapPause)
}

// ownLeases lists the whole zone, and leaves out all that is no lease of an own name.
func (t *Route53) ownLeases(ctx context.Context, size int32, pause time.Duration) (all []ownLease, err error) {
	at := cursor{}
	for range reapPages {
		var out *route53.ListResourceRecordSetsOutput
		for n := 1; ; n++ {
			if out, err = t.page(ctx, at, size); err == nil {
				break
			}
			if OutcomeOf(err) == engine.Denied || !t.again(ctx, n) {
				return nil, err
			}
		}
		for i := range out.ResourceRecordSets {
			if l, ok := ownLeaseOf(&out.ResourceRecordSets[i]); ok {
				all = append(all, l)
			}
		}
		if !out.IsTruncated {
			return all, nil
		}
		at = cursor{aws.ToString(out.NextRecordName), string(out.NextRecordType), aws.ToString(out.NextRecordIdentifier)}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
	return nil, half("the zone has too many record sets to be listed, or the listing has no end")
}

// ownLeaseOf reads a record set, which may be any.
func ownLeaseOf(r *types.ResourceRecordSet) (l ownLease, ok bool) {
	if r.Type != types.RRTypeTxt || odd(r) != "" || len(r.ResourceRecords) != 1 {
		return l, false
	}
	of, ok := strings.CutPrefix(aws.ToString(r.Name), record.LeaseName(""))
	if !ok {
		return l, false
	}
	name, err := record.Name(of)
	if err != nil {
		return l, false
	}
	lease, err := record.Decode(aws.ToString(r.ResourceRecords[0].Value))
	return ownLease{name, lease}, err == nil && lease.Mode == ownMode
}
