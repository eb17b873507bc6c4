package awstest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"
)

// echo serves a name and then what it is told, until the test ends.
func echo(t testing.TB, addr, name string) (port int) {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			fmt.Fprintln(conn, name)
			go func() {
				in := bufio.NewScanner(conn)
				for in.Scan() {
					fmt.Fprintln(conn, in.Text())
				}
			}()
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
	return ln.Addr().(*net.TCPAddr).Port
}

// line is what a connection says next.
func line(conn net.Conn) (string, error) {
	s, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return "", err
	}
	return s[:len(s)-1], nil
}

// eventually waits for a count.
func eventually(t *testing.T, p *DataPlane, what string, ok func(DataPlaneCount) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !ok(p.Count()) {
		tick := time.NewTimer(time.Millisecond)
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: %+v", what, p.Count())
		}
	}
}

func TestDataPlane(t *testing.T) {
	c := New(Config{})
	lb1 := launch(t, c, Launch{PrivateIP: "127.0.0.2"})
	lb2 := launch(t, c, Launch{PrivateIP: "127.0.0.3"})
	lb3 := launch(t, c, Launch{PrivateIP: "127.0.0.4"}) // where nobody listens
	port := echo(t, "127.0.0.2:0", "lb1")
	echo(t, fmt.Sprint("127.0.0.3:", port), "lb2")
	eip := allocate(t, c, Allocation{})
	do(t, c.SetAddress(eip.AllocationID, lb1))
	p, err := ServeDataPlane(c, eip.AllocationID, "127.0.0.1:0", DataPlaneOptions{Port: port, Gap: 10 * time.Millisecond})
	do(t, err)
	t.Cleanup(func() { do(t, p.Close()) })
	dial := func() net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", p.Addr())
		do(t, err)
		do(t, conn.SetDeadline(time.Now().Add(time.Minute)))
		t.Cleanup(func() { conn.Close() })
		return conn
	}

	leads := func(to string) { // until it has seen a move, what comes goes where it went
		t.Helper()
		eventually(t, p, "a move is not seen", func(DataPlaneCount) bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.route.to.PrivateIP == to
		})
	}

	first := dial()
	if name, err := line(first); err != nil || name != "lb1" {
		t.Fatalf("answered by %q, %v", name, err)
	}
	fmt.Fprintln(first, "hello")
	if text, err := line(first); err != nil || text != "hello" {
		t.Fatalf("%q, %v", text, err)
	}

	// Free: what there is hears nothing, what comes waits.
	do(t, c.SetAddress(eip.AllocationID, ""))
	leads("")
	second := dial()
	eventually(t, p, "nobody waits", func(n DataPlaneCount) bool { return n.Waited == 1 })
	if n := p.Count(); n.Reset != 0 || n.Moves != 0 {
		t.Errorf("nobody has got it: %+v", n)
	}
	do(t, c.SetAddress(eip.AllocationID, lb2))
	if name, err := line(second); err != nil || name != "lb2" {
		t.Errorf("who waited is answered by %q, %v", name, err)
	}
	if _, err := line(first); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the old connection: %v", err)
	}
	eventually(t, p, "the reset", func(n DataPlaneCount) bool { return n.Reset == 1 })

	// To somebody who does not listen, and back.
	do(t, c.SetAddress(eip.AllocationID, lb3))
	leads("127.0.0.4")
	if _, err := line(dial()); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("nobody listens: %v", err)
	}
	do(t, c.SetAddress(eip.AllocationID, lb2))
	eventually(t, p, "the second reset", func(n DataPlaneCount) bool { return n.Reset == 2 && n.Moves == 3 })
	third := dial()
	if name, err := line(third); err != nil || name != "lb2" {
		t.Errorf("answered by %q, %v", name, err)
	}
	do(t, third.(*net.TCPConn).CloseWrite())

	n := p.Count()
	if n.Accepted != 4 || n.Reached != 3 || n.Refused != 1 {
		t.Errorf("counted %+v", n)
	}
	do(t, c.ReleaseAddress(eip.AllocationID))
	leads("")
	waits := dial()
	eventually(t, p, "nobody waits for what was released", func(now DataPlaneCount) bool { return now.Waited > n.Waited })
	do(t, p.Close())
	if _, err := line(waits); err == nil {
		t.Error("the data plane has ended")
	}
	if _, err := ServeDataPlane(c, eip.AllocationID, "127.0.0.1:0", DataPlaneOptions{}); code(err) != "InvalidAllocationID.NotFound" {
		t.Errorf("of nothing: %v", err)
	}
}

// Where the holder is reached is the test's choice.
func TestDataPlaneDials(t *testing.T) {
	c := New(Config{})
	lb1 := launch(t, c, Launch{})
	port := echo(t, "127.0.0.1:0", "lb1")
	eip := allocate(t, c, Allocation{})
	p, err := ServeDataPlane(c, eip.AllocationID, "127.0.0.1:0", DataPlaneOptions{Dial: func(a ElasticIP) string {
		if a.InstanceID != lb1 {
			return ""
		}
		return fmt.Sprint("127.0.0.1:", port)
	}})
	do(t, err)
	defer p.Close()
	do(t, c.SetAddress(eip.AllocationID, lb1))
	conn, err := net.Dial("tcp", p.Addr())
	do(t, err)
	defer conn.Close()
	if name, err := line(conn); err != nil || name != "lb1" {
		t.Errorf("answered by %q, %v", name, err)
	}
	if n := p.Count(); n.Moves != 1 || n.Reached != 1 {
		t.Errorf("counted %+v", n)
	}
}
