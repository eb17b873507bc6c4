//go:build linux

package integration

import (
	"io"
	"net"
	"sync"
	"time"
)

// passage is what becomes of what is sent over a wire.
type passage int

const (
	passes  passage = iota
	dropped         // what is sent vanishes, and connections stay as they are
	refused         // connections are reset, as by a host where nothing listens
)

// wire is the network from one node to the heartbeat listener of another: a forwarder that can be cut. Where nothing listens it
// resets connections too, as the host itself would.
type wire struct {
	ln net.Listener
	to string
	wg sync.WaitGroup

	mu          sync.Mutex
	there, back passage // of the asking node's words, and of the answers
	delay       time.Duration
	conns       map[net.Conn]struct{}
	closed      bool
	changed     chan struct{} // closed when something above changes
}

func newWire(at, to string) (*wire, error) {
	ln, err := net.Listen("tcp", net.JoinHostPort(at, "0"))
	if err != nil {
		return nil, err
	}
	w := &wire{ln: ln, to: to, conns: make(map[net.Conn]struct{}), changed: make(chan struct{})}
	w.wg.Go(w.accept)
	return w, nil
}

// addr is what the asking node is told to be its peer.
func (w *wire) addr() string { return w.ln.Addr().String() }

// set says what becomes of what is sent from now on.
func (w *wire) set(there, back passage) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.there, w.back = there, back
	if there == refused {
		for c := range w.conns {
			reset(c)
		}
	}
	w.wake()
}

// slow delays all that is sent from now on.
func (w *wire) slow(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.delay = d
	w.wake()
}

func (w *wire) wake() {
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *wire) close() {
	w.mu.Lock()
	w.closed = true
	w.wake()
	for c := range w.conns {
		c.Close()
	}
	w.mu.Unlock()
	w.ln.Close()
	w.wg.Wait()
}

func (w *wire) accept() {
	for {
		c, err := w.ln.Accept()
		if err != nil {
			return
		}
		w.wg.Go(func() { w.forward(c) })
	}
}

func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	c.Close()
}

// keep has a connection ended with the wire. It reports false if that has ended already.
func (w *wire) keep(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		c.Close()
		return false
	}
	w.conns[c] = struct{}{}
	return true
}

func (w *wire) forget(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c)
}

func (w *wire) forward(c net.Conn) {
	if !w.keep(c) {
		return
	}
	defer w.forget(c)
	if !w.await(func() (bool, time.Duration) { return w.there != dropped, w.delay }) {
		return
	}
	w.mu.Lock()
	no := w.there == refused
	w.mu.Unlock()
	if no {
		reset(c)
		return
	}
	d, err := net.DialTimeout("tcp", w.to, 5*time.Second)
	if err != nil {
		reset(c)
		return
	}
	if !w.keep(d) {
		return
	}
	defer w.forget(d)
	var both sync.WaitGroup
	both.Go(func() { w.pump(d, c, &w.there) })
	both.Go(func() { w.pump(c, d, &w.back) })
	both.Wait()
}

// await waits until ok says so, and then for the delay that it names. It reports false if the wire has ended.
func (w *wire) await(ok func() (bool, time.Duration)) bool {
	for {
		w.mu.Lock()
		ready, delay := ok()
		changed, closed := w.changed, w.closed
		w.mu.Unlock()
		switch {
		case closed:
			return false
		case !ready:
			<-changed
			continue
		case delay == 0:
			return true
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
			return true
		case <-changed:
			timer.Stop()
		}
	}
}

// pump copies one direction. The end of a connection is something that is sent, too: while it is dropped nobody hears of it.
func (w *wire) pump(to, from net.Conn, p *passage) {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			w.mu.Lock()
			drop := *p == dropped
			w.mu.Unlock()
			if !drop {
				if !w.await(func() (bool, time.Duration) { return true, w.delay }) {
					return
				}
				if _, err := to.Write(buf[:n]); err != nil {
					from.Close()
					return
				}
			}
		}
		if err != nil {
			w.await(func() (bool, time.Duration) { return *p != dropped, 0 })
			if err == io.EOF {
				to.Close()
			} else {
				reset(to)
			}
			return
		}
	}
}
