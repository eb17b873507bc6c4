package fleet

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
)

// merge takes a complete answer into what is known. An instance that the answer lacks stays until the next answer
// lacks it as well: EC2 is eventually consistent, and one answer may lack what the next one holds. It returns the
// fleet to use and the ids that wait for confirmation.
func merge(old *State, answer []*Instance) (fleet []*Instance, missing []string) {
	fleet = make([]*Instance, 0, len(answer))
	for _, in := range answer {
		// An unchanged instance stays the same value, which saves memory and tells users that nothing changed.
		if was := find(old.Instances, in.ID); was != nil && was.equal(in) {
			in = was
		}
		fleet = append(fleet, in)
	}
	for _, was := range old.Instances {
		if find(answer, was.ID) != nil {
			continue
		}
		if _, twice := slices.BinarySearch(old.Unconfirmed, was.ID); twice {
			continue
		}
		missing = append(missing, was.ID)
		fleet = append(fleet, was)
	}
	if len(missing) > 0 {
		slices.SortFunc(fleet, byID)
	}
	return fleet, missing
}

// diff names the instances that are only in one of two fleets.
func diff(old, now []*Instance) (added, gone []string) {
	for _, in := range now {
		if find(old, in.ID) == nil {
			added = append(added, in.ID)
		}
	}
	for _, in := range old {
		if find(now, in.ID) == nil {
			gone = append(gone, in.ID)
		}
	}
	return added, gone
}

// confirmAfter is the wait before the second look at a loss: 1 to 1.5 s, so that the answer is there within two.
func confirmAfter() time.Duration {
	return time.Second + rand.N(500*time.Millisecond)
}

// jitter spreads an interval by a tenth each way, so that load balancers started together do not poll together.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

// Backoff limits: a throttled poller slows down from its own interval, any other failure is looked at again soon.
const (
	firstRetry   = time.Second
	slowestRetry = 30 * time.Second
	slowest      = time.Minute
)

// backoff is the wait after the n-th failure in a row, n >= 1. Throttling doubles the interval; a permanent error
// (a missing permission, say) is asked about once a minute at the least; everything else is retried from one
// second up. All of it is jittered and none of it ends: the poller gives up never.
func backoff(n int, err error, refresh time.Duration) time.Duration {
	n = min(n, 10) // 2^10 is beyond every limit below
	var e *awsconf.Error
	switch {
	case classOf(err) == awsconf.Throttled:
		return jitter(min(refresh<<n, max(refresh, slowest)))
	case errors.As(err, &e) && e.Permanent():
		return jitter(min(refresh<<(n-1), max(refresh, slowest)))
	default:
		return jitter(min(firstRetry<<(n-1), max(refresh, slowestRetry)))
	}
}

func classOf(err error) awsconf.Class {
	if err == nil {
		return ""
	}
	var e *awsconf.Error
	if errors.As(err, &e) {
		return e.Class
	}
	return awsconf.UnknownClass
}
