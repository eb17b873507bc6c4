package dnsfailover

import (
	"context"
	"sync"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// checkEvery is how often a node finds out whether it may move an Elastic IP that it does not have.
const checkEvery = 5 * time.Minute

// checkedAddress is an Elastic IP of which a node is denied a reading that it gets, if it could not move it: so a missing permission
// makes it no candidate long before the holder dies. The first reading checks that, and later ones go by the latest check, which costs no
// takeover any time. On the instance that has the address all readings count, and nothing is checked.
type checkedAddress struct {
	*ElasticIP

	mu      sync.Mutex
	held    bool      // this instance had it when it was last read
	checked time.Time // when it was last checked, or zero
	denied  error     // what that said, if it was denied
}

var _ Freer = (*checkedAddress)(nil)

// Read implements [Target].
func (c *checkedAddress) Read(ctx context.Context) (engine.Reading, error) {
	r, err := c.ElasticIP.Read(ctx)
	if err != nil {
		return r, err
	}
	c.mu.Lock()
	c.held = r.Exists && r.Instance == c.instance
	first := !c.held && c.checked.IsZero()
	c.mu.Unlock()
	if first {
		c.tryOut(ctx)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.held && c.denied != nil {
		return r, c.denied
	}
	return r, nil
}

// recheck checks it if it was checked before, and it is time to. One that was denied is checked each time, so that it counts soon
// when it is allowed.
func (c *checkedAddress) recheck(ctx context.Context) {
	c.mu.Lock()
	due := !c.held && !c.checked.IsZero() && (c.denied != nil || time.Since(c.checked) >= checkEvery)
	c.mu.Unlock()
	if due {
		c.tryOut(ctx)
	}
}

// tryOut checks it. What keeps it from telling keeps no node from reading.
func (c *checkedAddress) tryOut(ctx context.Context) {
	err := c.Check(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked = time.Now()
	switch OutcomeOf(err) {
	case engine.Denied:
		c.denied = err
	case engine.Done:
		c.denied = nil
	}
}
