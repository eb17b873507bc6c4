package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"
)

// pairStory is what the steps of the stories of two load balancers share.
type pairStory struct {
	*story
	st    *stage
	world *world
	what  string // clients reach the one that has it

	moves [][]string // the lines of the summary
}

// The clients of the pair give up sooner than others, so that those at a frozen load balancer are back soon.
const pairPatience = 2 * time.Second

// How soon the name may move. What is due to the rules is a fraction of each, the rest is for slow machines.
const (
	soonKilled = 4 * time.Second
	soonDeaf   = 6 * time.Second
	soonFrozen = 8 * time.Second
	soonAPI    = 6 * time.Second // after its first answer
)

// settleTime is for how long after a move silence counts for nothing, since the move itself may be its reason.
const settleTime = 10 * time.Second

// playPair tells how one name goes from one load balancer to the other.
func playPair(s *story, bin string) (err error) {
	st, err := s.open(bin, scene{balancers: 2}, clients{patience: pairPatience})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	p := &pairStory{story: s, st: st, world: st.world, what: siteName}
	s.step("two load balancers start, and one gets the name", p.begins)
	s.fault("the active one is killed", p.killed)
	s.fault("its site stops listening, its process lives", p.deafened)
	if freezeSignal != syscall.Signal(0) {
		s.fault("it is frozen, and wakes up again", p.frozen)
	}
	s.step("the two don't hear each other", p.partitioned)
	s.step("an operator moves it", p.ordered)
	s.step("both are upgraded, one after the other", p.upgraded)
	s.step("the AWS API is cut", p.apiCut)
	s.fault("the active one is killed meanwhile", p.killedWithoutAPI)
	if !s.held() {
		s.dump(st)
	}
	return nil
}

func (p *pairStory) begins() {
	m := mark{requests: p.traffic.now()} // nothing was there before
	p.awaitAgreement()
	p.await("each has its own name too", func() (string, bool) {
		var seen []string
		ok := true
		for _, lb := range p.st.lbs {
			name := lb.name + "." + zoneName
			r, found := p.world.cloud.Record(zoneID, name, "A")
			ok = ok && found && slices.Equal(r.Values, []string{lb.address})
			seen = append(seen, name+" "+strings.Join(r.Values, ","))
		}
		return strings.Join(seen, ", "), ok
	})
	p.awaitRequests(m.requests, 200)
	p.expectCost(m, 3) // a name each, and the common one
	p.tell(m, time.Time{})
}

func (p *pairStory) killed() {
	m := p.strike()
	p.do("it is killed", m.holder.kill())
	p.awaitMove(m, soonKilled)
	p.returns(m.holder, m.holder.start(p.ctx))
	p.expectCost(m, 1)
	p.tell(m, m.at)
}

func (p *pairStory) deafened() {
	m := p.mark()
	p.do("its site is closed", m.holder.unlisten())
	p.awaitMove(m, soonDeaf)
	p.returns(m.holder, m.holder.reload(caddyfile))
	p.expectCost(m, 1)
	p.tell(m, m.at)
}

func (p *pairStory) frozen() {
	p.awaitSettled()
	m := p.strike()
	p.do("it is frozen", m.holder.freeze())
	p.awaitMove(m, soonFrozen)
	asked := p.world.cloud.Count("route53", "")
	p.returns(m.holder, m.holder.thaw())
	p.awaitRequests(p.traffic.now(), 500)
	p.expectCost(m, 1)
	calls := p.world.cloud.Count("route53", "") - asked
	p.expect("it wakes up without a burst of calls", fmt.Sprintf("%d calls of Route 53", calls), calls <= 10)
	p.tell(m, m.at)
}

func (p *pairStory) partitioned() {
	p.awaitSettled()
	m := p.mark()
	for _, l := range p.st.links {
		l.cut()
	}
	for _, lb := range p.st.lbs {
		p.awaitOf(lb, "does not hear the other one", func(st standing) (string, bool) { return st.reply(), !st.hears() })
	}
	p.awaitRequests(p.traffic.now(), 1000)
	p.expect("nobody moves the name: the site is still there", p.why(m), p.world.held() == m.held)
	for _, l := range p.st.links {
		l.join()
	}
	p.awaitAgreement()
	p.expectCost(m, 0)
	p.tell(m, time.Time{})
}

func (p *pairStory) ordered() {
	p.rest()
	m := p.mark()
	p.do("it takes over", p.other(m).order("takeover", "the story wants it"))
	p.awaitMove(m, soonKilled)
	p.awaitAgreement()
	p.expectCost(m, 1)
	p.tell(m, m.at)
}

func (p *pairStory) upgraded() {
	for range p.st.lbs {
		p.rest()
		m := p.mark()
		p.do("it ends in order", m.holder.stop())
		p.awaitMove(m, soonKilled)
		p.returns(m.holder, m.holder.start(p.ctx))
		p.expectCost(m, 1)
		p.tell(m, m.at)
	}
}

func (p *pairStory) apiCut() {
	m := p.mark()
	_, err := p.world.apiDown("")
	p.do("the API is cut", err)
	p.awaitRequests(p.traffic.now(), 700)
	p.expect("nobody moves the name", p.world.held().String(), p.world.held() == m.held)
	p.tell(m, time.Time{})
}

func (p *pairStory) killedWithoutAPI() {
	m := p.mark()
	p.do("it is killed", m.holder.kill())
	p.awaitRequests(p.traffic.now(), 500)
	p.expect("nobody can move the name", p.world.held().String(), p.world.held() == m.held)
	back := time.Now()
	_, err := p.world.apiUp("")
	p.do("the API answers again", err)
	p.awaitMoveSince(m, back, soonAPI)
	p.returns(m.holder, m.holder.start(p.ctx))
	p.expectCost(m, 1)
	p.tell(m, back)
}
