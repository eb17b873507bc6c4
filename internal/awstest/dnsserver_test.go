package awstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// serveDNS serves the zones of a cloud until the test ends.
func serveDNS(t testing.TB, c *Cloud, o DNSOptions) *DNSServer {
	t.Helper()
	s, err := ServeDNS(c, "127.0.0.1:0", o)
	do(t, err)
	t.Cleanup(func() { do(t, s.Close()) })
	return s
}

// ask sends one question and returns the message that comes back.
func ask(t testing.TB, s *DNSServer, network, name string, qtype uint16, edns uint16) *dns.Msg {
	t.Helper()
	m := new(dns.Msg).SetQuestion(name, qtype)
	if edns != 0 {
		m.SetEdns0(edns, false)
	}
	client := &dns.Client{Net: network, Timeout: time.Minute}
	answer, _, err := client.ExchangeContext(soon(t), m, s.Addr())
	do(t, err)
	return answer
}

func TestDNSMessages(t *testing.T) {
	c, _, zone := newZone(t, Config{})
	do(t, c.SetRecord(zone, set("lb.example.com", "A", "192.0.2.1")))
	var many []string
	for n := range 60 {
		many = append(many, fmt.Sprintf("192.0.2.%d", n))
	}
	do(t, c.SetRecord(zone, set("many.example.com", "A", many...)))
	do(t, c.SetRecord(zone, set("www.example.com", "CNAME", "lb.example.com")))
	s := serveDNS(t, c, DNSOptions{})
	for _, tc := range []struct {
		name, network, question string
		qtype                   uint16
		edns                    uint16
		code                    int
		answers                 int
		aa, truncated           bool
	}{
		{"udp", "udp", "lb.example.com.", dns.TypeA, 0, dns.RcodeSuccess, 1, true, false},
		{"tcp", "tcp", "lb.example.com.", dns.TypeA, 0, dns.RcodeSuccess, 1, true, false},
		{"another case", "udp", "LB.eXample.com.", dns.TypeA, 0, dns.RcodeSuccess, 1, true, false},
		{"chain", "udp", "www.example.com.", dns.TypeA, 0, dns.RcodeSuccess, 2, true, false},
		{"no data", "udp", "lb.example.com.", dns.TypeAAAA, 0, dns.RcodeSuccess, 0, true, false},
		{"no name", "udp", "none.example.com.", dns.TypeA, 0, dns.RcodeNameError, 0, true, false},
		{"outside", "udp", "example.net.", dns.TypeA, 0, dns.RcodeRefused, 0, false, false},
		{"any", "udp", "lb.example.com.", dns.TypeANY, 0, dns.RcodeNotImplemented, 0, false, false},
		{"many", "udp", "many.example.com.", dns.TypeA, 0, dns.RcodeSuccess, -1, true, true},
		{"many, little room", "udp", "many.example.com.", dns.TypeA, 100, dns.RcodeSuccess, -1, true, true},
		{"many, room", "udp", "many.example.com.", dns.TypeA, 1232, dns.RcodeSuccess, 60, true, false},
		{"many over tcp", "tcp", "many.example.com.", dns.TypeA, 0, dns.RcodeSuccess, 60, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := ask(t, s, tc.network, tc.question, tc.qtype, tc.edns)
			if m.Rcode != tc.code || m.Authoritative != tc.aa || m.Truncated != tc.truncated || m.RecursionAvailable || !m.RecursionDesired {
				t.Errorf("got %v", m)
			}
			if n := len(m.Answer); n != tc.answers && (tc.answers >= 0 || n >= 60 || n == 0) {
				t.Errorf("%d answers: %v", n, m)
			}
			if len(m.Answer) > 0 && m.Answer[0].Header().Name != tc.question || m.Question[0].Name != tc.question {
				t.Errorf("the name is not as it was asked for: %v", m)
			}
			if opt := m.IsEdns0(); (opt != nil) != (tc.edns != 0) || opt != nil && opt.UDPSize() != 4096 {
				t.Errorf("EDNS: %v", opt)
			}
			if soa := len(m.Ns) == 1; soa != (tc.aa && tc.answers == 0) {
				t.Errorf("authority: %v", m.Ns)
			}
		})
	}
	notify := new(dns.Msg).SetNotify("example.com.")
	answer, _, err := (&dns.Client{Timeout: time.Minute}).Exchange(notify, s.Addr())
	if err != nil || answer.Rcode != dns.RcodeNotImplemented {
		t.Errorf("notify: %v, %v", answer, err)
	}
}

func TestPrivateDNS(t *testing.T) {
	c := New(Config{})
	zone, err := c.AddZone(HostedZone{Name: "internal", Private: true})
	do(t, err)
	do(t, c.SetRecord(zone, set("lb.internal", "A", "10.0.0.1")))
	if m := ask(t, serveDNS(t, c, DNSOptions{}), "udp", "lb.internal.", dns.TypeA, 0); m.Rcode != dns.RcodeRefused {
		t.Errorf("seen by the public: %v", m)
	}
	if m := ask(t, serveDNS(t, c, DNSOptions{Private: true}), "udp", "lb.internal.", dns.TypeA, 0); len(m.Answer) != 1 {
		t.Errorf("not seen in the VPC: %v", m)
	}
}

