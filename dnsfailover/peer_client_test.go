package dnsfailover

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

func TestPeerAskAndOffer(t *testing.T) {
	lab := newPeerLab(t, selfOf(t, "lb-b", secretA))
	c := clientOf(t, lab.address, selfOf(t, "lb-a", secretA), PeerClientOptions{})
	want := PeerAnswer{Node: "lb-b", Instance: "i-lb-b", Services: map[string]engine.Body{
		"www": {Name: "lb-b", Instance: "i-lb-b", Healthy: true, Able: true, Epoch: 7},
	}}
	for range 3 {
		if diff := cmp.Diff(want, mustAsk(t, c)); diff != "" {
			t.Fatal(diff)
		}
	}
	offer := engine.Offer{From: "lb-a", Epoch: 7, Why: engine.Why{Code: engine.Preferred, Node: "lb-b"}}
	for range 2 {
		if err := c.Offer(t.Context(), "www", offer); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]engine.Offer{offer, offer}, lab.taken()); diff != "" {
		t.Fatal(diff)
	}
	if err := c.Offer(t.Context(), "", offer); err == nil {
		t.Fatal("an offer of a service without a name was sent")
	}
	for why, n := range lab.server.Rejected() {
		if n != 0 {
			t.Errorf("%d messages were refused: %v", n, why)
		}
	}
}

// An offer over a new connection goes after a heartbeat, too.
func TestPeerOfferFirst(t *testing.T) {
	lab := newPeerLab(t, selfOf(t, "lb-b", secretA))
	c := clientOf(t, lab.address, selfOf(t, "lb-a", secretA), PeerClientOptions{})
	if err := c.Offer(t.Context(), "www", engine.Offer{Epoch: 3, Why: engine.Why{Code: engine.Stopping}}); err != nil {
		t.Fatal(err)
	}
	want := []engine.Offer{{From: "lb-a", Epoch: 3, Why: engine.Why{Code: engine.Stopping}}}
	if diff := cmp.Diff(want, lab.taken()); diff != "" {
		t.Fatal(diff)
	}
	lab.stop()
	if err := c.Offer(t.Context(), "www", engine.Offer{}); err == nil {
		t.Fatal("an offer to nobody was taken")
	}
}

// The end of the other process is noticed while nothing is asked, and the next heartbeats are refused.
func TestPeerKilled(t *testing.T) {
	lab := newPeerLab(t, selfOf(t, "lb-b", secretA))
	ended := make(chan struct{}, 10)
	c := clientOf(t, lab.address, selfOf(t, "lb-a", secretA), PeerClientOptions{Ended: func() { ended <- struct{}{} }})
	mustAsk(t, c)
	begin := time.Now()
	lab.stop()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("nobody noticed that the process is gone")
	}
	for range engine.Refusals {
		wantReply(t, c, engine.Refused)
	}
	t.Logf("noticed, and refused %d times, within %v", engine.Refusals, time.Since(begin))
	if len(ended) != 0 {
		t.Errorf("the end of the connection was told %d times too often", len(ended))
	}
}

// A process that was replaced unnoticed is no miss.
func TestPeerReplaced(t *testing.T) {
	for _, reset := range []bool{false, true} {
		t.Run(fmt.Sprintf("reset=%v", reset), func(t *testing.T) {
			lab := newPeerLab(t, selfOf(t, "lb-b", secretA))
			var n atomic.Int32
			address := fakePeer(t, func(c net.Conn) {
				if n.Add(1) > 1 {
					relay(t, c, lab.address, nil)
					return
				}
				relay(t, c, lab.address, func(asked int) bool {
					if asked == 2 && reset {
						c.(*net.TCPConn).SetLinger(0)
					}
					return asked < 2
				})
			})
			c := clientOf(t, address, selfOf(t, "lb-a", secretA), PeerClientOptions{})
			mustAsk(t, c)
			mustAsk(t, c)
			mustAsk(t, c)
		})
	}
}

