package awstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// maxUDP is how large an answer over UDP may be, if the client allows it.
const maxUDP = 4096

// DNSServer is an authoritative DNS server for the hosted zones of a [Cloud],
// over UDP and TCP. It knows no delegations: NS records below the apex are
// answered as they are stored.
//
// Questions pass the faults of the service dns: Fail is a SERVFAIL, Empty an
// answer without records, Truncate the TC bit over UDP, and with Lose, Drop and
// Hang there is no answer.
type DNSServer struct {
	cloud   *Cloud
	opts    DNSOptions
	addr    string
	ctx     context.Context // ends with the server
	cancel  context.CancelFunc
	servers []*dns.Server
	ended   chan error // one for each server
	closed  atomic.Bool
}

var _ dns.Handler = (*DNSServer)(nil)

// ServeDNS serves the zones at an address such as 127.0.0.1:0, of which port 0
// is a free one.
func ServeDNS(c *Cloud, addr string, o DNSOptions) (*DNSServer, error) {
	conn, ln, err := listenBoth(addr)
	if err != nil {
		return nil, fmt.Errorf("serving DNS: %w", err)
	}
	s := &DNSServer{cloud: c, opts: o, addr: ln.Addr().String()}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.servers = []*dns.Server{{PacketConn: conn, UDPSize: maxUDP}, {Listener: ln}}
	s.ended = make(chan error, len(s.servers))
	for i, srv := range s.servers {
		started := make(chan struct{})
		srv.Handler = s
		srv.NotifyStartedFunc = func() { close(started) }
		go func() { s.ended <- srv.ActivateAndServe() }()
		// Before it has started it can't be shut down.
		select {
		case <-started:
		case err := <-s.ended:
			s.servers = s.servers[:i]
			return nil, errors.Join(fmt.Errorf("serving DNS: %w", err), s.Close(), conn.Close(), ln.Close())
		}
	}
	return s, nil
}

// listenBoth listens on one port of UDP and TCP.
func listenBoth(addr string) (net.PacketConn, net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, nil, err
	}
	// A free port of the one may be taken in the other.
	const attempts = 20
	for n := 1; ; n++ {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, nil, err
		}
		taken := ln.Addr().(*net.TCPAddr).Port
		conn, err := net.ListenPacket("udp", net.JoinHostPort(host, strconv.Itoa(taken)))
		if err == nil {
			return conn, ln, nil
		}
		ln.Close()
		if port != "0" || n == attempts {
			return nil, nil, err
		}
	}
}

// Addr returns the address that is served, for UDP and TCP alike.
func (s *DNSServer) Addr() string { return s.addr }

// Close ends the server, questions that hang included. The cloud stays as it
// is.
func (s *DNSServer) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.cancel()
	var err error
	for _, srv := range s.servers {
		err = errors.Join(err, srv.Shutdown())
	}
	for range s.servers {
		err = errors.Join(err, <-s.ended)
	}
	return err
}

// ServeDNS answers a message.
func (s *DNSServer) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	q := r.Question[0]
	_, udp := w.RemoteAddr().(*net.UDPAddr)
	m := new(dns.Msg).SetReply(r)
	m.Authoritative = true
	size := dns.MinMsgSize
	if opt := r.IsEdns0(); opt != nil {
		size = min(int(opt.UDPSize()), maxUDP)
		m.SetEdns0(maxUDP, false)
	}
	if r.Opcode != dns.OpcodeQuery || q.Qtype == dns.TypeANY {
		m.Rcode, m.Authoritative = dns.RcodeNotImplemented, false
		_ = w.WriteMsg(m) // a client that has gone away has no use for it
		return
	}

	a := s.cloud.do(Caller{}, s.cloud.query(q, s.opts))
	if !s.wait(a.fault) {
		return
	}
	out, ok := a.out.(DNSAnswer)
	if !ok {
		out.Code = dns.RcodeServerFailure
	}
	m.Rcode, m.Answer, m.Ns = out.Code, out.Answer, out.Authority
	if m.Rcode == dns.RcodeRefused || m.Rcode == dns.RcodeServerFailure {
		m.Authoritative = false
	}
	if udp {
		m.Truncate(size)
	}
	if udp && a.fault.Kind == Truncate {
		m.Answer, m.Ns, m.Truncated = nil, nil, true
	}
	_ = w.WriteMsg(m) // a client that has gone away has no use for it
}

// wait lets a fault take its time, and reports whether there is to be an
// answer.
func (s *DNSServer) wait(f Fault) bool {
	switch f.Kind {
	case Hang:
		<-s.ctx.Done()
		return false
	case Lose, Drop:
		return false
	}
	if f.Latency > 0 {
		t := time.NewTimer(f.Latency)
		defer t.Stop()
		select {
		case <-t.C:
		case <-s.ctx.Done():
			return false
		}
	}
	return true
}
