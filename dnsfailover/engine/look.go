package engine

import (
	"hash/fnv"
	"slices"
	"time"
)

// hint asks for a reading as soon as may be.
func (s *step) hint(t *TargetState) { t.hint = true }

// call begins a call on a target, and returns its number.
func (s *step) call(t *TargetState, c call) uint64 {
	s.calls++
	t.busy, t.call, t.busySince = c, s.calls, s.now
	s.due(s.now + CallTime)
	return s.calls
}

// distrust has a target read before it is written again.
func (s *step) distrust(t *TargetState) {
	t.unsure, t.unsureAt, t.hintAt = true, s.now, s.now
}

// target is that of an id, or -1: one of the configuration before.
func (s *step) target(id string) int {
	return slices.IndexFunc(s.Targets, func(t TargetState) bool { return t.ID == id })
}

// expire gives up calls that brought no event.
func (s *step) expire() {
	for i := range s.Targets {
		t := &s.Targets[i]
		if t.busy != idle && s.due(t.busySince+CallTime) {
			s.foldWrite(t.ID, t.call, Unknown, Reading{})
			s.foldRead(ReadDone{Target: t.ID, Call: t.call, Outcome: Unknown})
		}
		// What was denied is tried again after a while.
		if t.Denied && s.due(t.DeniedAt+s.cfg.HoldDown) {
			t.Denied = !t.toWrite // a write shows itself whether it may
			s.hint(t)
		}
	}
}

// look reads the targets when it is time.
func (s *step) look() {
	for i := range s.Targets {
		t := &s.Targets[i]
		if t.busy != idle {
			continue
		}
		wanted := t.hint || t.unsure || !t.Known || s.strayed(i)
		if s.due(t.nextLook) || wanted && s.due(t.hintAt) {
			t.hint = false
			s.do(Read{Target: t.ID, Call: s.call(t, reading)})
		}
	}
}

// strayed reports whether this node has a follower, or an address that is the
// home, as far as it knows, while another one says that it holds the service: it
// may long have lost it, and EC2 shows for a while what was.
func (s *step) strayed(i int) bool {
	if s.all() || i == 0 && (s.cfg.Targets[0].Kind != Address || s.Role != Active) || i > 0 && s.Role != Standby {
		return false
	}
	return s.holder(s.cfg, i).mine() && s.activePeer() != nil
}

func (s *step) foldRead(e ReadDone) {
	i := s.target(e.Target)
	if i < 0 || s.Targets[i].busy != reading || s.Targets[i].call != e.Call {
		return
	}
	t := &s.Targets[i]
	t.busy = idle
	only := e.Outcome == Denied && e.Reading.Token != "" // it may be read, and no more
	if e.Outcome != Done && !only {
		t.Failing = true
		t.misreads++
		if e.Outcome == Busy {
			t.throttled++
		}
		t.nextLook = s.now + s.retry(i, t.misreads)
		t.hintAt = t.nextLook
		if e.Outcome == Denied {
			t.nextLook, t.hintAt = s.now+s.cfg.HoldDown, s.now+s.cfg.HoldDown
			s.deny(t, false)
		}
		return
	}
	switch {
	case only && !t.Denied:
		s.deny(t, false)
	case only:
		t.DeniedAt = s.now
	case t.Denied && !t.toWrite:
		s.allow(t)
	}
	t.misreads, t.throttled = 0, 0
	if token := e.Reading.Token; s.cfg.Targets[i].Kind == Address && t.Known && token != t.Reading.Token && token != t.contrary {
		// EC2 may still show what was before: two readings in a row have to agree.
		t.contrary, t.hintAt = token, s.now+BackoffMin
		s.hint(t)
		return
	}
	if t.Known && t.Reading.Token == e.Reading.Token {
		t.hints++
	} else {
		t.hints = 0
	}
	s.learn(i, e.Reading, t.busySince)
	// What was asked for too early is asked for again, ever more slowly.
	t.hintAt = s.now + min(time.Second<<min(t.hints, 5), BackoffMax)
	if t.hints == 0 {
		t.hintAt = s.now
	}
	every := LookStandby
	if s.keeps(i) {
		every = LookActive
	}
	t.nextLook = s.now + every + s.scatter(i, t.misreads, 4*time.Second)
}

