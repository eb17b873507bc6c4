package fleet

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
)

// maxFilterValues is the number of filter values EC2 accepts in one DescribeInstances call.
const maxFilterValues = 200

// stateFilter is always part of a query: EC2 goes on listing terminated instances for about an hour.
const stateFilter = "instance-state-name"

// asgTag is the tag that EC2 Auto Scaling puts on the instances of a group.
const asgTag = "aws:autoscaling:groupName"

// Filter is one DescribeInstances filter. Its values are alternatives (OR); the filters of a query must all match (AND).
// Names and values are case-sensitive; `*` and `?` in a value are wildcards, a backslash takes their meaning away.
type Filter struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// Query says which running instances to look for, and where.
type Query struct {
	Source  awsconf.Source `json:"source"`
	Filters []Filter       `json:"filters"` // sorted by name, values sorted: equal queries have equal keys
}

// NewQuery builds a query from tags (key to alternatives), Auto Scaling group names (alternatives) and raw
// DescribeInstances filters (name to alternatives). It refuses a query without any of them, which would match every
// instance of the account, and anything EC2 would refuse.
func NewQuery(src awsconf.Source, tags map[string][]string, groups []string, raw map[string][]string) (Query, error) {
	if err := src.Validate(); err != nil {
		return Query{}, err
	}
	q := Query{Source: src}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if key == "" {
			return Query{}, errors.New("tag: the key is empty")
		}
		q.Filters = append(q.Filters, Filter{"tag:" + key, tags[key]})
	}
	if len(groups) > 0 {
		q.Filters = append(q.Filters, Filter{"tag:" + asgTag, groups})
	}
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		switch name {
		case "":
			return Query{}, errors.New("filter: the name is empty")
		case stateFilter:
			return Query{}, errors.New("filter instance-state-name: only running instances are ever used, remove this filter")
		}
		q.Filters = append(q.Filters, Filter{name, raw[name]})
	}
	if len(q.Filters) == 0 {
		return Query{}, errors.New("no tag, asg or filter: this would match every instance of the account; name at least one")
	}

	for _, f := range q.Filters {
		for _, s := range append(f.Values, f.Name) {
			if !utf8.ValidString(s) {
				return Query{}, fmt.Errorf("filter %q: not valid UTF-8", f.Name)
			}
		}
	}
	slices.SortFunc(q.Filters, func(a, b Filter) int { return cmp.Compare(a.Name, b.Name) })
	total := 1 // the state filter's own
	for i, f := range q.Filters {
		if i > 0 && q.Filters[i-1].Name == f.Name {
			return Query{}, fmt.Errorf("filter %s is given twice; put all its values on one line", f.Name)
		}
		if len(f.Values) == 0 {
			return Query{}, fmt.Errorf("filter %s has no value", f.Name)
		}
		values := slices.Clone(f.Values)
		slices.Sort(values)
		q.Filters[i].Values = slices.Compact(values)
		total += len(q.Filters[i].Values)
	}
	if total > maxFilterValues {
		return Query{}, fmt.Errorf("%d filter values, EC2 takes %d in one query; use wildcards or fewer values", total-1, maxFilterValues-1)
	}
	return q, nil
}

// Key tells equal queries from different ones; it is the same in every process and release.
func (q Query) Key() string {
	b, err := json.Marshal(q)
	if err != nil {
		panic("fleet: a query of strings did not marshal: " + err.Error())
	}
	return string(b)
}

// ID is a short form of the key, for file names and metrics.
func (q Query) ID() string {
	sum := sha256.Sum256([]byte(q.Key()))
	return hex.EncodeToString(sum[:12])
}

// String is the query as people write it, for logs, metrics and the admin API: "tag:Role=web in eu-west-1".
func (q Query) String() string {
	var b strings.Builder
	for i, f := range q.Filters {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(f.Name)
		b.WriteByte('=')
		b.WriteString(strings.Join(f.Values, ","))
	}
	if q.Source.Region != "" {
		b.WriteString(" in " + q.Source.Region)
	}
	if q.Source.RoleARN != "" {
		b.WriteString(" as " + q.Source.RoleARN)
	} else if q.Source.Profile != "" {
		b.WriteString(" with profile " + q.Source.Profile)
	}
	return b.String()
}
