package ec2upstreams

import "time"

// healthStatus is what is known of a backend.
type healthStatus uint8

const (
	// assumed is up because nothing is known: the backend was there when the pool began. Its first check decides.
	assumed healthStatus = iota
	// unproven is down because nothing is known: the backend came later. Its first check decides.
	unproven
	healthy
	unhealthy
)

func (s healthStatus) up() bool { return s == assumed || s == healthy }

func (s healthStatus) String() string {
	switch s {
	case assumed:
		return "assumed healthy"
	case unproven:
		return "not checked yet"
	case healthy:
		return "healthy"
	case unhealthy:
		return "unhealthy"
	}
	return "unknown"
}

// health counts the results of one backend's checks in a row.
type health struct {
	status healthStatus
	streak int       // equal results in a row: passes if positive, fails if negative
	since  time.Time // when status last changed
}

// observe takes one result and reports whether the backend went up or down by it. passes and fails say how many
// in a row turn a known status.
func (h *health) observe(ok bool, passes, fails int, now time.Time) (changed bool) {
	switch {
	case ok && h.streak >= 0:
		h.streak++
	case ok:
		h.streak = 1
	case h.streak <= 0:
		h.streak--
	default:
		h.streak = -1
	}

	next := h.status
	switch h.status {
	case assumed, unproven:
		next = unhealthy
		if ok {
			next = healthy
		}
	case healthy:
		if -h.streak >= fails {
			next = unhealthy
		}
	case unhealthy:
		if h.streak >= passes {
			next = healthy
		}
	}
	if next == h.status {
		return false
	}
	changed = next.up() != h.status.up()
	h.status, h.since = next, now
	return changed
}

// suspect reports whether the last result contradicts the status, so that the next check should come soon.
func (h *health) suspect() bool {
	return h.status == healthy && h.streak < 0 || h.status == unhealthy && h.streak > 0
}

// quickest is the shortest time between two checks of a backend whose status is in doubt.
const quickest = 100 * time.Millisecond

// nextCheck is the wait before a backend's next check: the interval, or a quarter of it while the status is in doubt.
func (h *health) nextCheck(interval time.Duration) time.Duration {
	if h.suspect() {
		return min(interval, max(interval/4, quickest))
	}
	return interval
}
