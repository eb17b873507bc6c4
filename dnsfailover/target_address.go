package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// privateAuto is the default of [ElasticIPOptions.PrivateIP].
const privateAuto = "auto"

// freeToken is the token of an address that is associated with nothing.
const freeToken = "free"

// ElasticIPOptions say which Elastic IP an [ElasticIP] moves, and where to.
type ElasticIPOptions struct {
	// Config is that of [awsconf.Source.Load], with the region of the address. Its credentials need ec2:DescribeAddresses,
	// ec2:AssociateAddress and ec2:DisassociateAddress. Of its HTTP client no connection is used.
	Config aws.Config

	// Address is the id of the allocation, such as eipalloc-0123456789abcdef0, or the IPv4 address itself.
	Address string

	// Instance is the id of the instance that this is, as in [engine.Settings].
	Instance string

	// Interface is the id of the network interface of this instance to which the address shall go. Without it, it is that
	// with the device index Device, of which 0 is the primary one.
	Interface string
	Device    int

	// PrivateIP is the private IPv4 address of the interface with which the address is associated, or auto, the default:
	// a secondary one that has no public address, if there is one, else the primary one, whose own public address is gone
	// then. It is an error if it has another Elastic IP. Several Elastic IPs of one interface need one each.
	PrivateIP string

	// Zone is the name of the availability zone of this instance, by which an address is known that can't be moved here.
	// Without it that shows only when it is moved, and after it was taken from the holder.
	Zone string

	// Timeout bounds each attempt of a call, and half of the time that is left. Default 2 s.
	Timeout time.Duration
}

// ElasticIP is an Elastic IP of EC2. What identifies its state is the id of the association, which is never used again.
// Each request has a connection of its own, because the move may cut those that there are. Its methods may be called
// concurrently.
type ElasticIP struct {
	address, instance string
	iface             string
	device            int
	private           string // empty: automatic
	region, group     string // group: the network border group of this instance, or empty
	timeout, pause    time.Duration

	mu    sync.Mutex
	seen  association // the last one that had an instance
	mine  string      // the id of the last one with this instance
	ended string      // the id of one that has ended for sure
	last  place       // where the address went, or would have gone, when that was last found out

	// The operations in use, as functions: a client in a field would keep all others in the binary.
	describe     func(context.Context, *ec2.DescribeAddressesInput) (*ec2.DescribeAddressesOutput, error)
	associate    func(context.Context, *ec2.AssociateAddressInput) (*ec2.AssociateAddressOutput, error)
	disassociate func(context.Context, *ec2.DisassociateAddressInput) (*ec2.DisassociateAddressOutput, error)
	metadata     func(ctx context.Context, path string) (string, error) // empty is what there is not
}

var _ Freer = (*ElasticIP)(nil)

// association is what is beside the reading of an address.
type association struct {
	allocation, public string
	id, instance       string // empty while it is free
}

var (
	allocationForm = regexp.MustCompile(`^eipalloc-([0-9a-f]{8}|[0-9a-f]{17})$`)
	interfaceForm  = regexp.MustCompile(`^eni-([0-9a-f]{8}|[0-9a-f]{17})$`)
)

// NewElasticIP makes a target. It calls nothing: whether the address exists, and can be moved here, shows when it is read. It
// is an error if an option does not have the form that it should.
func NewElasticIP(o ElasticIPOptions) (*ElasticIP, error) {
	t := &ElasticIP{
		address: o.Address, instance: o.Instance, iface: o.Interface, device: o.Device,
		region: o.Config.Region, group: borderGroup(o.Zone), timeout: o.Timeout, pause: pauseTime,
	}
	if t.timeout == 0 {
		t.timeout = attemptTime
	}
	if o.PrivateIP != privateAuto {
		t.private = o.PrivateIP
	}
	switch {
	case !allocationForm.MatchString(o.Address) && !isIPv4(o.Address):
		return nil, fmt.Errorf("%q is neither the id of an Elastic IP, such as eipalloc-0123456789abcdef0, nor an IPv4 address: "+
			"aws ec2 describe-addresses shows both", o.Address)
	case o.Instance == "":
		return nil, errors.New("an Elastic IP needs the id of the instance that gets it: outside EC2 there is none")
	case o.Interface != "" && !interfaceForm.MatchString(o.Interface):
		return nil, fmt.Errorf("%q is not the id of a network interface, such as eni-0123456789abcdef0", o.Interface)
	case o.Device < 0 || o.Device > 0 && o.Interface != "":
		return nil, fmt.Errorf("the interface is either an id or a device index from 0, not %q and %d", o.Interface, o.Device)
	case t.private != "" && !isIPv4(t.private):
		return nil, fmt.Errorf("%q is not the private IPv4 address of an interface: it is an address or %s", t.private, privateAuto)
	}
	t.connect(o.Config)
	return t, nil
}

