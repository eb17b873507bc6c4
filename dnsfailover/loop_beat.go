package dnsfailover

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// quickAgain is when a refused heartbeat is repeated: [engine.Refusals] in a row fit into [engine.RefusalWindow] then.
const quickAgain = 60 * time.Millisecond

// beat asks one peer for its heartbeats.
type beat struct {
	peer   string
	every  time.Duration
	cancel context.CancelFunc

	// The owner's: how the latest one ended, and what the latest answer was.
	asked    bool
	reply    engine.Reply
	err      error
	node     string
	instance string
	heard    time.Duration // when it was asked for
}

// applyBeats makes the peers that are asked those of all services.
func (l *Loop) applyBeats() {
	wanted := map[string]time.Duration{}
	for _, s := range l.services {
		for _, p := range s.cfg.Peers {
			wanted[p] = s.cfg.Interval
		}
	}
	for peer, b := range l.beats {
		if every, ok := wanted[peer]; !ok || every != b.every {
			b.cancel()
			delete(l.beats, peer)
		}
	}
	for peer, every := range wanted {
		if l.beats[peer] != nil {
			continue
		}
		ctx, cancel := context.WithCancel(l.ctx)
		b := &beat{peer: peer, every: every, cancel: cancel}
		l.beats[peer] = b
		l.work.Go(func() { l.beat(ctx, b) })
	}
}

// beat goes on until ctx ends. It begins at a random moment of the interval, and no interval is quite as long as another, so
// that nodes which were started together do not ask all at once. A connection that has ended is asked about at
// once, but only once in an interval: a peer may have a reason to close each of them.
func (l *Loop) beat(ctx context.Context, b *beat) {
	ended := l.network.Ended(b.peer)
	next := time.Now().Add(rand.N(b.every))
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			ended = l.network.Ended(b.peer)
			next = time.Now().Add(b.every - b.every/20 + rand.N(b.every/10+1))
		case <-ended:
			ended = nil
		}
		if !l.series(ctx, b) {
			return
		}
		timer.Reset(time.Until(next))
	}
}

// series asks a peer once or, if it refuses, until it has done so often enough. It reports false if ctx has ended.
func (l *Loop) series(ctx context.Context, b *beat) bool {
	for n := 1; ; n++ {
		sent := l.now()
		says, reply, err := l.askPeer(ctx, b)
		if ctx.Err() != nil || !l.post(func() { l.heard(b, says, reply, err, sent) }) {
			return false
		}
		if reply != engine.Refused || n == engine.Refusals {
			return true
		}
		timer := time.NewTimer(quickAgain)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
	}
}

func (l *Loop) askPeer(ctx context.Context, b *beat) (says PeerAnswer, reply engine.Reply, err error) {
	ctx, cancel := context.WithTimeout(ctx, b.every/2)
	defer cancel()
	reply, err = engine.Silent, errPanic
	l.guard("", "heartbeat to "+b.peer, func() { says, reply, err = l.network.Ask(ctx, b.peer) })
	return says, reply, err
}

// heard gives every service with that peer its part of the answer. One that the peer does not know gets the names alone: a
// node that is there, and neither holds the service nor is able to.
//
// A heartbeat that took two intervals longer than it may says nothing: this process has not run in the meantime, so the
// answer is of the time before, and silence is no wonder. The next one is due already.
func (l *Loop) heard(b *beat, says PeerAnswer, reply engine.Reply, err error, sent time.Duration) {
	if l.beats[b.peer] != b || l.now()-sent > b.every/2+2*b.every {
		return
	}
	if b.reply != reply || !b.asked && reply != engine.Answered {
		l.sayReply(b.peer, reply, err)
	}
	b.asked, b.reply, b.err = true, reply, err
	if reply == engine.Answered {
		b.node, b.instance, b.heard = says.Node, says.Instance, sent
	}
	for _, s := range l.services {
		if !slices.Contains(s.cfg.Peers, b.peer) {
			continue
		}
		e := engine.Heartbeat{Peer: b.peer, Reply: reply, Sent: sent}
		if reply == engine.Answered {
			var ok bool
			if e.Body, ok = says.Services[s.name]; !ok {
				e.Body = engine.Body{Name: says.Node, Instance: says.Instance}
			}
		}
		l.step(s, e)
	}
}
