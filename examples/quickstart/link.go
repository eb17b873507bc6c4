package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
)

// link is the network between two load balancers, in one direction: what asks the other one's heartbeat goes through it. It can be
// cut as a switch that has lost its mind cuts it: connections stay open, and nothing gets through. It hides nothing else: a
// process that is gone is a connection that is reset, here as there.
type link struct {
	ln   net.Listener
	to   string // address
	ctx  context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	mu     sync.Mutex
	passes chan struct{} // closed while something gets through
}

// newLink connects an address with another.
func newLink(at, to string) (*link, error) {
	ln, err := net.Listen("tcp", at)
	if err != nil {
		return nil, inUse(at, err)
	}
	l := &link{ln: ln, to: to, passes: make(chan struct{})}
	close(l.passes)
	l.ctx, l.end = context.WithCancel(context.Background())
	l.work.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			l.work.Go(func() { l.carry(conn) })
		}
	})
	return l, nil
}

// cut lets nothing through until join.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.passes = make(chan struct{})
}

// join lets through what was held back, and all that comes.
func (l *link) join() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.passes:
	default:
		close(l.passes)
	}
}

// close ends it with all of its connections.
func (l *link) close() {
	l.end()
	l.ln.Close()
	l.work.Wait()
}

// wait returns when something gets through, and false if nothing ever will.
func (l *link) wait() bool {
	l.mu.Lock()
	passes := l.passes
	l.mu.Unlock()
	select {
	case <-passes:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// carry connects a connection with the other side, for as long as both sides are open.
func (l *link) carry(near net.Conn) {
	defer near.Close()
	if !l.wait() {
		return
	}
	far, err := new(net.Dialer).DialContext(l.ctx, "tcp", l.to)
	if err != nil {
		reset(near)
		return
	}
	defer far.Close()
	stop := context.AfterFunc(l.ctx, func() { near.Close(); far.Close() })
	defer stop()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() { l.copy(way[1], way[0]) })
	}
	both.Wait()
}

// copy carries one direction. Its end is the end of the connection.
func (l *link) copy(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if !l.wait() {
			return
		}
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil && err == nil {
				err = werr
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			to.Close()
			from.Close()
			return
		default:
			reset(to)
			reset(from)
			return
		}
	}
}
