package dnsfailover

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// forger makes requests by hand. It speaks as lb-a, to lb-b.
type forger struct {
	client *PeerClient
	self   PeerSelf
}

func newForger(t testing.TB, secrets ...string) *forger {
	t.Helper()
	self := selfOf(t, "lb-a", secrets...)
	return &forger{clientOf(t, "lb-b:2020", self, PeerClientOptions{}), self}
}

const (
	nonce1 = "00112233445566778899aabbccddeeff"
	nonce2 = "ffeeddccbbaa99887766554433221100"
)

func (f *forger) ask(challenge string) []byte {
	return f.client.request(&envelope{kind: kindAsk, from: "lb-a", asked: nonce1, answered: challenge}, f.self.Secrets, nil)
}

func (f *forger) offer(to, challenge, body string) []byte {
	e := envelope{kind: kindOffer, from: "lb-a", to: to, asked: nonce2, answered: challenge}
	return f.client.request(&e, f.self.Secrets, []byte(body))
}

// meet sends a heartbeat over a new connection and returns it with the challenge of the answer.
func (f *forger) meet(t testing.TB, lab *peerLab) (l *rawLink, challenge string) {
	t.Helper()
	l = dialRaw(t, lab.address)
	resp := l.say(f.ask(""))
	if resp == nil || resp.status != http.StatusOK {
		t.Fatalf("got %v, want an answer", resp)
	}
	return l, resp.header.Get(fieldNonce)
}

const goodOffer = `{"service":"www","epoch":7,"why":"stopping"}`

