package logqueue

import (
	"slices"
	"sync"
)

// A place is where the configurations that have a queue find it. Caddy opens a queue once for all of them, and keeps it.
type place struct {
	mu      sync.Mutex
	queue   *Queue    // nil until it is opened
	writers []*Writer // of the configurations that are loaded, in the order of loading
}

// places are those of all queues by their keys, as long as Caddy runs.
var places sync.Map

func placeOf(key string) *place {
	p, _ := places.LoadOrStore(key, new(place))
	return p.(*place)
}

func (p *place) join(w *Writer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writers = append(p.writers, w)
	p.resize()
}

func (p *place) put(q *Queue) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = q
	p.resize()
}

// leave returns the queue, which has the size again that it had before, if the configuration that leaves is the last one, such as one
// that could not be loaded.
func (p *place) leave(w *Writer) *Queue {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writers = slices.DeleteFunc(p.writers, func(o *Writer) bool { return o == w })
	p.resize()
	return p.queue
}

// resize gives the queue the size of the latest configuration. The mutex is held.
func (p *place) resize() {
	if n := len(p.writers); n > 0 && p.queue != nil {
		p.queue.size.Store(int64(p.writers[n-1].size()))
	}
}
