package ec2upstreams

import (
	"fmt"
	"net"
	"testing"
)

// benchAddress is the address of the i-th of up to 40,000 backends: on Linux all of them are this host.
func benchAddress(i int) string {
	return fmt.Sprintf("127.%d.%d.%d", 80+i/40000, i/200%200, i%200+1)
}

// serveDNS answers every question with the addresses of n backends, and returns the server's address.
func serveDNS(tb testing.TB, n int) string {
	tb.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	tb.Cleanup(func() {
		conn.Close()
		<-done
	})
	go func() {
		defer close(done)
		question := make([]byte, 512)
		for {
			size, from, err := conn.ReadFrom(question)
			if err != nil {
				return
			}
			if answer := answerDNS(question[:size], n); answer != nil {
				conn.WriteTo(answer, from)
			}
		}
	}()
	return conn.LocalAddr().String()
}

// answerDNS repeats the question and adds an A record for each backend (RFC 1035, section 4.1). It returns nil for
// what is no question.
func answerDNS(question []byte, n int) []byte {
	const header, fixed = 12, 5 // of the question: the name's last byte, type and class
	end := header
	for end < len(question) && question[end] != 0 {
		end += 1 + int(question[end])
	}
	if end += fixed; end > len(question) {
		return nil
	}
	answer := append([]byte{}, question[:2]...)                    // id
	answer = append(answer, 0x84, 0, 0, 1, 0, byte(n), 0, 0, 0, 0) // an authoritative answer; 1 question, n records
	answer = append(answer, question[header:end]...)               // the question as it came
	for i := range n {
		answer = append(answer, 0xc0, header, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4) // its name, A, IN, 60 s, 4 bytes
		answer = append(answer, net.ParseIP(benchAddress(i)).To4()...)
	}
	return answer
}
