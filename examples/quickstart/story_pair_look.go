package main

import (
	"fmt"
	"strings"
	"time"
)

// mark is how things are before something is done to a load balancer.
type mark struct {
	at       time.Time
	held     held
	holder   *caddy // where the name points
	writes   int
	requests tally
}

// mark begins a count of what happens from here on.
func (p *pairStory) mark() mark {
	made, _ := p.world.writes()
	p.traffic.settle()
	p.traffic.longest()
	m := mark{held: p.world.held(), writes: len(made), requests: p.traffic.now()}
	m.holder = p.at(m.held)
	m.at = time.Now()
	return m
}

// at is the load balancer where the name points. A name that points nowhere breaks the story off.
func (p *pairStory) at(h held) *caddy {
	for _, lb := range p.st.lbs {
		if lb.address == h.address {
			return lb
		}
	}
	p.do("the name points at one of the two", fmt.Errorf("%s", h))
	return p.st.lbs[0]
}

// other is the one that stands by.
func (p *pairStory) other(m mark) *caddy {
	if m.holder == p.st.lbs[0] {
		return p.st.lbs[1]
	}
	return p.st.lbs[0]
}

// awaitOf waits until a load balancer says something of itself.
func (p *pairStory) awaitOf(lb *caddy, want string, look func(standing) (string, bool)) {
	p.await(lb.name+" "+want, func() (string, bool) {
		st, err := lb.standing()
		if err != nil {
			return err.Error(), false
		}
		return look(st)
	})
}

// awaitAgreement waits until one is active, the other one stands by, both are well and hear each other, and both know what is
// so.
func (p *pairStory) awaitAgreement() {
	p.await("one is active, the other one stands by", func() (string, bool) {
		h := p.world.held()
		roles, ok := make([]string, 0, 2), true
		for _, lb := range p.st.lbs {
			st, err := lb.standing()
			if err != nil {
				return err.Error(), false
			}
			role, _ := st.role()
			roles = append(roles, lb.name+" "+role)
			ok = ok && (role == "active") == (lb.name == h.by) && (role == "standby") == (lb.name != h.by) &&
				st.holder() == h.by && st.epoch() == h.epoch && st.healthy() && st.hears()
		}
		return strings.Join(roles, ", "), ok
	})
}

// awaitMove waits until the other one has the name, and its clients have found it.
func (p *pairStory) awaitMove(m mark, within time.Duration) { p.awaitMoveSince(m, m.at, within) }

// awaitMoveSince counts the time from another moment.
func (p *pairStory) awaitMoveSince(m mark, since time.Time, within time.Duration) {
	other := p.other(m)
	p.await(other.name+" gets the name", func() (string, bool) {
		h := p.world.held()
		return h.String(), h.address == other.address
	})
	took := p.took(since)
	p.expect(fmt.Sprintf("within %.0f s", within.Seconds()), inWords(took), took <= within)
	before := p.traffic.now()
	p.await("clients are served by "+other.name, func() (string, bool) {
		got := p.traffic.now().since(before)
		if got.sent < 60 {
			return fmt.Sprintf("%d answers", got.sent), false
		}
		seen := fmt.Sprintf("%d of %d, %d failed", got.via[other.name], got.sent, got.failed)
		if got.failed == 0 && got.via[other.name] == got.sent {
			return seen, true
		}
		before = p.traffic.now() // and once more
		return seen, false
	})
}

// took is how long after a moment the latest write was.
func (p *pairStory) took(since time.Time) time.Duration {
	made, _ := p.world.writes()
	if len(made) == 0 {
		return 0
	}
	return made[len(made)-1].Time.Sub(since)
}

// returns waits until a load balancer that was brought back stands by.
func (p *pairStory) returns(lb *caddy, err error) {
	p.do(lb.name+" is brought back", err)
	p.awaitAgreement()
}

// awaitSettled waits until the latest move is long enough ago for silence to count, and the witness of the one that stands by has
// seen the other one work.
func (p *pairStory) awaitSettled() {
	p.until("the latest move is long ago", func() (string, bool) {
		ago := -p.took(time.Now())
		return inWords(ago), ago > settleTime+time.Second
	})
	p.awaitOf(p.other(p.mark()), "has seen the other one work", func(st standing) (string, bool) {
		if st.armed() {
			return "its witness has passed", true
		}
		return "its witness has not passed yet", false
	})
}

// expectWrites says how many changes of records were made since, by anybody.
func (p *pairStory) expectWrites(m mark, n int) {
	made, _ := p.world.writes()
	got := len(made) - m.writes
	p.expect(fmt.Sprintf("writes: %d", n), fmt.Sprint(got), got == n)
}

// why is what keeps the one that stands by from taking the name.
func (p *pairStory) why(m mark) string {
	st, err := p.other(m).standing()
	if err != nil {
		return err.Error()
	}
	_, why := st.role()
	return why
}

// tell says in words what came of it: who has the name, how long the move took, what it cost, and what clients noticed.
func (p *pairStory) tell(m mark, since time.Time) {
	if p.broken {
		return
	}
	p.traffic.settle()
	got, h := p.traffic.now().since(m.requests), p.world.held()
	made, _ := p.world.writes()
	has := fmt.Sprintf("%s has %s", h.by, siteName)
	switch {
	case h == m.held:
		has += " still"
	case !since.IsZero():
		has += " after " + inWords(p.took(since))
	}
	noticed := "no request failed"
	if got.failed > 0 {
		noticed = fmt.Sprintf("%d of %d requests failed, for %s none was answered", got.failed, got.sent, inWords(p.traffic.longest()))
	}
	p.say("        %s, epoch %d; writes: %d; %s", has, h.epoch, len(made)-m.writes, noticed)
}

// inWords is a time as people say it.
func inWords(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
