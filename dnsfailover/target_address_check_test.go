package dnsfailover

import (
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// due makes it time for the next check.
func (c *checkedAddress) due() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checked = time.Now().Add(-checkEvery)
}

// A node that may not move the address can't read it either, so it is known for no candidate while the holder lives.
func TestCheckedAddress(t *testing.T) {
	for _, action := range []string{"AssociateAddress", "DisassociateAddress"} {
		t.Run(action, func(t *testing.T) {
			l := newEIPLab(t)
			lb2, _ := l.held()
			c := &checkedAddress{ElasticIP: lb2}
			allow := l.fault(action, 0, awstest.Fault{Code: "UnauthorizedOperation"})
			_, err := c.Read(l.ctx())
			wantError(t, err, engine.Denied, "ec2:"+action, l.id)
			l.cloud.ResetCalls()
			_, err = c.Read(l.ctx())
			wantError(t, err, engine.Denied, "ec2:"+action)
			l.wantCalls(1, 0, 0) // a reading waits for no check but the first

			allow()
			c.recheck(l.ctx())
			l.cloud.ResetCalls()
			if r := l.read(c); r.Instance != l.lb1 {
				t.Errorf("it reads %+v", r)
			}
			l.wantCalls(1, 0, 0)
			c.recheck(l.ctx())
			l.wantCalls(0, 0, 0) // it is not time yet

			deny := l.fault(action, 0, awstest.Fault{Code: "UnauthorizedOperation"})
			defer deny()
			c.due()
			c.recheck(l.ctx())
			_, err = c.Read(l.ctx())
			wantError(t, err, engine.Denied, "ec2:"+action)
			l.has(l.lb1)
		})
	}
}

// What keeps a check from telling anything, such as an outage, keeps no node from being a candidate.
func TestCheckedAddressOutage(t *testing.T) {
	l := newEIPLab(t)
	lb2, _ := l.held()
	c := &checkedAddress{ElasticIP: lb2}
	over := l.fault("AssociateAddress", 0, awstest.Fault{Code: "RequestLimitExceeded"})
	defer over()
	if r := l.read(c); r.Instance != l.lb1 {
		t.Errorf("it reads %+v", r)
	}
}

// The instance that has the address checks nothing: whatever it lacks, it serves.
func TestCheckedAddressOfTheHolder(t *testing.T) {
	l := newEIPLab(t)
	l.must(l.cloud.SetAddress(l.id, l.lb1))
	c := &checkedAddress{ElasticIP: l.target(l.lb1)}
	defer l.fault("AssociateAddress", 0, awstest.Fault{Code: "UnauthorizedOperation"})()
	l.cloud.ResetCalls()
	l.read(c)
	c.due()
	c.recheck(l.ctx())
	l.read(c)
	l.wantCalls(2, 0, 0)
}
