package dnsfailover

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

const (
	// peerRequestTime bounds a request, from its first byte to the last, and its answer; a connection that says nothing at
	// all is closed after it too. peerIdleTime is how long one may rest between two requests.
	peerRequestTime = 2 * time.Second
	peerIdleTime    = 2 * time.Minute

	// peerLogEvery is the least time between two log lines about messages refused for one reason.
	peerLogEvery = time.Minute
)

// PeerServerOptions say how heartbeats are answered. The functions are called by many goroutines at a time and must return
// at once: peers are waiting.
type PeerServerOptions struct {
	// Services is what the node says now of each service, by name. The server changes nothing in it.
	Services func() map[string]engine.Body

	// Offered takes an authentic offer for a service, of any name.
	Offered func(service string, offer engine.Offer)

	// AllowPublic answers requests from public addresses too. By default they are refused: messages are authentic, but not
	// secret.
	AllowPublic bool

	// Logger may be nil. Each reason not to answer has at most one line a minute.
	Logger *zap.Logger
}

// PeerServer answers the heartbeats of the peers and takes their offers, as PROTOCOL.md says. It has no state but that of its
// connections, whose number is bounded, so no message changes anything but an authentic offer.
type PeerServer struct {
	opts   PeerServerOptions
	self   atomic.Pointer[PeerSelf]
	public atomic.Bool // Options.AllowPublic, or what was said since
	server *http.Server
	gate   gate
	random io.Reader
	now    func() time.Time
	start  time.Time

	rejected [rejections]atomic.Uint64
	logged   [rejections]atomic.Int64 // when, since start; zero is never
	failed   atomic.Int64             // the same, for answers that could not be given
}

// NewPeerServer makes a server that serves nothing yet.
func NewPeerServer(self PeerSelf, opts PeerServerOptions) (*PeerServer, error) {
	s := &PeerServer{opts: opts, random: rand.Reader, now: time.Now, start: time.Now()}
	if err := s.Reconfigure(self); err != nil {
		return nil, err
	}
	s.AllowPublic(opts.AllowPublic)
	if s.opts.Logger == nil {
		s.opts.Logger = zap.NewNop()
	}
	s.gate = gate{links: map[*link]struct{}{}, evicted: func() { s.count(RejectedCrowd, nil) }}
	errorLog, err := zap.NewStdLogAt(s.opts.Logger, zap.WarnLevel)
	if err != nil {
		return nil, fmt.Errorf("making the heartbeat server: %w", err)
	}
	s.server = &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: peerRequestTime,
		ReadTimeout:       peerRequestTime,
		WriteTimeout:      peerRequestTime,
		IdleTimeout:       peerIdleTime,
		MaxHeaderBytes:    MaxPeerHeader,
		ErrorLog:          errorLog,
		ConnContext:       withLink,
		ConnState:         s.watch,
	}
	s.server.DisableGeneralOptionsHandler = true // it answers without a secret, and without being counted
	return s, nil
}

// Reconfigure makes the server another node, or gives it other secrets, and keeps its connections: closing the listener for
// a moment would look like the end of the process.
func (s *PeerServer) Reconfigure(self PeerSelf) error {
	if err := self.Check(); err != nil {
		return fmt.Errorf("answering heartbeats: %w", err)
	}
	s.self.Store(&self)
	return nil
}

// AllowPublic says from now on whether requests from public addresses are answered.
func (s *PeerServer) AllowPublic(allow bool) { s.public.Store(allow) }

// Serve answers on a listener, which it closes at the end, until Close. There may be several at a time.
func (s *PeerServer) Serve(l net.Listener) error {
	err := s.server.Serve(gatedListener{l, &s.gate})
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("answering heartbeats on %s: %w", l.Addr(), err)
}

// Close closes the listeners and every connection, which the peers notice.
func (s *PeerServer) Close() error { return s.server.Close() }

