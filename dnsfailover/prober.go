package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/probe"
)

const (
	// probeBound bounds a probe whatever the context allows.
	probeBound = 2 * time.Second

	// maxAsked is how many addresses are asked, all at once. A holder of ours has two at most.
	maxAsked = 16
)

// prober is the [Prober] of a configuration. Every probe is a new one, over new connections; of the last ones only the outcome is
// kept, for the status.
type prober struct {
	services  map[string]serviceProbe // by key
	reference *url.URL                // nil for none, or for this node's own address
	own       netip.Addr              // that is asked as the reference, if it is valid
	secrets   []PeerSecret

	mu     sync.Mutex
	latest map[probeOf]ProbeStatus
}

// serviceProbe is how to ask about a service.
type serviceProbe struct {
	witness *url.URL // nil for none
	ca      string
	foreign foreignCheck // nil for none
}

// probeOf names a probe: of a service, and of what.
type probeOf struct{ service, what string }

// ProbeStatus is how the last probe of a kind ended.
type ProbeStatus struct {
	What  string    `json:"what"` // witness, in mode all witness of a node, reference, or the record whose addresses were asked
	OK    bool      `json:"ok"`
	Error string    `json:"error,omitempty"` // why not
	Ended time.Time `json:"ended"`
}

// newProber makes the probes of a configuration. Self is this node at its present addresses, and secrets are those of the
// peers, without which only a certificate makes a witness. Nothing is asked yet, and no file read.
func newProber(cfg *Config, self Self, secrets []PeerSecret) (*prober, error) {
	p := &prober{services: map[string]serviceProbe{}, secrets: secrets, latest: map[probeOf]ProbeStatus{}}
	var err error
	switch cfg.Reference {
	case "":
	case referenceOwn:
		p.own = self.Public
		if !p.own.IsValid() {
			p.own = self.IPv6
		}
	default:
		if p.reference, err = url.Parse(cfg.Reference); err != nil {
			return nil, fmt.Errorf("reference: %w", err)
		}
	}
	for i := range cfg.Services {
		c := &cfg.Services[i]
		s := serviceProbe{ca: c.WitnessCA}
		if c.Witness != "" {
			if s.witness, err = url.Parse(c.Witness); err != nil {
				return nil, fmt.Errorf("service %s: witness: %w", c.Name, err)
			}
		}
		if c.ForeignCheck != "" {
			if s.foreign, err = newForeignCheck(c.ForeignCheck); err != nil {
				return nil, fmt.Errorf("service %s: foreign_check: %w", c.Name, err)
			}
		}
		p.services[c.key()] = s
	}
	return p, nil
}

// Witness implements [Prober]. One address that works is enough: nobody but a living holder has its certificate, or can sign.
func (p *prober) Witness(ctx context.Context, service string, home engine.Reading) bool {
	s := p.services[service]
	if s.witness == nil {
		return false
	}
	roots, noRoots := readRoots(s.ca)
	w := witness{url: s.witness, roots: roots, noRoots: noRoots, service: service, holder: home.Lease.Holder, secrets: p.secrets}
	addrs := addrsOf(home)
	errs := askAny(ctx, addrs[:min(len(addrs), maxAsked)], w.ask)
	what := "witness"
	if home.Lease.Members != "" {
		what = witnessOf(home.Lease.Holder)
	}
	return p.note(service, what, errs)
}

// witnessOf names the probe of one of the nodes in a record of mode all.
func witnessOf(node string) string { return "witness of " + node }

// Control implements [Prober]. Any answer of the reference will do, whatever its status: the way there is what matters.
func (p *prober) Control(ctx context.Context, service string) bool {
	var err error
	switch {
	case p.reference != nil:
		err = askReference(ctx, p.reference)
	case p.own.IsValid():
		// By TCP alone, since whether the process works is the self-checks' business: what they can't see is the way in.
		err = probe.TCP{Timeout: probeBound}.Check(ctx, net.JoinHostPort(p.own.String(), p.publicPort(service)))
	default:
		return false
	}
	return p.note(service, "reference", []error{err})
}

// publicPort is where clients of a service come in.
func (p *prober) publicPort(service string) string {
	if w := p.services[service].witness; w != nil {
		return portOf(w)
	}
	return "443"
}

// askReference asks at the address that the name has now.
func askReference(ctx context.Context, u *url.URL) error {
	c, err := urlChecker(u, nil, probeBound)
	if err != nil {
		return err
	}
	defer c.Close()
	err = c.Check(ctx, net.JoinHostPort(u.Hostname(), portOf(u)))
	if probe.KindOf(err) == probe.KindStatus {
		return nil
	}
	return err
}

// Foreign implements [Prober]. Something fails only if one of its addresses was seen to fail, and none works: what could not be
// asked, such as an IPv6 address from a node without IPv6, says nothing. Nor does something with so many addresses that
// it can't be what the nodes here are for.
func (p *prober) Foreign(ctx context.Context, service, target string, r engine.Reading) bool {
	check := p.services[service].foreign
	addrs := addrsOf(r)
	switch {
	case check == nil || len(addrs) == 0:
		return true
	case len(addrs) > maxAsked:
		p.note(service, target, []error{fmt.Errorf("%d addresses are too many to be asked, and are taken to work", len(addrs))})
		return true
	}
	errs := askAny(ctx, addrs, check)
	works := p.note(service, target, errs)
	return works || !slices.ContainsFunc(errs, seenToFail)
}

// seenToFail reports whether an error is the other side's. Of what is not known it is.
func seenToFail(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, errNoPing) {
		return false
	}
	for _, local := range []syscall.Errno{
		syscall.ENETUNREACH, syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT, syscall.EACCES, syscall.EPERM,
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
	} {
		if errors.Is(err, local) {
			return false
		}
	}
	return true
}

// addrsOf are the addresses of a reading.
func addrsOf(r engine.Reading) (addrs []netip.Addr) {
	for text := range strings.SplitSeq(r.Addrs, ",") {
		if a, err := netip.ParseAddr(text); err == nil {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

// askAny asks addresses, all at once, until one works. It returns nothing then, and otherwise the error of each.
func askAny(ctx context.Context, addrs []netip.Addr, ask func(context.Context, netip.Addr) error) []error {
	if len(addrs) == 0 {
		return []error{errors.New("there is no address to ask")}
	}
	ctx, cancel := context.WithTimeout(ctx, probeBound)
	defer cancel()
	ended := make(chan error, len(addrs))
	for _, a := range addrs {
		go func() { ended <- ask(ctx, a) }()
	}
	var errs []error
	worked := false
	for range addrs {
		err := <-ended
		if err == nil {
			worked = true
			cancel()
		}
		errs = append(errs, err)
	}
	if worked {
		return nil
	}
	return errs
}

// note keeps the outcome of a probe, and returns whether it passed.
func (p *prober) note(service, what string, errs []error) bool {
	err := errors.Join(errs...)
	s := ProbeStatus{What: what, OK: err == nil, Ended: time.Now()}
	if err != nil {
		s.Error = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latest[probeOf{service, what}] = s
	return s.OK
}

// status is how the last probes of a service ended, those of each kind that were made.
func (p *prober) status(service string) (all []ProbeStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for of, s := range p.latest {
		if of.service == service {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b ProbeStatus) int { return strings.Compare(a.What, b.What) })
	return all
}

var _ Prober = (*prober)(nil)
