package awstest

import (
	"slices"
	"strconv"
	"strings"
)

// maxFilterValues is how many filter values one call may have in all.
const maxFilterValues = 200

// Filter is one filter of a describe call. Its values are alternatives, and
// several filters must all match. See [pattern] for the wildcards.
type Filter struct {
	Name   string
	Values []string
}

// attribute appends what a thing has under a filter's name: nothing, one
// value, or several of which any may match.
type attribute[T any] func(thing *T, values []string) []string

// filters is the compiled form of all filters of a call.
type filters[T any] struct {
	all    []filter[T]
	values []string // used again for each thing
}

type filter[T any] struct {
	get      attribute[T]
	patterns []pattern
}

// compileFilters checks filters against the names that find knows.
func compileFilters[T any](in []Filter, find func(name string) (attribute[T], bool)) (*filters[T], error) {
	out := &filters[T]{all: make([]filter[T], len(in))}
	total := 0
	for n, f := range in {
		get, ok := find(f.Name)
		if !ok {
			return nil, invalid("InvalidParameterValue", "The filter '%s' is invalid", f.Name)
		}
		if len(f.Values) == 0 {
			return nil, invalid("MissingParameter", "The request must contain the parameter Filter.%d.Value", n+1)
		}
		if total += len(f.Values); total > maxFilterValues {
			return nil, invalid("FilterLimitExceeded",
				"The maximum number of filter values specified on a single call is %d", maxFilterValues)
		}
		out.all[n].get = get
		for _, v := range f.Values {
			out.all[n].patterns = append(out.all[n].patterns, compilePattern(v))
		}
	}
	return out, nil
}

// match reports whether a thing passes every filter.
func (f *filters[T]) match(thing *T) bool {
	for i := range f.all {
		f.values = f.all[i].get(thing, f.values[:0])
		if !slices.ContainsFunc(f.values, f.all[i].match) {
			return false
		}
	}
	return true
}

// match reports whether one of the alternatives matches a value.
func (f *filter[T]) match(value string) bool {
	for i := range f.patterns {
		if f.patterns[i].match(value) {
			return true
		}
	}
	return false
}

// instanceAttribute finds what a DescribeInstances filter looks at.
func instanceAttribute(name string) (attribute[Instance], bool) {
	if key, ok := strings.CutPrefix(name, "tag:"); ok && key != "" {
		return func(i *Instance, v []string) []string {
			if n, ok := i.findTag(key); ok {
				v = append(v, i.Tags[n].Value)
			}
			return v
		}, true
	}
	get, ok := instanceAttributes[name]
	return get, ok
}

// one is an attribute with one value, which counts as absent when empty.
func one(get func(*Instance) string) attribute[Instance] {
	return func(i *Instance, v []string) []string {
		if s := get(i); s != "" {
			v = append(v, s)
		}
		return v
	}
}

// each is an attribute with the values of every network interface.
func each(get func(*Interface, []string) []string) attribute[Instance] {
	return func(i *Instance, v []string) []string {
		for n := range i.Interfaces {
			v = get(&i.Interfaces[n], v)
		}
		return v
	}
}

var instanceAttributes = map[string]attribute[Instance]{
	"architecture":         one(func(i *Instance) string { return i.Architecture }),
	"availability-zone":    one(func(i *Instance) string { return i.Zone.Name }),
	"availability-zone-id": one(func(i *Instance) string { return i.Zone.ID }),
	"image-id":             one(func(i *Instance) string { return i.ImageID }),
	"instance-id":          one(func(i *Instance) string { return i.ID }),
	"instance-lifecycle":   one(func(i *Instance) string { return i.Lifecycle }),
	"instance-state-code":  one(func(i *Instance) string { return strconv.Itoa(int(i.State)) }),
	"instance-state-name":  one(func(i *Instance) string { return i.State.String() }),
	"instance-type":        one(func(i *Instance) string { return i.Type }),
	"ip-address":           one((*Instance).PublicIP),
	"owner-id":             one(func(i *Instance) string { return i.Account }),
	"private-ip-address":   one((*Instance).PrivateIP),
	"reservation-id":       one(func(i *Instance) string { return i.ReservationID }),
	"subnet-id":            one(func(i *Instance) string { return i.SubnetID }),
	"vpc-id":               one(func(i *Instance) string { return i.VPCID }),
	"tag-key": func(i *Instance, v []string) []string {
		for _, t := range i.Tags {
			v = append(v, t.Key)
		}
		return v
	},
	"tag-value": func(i *Instance, v []string) []string {
		for _, t := range i.Tags {
			v = append(v, t.Value)
		}
		return v
	},
	"network-interface.network-interface-id": each(func(n *Interface, v []string) []string { return append(v, n.ID) }),
	"network-interface.subnet-id":            each(func(n *Interface, v []string) []string { return append(v, n.SubnetID) }),
	"network-interface.attachment.device-index": each(func(n *Interface, v []string) []string {
		return append(v, strconv.Itoa(n.DeviceIndex))
	}),
	"network-interface.addresses.private-ip-address": each(func(n *Interface, v []string) []string {
		for _, a := range n.Addresses {
			v = append(v, a.Private)
		}
		return v
	}),
	"network-interface.ipv6-addresses.ipv6-address": each(func(n *Interface, v []string) []string {
		return append(v, n.IPv6...)
	}),
}
