package logqueue

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
)

type discard struct{ io.Writer }

func (discard) Close() error { return nil }

// benchLine is as long as a line of an access log is.
var benchLine = append(bytes.Repeat([]byte("x"), 199), '\n')

// BenchmarkWrite writes lines to outputs, and to the same behind a queue, which is large enough that nothing is lost. What is measured
// ends when all lines are written.
func BenchmarkWrite(b *testing.B) {
	outputs := map[string]func(b *testing.B) io.WriteCloser{
		"discard": func(*testing.B) io.WriteCloser { return discard{io.Discard} },
		"file": func(b *testing.B) io.WriteCloser {
			f, err := os.Create(filepath.Join(b.TempDir(), "log"))
			if err != nil {
				b.Fatal(err)
			}
			return f
		},
		"udp": func(b *testing.B) io.WriteCloser {
			in, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { in.Close() })
			out, err := net.Dial("udp", in.LocalAddr().String())
			if err != nil {
				b.Fatal(err)
			}
			return out
		},
	}
	for _, name := range []string{"discard", "file", "udp"} {
		b.Run(name+"/bare", func(b *testing.B) { benchWrites(b, outputs[name](b)) })
		b.Run(name+"/queue", func(b *testing.B) {
			benchWrites(b, New(outputs[name](b), mostSize, func(l Loss) { b.Errorf("%+v", l) }))
		})
	}
}

func benchWrites(b *testing.B, w io.WriteCloser) {
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := w.Write(benchLine); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkWriteToOneThatHangs is what a request pays while nothing can be written.
func BenchmarkWriteToOneThatHangs(b *testing.B) {
	out := newOutput()
	out.hangs = true
	q := New(out, leastSize, func(Loss) {})
	b.ReportAllocs()
	for b.Loop() {
		q.Write(benchLine)
	}
	out.set(func() { out.hangs = false })
	q.Close()
}

// acknowledged is a writer that waits until its lines are asked for.
type acknowledged chan struct{}

func (a acknowledged) Write(line []byte) (int, error) { a <- struct{}{}; return len(line), nil }
func (acknowledged) Close() error                     { return nil }

// BenchmarkWriteOneByOne waits until a line is written before it writes the next, as it is when the output keeps up: the chunks are
// used again.
func BenchmarkWriteOneByOne(b *testing.B) {
	out := make(acknowledged)
	q := New(out, defaultSize, func(Loss) {})
	b.ReportAllocs()
	for b.Loop() {
		q.Write(benchLine)
		<-out
	}
	q.Close()
}