// foldWrite takes in how a Swap or a Free ended.
func (s *step) foldWrite(id string, call uint64, o Outcome, r Reading) {
	i := s.target(id)
	if i < 0 {
		return
	}
	t := &s.Targets[i]
	if t.busy != swapping && t.busy != freeing || t.call != call {
		// It was given up, and has ended after all.
		switch o {
		case Done:
			s.distrust(t)
		case Denied:
			s.deny(t, true)
		}
		return
	}
	if o == Done {
		s.allow(t)
		mine := !s.all() && s.holder(s.cfg, i).mine() || s.all() && t.why.Code == IsOwn
		t.failures, t.hints, t.hintAt = 0, 0, s.now
		t.nextLook = s.now + LookActive
		s.learn(i, r, t.busySince)
		if t.busy == swapping {
			s.writes++
			t.converge = t.converge && s.all() // of which it may have been another part
			if mine {
				s.tell(Tell{What: Converged, Target: t.ID, To: s.cfg.Node, Epoch: s.Epoch})
			}
		}
		t.busy = idle
		return
	}
	t.busy = idle
	t.failures++
	t.verdict = verdict{}
	switch o {
	case Conflict:
		// Whoever was faster is there to be read.
		t.failures, t.why = 0, Why{}
		s.distrust(t)
		if t.refused++; t.refused == 1 {
			s.tell(Tell{What: Contested, Target: t.ID, Epoch: s.Epoch})
			break
		}
		t.retryAt = s.now + s.backoff(i, t.refused) // what is read does not explain it
	case Denied:
		t.failures, t.why = 0, Why{}
		s.order.on = false // an operator can't help that either
		s.deny(t, true)
	case Unknown:
		s.distrust(t)
		t.retryAt = s.now + s.retry(i, t.failures)
	case Busy, Done:
		t.why = Why{}
		t.retryAt = s.now + s.retry(i, t.failures)
	}
}

// deny makes the node unable (R10).
func (s *step) deny(t *TargetState, write bool) {
	if t.denials++; t.denials == 1 {
		s.tell(Tell{What: Unable, Target: t.ID, Why: Why{Code: IsDenied}})
	}
	t.toWrite = write || t.Denied && t.toWrite
	t.Denied, t.DeniedAt = true, s.now
}

// allow ends that.
func (s *step) allow(t *TargetState) {
	if t.denials > 0 {
		s.tell(Tell{What: Able, Target: t.ID})
	}
	t.Denied, t.denials = false, 0
}

// backoff is the delay after the n-th failure in a row: at least half of what
// doubles from BackoffMin to BackoffMax.
func (s *step) backoff(i, n int) time.Duration {
	return s.backoffTo(BackoffMax, i, n)
}

// retry is the delay after the n-th call in a row that brought no answer. As
// long as nobody who answers has the target it stays, at first, below
// BackoffUrgent times the place of this node among those that may write it.
func (s *step) retry(i, n int) time.Duration {
	if n > urgentRetries || s.served(i) {
		return s.backoff(i, n)
	}
	before := 0
	if s.Role != Active || s.all() {
		before, _ = s.rank("", true)
	}
	return s.backoffTo(min(time.Duration(before+1)*BackoffUrgent, BackoffMax), i, n)
}

// served reports whether those who have a target answer: the service, where it
// is not this node's, or one of those that follow it.
func (s *step) served(i int) bool {
	switch {
	case s.all():
		return s.Role == Active && !s.Targets[i].purge.on
	case i == 0 || s.Role != Active:
		return s.Role == Active || s.activePeer() != nil
	}
	switch h := s.holder(s.cfg, i); h.who {
	case nobody:
		return false
	case peer:
		p := s.peer(h.name)
		return p == nil || p.Up
	}
	return true
}

func (s *step) backoffTo(most time.Duration, i, n int) time.Duration {
	d := min(BackoffMin<<min(n-1, 16), most)
	return d/2 + s.scatter(i, n, d/2)
}

// scatter is a delay below a maximum that differs from node to node.
func (s *step) scatter(i, n int, most time.Duration) time.Duration {
	h := fnv.New32a()
	h.Write([]byte(s.cfg.Boot))
	h.Write([]byte{byte(i), byte(n)})
	return time.Duration(h.Sum32()%1000) * most / 1000
}