// relay sends requests on to a peer, as long as it may, and its answers back.
func relay(t testing.TB, c net.Conn, address string, may func(asked int) bool) {
	up, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer up.Close()
	buf := make([]byte, 8<<10)
	for asked := 1; ; asked++ {
		n, err := c.Read(buf) // a small message comes in one piece on loopback
		if err != nil || may != nil && !may(asked) {
			return
		}
		up.Write(buf[:n])
		if n, err = up.Read(buf); err != nil {
			return
		}
		c.Write(buf[:n])
	}
}

func TestPeerReplies(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nDnsfailover-Version: 1\r\nDnsfailover-From: lb-b\r\n" +
		"Dnsfailover-Nonce: 00112233445566778899aabbccddeeff\r\nDnsfailover-Mac: "
	mac := strings.Repeat("0", 64)
	tests := []struct {
		name, answer string
		want         engine.Reply
		says         string
	}{
		{"another secret", ok + mac + "\r\nContent-Length: 2\r\n\r\n{}", engine.Mismatched, "secret"},
		{"four secrets, none ours", ok + mac + "," + mac + "," + mac + "," + mac + "\r\nContent-Length: 0\r\n\r\n", engine.Mismatched, "secret"},
		{"refused as unknown", "HTTP/1.1 401 Unauthorized\r\nDnsfailover-Version: 1\r\nContent-Length: 0\r\n\r\n", engine.Mismatched, "secret_file"},
		{"refused as public", "HTTP/1.1 403 Forbidden\r\nDnsfailover-Version: 1\r\nContent-Length: 0\r\n\r\n", engine.Mismatched, "private"},
		{"refused as too new", "HTTP/1.1 501 Not Implemented\r\nDnsfailover-Version: 3\r\nContent-Length: 0\r\n\r\n", engine.Mismatched, "version 3"},
		{"of another version", "HTTP/1.1 200 OK\r\nDnsfailover-Version: 2\r\nContent-Length: 0\r\n\r\n", engine.Mismatched, "version 2"},
		{"at its wits' end", "HTTP/1.1 500 Internal Server Error\r\nDnsfailover-Version: 1\r\nContent-Length: 0\r\n\r\n", engine.Mismatched, "status 500"},
		{"no MAC", strings.TrimSuffix(ok, "Dnsfailover-Mac: ") + "Content-Length: 2\r\n\r\n{}", engine.Silent, "Mac"},
		{"five MACs", ok + strings.Repeat(mac+",", 4) + mac + "\r\nContent-Length: 2\r\n\r\n{}", engine.Silent, "Mac"},
		{"some web server", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", engine.Silent, "something else"},
		{"a redirect", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", engine.Silent, "something else"},
		{"no HTTP", "SSH-2.0-OpenSSH_9.9\r\n\r\n", engine.Silent, "no answer"},
		{"truncated", ok + mac + "\r\nContent-Length: 20\r\n\r\n{}", engine.Silent, "too early"},
		{"no length", ok + mac + "\r\n\r\n{}", engine.Silent, "length"},
		{"oversized body", ok + mac + "\r\nContent-Length: 65537\r\n\r\n{}", engine.Silent, "length"},
		{"oversized header", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 80<<10), engine.Silent, "larger"},
		{"nothing, and the end", "", engine.Silent, "without an answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			address := fakePeer(t, func(c net.Conn) {
				http.ReadRequest(bufio.NewReader(c))
				io.WriteString(c, tt.answer)
			})
			ended := make(chan struct{}, 10)
			c := clientOf(t, address, selfOf(t, "lb-a", secretA), PeerClientOptions{Ended: func() { ended <- struct{}{} }})
			err := wantReply(t, c, tt.want)
			if !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), secretA) {
				t.Errorf("error %q does not say %q", err, tt.says)
			}
			c.Close()
			if len(ended) != 0 {
				t.Error("the end of a connection that was of no use was told")
			}
		})
	}
}

