package sim

import (
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/sim/core"
)

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newCoreRecord makes a record in the core of the fake Route 53.
func newCoreRecord(name string, now func() time.Duration) Backend {
	return core.New(name, func() time.Time { return epoch.Add(now()) })
}
