package logqueue

import (
	"sync"
	"time"
)

// quiet is how far two words about losses are apart at least, and how long no line may be lost until the losses are over.
const quiet = 10 * time.Second

// State is what a Loss is about.
type State int

// The states of losses, in their order.
const (
	Began  State = iota // lines are being lost
	Ended               // lines are written again, and none was lost for some time
	Closed              // the queue is closed, and lines were lost of which it was not said how many
)

// A Loss tells of lines that are lost.
type Loss struct {
	State State
	Lines uint64    // how many, since it began
	Since time.Time // when the first of them was lost
	Err   error     // the last error of the writer; nil if the queue was full and nothing else
}

// losses counts the lines that are lost, and tells of them now and then.
type losses struct {
	tell func(Loss)
	over func() bool // whether lines are being written, and there is room for more

	mu    sync.Mutex
	now   Loss      // the present ones; no lines if there are none
	seen  uint64    // the lines when it was looked last
	last  time.Time // when something was told last
	said  bool      // it was told that they began
	timer *time.Timer
	ended bool
}

// add counts a line that was lost just now. It tells nothing itself, since telling may take time.
func (l *losses) add(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.count(1, err)
	if l.timer == nil {
		l.timer = time.AfterFunc(max(0, quiet-time.Since(l.last)), l.look)
	}
}

// count counts them. The mutex is held.
func (l *losses) count(lines uint64, err error) {
	if l.now.Lines == 0 {
		l.now.Since = time.Now()
	}
	l.now.Lines += lines
	if err != nil {
		l.now.Err = err
	}
}

// look tells what is new, and comes again as long as there is something that may end.
func (l *losses) look() {
	l.mu.Lock()
	word, news := l.now, false
	switch {
	case l.ended:
		l.mu.Unlock()
		return
	case !l.said:
		word.State, news = Began, true
		l.said = true
	case l.now.Lines == l.seen && l.over():
		word.State, news = Ended, true
		l.now, l.said = Loss{}, false
	}
	l.seen = l.now.Lines
	l.mu.Unlock()
	if news {
		l.tell(word)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if news {
		l.last = time.Now()
	}
	l.timer = nil
	if l.now.Lines > 0 && !l.ended {
		l.timer = time.AfterFunc(quiet, l.look)
	}
}

// end counts lines that are lost at the end, if there are any, tells of what is lost but not told, and makes it all end.
func (l *losses) end(lines uint64) {
	l.mu.Lock()
	if lines > 0 {
		l.count(lines, errClosed)
	}
	word := l.now
	l.ended = true
	if l.timer != nil {
		l.timer.Stop()
	}
	l.mu.Unlock()
	if word.Lines > 0 {
		word.State = Closed
		l.tell(word)
	}
}
