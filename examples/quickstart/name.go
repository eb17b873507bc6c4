package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// held is what Route 53 says of the name that clients use.
type held struct {
	address string // "" if there is no such name
	by      string // the node that wrote it
	epoch   uint64
	at      string // the load balancer that clients reach there
}

// held asks the cloud, whatever state its API is in.
func (w *world) held() (h held) {
	if r, ok := w.cloud.Record(zoneID, siteName, "A"); ok {
		h.address = strings.Join(r.Values, ",")
	}
	if r, ok := w.cloud.Record(zoneID, record.LeaseName(siteName), "TXT"); ok && len(r.Values) == 1 {
		if lease, err := record.Decode(r.Values[0]); err == nil {
			h.by, h.epoch = lease.Holder, lease.Epoch
		}
	}
	h.at = w.balancerAt(h.address)
	return h
}

func (h held) String() string {
	if h.address == "" {
		return siteName + " is not there"
	}
	text := fmt.Sprintf("%s is %s, of %s, epoch %d", siteName, h.address, cmp.Or(h.by, "nobody"), h.epoch)
	if h.by != "" && h.at != h.by {
		text += ", and leads to " + cmp.Or(h.at, "nobody")
	}
	return text
}

// writes are the changes of records that were accepted, oldest first, and how many were refused or failed.
func (w *world) writes() (made []awstest.Call, refused int) {
	made, sent := w.carriedOut("ChangeResourceRecordSets")
	return made, sent - len(made)
}

// carriedOut are the calls of an action that went well, oldest first, and how many were sent in all.
func (w *world) carriedOut(action string) (done []awstest.Call, sent int) {
	for _, c := range w.cloud.Calls() {
		if c.Action != action || c.DryRun {
			continue
		}
		sent++
		if c.Code == "" && !c.Fault {
			done = append(done, c)
		}
	}
	return done, sent
}

// resolver asks a DNS server for one name, as resolvers do: an answer is good for its TTL, and no longer.
type resolver struct {
	server string
	name   string

	mu      sync.Mutex
	address string
	until   time.Time
}

// lookUp returns the address.
func (r *resolver) lookUp(ctx context.Context) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Now().Before(r.until) {
		return r.address, nil
	}
	q := new(dns.Msg).SetQuestion(dns.Fqdn(r.name), dns.TypeA)
	asked := time.Now()
	m, _, err := (&dns.Client{Timeout: 2 * time.Second}).ExchangeContext(ctx, q, r.server)
	if err != nil {
		return "", fmt.Errorf("looking up %s: %w", r.name, err)
	}
	for _, rr := range m.Answer {
		if a, ok := rr.(*dns.A); ok {
			r.address, r.until = a.A.String(), asked.Add(time.Duration(a.Hdr.Ttl)*time.Second)
			return r.address, nil
		}
	}
	return "", fmt.Errorf("looking up %s: no address: %s", r.name, dns.RcodeToString[m.Rcode])
}