func isIPv4(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is4()
}

// Read returns with which instance the address is associated, in the end of all calls that were made before. The token is
// the id of the association. EC2 may show what was before for some seconds: an association that this target has ended
// is not read again, and everything else the reader has to doubt until it is read twice.
//
// An address whose interface has outlived its instance is still that instance's, if this target has seen it there; otherwise
// the id of the interface stands for the instance. One that a service of AWS manages is refused. Throttled and unanswered
// requests are repeated twice.
func (t *ElasticIP) Read(ctx context.Context) (engine.Reading, error) {
	for n := 1; ; n++ {
		r, err := t.look(ctx)
		if err == nil {
			return r, nil
		}
		if OutcomeOf(err) == engine.Denied || !t.again(ctx, n) {
			return engine.Reading{}, fmt.Errorf("reading the Elastic IP %s: %w", t.address, err)
		}
	}
}

// Free ends the association that was read, by its id. It is sent again, twice at most, if it was not carried out, or there is
// no telling and the address is still as it was read, since what it names can't come again. It is not sent at all unless it
// is known where the address would go: an address that would lie idle is better left.
//
// That somebody else has ended it meanwhile is success, as long as the address is seen to be free.
func (t *ElasticIP) Free(ctx context.Context, from engine.Reading) (engine.Reading, error) {
	r, err := t.free(ctx, from)
	if err != nil {
		return engine.Reading{}, fmt.Errorf("freeing the Elastic IP %s from %s: %w", t.address, from.Instance, err)
	}
	return r, nil
}

func (t *ElasticIP) free(ctx context.Context, from engine.Reading) (engine.Reading, error) {
	old, err := judged(from)
	if err != nil || !from.Exists {
		return from, err
	}
	if _, err := t.place(ctx, old.public, nil); err != nil {
		return engine.Reading{}, err
	}
	if err := ctx.Err(); err != nil {
		return engine.Reading{}, &outcomeError{engine.Busy, fmt.Errorf("nothing was sent: %w", err)}
	}
	var unsure error // of an attempt that may yet be carried out
	for n := 1; ; n++ {
		err := t.end(ctx, from.Token)
		outcome := addressOutcome(err)
		switch outcome {
		case engine.Done:
			return old.freed(), nil
		case engine.Conflict, engine.Unknown:
			now, readErr := t.look(ctx)
			switch {
			case readErr == nil && !now.Exists:
				return now, nil
			case outcome == engine.Conflict && readErr != nil:
				return engine.Reading{}, fmt.Errorf("%w: %w; and who has it now is not known: %w", ErrConflict, err, readErr)
			case readErr != nil:
				err = fmt.Errorf("%w; and whether it was done is not known: %w", err, readErr)
				return engine.Reading{}, &outcomeError{engine.Unknown, err}
			case now.Token != from.Token: // as it is after every conflict, since what has ended is not read again
				return engine.Reading{}, fmt.Errorf("%w: %s has it: %w", ErrConflict, now.Instance, err)
			}
			unsure = err
		}
		if outcome == engine.Denied || !t.again(ctx, n) {
			return engine.Reading{}, stillUnsure(unsure, outcome, err)
		}
	}
}

// judged is what a write starts from.
func judged(from engine.Reading) (association, error) {
	old, ok := from.Raw.(association)
	switch {
	case from.Refuse != "":
		return old, &outcomeError{engine.Denied, fmt.Errorf("it stays as it is: %s", from.Refuse)}
	case !ok:
		return old, &outcomeError{engine.Denied, errors.New("what was read of it is not the reading of an Elastic IP")}
	}
	return old, nil
}

// stillUnsure is the error of the last attempt, after which one before may yet be carried out.
func stillUnsure(unsure error, outcome engine.Outcome, err error) error {
	if unsure != nil && outcome != engine.Unknown {
		return &outcomeError{engine.Unknown, fmt.Errorf("%w; and then: %w", unsure, err)}
	}
	return err
}

// freed is the reading of the address when it is associated with nothing.
func (a association) freed() engine.Reading {
	a.id, a.instance = "", ""
	return engine.Reading{Token: freeToken, Addrs: a.public, Raw: a}
}

// again waits before the next attempt.
func (t *ElasticIP) again(ctx context.Context, n int) bool { return nextAttempt(ctx, t.pause, n) }
