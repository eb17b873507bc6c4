package dnsfailover

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// flood sends what it is given over new connections, each as often as it is let, as fast as it can.
func flood(stop <-chan struct{}, address, from string, texts [][]byte, sent *atomic.Int64) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	answer := make([]byte, 64<<10)
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		c, err := dialer.Dial("tcp", address)
		if err != nil {
			continue
		}
		c.(*net.TCPConn).SetLinger(0) // no port waits for a minute
		c.SetDeadline(time.Now().Add(time.Second))
		text := texts[i%len(texts)]
		for text != nil {
			if _, err := c.Write(text); err != nil {
				break
			}
			sent.Add(1)
			if _, err := c.Read(answer); err != nil {
				break
			}
		}
		c.Close()
	}
}

// Whatever somebody without the secret sends, as fast as he can, the peers are answered in time, nothing changes, and memory
// stays bounded. How long a heartbeat takes is printed; what is judged is how much of the flood gets ahead of it, since on a
// machine that is busy with something else both are slow.
func TestPeerFlood(t *testing.T) {
	const beats, most = 100, 1000 // a busy core takes in that many hostile messages in a quarter of a heartbeat's time
	f, bad := newForger(t, secretA), newForger(t, secretB)
	for _, source := range []string{"127.0.0.2", "127.0.0.1"} {
		t.Run("from "+source, func(t *testing.T) {
			if l, err := net.Listen("tcp", net.JoinHostPort(source, "0")); err != nil {
				t.Skipf("this needs the loopback address %s, which Linux has and macOS gets by ifconfig lo0 alias: %v", source, err)
			} else {
				l.Close()
			}
			lab := newPeerLab(t, selfOf(t, "lb-b", secretA))
			l, challenge := f.meet(t, lab)
			texts := [][]byte{
				bad.ask(""), f.ask(""), f.offer("lb-b", challenge, goodOffer), bad.offer("lb-b", "", goodOffer), nil,
				bad.offer("lb-b", "", strings.Repeat("x", 1<<20)), []byte("\x00\x01\x02garbage\r\n\r\n"),
				[]byte("GET /heartbeat HTTP/1.1\r\nX: " + strings.Repeat("x", 1<<20)), f.ask("")[:40],
			}
			c := clientOf(t, lab.address, selfOf(t, "lb-a", secretA), PeerClientOptions{})
			mustAsk(t, c)
			mustAsk(t, c)
			before := heap()
			var sent atomic.Int64
			var wg sync.WaitGroup
			stop := make(chan struct{})
			for i := range 2 * maxLinksOf {
				wg.Go(func() { flood(stop, lab.address, source, texts[i%len(texts):], &sent) })
			}
			defer wg.Wait()
			defer close(stop)
			await(t, func() bool { return sent.Load() > 100 }, "the flood does not begin")
			begin, already := time.Now(), sent.Load()
			var worst time.Duration
			var ahead int64
			var grown uint64
			for i := range beats {
				if i%10 == 0 && source != "127.0.0.1" {
					c.Close() // a new connection, from a source of its own, is let in too
				}
				sentAt, sentBefore := time.Now(), sent.Load()
				mustAsk(t, c)
				worst, ahead = max(worst, time.Since(sentAt)), max(ahead, sent.Load()-sentBefore)
				if i%25 == 24 {
					if now := heap(); now > before {
						grown = max(grown, now-before)
					}
					lab.server.gate.mu.Lock()
					if n := len(lab.server.gate.links); n > 2*maxLinksOf+1 { // the shares of two sources, and one at the gate
						t.Errorf("%d connections are open", n)
					}
					lab.server.gate.mu.Unlock()
				}
			}
			took, hostile := time.Since(begin), sent.Load()-already
			if err := c.Offer(t.Context(), "www", engine.Offer{Epoch: 9}); err != nil {
				t.Error(err)
			}
			l.Close()
			if got := lab.taken(); len(got) != 1 || got[0].Epoch != 9 {
				t.Errorf("offers taken: %v, want only the genuine one", got)
			}
			if ahead > most {
				t.Errorf("%d hostile messages were sent while one heartbeat waited, %d are too many", ahead, most)
			}
			if grown > 32<<20 {
				t.Errorf("the heap grew by %d bytes", grown)
			}
			t.Logf("%d hostile messages in %v (%.0f/s), worst of %d heartbeats %v, behind %d messages, heap grown by %d KB, refused: %v",
				hostile, took, float64(hostile)/took.Seconds(), beats, worst, ahead, grown>>10, lab.server.Rejected())
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkPeerAsk(b *testing.B) {
	lab := newPeerLab(b, selfOf(b, "lb-b", secretA))
	c := clientOf(b, lab.address, selfOf(b, "lb-a", secretA), PeerClientOptions{})
	b.ReportAllocs()
	for b.Loop() {
		mustAsk(b, c)
	}
}

// BenchmarkPeerForged is what a forged message costs the process that gets it, and the one that sends it.
func BenchmarkPeerForged(b *testing.B) {
	lab := newPeerLab(b, selfOf(b, "lb-b", secretA))
	text := newForger(b, secretB).ask("")
	b.ReportAllocs()
	for b.Loop() {
		c, err := net.Dial("tcp", lab.address)
		if err != nil {
			b.Fatal(err)
		}
		c.Write(text)
		if n, err := io.Copy(io.Discard, c); n == 0 || err != nil {
			b.Fatal(fmt.Errorf("%d bytes, %w", n, err))
		}
		c.Close()
	}
}
