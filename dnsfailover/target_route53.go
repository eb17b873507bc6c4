package dnsfailover

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
)

const (
	// attemptTime is the default of [Route53Options.Timeout]. Route 53 answers in a tenth of it.
	attemptTime = 2 * time.Second

	// attempts is how often a call is sent at most. The engine comes back later, with delays of its own.
	attempts = 3

	// pauseTime is how long the second attempt waits at most after the first, which is what Route 53 takes to forget one
	// of its five requests per second. The third waits twice that.
	pauseTime = 200 * time.Millisecond
)

// Route53Options say which record set of Route 53 a [Route53] swaps.
type Route53Options struct {
	// Config is that of [awsconf.Source.Load]. Its credentials need route53:ListResourceRecordSets and
	// route53:ChangeResourceRecordSets on the hosted zone, the latter for CREATE and DELETE of A, AAAA and TXT.
	Config aws.Config

	// Zone is the id of the hosted zone, with or without /hostedzone/ before it. The name would not do: a public and a
	// private zone can have the same.
	Zone string

	// Name is the domain name of the record, as in [record.Name].
	Name string

	// Timeout bounds each attempt of a call. Default 2 s.
	Timeout time.Duration
}

// Route53 is a record set in a hosted zone of Route 53 with its lease beside it. Reading it takes one request, or
// two if many names lie between the record and the lease; swapping it takes one. Its methods may be called concurrently.
type Route53 struct {
	zone, name, lease string
	timeout, pause    time.Duration
	inside            atomic.Bool // the name is known to be in the zone

	// The two operations in use, as functions: a client in a field would keep all others in the binary.
	list   func(context.Context, *route53.ListResourceRecordSetsInput) (*route53.ListResourceRecordSetsOutput, error)
	change func(context.Context, *route53.ChangeResourceRecordSetsInput) (*route53.ChangeResourceRecordSetsOutput, error)
}

var _ Target = (*Route53)(nil)

// zoneForm is that of hosted zone ids (Route 53 API reference, ResourceId).
var zoneForm = regexp.MustCompile(`^[A-Z0-9]{1,32}$`)

// NewRoute53 makes a target. It calls nothing: whether zone and name fit together shows when the record is read. It is an
// error if the zone is not an id, or the name none that a record and its lease can have.
func NewRoute53(o Route53Options) (*Route53, error) {
	zone := strings.TrimPrefix(o.Zone, "/hostedzone/")
	if !zoneForm.MatchString(zone) {
		return nil, fmt.Errorf("%q is not the id of a hosted zone, such as Z0123456789ABCDEFGHIJ: "+
			"aws route53 list-hosted-zones shows it", o.Zone)
	}
	name, err := record.Name(o.Name)
	if err != nil {
		return nil, err
	}
	t := &Route53{zone: zone, name: name, lease: record.LeaseName(name), timeout: o.Timeout, pause: pauseTime}
	if t.timeout == 0 {
		t.timeout = attemptTime
	}
	client := route53.NewFromConfig(o.Config, func(o *route53.Options) { o.Retryer = awsconf.NoRetries() })
	t.list = func(ctx context.Context, in *route53.ListResourceRecordSetsInput) (*route53.ListResourceRecordSetsOutput, error) {
		return client.ListResourceRecordSets(ctx, in)
	}
	t.change = func(ctx context.Context, in *route53.ChangeResourceRecordSetsInput) (*route53.ChangeResourceRecordSetsOutput, error) {
		return client.ChangeResourceRecordSets(ctx, in)
	}
	return t, nil
}

// Read returns what the record and its lease hold, changes included that the DNS does not show yet. Throttled and unanswered
// requests are repeated twice.
func (t *Route53) Read(ctx context.Context) (engine.Reading, error) {
	for n := 1; ; n++ {
		sets, err := t.look(ctx)
		if err == nil {
			return record.Read(t.name, sets), nil
		}
		if OutcomeOf(err) == engine.Denied || !t.again(ctx, n) {
			return engine.Reading{}, fmt.Errorf("reading %s in hosted zone %s: %w", t.name, t.zone, err)
		}
	}
}

// Swap sends one batch that deletes what was read and creates the value. The same batch is sent again, twice at most, if
// it was not carried out, or there is no telling and the record is still as it was read: of two that arrive, the second
// is refused. A batch that is refused, or not answered, is looked for in the record, by its nonce.
//
// It does not wait until the DNS shows the change, which takes up to a minute: resolvers get the old value until then, and
// never none.
func (t *Route53) Swap(ctx context.Context, from engine.Reading, to engine.Value) (engine.Reading, error) {
	r, err := t.swap(ctx, from, to)
	if err != nil {
		return engine.Reading{}, fmt.Errorf("swapping %s in hosted zone %s: %w", t.name, t.zone, err)
	}
	return r, nil
}

func (t *Route53) swap(ctx context.Context, from engine.Reading, to engine.Value) (engine.Reading, error) {
	changes, err := record.Batch(t.name, from, to)
	if err != nil {
		return engine.Reading{}, &outcomeError{engine.Denied, err}
	}
	if err := ctx.Err(); err != nil {
		return engine.Reading{}, &outcomeError{engine.Busy, fmt.Errorf("nothing was sent: %w", err)}
	}
	var unsure error // of an attempt that may yet be carried out
	for n := 1; ; n++ {
		err := t.write(ctx, changes, to.Lease.Epoch)
		outcome := OutcomeOf(err)
		switch outcome {
		case engine.Done:
			return record.After(t.name, to), nil
		case engine.Conflict, engine.Unknown:
			seen, readErr := t.Read(ctx)
			switch {
			case readErr != nil:
				err = fmt.Errorf("%w; and whether it was made is not known: %w", err, readErr)
				return engine.Reading{}, &outcomeError{engine.Unknown, err}
			case wrote(to.Lease, seen.Lease):
				return seen, nil
			case seen.Token != from.Token:
				return engine.Reading{}, fmt.Errorf("%w: %w", ErrConflict, err)
			case outcome == engine.Conflict:
				err = fmt.Errorf("refused, although the record is as it was read: %w", err)
				return engine.Reading{}, &outcomeError{engine.Denied, err}
			}
			unsure = err
		}
		if outcome == engine.Denied || !t.again(ctx, n) {
			if unsure != nil && outcome != engine.Unknown {
				err = &outcomeError{engine.Unknown, fmt.Errorf("%w; and then: %w", unsure, err)}
			}
			return engine.Reading{}, err
		}
	}
}

// wrote reports whether a lease that is read is that of a write. Where several nodes have one, all of them have to be, for the
// nonce that is shown is that of one.
func wrote(to, seen engine.Lease) bool {
	if to.Members != "" {
		return to == seen
	}
	return seen.Nonce == to.Nonce && seen.Holder == to.Holder
}

// again waits before the next attempt.
func (t *Route53) again(ctx context.Context, n int) bool { return nextAttempt(ctx, t.pause, n) }

// nextAttempt waits before the attempt after the n-th, for a random time so that nodes which were throttled together come
// apart: half of the pause to all of it, and twice as long each time. It reports false if there is to be none: there were
// enough, or it would come too late.
func nextAttempt(ctx context.Context, pause time.Duration, n int) bool {
	wait := pause << (n - 1)
	wait = wait/2 + rand.N(wait/2+1)
	if deadline, ok := ctx.Deadline(); n == attempts || ok && time.Until(deadline) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