// watch finds requests that the HTTP server could not read.
func (s *PeerServer) watch(c net.Conn, state http.ConnState) {
	if l := c.(*link); state == http.StateClosed && l.heard.Load() == heardPart {
		s.count(RejectedMalformed, l)
	}
}

// serve answers a request. What is cheap to find out comes first.
func (s *PeerServer) serve(w http.ResponseWriter, r *http.Request) {
	l := r.Context().Value(linkKey{}).(*link)
	defer l.heard.CompareAndSwap(heardPart, heardNothing)
	self := s.self.Load()
	w.Header()["Date"] = nil
	w.Header().Set(fieldVersion, strconv.Itoa(PeerVersion))

	if l.public && !s.public.Load() {
		s.reject(w, l, RejectedPublic)
		return
	}
	var e envelope
	var macs []mac
	var body []byte
	version, err := versionIn(r.Header)
	switch {
	case err != nil:
		s.reject(w, l, RejectedMalformed)
		return
	case version != PeerVersion:
		s.reject(w, l, RejectedVersion)
		return
	case r.Method == http.MethodGet && r.RequestURI == pathHeartbeat && r.ContentLength == 0:
		e, macs, err = readRequest(kindAsk, r.Header)
	case r.Method == http.MethodPost && r.RequestURI == pathOffer && r.ContentLength > 0:
		e, macs, err = readRequest(kindOffer, r.Header)
	default:
		err = errors.New("neither a heartbeat nor an offer")
	}
	switch {
	case err != nil:
		s.reject(w, l, RejectedMalformed)
		return
	case e.answered != l.challenge, e.kind == kindOffer && (l.challenge == "" || s.now().Sub(l.given) > PeerChallengeTime):
		s.reject(w, l, RejectedReplay)
		return
	case r.ContentLength > MaxPeerOffer:
		s.reject(w, l, RejectedOversize)
		return
	case r.ContentLength > 0:
		body = make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			s.reject(w, l, RejectedMalformed)
			return
		}
	}
	switch {
	case !e.authentic(self.Secrets, macs, body):
		s.reject(w, l, RejectedForgery)
		return
	case e.to != self.Node && (e.to != "" || e.kind == kindOffer):
		s.reject(w, l, RejectedName)
		return
	}
	if l.challenge != "" {
		s.gate.prove(l, proofFresh)
	} else {
		s.gate.prove(l, proofOnce)
	}
	if err := s.answer(w, l, self, &e, body); err != nil {
		if s.sayNow(&s.failed) {
			s.opts.Logger.Error("a peer gets no answer", zap.String("peer", e.from), zap.Error(err))
		}
		refuse(w, http.StatusInternalServerError)
	}
}

// answer does what an authentic request is for.
func (s *PeerServer) answer(w http.ResponseWriter, l *link, self *PeerSelf, e *envelope, body []byte) error {
	reply := envelope{kind: kindAnswer, from: self.Node, to: e.from, asked: e.asked}
	text := []byte("{}")
	var err error
	if e.kind == kindOffer {
		service, offer, err := decodeOffer(e.from, body)
		if err != nil {
			return err
		}
		s.opts.Offered(service, offer)
		reply.kind = kindTaken
	} else if text, err = encodeAnswer(self.Instance, s.opts.Services()); err != nil {
		return err
	}
	if reply.answered, err = newNonce(s.random); err != nil {
		return err
	}
	l.challenge, l.given = reply.answered, s.now()
	h := w.Header()
	h.Set(fieldFrom, reply.from)
	h.Set(fieldNonce, reply.answered)
	h.Set(fieldMAC, reply.sign(self.Secrets, text))
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.Write(text)
	return nil
}

// reject refuses a request and closes its connection, so that the next one costs its sender another.
func (s *PeerServer) reject(w http.ResponseWriter, l *link, why Rejection) {
	l.heard.Store(heardBad)
	s.count(why, l)
	refuse(w, rejectionTexts[why].status)
}

func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Connection", "close")
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
}
