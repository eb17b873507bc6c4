package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// echo answers lines with themselves until it is closed, which resets what it has.
func echo(t *testing.T) (addr string, kill func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns := make(chan net.Conn, 10)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			conns <- c
			go io.Copy(c, c)
		}
	}()
	return ln.Addr().String(), func() {
		ln.Close()
		for len(conns) > 0 {
			reset(<-conns)
		}
	}
}

func newTestLink(t *testing.T, to string) *link {
	t.Helper()
	l, err := newLink("127.0.0.1:0", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

// say sends a line and returns the answer.
func say(t *testing.T, c net.Conn, line string, within time.Duration) (string, error) {
	t.Helper()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	c.SetReadDeadline(time.Now().Add(within))
	got, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(got), err
}

func dial(t *testing.T, l *link) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestLinkIsCutAndJoined(t *testing.T) {
	to, kill := echo(t)
	t.Cleanup(kill)
	l := newTestLink(t, to)
	old := dial(t, l)
	if got, err := say(t, old, "one", patience); got != "one" {
		t.Fatalf("%q, %v", got, err)
	}
	l.cut()
	if got, err := say(t, old, "two", 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("over a link that is cut came %q, %v", got, err)
	}
	late := dial(t, l)
	if got, err := say(t, late, "three", 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("over a new connection came %q, %v", got, err)
	}
	l.join()
	l.join() // is nothing
	for c, want := range map[net.Conn]string{old: "two", late: "three"} {
		c.SetReadDeadline(time.Now().Add(patience))
		if got, err := bufio.NewReader(c).ReadString('\n'); got != want+"\n" {
			t.Errorf("what was held back came as %q, %v", got, err)
		}
	}
}

func TestLinkHidesNoDeath(t *testing.T) {
	to, kill := echo(t)
	l := newTestLink(t, to)
	c := dial(t, l)
	if got, err := say(t, c, "one", patience); got != "one" {
		t.Fatalf("%q, %v", got, err)
	}
	kill()
	c.SetReadDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("the old connection: %v", err)
	}
	late, err := net.Dial("tcp", l.ln.Addr().String())
	got := ""
	if err == nil {
		defer late.Close()
		got, err = say(t, late, "two", patience)
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
		t.Errorf("a new connection: %q, %v", got, err)
	}
}

func TestLinkThatIsCutEnds(t *testing.T) {
	to, kill := echo(t)
	t.Cleanup(kill)
	l := newTestLink(t, to)
	c := dial(t, l)
	if got, err := say(t, c, "one", patience); got != "one" {
		t.Fatalf("%q, %v", got, err)
	}
	l.cut()
	l.close()
	c.SetReadDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("its connection is still there: %v", err)
	}
	if _, err := newLink(to, to); err == nil {
		t.Error("it listens where somebody else does")
	}
}
