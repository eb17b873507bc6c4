package sim

import (
	"math/rand/v2"
	"testing"
	"time"
)

// TestQueueIsInOrder: events come by their time, and those of one moment in the
// order in which they were made.
func TestQueueIsInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var q queue
	for round := range 50 {
		q.reset()
		for i := range 200 {
			q.push(event{at: time.Duration(r.IntN(40)), ref: int32(i)})
			if i%3 == 0 {
				q.pop()
			}
		}
		last, ok := q.pop()
		for n := 1; ok; n++ {
			var next event
			if next, ok = q.pop(); !ok {
				if n < 100 {
					t.Fatalf("round %d: only %d events were left", round, n)
				}
				break
			}
			if next.at < last.at || next.at == last.at && next.ref < last.ref {
				t.Fatalf("round %d: event %d at %d comes after %d at %d", round, next.ref, next.at, last.ref, last.at)
			}
			last = next
		}
	}
}
