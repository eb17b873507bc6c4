package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"testing"
)

// newTestBackend starts a backend that ends with the test.
func newTestBackend(t *testing.T) *backend {
	t.Helper()
	b := newBackend("web-1", "i-0123456789abcdef0", fmt.Sprintf("%s:%d", host(1), newPort(t)))
	if err := b.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.kill() })
	return b
}

// ask sends one request over a connection of its own. Without an answer the status is 0.
func ask(t *testing.T, b *backend, path string) (status int, body string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + b.addr + path)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	return resp.StatusCode, string(raw)
}

func TestBackendAnswersAndIsChecked(t *testing.T) {
	b := newTestBackend(t)
	if status, body := ask(t, b, "/any"); status != 200 || body != "web-1 i-0123456789abcdef0\n" {
		t.Errorf("%d %q", status, body)
	}
	if status, _ := ask(t, b, "/healthz"); status != 200 {
		t.Errorf("the check answers %d", status)
	}
	b.failing.Store(true)
	if status, _ := ask(t, b, "/healthz"); status != 503 {
		t.Errorf("the failing check answers %d", status)
	}
	if status, _ := ask(t, b, "/"); status != 200 {
		t.Errorf("with a failing check a request gets %d", status)
	}
	if n := b.requests.Load(); n != 2 {
		t.Errorf("%d requests were counted, want 2: checks are none", n)
	}
}

func TestHeldCheck(t *testing.T) {
	b := newBackend("web-1", "i-0123456789abcdef0", fmt.Sprintf("%s:%d", host(1), newPort(t)))
	b.hold = make(chan struct{})
	if err := b.start(); err != nil {
		t.Fatal(err)
	}
	defer b.kill()
	answered := make(chan int)
	go func() {
		status, _ := ask(t, b, "/healthz")
		answered <- status
	}()
	if status, _ := ask(t, b, "/"); status != 200 {
		t.Errorf("a request gets %d", status)
	}
	select {
	case status := <-answered:
		t.Errorf("the check answers %d before it may", status)
	default:
	}
	close(b.hold)
	if status := <-answered; status != 200 {
		t.Errorf("the check answers %d", status)
	}
}

func TestSlowRequestEndsWhenReleased(t *testing.T) {
	b := newTestBackend(t)
	resp, err := http.Get("http://" + b.addr + "/slow?seconds=3600")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := bufio.NewReader(resp.Body)
	if first, err := body.ReadString('\n'); err != nil || first != b.who()+"\n" || b.slow.Load() != 1 {
		t.Fatalf("%q %v, %d under way", first, err, b.slow.Load())
	}
	close(b.release)
	if rest, err := io.ReadAll(body); err != nil || string(rest) != "the end\n" {
		t.Errorf("%q %v", rest, err)
	}
}

func TestKillResetsConnections(t *testing.T) {
	b := newTestBackend(t)
	conn, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()

	if n := b.kill(); n != 1 || b.alive() {
		t.Errorf("%d connections were reset, alive: %v", n, b.alive())
	}
	if _, err := r.ReadByte(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("an open connection gets %v", err)
	}
	if _, err := net.Dial("tcp", b.addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection gets %v", err)
	}
	if n := b.kill(); n != 0 {
		t.Errorf("a second kill resets %d connections", n)
	}

	for range 2 { // the second finds it running
		if err := b.start(); err != nil {
			t.Fatal(err)
		}
	}
	if status, _ := ask(t, b, "/"); status != 200 || !b.alive() {
		t.Errorf("after its revival it answers %d", status)
	}
}
