package awstest

import (
	"slices"
	"strings"
	"time"
)

// listedAfterEnd is how long a terminated instance stays in answers.
const listedAfterEnd = time.Hour

// Start starts a stopped instance. One with a public address gets another,
// unless that is an Elastic IP.
func (c *Cloud) Start(id string) error {
	return c.operate(id, starting.apply(c))
}

// Stop stops a running instance. It keeps its private address and its Elastic
// IPs, and loses another public one.
func (c *Cloud) Stop(id string) error {
	return c.operate(id, stopping.apply(c))
}

// Terminate ends an instance. It loses its addresses and stays listed for an
// hour.
func (c *Cloud) Terminate(id string) error {
	return c.operate(id, terminating.apply(c))
}

// SetTags sets tags on an instance and leaves its others alone.
func (c *Cloud) SetTags(id string, tags map[string]string) error {
	if err := checkTags(tags); err != nil {
		return err
	}
	return c.operate(id, func(m *machine, now time.Time) error {
		c.change(m, now, func(i *Instance) {
			for key, value := range tags {
				i.setTag(key, value)
			}
		})
		return nil
	})
}

// DeleteTags removes tags from an instance; those it lacks are no error.
func (c *Cloud) DeleteTags(id string, keys ...string) error {
	return c.operate(id, func(m *machine, now time.Time) error {
		c.change(m, now, func(i *Instance) {
			for _, key := range keys {
				i.deleteTag(key)
			}
		})
		return nil
	})
}

// SetPrivateIP changes the primary private address of an instance, which AWS
// never does; a test that launches before it listens needs it.
func (c *Cloud) SetPrivateIP(id, ip string) error {
	return c.operate(id, func(m *machine, now time.Time) error {
		c.renameAddress(m, m.PrivateIP(), ip, now)
		c.change(m, now, func(i *Instance) {
			i.edit(func(n *Interface) { n.Addresses[0].Private = ip })
		})
		return nil
	})
}

// SetPublicIP changes the public address of an instance; "" takes it away and
// [AutoAssign] gives it a new one. In the place of an Elastic IP there can be no
// other.
func (c *Cloud) SetPublicIP(id, ip string) error {
	return c.operate(id, func(m *machine, now time.Time) error {
		if p := m.primary(); p != nil && p.Addresses[0].AllocationID != "" {
			return invalid("InvalidParameterCombination", "The instance '%s' has the Elastic IP %s", id, p.Addresses[0].Public)
		}
		if ip == AutoAssign {
			ip = c.nextPublicIP()
		}
		m.autoPublic = ip != ""
		c.change(m, now, func(i *Instance) {
			i.edit(func(n *Interface) { n.Addresses[0].Public = ip })
		})
		return nil
	})
}

// operate lets the test act on an instance.
func (c *Cloud) operate(id string, f func(*machine, time.Time) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.settle()
	m := c.machines[id]
	if m == nil {
		return notFound(id)
	}
	return f(m, now)
}

// transition is one of the things that can be done to the state of an instance.
type transition struct {
	verb string
	from []State // where it can be done
	idle []State // where there is nothing to do
	via  State   // reached at once
	to   State   // reached after a while
}

var (
	starting    = transition{"started", []State{Stopped}, []State{Pending, Running}, Pending, Running}
	stopping    = transition{"stopped", []State{Running}, []State{Stopping, Stopped}, Stopping, Stopped}
	terminating = transition{"terminated", []State{Pending, Running, Stopping, Stopped}, []State{ShuttingDown, Terminated}, ShuttingDown, Terminated}
)

// check refuses what can't be done in the present state.
func (t transition) check(m *machine) error {
	if !slices.Contains(t.from, m.State) && !slices.Contains(t.idle, m.State) {
		return invalid("IncorrectInstanceState", "The instance '%s' is not in a state from which it can be %s.", m.ID, t.verb)
	}
	return nil
}

// apply returns what does it.
func (t transition) apply(c *Cloud) func(*machine, time.Time) error {
	return func(m *machine, now time.Time) error {
		if err := t.check(m); err != nil {
			return err
		}
		if slices.Contains(t.from, m.State) {
			takes := c.cfg.StopTime
			if t.to == Running {
				takes = c.cfg.BootTime
			}
			c.enter(m, t.via, now)
			m.move(t.to, now.Add(takes))
		}
		return nil
	}
}

// move sets the state that a machine reaches by itself at the time due.
func (m *machine) move(next State, due time.Time) {
	m.moving, m.next, m.due = true, next, due
}

// enter changes the state of a machine, with what comes with the new state.
func (c *Cloud) enter(m *machine, s State, at time.Time) {
	m.moving = false
	c.change(m, at, func(i *Instance) {
		i.State = s
		switch s {
		case Pending:
			i.LaunchTime = at
			// One with a second interface is given no address any more.
			if m.lends() && i.PublicIP() == "" {
				i.edit(func(n *Interface) { n.Addresses[0].Public = c.nextPublicIP() })
			}
		case Stopped:
			i.edit(func(n *Interface) {
				if n.Addresses[0].AllocationID == "" {
					n.Addresses[0].Public = ""
				}
			})
		case Terminated:
			i.Interfaces = nil
			m.gone = at.Add(listedAfterEnd)
		}
	})
	if s == Terminated {
		c.loseAddresses(m, at)
	}
}

// settle brings every instance to where it is by now, and returns the time.
// Instances move only when somebody looks: the cloud has no timers.
func (c *Cloud) settle() time.Time {
	now := c.cfg.Now()
	for _, p := range c.places() {
		d := c.domains[p]
		forgotten := false
		for _, m := range d.machines {
			if m.moving && !now.Before(m.due) {
				c.enter(m, m.next, m.due)
			}
			if m.State == Terminated && !now.Before(m.gone) {
				delete(c.machines, m.ID)
				forgotten = true
			}
		}
		if forgotten {
			d.machines = slices.DeleteFunc(d.machines, func(m *machine) bool { return c.machines[m.ID] == nil })
		}
	}
	return now
}

func notFound(ids ...string) *Error {
	if len(ids) == 1 {
		return invalid("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", ids[0])
	}
	return invalid("InvalidInstanceID.NotFound", "The instance IDs '%s' do not exist", strings.Join(ids, ", "))
}
