package dnsfailover

import (
	"context"
	"fmt"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// Swap associates the address, which must be free, with this instance, and never takes it from anybody: of several that
// try, one has it, and the others have an [ErrConflict]. It is sent again, twice at most, if it was not carried out, or
// there is no telling and the address is still free. A write that is refused, or not answered, is looked for at the
// address, which is this instance's then. Of the value nothing is written, for an address has no lease.
//
// Before it says so, it reads back. A reading that shows the address free, or as it was here before, is of the past and not
// believed, but one that shows it with another instance is, if it is read twice.
//
// If it chooses the private address itself, and that turns out to have another Elastic IP, the next one is tried.
func (t *ElasticIP) Swap(ctx context.Context, from engine.Reading, _ engine.Value) (engine.Reading, error) {
	r, err := t.swap(ctx, from)
	if err != nil {
		return engine.Reading{}, fmt.Errorf("associating the Elastic IP %s with %s: %w", t.address, t.instance, err)
	}
	return r, nil
}

func (t *ElasticIP) swap(ctx context.Context, from engine.Reading) (engine.Reading, error) {
	old, err := judged(from)
	if err != nil {
		return engine.Reading{}, err
	}
	if from.Exists {
		return engine.Reading{}, &outcomeError{engine.Denied, fmt.Errorf("it is not free, but with %s", from.Instance)}
	}
	var taken []string // private addresses that have other Elastic IPs
	to, err := t.place(ctx, old.public, nil)
	if err != nil {
		return engine.Reading{}, err
	}
	if err := ctx.Err(); err != nil {
		return engine.Reading{}, &outcomeError{engine.Busy, fmt.Errorf("nothing was sent: %w", err)}
	}
	t.mu.Lock()
	before := t.mine // has ended, for the address was free: to see it again is to see the past
	t.mu.Unlock()
	var unsure error // of an attempt that may yet be carried out
	for n := 1; ; n++ {
		id, err := t.begin(ctx, old.allocation, to)
		outcome := addressOutcome(err)
		switch outcome {
		case engine.Done:
			old.id, old.instance = id, t.instance
			t.mu.Lock()
			t.mine, t.seen = id, old
			t.mu.Unlock()
			return t.confirm(ctx, old)
		case engine.Conflict, engine.Unknown:
			now, readErr := t.look(ctx)
			switch {
			case readErr != nil:
				err = fmt.Errorf("%w; and whether it was done is not known: %w", err, readErr)
				return engine.Reading{}, &outcomeError{engine.Unknown, err}
			case now.Exists && now.Instance == t.instance && (outcome == engine.Conflict || now.Token != before):
				return now, nil
			case now.Exists && now.Instance != t.instance:
				return engine.Reading{}, fmt.Errorf("%w: %s has it: %w", ErrConflict, now.Instance, err)
			case outcome == engine.Conflict:
				// The address is free, and yet refused.
				if to, err = t.elsewhere(ctx, old.public, to, &taken, err); err != nil {
					return engine.Reading{}, err
				}
				n-- // the number of private addresses ends this
				continue
			}
			unsure = err
		}
		if outcome == engine.Denied || !t.again(ctx, n) {
			return engine.Reading{}, stillUnsure(unsure, outcome, err)
		}
	}
}

// elsewhere finds out why an address that is free can't be associated. If its place has another one, and was not
// configured, it returns the next place.
func (t *ElasticIP) elsewhere(ctx context.Context, public string, to place, taken *[]string, refused error) (place, error) {
	other, err := t.occupant(ctx, to)
	switch {
	case err != nil:
		return place{}, fmt.Errorf("%w: %w; and why is not known: %w", ErrConflict, refused, err)
	case other == "" || other == public:
		return place{}, fmt.Errorf("%w: somebody was faster, and EC2 does not show it yet: %w", ErrConflict, refused)
	}
	*taken = append(*taken, to.private)
	if t.private == "" {
		if next, err := t.place(ctx, public, *taken); OutcomeOf(err) != engine.Denied {
			return next, err
		}
	}
	return place{}, &outcomeError{engine.Denied, fmt.Errorf("%w: %w", to.occupied(other), refused)}
}

// confirm reads back what was associated. The answer that it was is worth more than a reading that does not show it yet,
// or can't be had.
func (t *ElasticIP) confirm(ctx context.Context, a association) (engine.Reading, error) {
	told := engine.Reading{Token: a.id, Exists: true, Addrs: a.public, Instance: a.instance, Raw: a}
	before := ""
	for n := 1; ; n++ {
		now, err := t.look(ctx)
		if other := err == nil && now.Exists && now.Instance != t.instance; !other {
			return told, nil
		}
		if now.Token == before {
			return engine.Reading{}, fmt.Errorf("%w: it was associated as %s, and then taken by %s", ErrConflict, a.id, now.Instance)
		}
		before = now.Token
		if !t.again(ctx, n) {
			return told, nil
		}
	}
}

// Check finds out whether this node may move the address, without doing it: that the address can be read, that its
// place here exists, and that the credentials have the permissions. That to disassociate can be checked only while the
// address is associated.
func (t *ElasticIP) Check(ctx context.Context) error {
	if err := t.check(ctx); err != nil {
		return fmt.Errorf("checking whether the Elastic IP %s can be moved here: %w", t.address, err)
	}
	return nil
}

func (t *ElasticIP) check(ctx context.Context) error {
	r, err := t.look(ctx)
	if err != nil {
		return err
	}
	a, err := judged(r)
	if err != nil {
		return err
	}
	to, err := t.place(ctx, a.public, nil)
	if err != nil {
		return err
	}
	return t.try(ctx, a, to)
}
