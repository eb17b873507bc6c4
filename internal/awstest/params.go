package awstest

import (
	"net/url"
	"slices"
	"strconv"
)

// params are the parameters of a query request. What has been asked for is
// taken out; what is left at the end was never known.
type params struct {
	values map[string]string
	err    error // the first thing wrong
}

func newParams(form url.Values) *params {
	p := &params{values: make(map[string]string, len(form))}
	for name, values := range form {
		if len(values) > 1 {
			p.fail(invalid("InvalidParameterValue", "The parameter %s is given more than once", name))
		}
		p.values[name] = values[0]
	}
	return p
}

func (p *params) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// finish returns what is wrong with the parameters.
func (p *params) finish() error {
	if p.err == nil && len(p.values) > 0 {
		var names []string
		for name := range p.values {
			names = append(names, name)
		}
		return invalid("UnknownParameter", "The parameter %s is not recognized", slices.Min(names))
	}
	return p.err
}

// take returns a parameter and whether it is there.
func (p *params) take(name string) (string, bool) {
	s, ok := p.values[name]
	delete(p.values, name)
	return s, ok
}

// text returns a parameter, or "".
func (p *params) text(name string) string {
	s, _ := p.take(name)
	return s
}

// required returns a parameter that must be there.
func (p *params) required(name string) string {
	s, ok := p.take(name)
	if !ok {
		p.fail(invalid("MissingParameter", "The request must contain the parameter %s", name))
	}
	return s
}

// boolean returns a parameter that is true or false, by default false.
func (p *params) boolean(name string) bool {
	s, ok := p.take(name)
	if ok && s != "true" && s != "false" {
		p.fail(invalid("InvalidParameterValue", "Invalid value '%s' for parameter %s", s, name))
	}
	return s == "true"
}

// integer returns a number and whether it is there.
func (p *params) integer(name string) (int, bool) {
	s, ok := p.take(name)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		p.fail(invalid("InvalidParameterValue", "Invalid value '%s' for parameter %s", s, name))
	}
	return n, true
}

// list returns name.1, name.2 and so on.
func (p *params) list(name string) []string {
	var all []string
	for {
		s, ok := p.take(name + "." + strconv.Itoa(len(all)+1))
		if !ok {
			return all
		}
		all = append(all, s)
	}
}

// filters returns Filter.1.Name, Filter.1.Value.1 and so on.
func (p *params) filters() []Filter {
	var all []Filter
	for {
		at := "Filter." + strconv.Itoa(len(all)+1)
		name, ok := p.take(at + ".Name")
		if !ok {
			return all
		}
		all = append(all, Filter{name, p.list(at + ".Value")})
	}
}

// tags returns prefix.1.Key, prefix.1.Value and so on. A tag that comes
// without a Value has nil for it.
func (p *params) tags(prefix string) map[string]*string {
	all := make(map[string]*string)
	for n := 1; ; n++ {
		at := prefix + "." + strconv.Itoa(n)
		key, ok := p.take(at + ".Key")
		if !ok {
			return all
		}
		if _, twice := all[key]; twice {
			p.fail(invalid("InvalidParameterValue", "Duplicate tag key '%s' specified.", key))
		}
		all[key] = nil
		if value, ok := p.take(at + ".Value"); ok {
			all[key] = &value
		}
	}
}

// tagValues returns the same, where no Value is an empty one.
func (p *params) tagValues(prefix string) map[string]string {
	all := make(map[string]string)
	for key, value := range p.tags(prefix) {
		all[key] = ""
		if value != nil {
			all[key] = *value
		}
	}
	return all
}
