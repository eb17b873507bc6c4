package sim

import "time"

// kind is what an event of the world is.
type kind uint8

const (
	evFn     kind = iota // run fn
	evNode               // run fn in the process of node, if that start of it still lives
	evTick               // the tick that a node asked for
	evBeat               // it is time for a heartbeat from node to peer
	evAsked              // a heartbeat reaches the host that is asked
	evReply              // a heartbeat ends for the one who asked
	evHealth             // a round of a node's own checks
	evFault              // fault begins
	evCheck              // look whether all is well
)

// event is something that will happen in the world. Its small fields are used by
// some kinds only; they save an allocation for each of the many heartbeats.
type event struct {
	at   time.Duration
	seq  uint64 // events of one moment happen in the order in which they were made
	fn   func()
	boot int32
	ref  int32 // of a beat or a fault
	node int8
	peer int8
	kind kind
}

// queue is a binary heap of events. It is its own, since container/heap would
// allocate for each of them.
type queue struct {
	items []event
	seq   uint64
}

func (q *queue) reset() {
	clear(q.items)
	q.items, q.seq = q.items[:0], 0
}

func (q *queue) before(i, j int) bool {
	a, b := &q.items[i], &q.items[j]
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

func (q *queue) push(e event) {
	q.seq++
	e.seq = q.seq
	q.items = append(q.items, e)
	for i := len(q.items) - 1; i > 0; {
		up := (i - 1) / 2
		if !q.before(i, up) {
			return
		}
		q.items[i], q.items[up] = q.items[up], q.items[i]
		i = up
	}
}

func (q *queue) pop() (event, bool) {
	if len(q.items) == 0 {
		return event{}, false
	}
	first := q.items[0]
	last := len(q.items) - 1
	q.items[0] = q.items[last]
	q.items[last] = event{}
	q.items = q.items[:last]
	for i := 0; ; {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < last; c++ {
			if q.before(c, least) {
				least = c
			}
		}
		if least == i {
			return first, true
		}
		q.items[i], q.items[least] = q.items[least], q.items[i]
		i = least
	}
}
