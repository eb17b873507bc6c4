package awstest

import (
	"math"
	"time"
)

// Rate is the size of a token bucket and how fast it fills up again. A Burst
// of zero is no limit.
type Rate struct {
	Burst     float64
	PerSecond float64
}

// UnfilteredDescribeInstances is the name, for [Cloud.SetRate], of the smaller
// bucket of calls that have neither ids nor filters nor MaxResults. Following a
// NextToken without MaxResults is such a call.
const UnfilteredDescribeInstances = "ec2:DescribeInstances unfiltered"

// AnyRoute53 is the name, for [Cloud.SetRate], of the one bucket that all
// actions of Route 53 share.
const AnyRoute53 = "route53"

// route53Rate is the limit of five requests per second and account. AWS does
// not say how many may come at once; the bucket holds what one second brings.
var route53Rate = namedRate{AnyRoute53, Rate{5, 5}}

// namedRate is a bucket and its rate unless the test set another one.
type namedRate struct {
	name string
	Rate
}

// The rates of EC2, from its developer guide on request throttling.
var (
	unfilteredRate = namedRate{UnfilteredDescribeInstances, Rate{50, 10}}
	tagRate        = Rate{100, 10}
)

func describeRate(action string) namedRate { return namedRate{action, Rate{100, 20}} }
func mutateRate(action string) namedRate   { return namedRate{action, Rate{50, 5}} }

// bucketKey tells buckets apart: each account has its own in each region.
type bucketKey struct {
	place
	name string
}

type bucket struct {
	tokens float64
	at     time.Time
}

// SetRate changes the rate of an action such as "ec2:DescribeInstances", or of
// every action if it is "". Buckets start full again.
func (c *Cloud) SetRate(action string, r Rate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if action == "" {
		clear(c.rates)
	}
	c.rates[action] = r
	clear(c.buckets)
}

// takeToken takes a token from the caller's bucket, or refuses the call.
func (c *Cloud) takeToken(who Caller, op operation) error {
	r := op.rate
	if r.name == "" {
		return nil
	}
	rate, ok := c.rates[r.name]
	if !ok {
		rate, ok = c.rates[""]
	}
	if !ok {
		rate = r.Rate
	}
	if rate.Burst == 0 {
		return nil
	}
	now := c.cfg.Now()
	key := bucketKey{place{who.Account, who.Region}, r.name}
	b := c.buckets[key]
	if b == nil {
		b = &bucket{tokens: rate.Burst, at: now}
		c.buckets[key] = b
	}
	b.tokens = math.Min(rate.Burst, b.tokens+now.Sub(b.at).Seconds()*rate.PerSecond)
	b.at = now
	if b.tokens < 1 && op.service == "route53" {
		return newError("Throttling", "Rate exceeded")
	}
	if b.tokens < 1 {
		return newError("RequestLimitExceeded", "Request limit exceeded.")
	}
	b.tokens--
	return nil
}
