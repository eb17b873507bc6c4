package ec2upstreams

import (
	"container/heap"
	"time"
)

// queue is the timetable of checks: backends by the time their next check is due, and how many checks may run at once.
type queue struct {
	heap    dueHeap
	running int
	limit   int
}

// dueHeap implements heap.Interface.
type dueHeap []*backend

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].slot, h[j].slot = i, j
}

func (h *dueHeap) Push(x any) {
	b := x.(*backend)
	b.slot = len(*h)
	*h = append(*h, b)
}

func (h *dueHeap) Pop() any {
	old := *h
	b := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	b.slot = -1
	return b
}

func (q *queue) add(b *backend, due time.Time) {
	b.due, b.queue = due, q
	heap.Push(&q.heap, b)
}

// remove takes a backend off the timetable. A check of it that is running goes on.
func (q *queue) remove(b *backend) {
	if b.slot >= 0 {
		heap.Remove(&q.heap, b.slot)
	}
}

// next takes the backend that is due first, if there is one and a check may start.
func (q *queue) next(now time.Time) *backend {
	if q.running >= q.limit || len(q.heap) == 0 || q.heap[0].due.After(now) {
		return nil
	}
	q.running++
	return heap.Pop(&q.heap).(*backend)
}

// wake is when next has something to give, zero if a running check has to end first or nothing is planned.
func (q *queue) wake() time.Time {
	if q.running >= q.limit || len(q.heap) == 0 {
		return time.Time{}
	}
	return q.heap[0].due
}
