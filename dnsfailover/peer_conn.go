package dnsfailover

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
)

var (
	errPeerClosed  = errors.New("the peer closed the connection without an answer")
	errPeerGarbled = errors.New("what the peer sends is no answer")
)

// rawAnswer is an answer that nobody has verified yet.
type rawAnswer struct {
	status int
	header http.Header
	body   []byte
}

// peerConn is a connection to a peer. One goroutine reads all the time, so that its end is noticed at once.
type peerConn struct {
	net.Conn
	answers chan rawAnswer // of one request at most
	over    chan struct{}  // closed when nothing more will be read
	ended   func()         // called if it ends at rest

	// node and challenge are those of the last answer, for whoever has the turn.
	node, challenge string

	mu     sync.Mutex
	asking bool  // somebody is asking, and has not said yet what the answer is worth
	due    bool  // a request has been sent, and there is no answer yet
	closed bool  // by this side
	done   bool  // over is closed, or about to be
	err    error // why, once over is closed
}

func newPeerConn(c net.Conn, ended func()) *peerConn {
	p := &peerConn{Conn: c, answers: make(chan rawAnswer, 1), over: make(chan struct{}), ended: ended}
	go p.read()
	return p
}

func (p *peerConn) read() {
	var err error
	limit := &io.LimitedReader{R: p.Conn}
	buf := bufio.NewReader(limit)
	for err == nil {
		limit.N = MaxPeerHeader + MaxPeerAnswer
		var a rawAnswer
		if a, err = readRaw(buf); err != nil {
			if limit.N <= 0 {
				err = fmt.Errorf("%w: it is larger than %d bytes", errPeerGarbled, MaxPeerAnswer)
			}
			break
		}
		p.mu.Lock()
		if p.due {
			p.due = false
			p.answers <- a
		} else {
			err = fmt.Errorf("%w: it came unasked", errPeerGarbled)
		}
		p.mu.Unlock()
	}
	p.Close()
	p.mu.Lock()
	p.done, p.err = true, err
	rest := !p.asking && !p.closed
	p.mu.Unlock()
	close(p.over)
	if rest {
		p.ended()
	}
}

// readRaw reads an answer of a bounded length. An end before its first byte is io.EOF.
func readRaw(r *bufio.Reader) (rawAnswer, error) {
	if _, err := r.Peek(1); err != nil {
		return rawAnswer{}, err
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return rawAnswer{}, fmt.Errorf("%w: %w", errPeerGarbled, err)
	}
	defer resp.Body.Close()
	if resp.ContentLength < 0 || resp.ContentLength > MaxPeerAnswer {
		return rawAnswer{}, fmt.Errorf("%w: a length of %d bytes", errPeerGarbled, resp.ContentLength)
	}
	body := make([]byte, resp.ContentLength)
	if _, err := io.ReadFull(resp.Body, body); err != nil {
		return rawAnswer{}, fmt.Errorf("%w: it ends too early: %w", errPeerGarbled, err)
	}
	return rawAnswer{resp.StatusCode, resp.Header, body}, nil
}

// usable reports whether a request can be sent.
func (p *peerConn) usable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.done && !p.closed
}

// exchange sends a request and waits for its answer. After an error the connection is of no use any more.
func (p *peerConn) exchange(ctx context.Context, request []byte) (rawAnswer, error) {
	p.mu.Lock()
	p.asking, p.due = true, true
	p.mu.Unlock()
	deadline, _ := ctx.Deadline() // without one, that of the request before ends too
	err := p.SetWriteDeadline(deadline)
	if err == nil {
		_, err = p.Write(request)
	}
	if err != nil && !errors.Is(err, net.ErrClosed) { // closed by the reader, who is about to say why
		return rawAnswer{}, err
	}
	select {
	case a := <-p.answers:
		return a, nil
	case <-ctx.Done():
		return rawAnswer{}, ctx.Err()
	case <-p.over:
	}
	select {
	case a := <-p.answers: // the last one that it gave
		return a, nil
	default:
	}
	if errors.Is(p.err, io.EOF) && !errors.Is(p.err, errPeerGarbled) {
		return rawAnswer{}, errPeerClosed
	}
	return rawAnswer{}, p.err
}

// rest says that nothing is asked any more. What has ended in the meantime has ended at rest.
func (p *peerConn) rest() {
	p.mu.Lock()
	p.asking = false
	ended := p.done && !p.closed
	p.mu.Unlock()
	if ended {
		p.ended()
	}
}

// drop closes the connection and waits until nothing reads it any more.
func (p *peerConn) drop() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Close()
	<-p.over
}