// A host that takes connections and never answers is silent, in time; so is one that has gone since the last answer.
func TestPeerSilent(t *testing.T) {
	lab := newPeerLab(t, selfOf(t, "lb-b", secretA))
	for answers := range 2 {
		t.Run(fmt.Sprintf("after %d answers", answers), func(t *testing.T) {
			address := fakePeer(t, func(c net.Conn) {
				relay(t, c, lab.address, func(asked int) bool {
					if asked > answers {
						io.Copy(io.Discard, c)
					}
					return true
				})
			})
			c := clientOf(t, address, selfOf(t, "lb-a", secretA), PeerClientOptions{})
			for range answers {
				mustAsk(t, c)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			begin := time.Now()
			_, reply, err := c.Ask(ctx)
			if took := time.Since(begin); reply != engine.Silent || !errors.Is(err, context.DeadlineExceeded) || took > 5*time.Second {
				t.Errorf("got reply %v, error %v after %v, want silence after 50 ms", reply, err, took)
			}
		})
	}
}

// While somebody waits for a silent peer, an offer waits for its turn, and no longer than it may.
func TestPeerTurn(t *testing.T) {
	asked := make(chan struct{})
	address := fakePeer(t, func(c net.Conn) {
		c.Read(make([]byte, 1))
		close(asked)
		io.Copy(io.Discard, c)
	})
	c := clientOf(t, address, selfOf(t, "lb-a", secretA), PeerClientOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, _, err := c.Ask(ctx)
		done <- err
	}()
	<-asked
	short, cancelShort := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancelShort()
	if err := c.Offer(short, "www", engine.Offer{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the end of the offer's time", err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the end of the heartbeat", err)
	}
}

// What comes unasked ends the connection, and the next heartbeat makes another.
func TestPeerUnasked(t *testing.T) {
	lab := newPeerLab(t, selfOf(t, "lb-b", secretA))
	ended := make(chan struct{}, 1)
	loud := fakePeer(t, func(c net.Conn) {
		req := make([]byte, 8<<10)
		n, err := c.Read(req)
		if err != nil {
			return
		}
		up, err := net.Dial("tcp", lab.address)
		if err != nil {
			t.Error(err)
			return
		}
		defer up.Close()
		up.Write(req[:n])
		n, err = up.Read(req)
		if err != nil {
			t.Error(err)
			return
		}
		c.Write(append(bytes.Clone(req[:n]), req[:n]...))
		io.Copy(io.Discard, c)
	})
	c := clientOf(t, loud, selfOf(t, "lb-a", secretA), PeerClientOptions{Ended: func() { ended <- struct{}{} }})
	mustAsk(t, c)
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("an answer that nobody asked for was let pass")
	}
	mustAsk(t, c)
}

// Two machines under one name show by their instances.
func TestPeerClone(t *testing.T) {
	other := selfOf(t, "lb-a", secretA)
	other.Instance = "i-clone"
	lab := newPeerLab(t, other)
	c := clientOf(t, lab.address, selfOf(t, "lb-a", secretA), PeerClientOptions{})
	a := mustAsk(t, c)
	if a.Node != "lb-a" || a.Instance != "i-clone" || a.Services["www"].Instance != "i-clone" {
		t.Errorf("got %+v, want the clone's instance", a)
	}
}

func TestNewPeerClientErrors(t *testing.T) {
	self := selfOf(t, "lb-a", secretA)
	for _, address := range []string{"", "lb-b", ":2020", "lb-b:", "lb b:2020", "lb-b\r\nX:2020"} {
		if _, err := NewPeerClient(address, self, PeerClientOptions{}); err == nil {
			t.Errorf("the address %q is taken", address)
		}
	}
	for _, self := range []PeerSelf{
		{}, {Node: "lb-a", Instance: "i-1"}, {Node: "lb\na", Instance: "i-1", Secrets: self.Secrets},
		{Node: "lb-a", Instance: "", Secrets: self.Secrets}, {Node: "lb-a", Instance: "i-1", Secrets: make([]PeerSecret, 1)},
		{Node: "lb-a", Instance: "i-1", Secrets: append(self.Secrets, secretsOf(t, secretA, secretB, secretC, secretA+"2")...)},
	} {
		if _, err := NewPeerClient("lb-b:2020", self, PeerClientOptions{}); err == nil {
			t.Errorf("%+v is taken", self)
		}
	}
}
