package dnsfailover

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// errMismatch is the error of an answer by somebody who speaks the protocol, but can't be believed.
var errMismatch = errors.New("the configurations of the two nodes do not fit")

// PeerClientOptions say how a peer is asked.
type PeerClientOptions struct {
	// Timeout bounds a heartbeat, with the dialling and, for an offer, the heartbeat before it. Zero leaves it to the context.
	Timeout time.Duration

	// Ended is called, by a goroutine of the client, when the connection ends while nothing is being asked: the process may be
	// gone, so it is time to ask. It must return at once, and not call the client. It may still be called just after Close. A
	// peer that has too many connections closes some too, so not every call means a death, and whoever asks again should leave
	// a pause after a few. Nil is none.
	Ended func()
}

// PeerClient asks one peer, over one connection that it keeps open. It uses no proxy and follows no redirect.
type PeerClient struct {
	address, host, port string

	opts   PeerClientOptions
	self   atomic.Pointer[PeerSelf]
	random io.Reader
	dialer peerDialer
	turn   chan struct{} // holds a token while somebody uses what is below
	conn   *peerConn     // nil before the first dialling, and after a failure
}

// NewPeerClient makes a client for an address, host and port. A host name is looked up at every dialling; all its addresses
// must be those of one node, since the first one that takes the connection counts. Nothing is dialled yet.
func NewPeerClient(address string, self PeerSelf, opts PeerClientOptions) (*PeerClient, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" || strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, fmt.Errorf("the peer %q: give it as host:port", address)
	}
	c := &PeerClient{
		address: address, host: host, port: port,
		opts: opts, random: rand.Reader, dialer: newPeerDialer(), turn: make(chan struct{}, 1),
	}
	if c.opts.Ended == nil {
		c.opts.Ended = func() {}
	}
	return c, c.Reconfigure(self)
}

// Reconfigure makes the client one of another node, or gives it other secrets, and keeps its connection.
func (c *PeerClient) Reconfigure(self PeerSelf) error {
	if err := self.Check(); err != nil {
		return fmt.Errorf("asking the peer %s: %w", c.address, err)
	}
	c.self.Store(&self)
	return nil
}

// Close ends the connection, after what is being asked. A later Ask makes another.
func (c *PeerClient) Close() error {
	c.turn <- struct{}{}
	c.forget()
	<-c.turn
	return nil
}

// Ask sends a heartbeat. The error is nil if the reply is [engine.Answered], and says for people what happened otherwise:
//
//   - Mismatched: whoever is there speaks this protocol, but has none of our secrets, another version, or refuses to talk. So
//     does an authentic answer that can't be understood, since it shows that the peer lives;
//   - Refused: the host refused the connection, at all its addresses, or reset it. A connection that was open before and has
//     ended is replaced first;
//   - Silent: all else, the end of ctx included.
func (c *PeerClient) Ask(ctx context.Context) (PeerAnswer, engine.Reply, error) {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	var a PeerAnswer
	err := c.inTurn(ctx, func() (err error) {
		a, err = c.heartbeat(ctx)
		return err
	})
	if err != nil {
		return PeerAnswer{}, replyOf(err), fmt.Errorf("asking the peer %s: %w", c.address, err)
	}
	return a, engine.Answered, nil
}

// Offer gives the peer an offer, of this node whatever its From says, and returns nil when the peer has it. It sends a heartbeat
// before, whose answer the offer refers to: so it can't be repeated by others, nor be held back for long.
func (c *PeerClient) Offer(ctx context.Context, service string, offer engine.Offer) error {
	body, err := encodeOffer(service, offer)
	if err != nil {
		return err
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	err = c.inTurn(ctx, func() error {
		if _, err := c.heartbeat(ctx); err != nil {
			return err
		}
		_, err := c.say(ctx, kindOffer, body)
		return err
	})
	if err != nil {
		return fmt.Errorf("offering %s to the peer %s: %w", service, c.address, err)
	}
	return nil
}

func (c *PeerClient) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if c.opts.Timeout > 0 {
		return context.WithTimeout(ctx, c.opts.Timeout)
	}
	return context.WithCancel(ctx)
}

func (c *PeerClient) inTurn(ctx context.Context, f func() error) error {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.turn }()
	if err := f(); err != nil {
		c.forget()
		return err
	}
	c.conn.rest()
	return nil
}

func (c *PeerClient) forget() {
	if c.conn != nil {
		c.conn.drop()
		c.conn = nil
	}
}

