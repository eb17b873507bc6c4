package main

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// playAddress tells how an Elastic IP goes from one load balancer to the other, with a record beside it that always says the
// same. Its clients repeat nothing, so that what is cut off by a move shows.
func playAddress(s *story, bin string) (err error) {
	st, err := s.open(bin, scene{balancers: 2, elastic: true}, clients{patience: pairPatience, path: latePath, once: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	p := &pairStory{story: s, st: st, world: st.world, what: "the Elastic IP"}
	s.step("two load balancers start, and one gets the Elastic IP", p.begins)
	s.fault("the active one is killed", p.killed)
	if freezeSignal != syscall.Signal(0) {
		s.fault("it is frozen, and wakes up again", p.frozen)
	}
	s.fault("it is killed while Route 53 is cut", p.killedWithoutRoute53)
	s.fault("both are upgraded, one after the other", p.upgraded)
	s.fault("an operator moves it", p.ordered)
	s.step("nothing happens", p.calm)
	s.summary = p.sum()
	if !s.held() {
		s.dump(st)
	}
	return nil
}

func (p *pairStory) killedWithoutRoute53() {
	p.rest()
	m := p.mark()
	back := p.world.cloud.Outage("route53")
	defer back()
	p.awaitRequests(p.traffic.now(), 500)
	p.expect("nothing moves", p.world.held().String(), p.world.held() == m.held)
	m = p.strike()
	p.do("it is killed", m.holder.kill())
	p.awaitMove(m, soonKilled)
	h := p.world.held()
	p.expect("the record says what it said before", h.String(), h.by == m.held.by && h.epoch == m.held.epoch && h.address == m.held.address)
	back()
	p.await("the record's lease follows", func() (string, bool) {
		h := p.world.held()
		return h.String(), h.by == h.at && h.epoch == m.held.epoch+1
	})
	p.returns(m.holder, m.holder.start(p.ctx))
	p.expectCost(m, 1)
	p.tell(m, m.at)
}

func (p *pairStory) calm() {
	m := p.mark()
	p.awaitRequests(m.requests, 500)
	writes, moves := p.calls()
	p.expect("nobody writes", fmt.Sprintf("writes: %d, calls of AssociateAddress: %d", writes-m.writes, moves-m.moves),
		writes == m.writes && moves == m.moves)
	p.tell(m, time.Time{})
}

// sum is the table of all moves.
func (p *pairStory) sum() string {
	head := []string{"move", "to", "after", "new requests failed", "under way failed", "no answer for", "AssociateAddress", "writes"}
	return columns(append([][]string{head}, p.moves...)) + `
Requests under way had begun when the holder was lost, or, if it left in order, when the address was taken from it: a move cuts them.
Until packets reach the new holder takes AWS a moment, and nothing here; clients wait meanwhile, which comes on top.
`
}

// sumUp adds a line about a move to the table.
func (p *pairStory) sumUp(m mark, got tally, gap time.Duration) {
	lost := m.at
	if !m.gone {
		lost = p.world.freedSince(m.at)
	}
	cut := p.traffic.lostBefore(lost, m.requests.failed)
	writes, moves := p.calls()
	p.moves = append(p.moves, []string{
		p.steps[len(p.steps)-1].title, p.world.held().at, inWords(p.took(m.at)), fmt.Sprintf("%d of %d", got.failed-cut, got.sent),
		fmt.Sprint(cut), inWords(gap), fmt.Sprint(moves - m.moves), fmt.Sprint(writes - m.writes),
	})
}