func TestPeerRefusals(t *testing.T) {
	good, bad := newForger(t, secretA), newForger(t, secretB)
	swap := func(text []byte, old, with string) []byte {
		if !bytes.Contains(text, []byte(old)) {
			t.Fatalf("%q has no %q", text, old)
		}
		return bytes.Replace(text, []byte(old), []byte(with), 1)
	}
	tests := []struct {
		name   string
		met    bool // after a heartbeat on the same connection
		text   func(challenge string) []byte
		status int
		why    Rejection
	}{
		{"another secret", false, func(string) []byte { return bad.ask("") }, 401, RejectedForgery},
		{"another secret, later", true, func(c string) []byte { return bad.ask(c) }, 401, RejectedForgery},
		{"another sender", false, func(string) []byte { return swap(good.ask(""), "From: lb-a", "From: lb-c") }, 401, RejectedForgery},
		{"another nonce", false, func(string) []byte { return swap(good.ask(""), nonce1, nonce2) }, 401, RejectedForgery},
		{"a name added", false, func(string) []byte { return swap(good.ask(""), fieldNonce, "Dnsfailover-To: lb-b\r\n"+fieldNonce) }, 401, RejectedForgery},
		{"another name", true, func(c string) []byte { return good.offer("lb-c", c, goodOffer) }, 421, RejectedName},
		{"an offer to nobody", true, func(c string) []byte { return good.offer("", c, goodOffer) }, 421, RejectedName},
		{"another body", true, func(c string) []byte { return swap(good.offer("lb-b", c, goodOffer), ":7", ":8") }, 401, RejectedForgery},
		{"a heartbeat for an offer", true, func(c string) []byte {
			return swap(swap(good.ask(c), "GET /heartbeat", "POST /offer"), "\r\n\r\n", "\r\nContent-Length: 2\r\n\r\n{}")
		}, 401, RejectedForgery},
		{"an offer at once", false, func(string) []byte { return good.offer("lb-b", "", goodOffer) }, 401, RejectedReplay},
		{"an offer about another answer", true, func(string) []byte { return good.offer("lb-b", nonce1, goodOffer) }, 401, RejectedReplay},
		{"a heartbeat about another answer", false, func(string) []byte { return good.ask(nonce2) }, 401, RejectedReplay},
		{"a heartbeat about none", true, func(string) []byte { return good.ask("") }, 401, RejectedReplay},
		{"an oversized offer", true, func(c string) []byte { return good.offer("lb-b", c, strings.Repeat("x", MaxPeerOffer+1)) }, 413, RejectedOversize},
		{"another version", false, func(string) []byte { return swap(good.ask(""), "Version: 1", "Version: 2") }, 501, RejectedVersion},
		{"no version", false, func(string) []byte { return swap(good.ask(""), fieldVersion, "X-Version") }, 400, RejectedMalformed},
		{"no MAC", false, func(string) []byte { return swap(good.ask(""), fieldMAC, "X-Mac") }, 400, RejectedMalformed},
		{"a bad name", false, func(string) []byte { return swap(good.ask(""), "From: lb-a", "From: lb a") }, 400, RejectedMalformed},
		{"two senders", false, func(string) []byte { return swap(good.ask(""), fieldNonce, "Dnsfailover-From: lb-a\r\n"+fieldNonce) }, 400, RejectedMalformed},
		{"a heartbeat with a body", false, func(string) []byte { return swap(good.ask(""), "\r\n\r\n", "\r\nContent-Length: 2\r\n\r\n{}") }, 400, RejectedMalformed},
		{"an offer in chunks", true, func(c string) []byte {
			return swap(good.offer("lb-b", c, "0\r\n\r\n"), "Content-Length: 5", "Transfer-Encoding: chunked")
		}, 400, RejectedMalformed},
		{"another path", false, func(string) []byte { return swap(good.ask(""), "/heartbeat", "/heartbeat/") }, 400, RejectedMalformed},
		{"a query", false, func(string) []byte { return swap(good.ask(""), "/heartbeat", "/heartbeat?x") }, 400, RejectedMalformed},
		{"another method", false, func(string) []byte { return swap(good.ask(""), "GET", "HEAD") }, 400, RejectedMalformed},
		{"a question about all paths", false, func(string) []byte { return []byte("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n") }, 400, RejectedMalformed},
		{"no HTTP", false, func(string) []byte { return []byte("\x16\x03\x01\x02\x00 hello\r\n\r\n") }, 400, RejectedMalformed},
		{"an oversized header", false, func(string) []byte {
			return swap(good.ask(""), fieldNonce, "X: "+strings.Repeat("x", 3*MaxPeerHeader)+"\r\n"+fieldNonce)
		}, 431, RejectedMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lab := newPeerLab(t, selfOf(t, "lb-b", secretA))
			l, challenge := dialRaw(t, lab.address), ""
			if tt.met {
				l, challenge = good.meet(t, lab)
			}
			resp := l.say(tt.text(challenge))
			if resp == nil || resp.status != tt.status {
				t.Fatalf("got %v, want status %d", resp, tt.status)
			}
			if resp.header.Get(fieldMAC) != "" || bytes.Contains(resp.body, []byte("www")) {
				t.Errorf("who is refused is told something: %v %q", resp.header, resp.body)
			}
			if _, err := l.r.ReadByte(); err == nil {
				t.Error("the connection is still open, and says something")
			}
			await(t, func() bool { return lab.rejected(tt.why) == 1 }, "the refusal was not counted as "+tt.why.String())
			if got := lab.taken(); len(got) != 0 {
				t.Errorf("offers were taken: %v", got)
			}
		})
	}
}

// await waits for what another goroutine is about to do.
func await(t testing.TB, ok func() bool, what string) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatal(what)
		}
		<-time.After(time.Millisecond)
	}
}

// A message cut anywhere changes nothing.
func TestPeerTruncated(t *testing.T) {
	f := newForger(t, secretA)
	lab := newPeerLab(t, selfOf(t, "lb-b", secretA))
	l, challenge := f.meet(t, lab)
	whole := f.offer("lb-b", challenge, goodOffer)
	for _, n := range []int{1, 20, len(whole) / 2, len(whole) - len(goodOffer), len(whole) - 1} {
		l, challenge := f.meet(t, lab)
		before := lab.rejected(RejectedMalformed)
		l.Write(f.offer("lb-b", challenge, goodOffer)[:n])
		l.Conn.(*net.TCPConn).CloseWrite()
		await(t, func() bool { return lab.rejected(RejectedMalformed) == before+1 }, fmt.Sprintf("%d bytes of a message were not refused", n))
	}
	if got := lab.taken(); len(got) != 0 {
		t.Fatalf("offers were taken: %v", got)
	}
	if resp := l.say(whole); resp == nil || resp.status != http.StatusOK || len(lab.taken()) != 1 {
		t.Fatalf("got %v for the whole offer, want that it is taken", resp)
	}
}