func (c *PeerClient) heartbeat(ctx context.Context) (PeerAnswer, error) {
	if c.conn != nil && c.conn.usable() {
		a, err := c.sayHeartbeat(ctx)
		if !errors.Is(err, errPeerClosed) && !wasReset(err) {
			return a, err
		}
		// Whether there is another process by now, a new connection tells.
	}
	c.forget()
	conn, err := c.dialer.connect(ctx, c.host, c.port)
	if err != nil {
		return PeerAnswer{}, err
	}
	c.conn = newPeerConn(conn, c.opts.Ended)
	return c.sayHeartbeat(ctx)
}

func (c *PeerClient) sayHeartbeat(ctx context.Context) (PeerAnswer, error) {
	body, err := c.say(ctx, kindAsk, nil)
	if err != nil {
		return PeerAnswer{}, err
	}
	a, err := decodeAnswer(c.conn.node, body)
	if err != nil {
		return PeerAnswer{}, fmt.Errorf("%w: run the same release on both: %w", errMismatch, err)
	}
	return a, nil
}

// say sends a request over the connection and returns the body of its authentic answer.
func (c *PeerClient) say(ctx context.Context, k kind, body []byte) ([]byte, error) {
	self := c.self.Load()
	nonce, err := newNonce(c.random)
	if err != nil {
		return nil, err
	}
	e := envelope{kind: k, from: self.Node, to: c.conn.node, asked: nonce, answered: c.conn.challenge}
	raw, err := c.conn.exchange(ctx, c.request(&e, self.Secrets, body))
	if err != nil {
		return nil, err
	}
	reply, err := verify(&e, self.Secrets, raw)
	if err != nil {
		return nil, err
	}
	c.conn.node, c.conn.challenge = reply.from, reply.answered
	return raw.body, nil
}

// request is a request as it is sent.
func (c *PeerClient) request(e *envelope, secrets []PeerSecret, body []byte) []byte {
	var b bytes.Buffer
	if e.kind == kindOffer {
		fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\n", pathOffer, c.address)
	} else {
		fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\n", pathHeartbeat, c.address)
	}
	fmt.Fprintf(&b, "%s: %d\r\n%s: %s\r\n", fieldVersion, PeerVersion, fieldFrom, e.from)
	if e.to != "" {
		fmt.Fprintf(&b, "%s: %s\r\n", fieldTo, e.to)
	}
	fmt.Fprintf(&b, "%s: %s\r\n", fieldNonce, e.asked)
	if e.answered != "" {
		fmt.Fprintf(&b, "%s: %s\r\n", fieldChallenge, e.answered)
	}
	fmt.Fprintf(&b, "%s: %s\r\n", fieldMAC, e.sign(secrets, body))
	if e.kind == kindOffer {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// verify returns the header of an answer to a request, if it is authentic.
func verify(request *envelope, secrets []PeerSecret, raw rawAnswer) (envelope, error) {
	version, err := versionIn(raw.header)
	if err != nil {
		return envelope{}, fmt.Errorf("something else than a peer answers, with status %d: check the address: %w", raw.status, err)
	}
	switch {
	case raw.status == http.StatusUnauthorized:
		return envelope{}, fmt.Errorf("%w: it has none of this node's secrets: check secret_file on both nodes", errMismatch)
	case raw.status == http.StatusForbidden:
		return envelope{}, fmt.Errorf("%w: it refuses public addresses: ask it at its private one", errMismatch)
	case version != PeerVersion || raw.status == http.StatusNotImplemented:
		return envelope{}, fmt.Errorf("%w: it speaks version %d of the protocol, this node %d", errMismatch, version, PeerVersion)
	case raw.status != http.StatusOK:
		return envelope{}, fmt.Errorf("%w: it refuses with status %d: see its log", errMismatch, raw.status)
	}
	e, macs, err := readAnswer(request, raw.header)
	if err != nil {
		return envelope{}, err
	}
	if !e.authentic(secrets, macs, raw.body) {
		return envelope{}, fmt.Errorf("%w: it answers under none of this node's secrets: check secret_file on both nodes", errMismatch)
	}
	return e, nil
}

// replyOf is what an error means to the engine.
func replyOf(err error) engine.Reply {
	switch {
	case errors.Is(err, errMismatch):
		return engine.Mismatched
	case errors.Is(err, errPeerRefused), wasReset(err):
		return engine.Refused
	}
	return engine.Silent
}

func wasReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
