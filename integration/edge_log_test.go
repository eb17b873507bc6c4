//go:build linux

package integration

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// edgeShipper is a server whose log goes somewhere else.
type edgeShipper struct {
	*edgeServer
	addr string
}

// newEdgeShipper starts it with lines of the log directive.
func newEdgeShipper(t *testing.T, output string) *edgeShipper {
	t.Helper()
	s := &edgeShipper{edgeServer: newEdgeServer(t)}
	port := s.ports(1)[0]
	s.addr = "127.0.0.1:" + port
	s.run(fmt.Sprintf(`
	log {
		output stderr
		level ERROR
		exclude http.log.access
	}
}
http://:%s {
	log {
		output %s
		format combined {
			max_line 4096
			fields node
		}
	}
	log_append <node {env.NODE}
	respond hello
}
`, port, output), s.addr)
	return s
}

// requests sends some on one connection, with a header of that length, and returns when all are answered well.
func (s *edgeShipper) requests(n, long int) {
	s.Helper()
	c, err := net.Dial("tcp", s.addr)
	s.must(err)
	defer c.Close()
	s.must(c.SetDeadline(time.Now().Add(within)))
	in := bufio.NewReader(c)
	for i := range n {
		fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: a\r\nUser-Agent: %s\r\n\r\n", i, strings.Repeat("a", long))
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			s.Fatalf("request %d of %d: %v", i, n, err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			s.Fatalf("request %d of %d: %s", i, n, resp.Status)
		}
	}
}

// A log that can't be written stops nothing. There are more lines than any buffer on the way takes.
func TestLogCannotBeWritten(t *testing.T) {
	t.Parallel()
	tests := map[string]func(t *testing.T) string{
		"the disk is full":       func(*testing.T) string { return "file /dev/full {\nroll_disabled\n}" },
		"nobody receives by UDP": func(t *testing.T) string { return "net udp/" + edgeNobody(t) },
		"nobody receives by TCP": func(t *testing.T) string { return "net tcp/" + edgeNobody(t) + " {\nsoft_start\ndial_timeout 1s\n}" },
		"the receiver by UDP hangs": func(t *testing.T) string {
			conn, err := net.ListenPacket("udp", "127.0.0.1:0") // it is never read
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			return "net udp/" + conn.LocalAddr().String()
		},
	}
	for name, output := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newEdgeShipper(t, output(t)).requests(5000, 4000)
		})
	}
}

// edgeNobody is an address at which nothing listens.
func edgeNobody(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	return ln.Addr().String()
}

// Failover does its work when it can't log it either.
func TestFailoverWithoutALog(t *testing.T) {
	const hangs = "the receiver hangs"
	for name, output := range map[string]string{
		"the disk is full": "output file /dev/full {\nroll_disabled\n}",
		"nobody receives":  "output net tcp/" + edgeNobody(t) + " {\nsoft_start\ndial_timeout 1s\n}",
		hangs:              "output queue {\nto net tcp/" + newEdgeStuck(t).addr + "\nsize 1MiB\n}",
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, 2)
			for _, n := range l.nodes {
				n.conf.whole = strings.ReplaceAll(n.text(), "output stderr", output)
			}
			l.start()
			l.hear()
			if name == hangs {
				for _, n := range l.nodes {
					n.fillLog(20 << 20) // what is on the way takes some 4 MB
				}
			}
			l.ask()
			fault := l.nodes[0].kill()
			l.moved(l.nodes[1], fault, 500*time.Millisecond+slack)
			l.served(l.nodes[1], fault, 2*time.Second+slack)
			l.nodes[0].spawn()
			l.holds(l.nodes[1])
			l.wrote(2)
		})
	}
}

// fillLog has the node log so many bytes, by requests to its admin endpoint, which it logs with their headers.
func (n *node) fillLog(most int) {
	n.lab.Helper()
	filler := strings.Repeat("x", 50<<10) // it takes no header of more than 64 KiB
	for size := 0; size < most; size += len(filler) {
		r, err := http.NewRequest(http.MethodGet, "http://"+net.JoinHostPort(n.addr, adminPort)+"/config/admin", nil)
		n.lab.must(err)
		r.Host = "localhost:" + adminPort
		r.Header.Set("Filler", filler)
		answer, err := adminClient.Do(r)
		n.lab.must(err)
		_, err = io.Copy(io.Discard, answer.Body)
		n.lab.must(err)
		n.lab.must(answer.Body.Close())
		if answer.StatusCode != http.StatusOK {
			n.lab.Fatal(answer.Status)
		}
	}
}