// Whoever records everything gains one answer for each connection, and nothing else.
func TestPeerReplay(t *testing.T) {
	f := newForger(t, secretA)
	lab := newPeerLab(t, selfOf(t, "lb-b", secretA))
	l, challenge := f.meet(t, lab)
	ask, offer := f.ask(""), f.offer("lb-b", challenge, goodOffer)
	if resp := l.say(offer); resp.status != http.StatusOK {
		t.Fatalf("got %v, want that the offer is taken", resp.status)
	}
	later := f.ask(challenge)
	for _, recording := range [][][]byte{{offer}, {ask, offer}, {ask, ask}, {later}, {ask, later}} {
		l := dialRaw(t, lab.address)
		for i, text := range recording {
			resp := l.say(text)
			if want := map[bool]int{true: 200, false: 401}[i < len(recording)-1]; resp == nil || resp.status != want {
				t.Fatalf("got %v for message %d of %q, want status %d", resp, i, recording, want)
			}
		}
	}
	if resp := l.say(offer); resp == nil || resp.status != 401 {
		t.Errorf("got %v for an offer repeated on its own connection, want status 401", resp)
	}
	if got := lab.taken(); len(got) != 1 {
		t.Errorf("offers taken: %v, want one", got)
	}
}

// An offer that was held back is refused.
func TestPeerLateOffer(t *testing.T) {
	f := newForger(t, secretA)
	var mu sync.Mutex
	now := time.Now()
	lab := newPeerLabOf(t, selfOf(t, "lb-b", secretA), PeerServerOptions{}, func(s *PeerServer) {
		s.now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		}
	})
	for _, tt := range []struct {
		after  time.Duration
		status int
	}{{PeerChallengeTime, 200}, {PeerChallengeTime + 1, 401}} {
		l, challenge := f.meet(t, lab)
		mu.Lock()
		now = now.Add(tt.after)
		mu.Unlock()
		if resp := l.say(f.offer("lb-b", challenge, goodOffer)); resp == nil || resp.status != tt.status {
			t.Errorf("got %v after %v, want status %d", resp, tt.after, tt.status)
		}
	}
}

// What a recording of an answer is good for: to look like a fault of the configuration.
func TestPeerReplayedAnswer(t *testing.T) {
	f := newForger(t, secretA)
	lab := newPeerLab(t, selfOf(t, "lb-b", secretA))
	resp := dialRaw(t, lab.address).say(f.ask(""))
	var record bytes.Buffer
	fmt.Fprintf(&record, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n", len(resp.body))
	for _, name := range []string{fieldVersion, fieldFrom, fieldNonce, fieldMAC} {
		fmt.Fprintf(&record, "%s: %s\r\n", name, resp.header.Get(name))
	}
	fmt.Fprintf(&record, "\r\n%s", resp.body)
	address := fakePeer(t, func(c net.Conn) {
		http.ReadRequest(bufio.NewReader(c))
		c.Write(record.Bytes())
	})
	wantReply(t, clientOf(t, address, selfOf(t, "lb-a", secretA), PeerClientOptions{}), engine.Mismatched)
}

// A node that can't say what it is does not look dead, and says why once.
func TestPeerTooMuchToSay(t *testing.T) {
	logs, seen := observer.New(zap.WarnLevel)
	lab := newPeerLabOf(t, selfOf(t, "lb-b", secretA), PeerServerOptions{Logger: zap.New(logs)})
	lab.mu.Lock()
	lab.bodies["www"] = engine.Body{Hash: strings.Repeat("h", MaxPeerAnswer)}
	lab.mu.Unlock()
	c := clientOf(t, lab.address, selfOf(t, "lb-a", secretA), PeerClientOptions{})
	for range 3 {
		wantReply(t, c, engine.Mismatched)
	}
	if lines := seen.FilterMessage("a peer gets no answer").Len(); lines != 1 || seen.Len() != 1 {
		t.Errorf("%d lines, %d of them about it, want 1", seen.Len(), lines)
	}
}

// elsewhere is a connection from another address than it seems.
type elsewhere struct {
	net.Listener
	from net.Addr
}

type elsewhereConn struct {
	net.Conn
	from net.Addr
}

func (c elsewhereConn) RemoteAddr() net.Addr { return c.from }

func (l elsewhere) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return elsewhereConn{c, l.from}, err
}

