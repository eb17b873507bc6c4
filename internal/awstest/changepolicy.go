package awstest

import (
	"slices"
	"strings"
)

// ChangePolicy is a statement of an IAM policy that allows
// ChangeResourceRecordSets on every zone under conditions. They are Route 53's
// condition keys with ForAllValues: each change of the batch must fit. An
// empty list is no condition.
type ChangePolicy struct {
	// Names are patterns of route53:ChangeResourceRecordSetsNormalizedRecordNames:
	// lower case, no dot at the end, other characters escaped (\052).
	Names []string

	// Types are those of route53:ChangeResourceRecordSetsRecordTypes.
	Types []string

	// Actions are those of route53:ChangeResourceRecordSetsActions. Without
	// Upsert in it, AWS itself sees to it that changes are compared and
	// swapped.
	Actions []ChangeAction
}

// changePolicies are the statements of one call of AllowChanges.
type changePolicies struct{ statements []ChangePolicy }

// AllowChanges allows only those batches that fit at least one of the policies
// as a whole, and refuses the others with AccessDenied, until it is lifted. With
// several such limits in force a batch must fit each.
func (c *Cloud) AllowChanges(policies ...ChangePolicy) (lift func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &changePolicies{policies}
	c.policies = append(c.policies, p)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.policies = slices.DeleteFunc(c.policies, func(q *changePolicies) bool { return q == p })
	}
}

// allows reports whether the policies allow a batch.
func (c *Cloud) allows(changes []Change) bool {
	return !slices.ContainsFunc(c.policies, func(p *changePolicies) bool {
		return !slices.ContainsFunc(p.statements, func(s ChangePolicy) bool { return s.fits(changes) })
	})
}

// fits reports whether a batch meets all conditions of the statement.
func (s ChangePolicy) fits(changes []Change) bool {
	return !slices.ContainsFunc(changes, func(ch Change) bool {
		name, err := parseName(ch.Set.Name)
		if err != nil {
			name = ch.Set.Name
		}
		name = strings.TrimSuffix(name, ".")
		named := len(s.Names) == 0 || slices.ContainsFunc(s.Names, func(p string) bool {
			// In a policy the backslash stands for itself.
			return compilePattern(strings.ReplaceAll(p, `\`, `\\`)).match(name)
		})
		return !named || len(s.Types) > 0 && !slices.Contains(s.Types, ch.Set.Type) ||
			len(s.Actions) > 0 && !slices.Contains(s.Actions, ch.Action)
	})
}
