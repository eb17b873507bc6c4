package dnsfailover

import (
	"context"
	"fmt"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
)

// Remove sends one batch that deletes the record and its lease exactly as they were read. That nothing is there any more is
// success, whoever has deleted it; a record that is not as it was read stays, which is an [ErrConflict]. A batch is sent
// again as [Route53.Swap] does it: one that arrives late finds what it was made for, or changes nothing.
//
// It is for names of one node. A name that several nodes share is never absent.
func (t *Route53) Remove(ctx context.Context, from engine.Reading) error {
	if err := t.remove(ctx, from); err != nil {
		return fmt.Errorf("deleting %s in hosted zone %s: %w", t.name, t.zone, err)
	}
	return nil
}

func (t *Route53) remove(ctx context.Context, from engine.Reading) error {
	old, ok := from.Raw.([]record.Set)
	switch {
	case from.Refuse != "":
		return &outcomeError{engine.Denied, fmt.Errorf("it stays as it is: %s", from.Refuse)}
	case !ok:
		return &outcomeError{engine.Denied, fmt.Errorf("what was read of %s is not the reading of a record", t.name)}
	case len(old) == 0:
		return nil
	}
	if err := ctx.Err(); err != nil {
		return &outcomeError{engine.Busy, fmt.Errorf("nothing was sent: %w", err)}
	}
	changes := make([]record.Change, 0, len(old))
	for _, s := range old {
		changes = append(changes, record.Change{Delete: true, Set: s})
	}
	var unsure error // of an attempt that may yet be carried out
	for n := 1; ; n++ {
		err := t.write(ctx, changes, from.Lease.Epoch)
		outcome := OutcomeOf(err)
		switch outcome {
		case engine.Done:
			return nil
		case engine.Conflict, engine.Unknown:
			seen, readErr := t.Read(ctx)
			switch {
			case readErr != nil:
				return &outcomeError{engine.Unknown, fmt.Errorf("%w; and whether it was made is not known: %w", err, readErr)}
			case seen.Refuse == "" && !seen.Exists && seen.Lease == engine.Lease{}:
				return nil
			case seen.Token != from.Token:
				return fmt.Errorf("%w: %w", ErrConflict, err)
			case outcome == engine.Conflict:
				return &outcomeError{engine.Denied, fmt.Errorf("refused, although the record is as it was read: %w", err)}
			}
			unsure = err
		}
		if outcome == engine.Denied || !t.again(ctx, n) {
			if unsure != nil && outcome != engine.Unknown {
				err = &outcomeError{engine.Unknown, fmt.Errorf("%w; and then: %w", unsure, err)}
			}
			return err
		}
	}
}
