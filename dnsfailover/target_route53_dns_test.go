package dnsfailover

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// resolver asks the zone's name server as a resolver does.
type resolver struct {
	t      testing.TB
	client dns.Client
	addr   string
}

func newResolver(l *lab) *resolver {
	l.t.Helper()
	s, err := awstest.ServeDNS(l.cloud, "127.0.0.1:0", awstest.DNSOptions{})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			l.t.Error(err)
		}
	})
	return &resolver{t: l.t, client: dns.Client{Net: "tcp", Timeout: 30 * time.Second}, addr: s.Addr()}
}

// ask returns the address that a name has, and the TTL; none if there is no such name or record.
func (r *resolver) ask(ctx context.Context, name string, qtype uint16) (addr netip.Addr, ttl uint32, err error) {
	m, _, err := r.client.ExchangeContext(ctx, new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype), r.addr)
	if err != nil {
		return addr, 0, err
	}
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return addr, 0, fmt.Errorf("answered with %s", dns.RcodeToString[m.Rcode])
	}
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			addr, _ = netip.AddrFromSlice(rr.A.To4())
		case *dns.AAAA:
			addr, _ = netip.AddrFromSlice(rr.AAAA)
		}
		ttl = rr.Header().Ttl
	}
	return addr, ttl, nil
}

func (r *resolver) want(name string, qtype uint16, addr string, ttl uint32) {
	r.t.Helper()
	got, gotTTL, err := r.ask(r.t.Context(), name, qtype)
	if err != nil {
		r.t.Fatal(err)
	}
	if got.IsValid() && got.String() != addr || !got.IsValid() && addr != "" || gotTTL != ttl {
		r.t.Errorf("%s is %s for %d s in the DNS, want %s for %d s", name, got, gotTTL, addr, ttl)
	}
}

// A swap does not wait for the DNS, which shows the old value until the new one is in sync.
func TestPendingThenInSync(t *testing.T) {
	l := newLab(t)
	r := newResolver(l)
	lb1, lb2 := l.target("lb.example.com"), l.target("lb.example.com")
	created := l.swap(lb1, l.read(lb1), value(1, "lb1", 30, "203.0.113.1", "2001:db8::1"))
	r.want("lb.example.com", dns.TypeA, "203.0.113.1", 30)
	r.want("lb.example.com", dns.TypeAAAA, "2001:db8::1", 30)

	l.cloud.SetPropagation(time.Minute)
	taken := l.swap(lb2, created, value(2, "lb2", 10, "203.0.113.2"))
	l.ahead.Add(int64(30 * time.Second))
	l.swap(lb1, taken, value(3, "lb1", 10, "203.0.113.1", "2001:db8::1")) // while the change before is pending
	r.want("lb.example.com", dns.TypeA, "203.0.113.1", 30)
	l.ahead.Add(int64(30 * time.Second))
	r.want("lb.example.com", dns.TypeA, "203.0.113.2", 10)
	r.want("lb.example.com", dns.TypeAAAA, "", 0) // the holder has no IPv6
	l.ahead.Add(int64(30 * time.Second))
	r.want("lb.example.com", dns.TypeA, "203.0.113.1", 10)
	r.want("lb.example.com", dns.TypeAAAA, "2001:db8::1", 10)
}

// While two nodes take the name from each other, with faults of every kind between, nobody who asks is told that it does not
// exist: resolvers would remember that for a quarter of an hour.
func TestNameIsNeverAbsent(t *testing.T) {
	l := newLab(t)
	r := newResolver(l)
	nodes := []*Route53{l.target("lb.example.com"), l.target("lb.example.com")}
	from := l.swap(nodes[0], l.read(nodes[0]), value(1, "lb0", 60, "203.0.113.1"))
	l.cloud.SetPropagation(time.Millisecond)

	ctx, cancel := context.WithCancel(t.Context())
	type tally struct {
		absent  int
		answers map[netip.Addr]int
		err     error
	}
	asked := make(chan tally)
	go func() {
		sum := tally{answers: make(map[netip.Addr]int)}
		for ctx.Err() == nil && sum.err == nil {
			// With the test's own context, so that no question is cut off.
			addr, _, err := r.ask(t.Context(), "lb.example.com", dns.TypeA)
			switch {
			case err != nil:
				sum.err = err
			case !addr.IsValid():
				sum.absent++
			default:
				sum.answers[addr]++
			}
		}
		asked <- sum
	}()
	faults := []awstest.Fault{{Kind: awstest.Lose}, {Kind: awstest.Drop}, {Code: "Throttling"}, {Kind: awstest.Truncate}, {Code: "PriorRequestNotComplete"}}
	const swaps = 60
	for n := range swaps {
		if n%3 == 0 {
			l.fault(change, 1, faults[n/3%len(faults)])
		}
		to := value(uint64(n+2), fmt.Sprint("lb", n%2), 60, fmt.Sprint("203.0.113.", 1+n%2))
		r, err := nodes[n%2].Swap(l.ctx(), from, to)
		if err != nil {
			t.Fatal(err)
		}
		from = r
		// A question or two for every swap.
		if err := l.cloud.Await(l.ctx(), "dns", "", 2*n); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	sum := <-asked
	if sum.err != nil || sum.absent != 0 || len(sum.answers) != 2 {
		t.Errorf("%d answers that there is no such name, and %v, %v", sum.absent, sum.answers, sum.err)
	}
	t.Logf("%d swaps, answers %v, absent %d", swaps, sum.answers, sum.absent)
}