// TestResolver lets Go's own resolver ask, which changes to TCP when an answer
// was cut.
func TestResolver(t *testing.T) {
	c, _, zone := newZone(t, Config{})
	text := strings.Repeat("x", 255)
	do(t, c.SetRecord(zone, set("lb.example.com", "A", "192.0.2.1")))
	do(t, c.SetRecord(zone, set("www.example.com", "CNAME", "lb.example.com")))
	do(t, c.SetRecord(zone, set("_acme-challenge.example.com", "TXT", strings.Repeat(`"`+text+`" `, 10))))
	s := serveDNS(t, c, DNSOptions{})
	networks := map[string]*atomic.Int32{"udp": {}, "tcp": {}}
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		networks[network].Add(1)
		return (&net.Dialer{}).DialContext(ctx, network, s.Addr())
	}}
	texts, err := r.LookupTXT(soon(t), "_acme-challenge.example.com.")
	if err != nil || !slices.Equal(texts, []string{strings.Repeat(text, 10)}) {
		t.Errorf("TXT: %q, %v", texts, err)
	}
	if networks["udp"].Load() == 0 || networks["tcp"].Load() == 0 {
		t.Error("not asked over both UDP and TCP")
	}
	if addrs, err := r.LookupNetIP(soon(t), "ip4", "www.example.com."); err != nil || len(addrs) != 1 || addrs[0].String() != "192.0.2.1" {
		t.Errorf("A: %v, %v", addrs, err)
	}
	if name, err := r.LookupCNAME(soon(t), "www.example.com."); err != nil || name != "lb.example.com." {
		t.Errorf("CNAME: %s, %v", name, err)
	}
	var missing *net.DNSError
	if _, err := r.LookupNetIP(soon(t), "ip4", "none.example.com."); !errors.As(err, &missing) || !missing.IsNotFound {
		t.Errorf("no name: %v", err)
	}
}

func TestDNSFaultsOnTheWire(t *testing.T) {
	c, _, zone := newZone(t, Config{})
	do(t, c.SetRecord(zone, set("lb.example.com", "A", "192.0.2.1")))
	s := serveDNS(t, c, DNSOptions{})
	for _, tc := range []struct {
		f         Fault
		network   string
		code      int
		answers   int
		truncated bool
	}{
		{Fault{Status: 500}, "udp", dns.RcodeServerFailure, 0, false},
		{Fault{Kind: Empty}, "udp", dns.RcodeSuccess, 0, false},
		{Fault{Kind: Truncate}, "udp", dns.RcodeSuccess, 0, true},
		{Fault{Kind: Truncate}, "tcp", dns.RcodeSuccess, 1, false},
		{Fault{Latency: time.Millisecond}, "udp", dns.RcodeSuccess, 1, false},
	} {
		tc.f.Service = "dns"
		remove := c.Inject(tc.f)
		m := ask(t, s, tc.network, "lb.example.com.", dns.TypeA, 0)
		if m.Rcode != tc.code || len(m.Answer) != tc.answers || m.Truncated != tc.truncated || m.Authoritative != (tc.code == dns.RcodeSuccess) {
			t.Errorf("%+v: %v", tc.f, m)
		}
		remove()
	}
}

// TestDNSWaitingEnds lets the server go away while questions wait.
func TestDNSWaitingEnds(t *testing.T) {
	for _, f := range []Fault{{Kind: Hang}, {Kind: Drop}, {Kind: Lose}, {Latency: time.Hour}} {
		c, _, _ := newZone(t, Config{})
		c.Inject(f)
		for _, network := range []string{"udp", "tcp"} {
			s := serveDNS(t, c, DNSOptions{})
			ctx, cancel := context.WithCancel(soon(t))
			conn, err := (&net.Dialer{}).DialContext(ctx, network, s.Addr())
			do(t, err)
			co := &dns.Conn{Conn: conn}
			before := c.Count("dns", "")
			do(t, co.WriteMsg(new(dns.Msg).SetQuestion("lb.example.com.", dns.TypeA)))
			do(t, c.Await(soon(t), "dns", "", before+1))
			do(t, s.Close())
			if network == "udp" {
				// A second question makes the host say that nobody listens.
				do(t, co.WriteMsg(new(dns.Msg).SetQuestion("lb.example.com.", dns.TypeA)))
			}
			if m, err := co.ReadMsg(); err == nil {
				t.Errorf("%+v over %s: %v", f, network, m)
			}
			cancel()
			do(t, conn.Close())
		}
	}
}

func TestServeDNSAt(t *testing.T) {
	c, _, _ := newZone(t, Config{})
	s, err := ServeDNS(c, "127.0.0.1:0", DNSOptions{})
	do(t, err)
	addr := s.Addr()
	for _, taken := range []string{addr, "127.0.0.1", "192.0.2.1:0"} {
		if _, err := ServeDNS(c, taken, DNSOptions{}); err == nil {
			t.Errorf("served at %s", taken)
		}
	}
	// A port that is free for TCP alone is not free.
	do(t, s.Close())
	do(t, s.Close())
	conn, err := net.ListenPacket("udp", addr)
	do(t, err)
	if _, err := ServeDNS(c, addr, DNSOptions{}); err == nil {
		t.Error("served over TCP alone")
	}
	do(t, conn.Close())
	again, err := ServeDNS(c, addr, DNSOptions{})
	do(t, err)
	if m := ask(t, again, "udp", "example.com.", dns.TypeSOA, 0); again.Addr() != addr || len(m.Answer) != 1 {
		t.Errorf("serving at %s: %v", again.Addr(), m)
	}
	do(t, again.Close())
}
