package awstest

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// maxCalls is how many calls are remembered. Counting has no such limit.
const maxCalls = 10000

// Call is one API call as it was recorded.
type Call struct {
	Time      time.Time
	Service   string // ec2, sts, route53, imds, dns
	Action    string // for imds the path below /latest/, for dns the question
	Page      int    // from 1 for calls that can have pages, otherwise 0
	Caller    Caller
	RequestID string
	Code      string // error code, "" if the call went well
	Fault     bool   // an injected fault took part
	DryRun    bool   // of AssociateAddress and DisassociateAddress: it only asked whether it would be allowed
}

// callLog is what was called so far.
type callLog struct {
	calls  []Call
	counts map[[2]string]int
	waits  chan struct{} // closed at the next call, nil while nobody waits
}

// record notes a call and wakes those who wait for it.
func (c *Cloud) record(call Call) {
	if len(c.log.calls) >= maxCalls {
		c.log.calls = slices.Delete(c.log.calls, 0, maxCalls/2)
	}
	c.log.calls = append(c.log.calls, call)
	if c.log.counts == nil {
		c.log.counts = make(map[[2]string]int)
	}
	c.log.counts[[2]string{call.Service, call.Action}]++
	if c.log.waits != nil {
		close(c.log.waits)
		c.log.waits = nil
	}
}

// Calls returns the most recent calls, oldest first: at least the last five
// thousand.
func (c *Cloud) Calls() []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.log.calls)
}

// Count returns how many calls were made since the start or the last
// [Cloud.ResetCalls], refused and failed ones included. Service and action
// are patterns, in which "" means any.
func (c *Cloud) Count(service, action string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count(service, action)
}

func (c *Cloud) count(service, action string) int {
	n := 0
	for k, v := range c.log.counts {
		if glob(service, k[0]) && glob(action, k[1]) {
			n += v
		}
	}
	return n
}

// ResetCalls forgets all calls.
func (c *Cloud) ResetCalls() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log.calls, c.log.counts = nil, nil
}

// Await waits until [Cloud.Count] is at least n. The error says how many there
// were when ctx ended.
func (c *Cloud) Await(ctx context.Context, service, action string, n int) error {
	for {
		c.mu.Lock()
		have := c.count(service, action)
		if c.log.waits == nil {
			c.log.waits = make(chan struct{})
		}
		next := c.log.waits
		c.mu.Unlock()
		if have >= n {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %d calls of %s %s, got %d: %w", n, service, action, have, ctx.Err())
		}
	}
}
