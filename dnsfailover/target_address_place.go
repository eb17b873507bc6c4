package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// place is a private address of an interface of this instance.
type place struct {
	iface, private string
}

// occupied says that a place can't get the address.
func (p place) occupied(other string) error {
	return fmt.Errorf("the private address %s of %s has another Elastic IP, %s: assign a secondary private address to the interface, "+
		"and name it with private_ip", p.private, p.iface, other)
}

// iface is what the metadata service says of a network interface.
type iface struct {
	id      string
	device  int
	private []string          // the primary one first
	public  map[string]string // by private address
}

const metadataInterfaces = "network/interfaces/macs/"

// place finds out where the address goes: what is configured, and what the instance metadata service says of the rest, which
// is asked each time, for what is free now may not be later. If it does not answer, the place before has to do. A private
// address that the target chooses is none of those to avoid.
func (t *ElasticIP) place(ctx context.Context, public string, avoid []string) (place, error) {
	if t.iface != "" && t.private != "" {
		return place{t.iface, t.private}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, metadataTime)
	defer cancel()
	found, err := t.findInterface(ctx)
	t.mu.Lock()
	defer t.mu.Unlock()
	var missing *outcomeError
	switch {
	case errors.As(err, &missing):
		return place{}, err
	case err != nil && (t.last == place{} || slices.Contains(avoid, t.last.private)):
		outcome := engine.Busy
		if OutcomeOf(err) == engine.Denied {
			outcome = engine.Denied
		}
		return place{}, &outcomeError{outcome, fmt.Errorf("nothing was sent, since the interface of this instance is not known: %w; "+
			"with the id of an interface and a private_ip nobody has to be asked", err)}
	case err != nil:
		return t.last, nil // it seldom changes, and EC2 refuses one that is gone
	}
	p, err := found.choose(t.private, public, avoid)
	if err != nil {
		return place{}, &outcomeError{engine.Denied, err}
	}
	t.last = p
	return p, nil
}

// choose chooses a private address of the interface.
func (f *iface) choose(private, public string, avoid []string) (place, error) {
	if private != "" {
		at := slices.Index(f.private, private)
		other := f.public[private]
		switch {
		case at < 0:
			return place{}, fmt.Errorf("the interface %s has no private address %s, but %s: assign it, or correct private_ip",
				f.id, private, strings.Join(f.private, ", "))
		case at > 0 && other != "" && other != public: // what a primary one has may be lent
			return place{}, place{f.id, private}.occupied(other)
		}
		return place{f.id, private}, nil
	}
	free := ""
	for _, p := range f.private[1:] {
		switch {
		case slices.Contains(avoid, p):
		case f.public[p] == public:
			return place{f.id, p}, nil
		case f.public[p] == "" && free == "":
			free = p
		}
	}
	switch {
	case free != "":
		return place{f.id, free}, nil
	case slices.Contains(avoid, f.private[0]):
		return place{}, fmt.Errorf("every private address of %s has another Elastic IP: assign a secondary one to it", f.id)
	}
	return place{f.id, f.private[0]}, nil
}

// findInterface finds the interface of the configuration among those of the instance.
func (t *ElasticIP) findInterface(ctx context.Context) (*iface, error) {
	macs, err := t.list(ctx, metadataInterfaces)
	if err != nil {
		return nil, err
	}
	var have []string
	for _, mac := range macs {
		f, err := t.readInterface(ctx, metadataInterfaces+mac+"/")
		if err != nil {
			return nil, err
		}
		if f.id == t.iface || t.iface == "" && f.device == t.device {
			return f, t.addresses(ctx, metadataInterfaces+mac+"/", f)
		}
		have = append(have, fmt.Sprintf("%s (device %d)", f.id, f.device))
	}
	if len(macs) == 0 {
		return nil, errors.New("the metadata service knows of no interface")
	}
	want := t.iface
	if want == "" {
		want = fmt.Sprintf("with the device index %d", t.device)
	}
	slices.Sort(have)
	return nil, &outcomeError{engine.Denied, fmt.Errorf("this instance has no interface %s, but %s: attach it, or correct the interface "+
		"of elastic_ip", want, strings.Join(have, ", "))}
}

// list returns the names below a path.
func (t *ElasticIP) list(ctx context.Context, path string) ([]string, error) {
	text, err := t.metadata(ctx, path)
	names := strings.Fields(text)
	for i := range names {
		names[i] = strings.TrimSuffix(names[i], "/")
	}
	return names, err
}

// readInterface reads which interface it is.
func (t *ElasticIP) readInterface(ctx context.Context, at string) (*iface, error) {
	id, err := t.metadata(ctx, at+"interface-id")
	if err != nil {
		return nil, err
	}
	number, err := t.metadata(ctx, at+"device-number")
	if err != nil {
		return nil, err
	}
	device, err := strconv.Atoi(number)
	if err != nil || !interfaceForm.MatchString(id) {
		return nil, fmt.Errorf("imds:%s: an interface %.40q with the device index %.40q", at, id, number)
	}
	return &iface{id: id, device: device}, nil
}

// addresses reads the addresses of an interface.
func (t *ElasticIP) addresses(ctx context.Context, at string, f *iface) error {
	text, err := t.metadata(ctx, at+"local-ipv4s")
	if err != nil {
		return err
	}
	f.private = strings.Fields(text)
	if len(f.private) == 0 || slices.ContainsFunc(f.private, func(s string) bool { return !isIPv4(s) }) {
		return fmt.Errorf("imds:%slocal-ipv4s: %.80q are not private addresses", at, text)
	}
	public, err := t.list(ctx, at+"ipv4-associations/")
	if err != nil {
		return err
	}
	f.public = make(map[string]string)
	for _, p := range public {
		text, err := t.metadata(ctx, at+"ipv4-associations/"+p)
		if err != nil {
			return err
		}
		for _, private := range strings.Fields(text) {
			f.public[private] = p
		}
	}
	return nil
}

// borderGroup is the network border group of an availability zone, and empty if that is not known: the name without the letter,
// which is the region, and for a local zone a name of its own.
func borderGroup(zone string) string {
	return strings.TrimRight(zone, "abcdefghijklmnopqrstuvwxyz")
}