func TestPeerPublic(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		t.Run(fmt.Sprint(allowed), func(t *testing.T) {
			logs, seen := observer.New(zap.WarnLevel)
			lab := newPeerLabOf(t, selfOf(t, "lb-b", secretA), PeerServerOptions{AllowPublic: allowed, Logger: zap.New(logs)})
			inner, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error)
			go func() {
				done <- lab.server.Serve(elsewhere{inner, &net.TCPAddr{IP: net.IPv4(203, 0, 113, 9), Port: 1}})
			}()
			c := clientOf(t, inner.Addr().String(), selfOf(t, "lb-a", secretA), PeerClientOptions{})
			if allowed {
				mustAsk(t, c)
			} else {
				for range 5 {
					wantReply(t, c, engine.Mismatched)
				}
				if n := seen.Len(); n != 1 || lab.rejected(RejectedPublic) != 5 {
					t.Errorf("%d lines about %d refusals, want 1 about 5", n, lab.rejected(RejectedPublic))
				}
			}
			lab.stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// Two nodes are peers if they have one secret in common, whatever the other ones are.
func TestPeerSecretSets(t *testing.T) {
	all := []string{secretA, secretB, secretC}
	set := func(bits int) (texts []string) {
		for i, text := range all {
			if bits>>i&1 == 1 {
				texts = append(texts, text)
			}
		}
		return texts
	}
	for b := 1; b < 1<<len(all); b++ {
		lab := newPeerLab(t, selfOf(t, "lb-b", set(b)...))
		for a := 1; a < 1<<len(all); a++ {
			c := clientOf(t, lab.address, selfOf(t, "lb-a", set(a)...), PeerClientOptions{})
			if a&b != 0 {
				mustAsk(t, c)
				mustAsk(t, c)
			} else {
				wantReply(t, c, engine.Mismatched)
			}
		}
	}
}

// Nodes that get a new secret and lose the old one, in any order in which all have the new one first, never misunderstand
// each other, and keep their connections.
func TestPeerRotation(t *testing.T) {
	ctx, old, both, fresh := context.Background(), []string{secretA}, []string{secretB, secretA}, []string{secretB}
	for _, order := range []string{"ab-ab", "ab-ba", "ba-ab", "ba-ba"} {
		t.Run(order, func(t *testing.T) {
			ended := make(chan struct{}, 10)
			lab := newPeerLab(t, selfOf(t, "lb-b", old...))
			c := clientOf(t, lab.address, selfOf(t, "lb-a", old...), PeerClientOptions{Ended: func() { ended <- struct{}{} }})
			secrets := both
			for _, who := range order {
				var err error
				switch who {
				case '-':
					secrets = fresh
				case 'a':
					err = c.Reconfigure(selfOf(t, "lb-a", secrets...))
				case 'b':
					err = lab.server.Reconfigure(selfOf(t, "lb-b", secrets...))
				}
				if err != nil {
					t.Fatal(err)
				}
				mustAsk(t, c)
				if err := c.Offer(ctx, "www", engine.Offer{}); err != nil {
					t.Fatal(err)
				}
			}
			if len(ended) != 0 || len(lab.taken()) != len(order) {
				t.Errorf("%d connections ended, %d offers taken, want none and %d", len(ended), len(lab.taken()), len(order))
			}
		})
	}
}

func TestPeerServerErrors(t *testing.T) {
	if _, err := NewPeerServer(PeerSelf{Node: "lb-b", Instance: "i-1"}, PeerServerOptions{}); err == nil {
		t.Error("a server without a secret was made")
	}
	s, err := NewPeerServer(selfOf(t, "lb-b", secretA), PeerServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := s.Serve(l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v from a closed listener", err)
	}
	if diff := cmp.Diff("forgery", RejectedForgery.String()); diff != "" || rejections.String() != "unknown" {
		t.Error(diff)
	}
}
