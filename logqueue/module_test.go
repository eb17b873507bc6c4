package logqueue

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/logging"
)

// load returns the module of a configuration in JSON, as Caddy loads it.
func load(t *testing.T, config string) (*Writer, error) {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	log := caddy.BaseLog{WriterRaw: json.RawMessage(config)}
	mod, err := ctx.LoadModule(&log, "WriterRaw")
	if err != nil {
		return nil, err
	}
	return mod.(*Writer), nil
}

func opened(t *testing.T, config string) io.WriteCloser {
	t.Helper()
	w, err := load(t, config)
	if err != nil {
		t.Fatal(err)
	}
	q, err := w.OpenWriter()
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestConfigErrors(t *testing.T) {
	for config, want := range map[string]string{
		`{"output":"queue"}`:                                                       "output queue: to is missing",
		`{"output":"queue","to":{"output":"nowhere"}}`:                             "unknown module: caddy.logging.writers.nowhere",
		`{"output":"queue","to":{"output":"stderr"},"size":1}`:                     "output queue: size: 1 is not between 1048576 (1MiB)",
		`{"output":"queue","to":{"output":"stderr"},"size":1073741825}`:            "output queue: size: 1073741825 is not between",
		`{"output":"queue","to":{"output":"stderr"},"size":-1}`:                    "output queue: size: -1 is not between",
		`{"output":"queue","to":{"output":"net","address":"tcp/a:1-2"}}`:           "multiple ports not supported",
		`{"output":"queue","to":{"output":"queue","to":{"output":"stderr"}}}`:      "one queue is enough",
		`{"output":"queue","to":{"output":"stderr"},"sizes":1048576}`:              "unknown field",
		`{"output":"queue","to":{"output":"stderr","unknown":"x"},"size":1048576}`: "unknown field",
	} {
		if _, err := load(t, config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", config, err, want)
		}
	}
}

func TestWriterKey(t *testing.T) {
	keys := map[string]string{}
	for _, config := range []string{
		`{"output":"queue","to":{"output":"stderr"}}`,
		`{"output":"queue","to":{"output":"stdout"}}`,
		`{"output":"queue","to":{"output":"net","address":"udp/127.0.0.1:514"}}`,
	} {
		w, err := load(t, config)
		if err != nil {
			t.Fatal(err)
		}
		if other := keys[w.WriterKey()]; other != "" {
			t.Errorf("%s has the key of %s", config, other)
		}
		keys[w.WriterKey()] = config
	}
	a, _ := load(t, `{"output":"queue","to":{"output":"stderr"}}`)
	b, _ := load(t, `{"output":"queue","to":{"output":"stderr"},"size":1048576}`)
	if a.WriterKey() != b.WriterKey() || a.WriterKey() == a.to.WriterKey() {
		t.Errorf("keys %s, %s", a.WriterKey(), b.WriterKey())
	}
	if got := a.String(); got != "queue to stderr" {
		t.Error(got)
	}
}

func TestQueueToFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	text, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	q := opened(t, `{"output":"queue","to":{"output":"file","filename":`+string(text)+`}}`)
	io.WriteString(q, "one\n")
	io.WriteString(q, "two\n")
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != "one\ntwo\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// Configurations come and go; the queue stays, with the size of the latest that is loaded. A second queue would open the file again, and
// the first one would go on writing to what has been rotated.
func TestReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	text, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	writers := caddy.NewUsagePool() // what Caddy keeps its outputs in
	var q *Queue
	configure := func(size string) *Writer {
		t.Helper()
		w, err := load(t, `{"output":"queue","to":{"output":"file","filename":`+string(text)+`}`+size+`}`)
		if err != nil {
			t.Fatal(err)
		}
		opened, _, err := writers.LoadOrNew(w.WriterKey(), func() (caddy.Destructor, error) {
			q, err := w.OpenWriter()
			return destructor{q}, err
		})
		if err != nil {
			t.Fatal(err)
		}
		q = opened.(destructor).WriteCloser.(*Queue)
		return w
	}
	var want strings.Builder
	write := func(line string, size int64) {
		t.Helper()
		if got := q.size.Load(); got != size {
			t.Errorf("%s: size %d, want %d", line, got, size)
		}
		want.WriteString(line + "\n")
		io.WriteString(q, line+"\n")
	}
	leave := func(w *Writer) {
		t.Helper()
		if err := w.Cleanup(); err != nil {
			t.Fatal(err)
		}
	}
	first := configure("")
	write("the default", 8<<20)
	second := configure(`,"size":2097152`)
	write("both are loaded", 2<<20)
	leave(first)
	write("the first is gone", 2<<20)
	third := configure(`,"size":1048576`)
	leave(third)
	write("the third could not be loaded in the end", 2<<20)
	leave(second)
	write("nobody has it", 2<<20)
	configure("")
	write("somebody has it again", 8<<20)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != want.String() {
		t.Errorf("%q, want %q, %v", got, want.String(), err)
	}
}

type destructor struct{ io.WriteCloser }

func (d destructor) Destruct() error { return d.Close() }

// A line to a receiver by UDP is a datagram.
func TestQueueToUDP(t *testing.T) {
	in, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	q := opened(t, `{"output":"queue","to":{"output":"net","address":"udp/`+in.LocalAddr().String()+`"}}`)
	io.WriteString(q, "one\n")
	io.WriteString(q, "two\n")
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one\n", "two\n"} {
		b := make([]byte, 100)
		if err := in.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if n, _, err := in.ReadFrom(b); err != nil || string(b[:n]) != want {
			t.Errorf("%q, %v; want %q", b[:n], err, want)
		}
	}
}

// Without a receiver, and without soft_start, the configuration is refused and the error says who did not answer.
func TestNoReceiver(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	config := `{"output":"queue","to":{"output":"net","address":"tcp/` + addr + `"`
	w, err := load(t, config+`}}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.OpenWriter(); err == nil || !strings.Contains(err.Error(), "output queue: opening "+addr+": dial tcp "+addr) {
		t.Error(err)
	}

	// With soft_start it is no error, and none that ends the process when it is closed without ever having had a connection.
	q := opened(t, config+`,"soft_start":true}}`)
	for range 3 {
		if n, err := io.WriteString(q, "line\n"); n != 5 || err != nil {
			t.Error(n, err)
		}
	}
	if err := q.Close(); err != nil {
		t.Error(err)
	}
	l := &q.(*Queue).losses
	l.mu.Lock()
	defer l.mu.Unlock()
	if lost := l.now; lost.Lines != 3 || lost.Err == nil {
		t.Errorf("%+v", lost)
	}
}
