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
	holder   *caddy // which clients reach
	writes   int    // of records
	moves    int    // calls of AssociateAddress
	requests tally
	gone     bool // the holder answers nobody from then on
}

// mark begins a count of what happens from here on.
func (p *pairStory) mark() mark {
	p.traffic.settle()
	p.traffic.longest()
	m := mark{held: p.world.held(), requests: p.traffic.now()}
	m.writes, m.moves = p.calls()
	m.holder = p.at(m.held)
	m.at = time.Now()
	return m
}

// rest lets a second pass: the start of a node takes most of the requests that Route 53 allows an account in that time.
func (p *pairStory) rest() { p.awaitRequests(p.traffic.now(), storyRate) }

// strike is a mark just before the holder is lost, in the middle of requests.
func (p *pairStory) strike() mark {
	m := p.mark()
	p.awaitRequests(m.requests, 20)
	m.at, m.gone = time.Now(), true
	return m
}

// calls are how many changes of records were made so far, and how many calls of AssociateAddress, by anybody.
func (p *pairStory) calls() (writes, moves int) {
	made, _ := p.world.writes()
	_, moves = p.world.carriedOut("AssociateAddress")
	return len(made), moves
}

// at is the load balancer that clients reach. If they reach none, the story is broken off.
func (p *pairStory) at(h held) *caddy {
	if lb := p.st.balancer(h.at); lb != nil {
		return lb
	}
	p.do("clients reach one of the two", fmt.Errorf("%s", h))
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
		roles, ok := make([]string, 0, 2), h.at == h.by
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
		if h.at != h.by {
			roles = append(roles, h.String())
		}
		return strings.Join(roles, ", "), ok
	})
}

// awaitMove waits until the other one has what there is to have, and clients have found it.
func (p *pairStory) awaitMove(m mark, within time.Duration) { p.awaitMoveSince(m, m.at, within) }

// awaitMoveSince counts the time from another moment.
func (p *pairStory) awaitMoveSince(m mark, since time.Time, within time.Duration) {
	other := p.other(m)
	p.await(other.name+" gets "+p.what, func() (string, bool) {
		h := p.world.held()
		return h.String(), h.at == other.name
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

// took is how long after a moment the latest move was.
func (p *pairStory) took(since time.Time) time.Duration {
	moved := p.world.moved()
	if len(moved) == 0 {
		return 0
	}
	return moved[len(moved)-1].Time.Sub(since)
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

// expectCost says how many changes of records were made since, by anybody, and with an Elastic IP how many calls of
// AssociateAddress, of which a move takes one. At first, one may get the name and the other the address, which follows then.
func (p *pairStory) expectCost(m mark, writes int) {
	made, moves := p.calls()
	made, moves = made-m.writes, moves-m.moves
	p.expect(fmt.Sprintf("writes: %d", writes), fmt.Sprint(made), made == writes)
	if p.world.elastic != nil && m.holder != nil {
		p.expect("AssociateAddress: 1 call", fmt.Sprint(moves), moves == 1)
	}
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
	writes, moves := p.calls()
	cost := fmt.Sprintf("writes: %d", writes-m.writes)
	if p.world.elastic != nil {
		cost += fmt.Sprintf(", calls of AssociateAddress: %d", moves-m.moves)
	}
	has := fmt.Sprintf("%s has %s", h.at, p.what)
	switch {
	case h == m.held:
		has += " still"
	case !since.IsZero():
		has += " after " + inWords(p.took(since))
	}
	noticed, gap := "no request failed", p.traffic.longest()
	if got.failed > 0 {
		noticed = fmt.Sprintf("%d of %d requests failed, for %s none was answered", got.failed, got.sent, inWords(gap))
	}
	p.say("        %s, epoch %d; %s; %s", has, h.epoch, cost, noticed)
	if p.world.elastic != nil && m.holder != nil && h != m.held {
		p.sumUp(m, got, gap)
	}
}

// inWords is a time as people say it.
func inWords(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
