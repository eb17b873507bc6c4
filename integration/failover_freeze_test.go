//go:build linux

package integration

import (
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// settled is how long silence needs at most to be a death, at an interval of 200 ms, for a node that has just seen the claim (R9).
const settled = engine.Settle + 12*200*time.Millisecond + slack

func TestHolderIsFrozen(t *testing.T)                { frozen(t, true) }
func TestHolderIsFrozenWithoutAWitness(t *testing.T) { frozen(t, false) }

// frozen stops the holder and wakes it up again: that is one move, and no second one.
func frozen(t *testing.T, witness bool) {
	l := newLab(t, 2)
	lb1, lb2 := l.nodes[0], l.nodes[1]
	if !witness {
		l.each(func(c *conf) { c.rest = "" })
	}
	l.start()
	if witness {
		l.witnessed(lb2)
	}
	l.ask()

	fault := lb1.freeze()
	took := l.moved(lb2, fault, settled)
	l.served(lb2, fault, took+time.Second+slack)
	l.holds(lb2)

	woken := time.Now()
	lb1.thaw()
	l.holds(lb2)
	l.hear()
	l.calm(lb2)
	l.wrote(2)
	calls := 0
	for _, c := range l.cloud.Calls() {
		if c.Service == "route53" && c.Caller.Instance == lb1.id && c.Time.After(woken) {
			calls++
		}
	}
	if calls > 3 {
		t.Errorf("the node that was woken made %d calls, want a reading or two", calls)
	}
	if len(lb1.logged(`"decision":"slept"`)) == 0 {
		t.Error("the node that was woken does not know it")
	}

	// A second failure: of the same kind where that is as quick.
	if witness {
		l.witnessed(lb1)
		l.moved(lb1, lb2.freeze(), settled)
	} else {
		l.moved(lb1, lb2.kill(), 500*time.Millisecond+slack)
	}
	l.holds(lb1)
	l.wrote(3)
}
