package awstest

import (
	"sync"
	"testing"
	"time"
)

// TestConcurrentUse gives the race detector something to find: answers share
// what they tell with the cloud, which goes on changing.
func TestConcurrentUse(t *testing.T) {
	c := New(Config{Consistency: time.Minute})
	c.SetRate("", Rate{})
	ids, err := c.LaunchN(20, Launch{PublicIP: AutoAssign, Role: "lb", Tags: map[string]string{"n": "0"}})
	do(t, err)
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for round := range 25 {
				id := ids[(n*7+round)%len(ids)]
				for _, err := range []error{
					c.SetTags(id, map[string]string{"n": string(rune('0' + n))}),
					c.SetPrivateIP(id, "192.0.2.1"),
					c.SetPublicIP(id, AutoAssign),
				} {
					if err != nil {
						t.Error(err)
					}
				}
				if _, err := c.Keys(id); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			var x xmlWriter
			for range 25 {
				out, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{MaxResults: 1000})
				if err != nil {
					t.Error(err)
				}
				writeEC2(&x, out, "")
				for _, i := range c.Instances() {
					x.instance(&i)
				}
			}
		})
	}
	wg.Wait()
}
