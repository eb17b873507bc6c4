package awstest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxMetadataTTL is the longest life of a metadata token, in seconds.
const maxMetadataTTL = 21600

// MetadataOptions is how an instance's metadata service is set up, and from
// where it is asked.
type MetadataOptions struct {
	// HopLimit is how many network hops an answer to a token request lives.
	// Instances are launched with 1.
	HopLimit int

	// Hops is how many hops the asking program is away: 1 on the instance, 2
	// in a container on a bridge network. With more than HopLimit the answer
	// to a token request never arrives; other answers have no such limit.
	Hops int

	// TokensOptional also allows requests without a token, as IMDSv1 does.
	TokensOptional bool

	// InstanceTags shows the instance's tags below tags/instance/.
	InstanceTags bool

	// Disabled refuses every request with 403.
	Disabled bool
}

// SetMetadataOptions changes how an instance's metadata service is set up.
func (c *Cloud) SetMetadataOptions(id string, o MetadataOptions) error {
	return c.operate(id, func(m *machine, _ time.Time) error {
		m.options = o
		return nil
	})
}

// SetMetadata sets what the metadata service says at a path below
// /latest/meta-data/, such as spot/instance-action. With "" there is nothing,
// whatever was there by itself.
func (c *Cloud) SetMetadata(id, path, value string) error {
	return c.operate(id, func(m *machine, _ time.Time) error {
		if m.overrides == nil {
			m.overrides = make(map[string]string)
		}
		m.overrides[path] = value
		return nil
	})
}

// metadataSession is what a metadata token is good for.
type metadataSession struct {
	instance string
	expires  time.Time
}

// metadataStatus is a refusal of the metadata service, which speaks in HTTP
// statuses alone.
func metadataStatus(status int) *Error {
	return &Error{Status: status, Code: strings.ReplaceAll(http.StatusText(status), " ", ""), Message: http.StatusText(status)}
}

// metadataToken asks for a token that is good for ttl seconds.
func (c *Cloud) metadataToken(id, ttl string, forwarded bool) operation {
	return operation{
		service: "imds", action: "api/token", open: true, empty: "",
		run: func(Caller) (any, error) {
			m, now, err := c.metadataOf(id)
			seconds, notNumber := strconv.Atoi(ttl)
			switch {
			case err != nil:
				return nil, err
			case forwarded:
				return nil, metadataStatus(http.StatusForbidden)
			case notNumber != nil || seconds < 1 || seconds > maxMetadataTTL:
				return nil, metadataStatus(http.StatusBadRequest)
			case m.options.Hops > m.options.HopLimit:
				return nil, errUnreachable
			}
			for name, s := range c.sessions {
				if !now.Before(s.expires) {
					delete(c.sessions, name)
				}
			}
			token := c.hex(56)
			c.sessions[token] = metadataSession{m.ID, now.Add(time.Duration(seconds) * time.Second)}
			return token, nil
		},
	}
}

// errUnreachable is an answer that dies on the way: the client hears nothing
// and isn't told so.
var errUnreachable = &Error{Code: "HopLimit", Message: "the answer did not reach the client"}

// metadataGet asks for a path below /latest/.
func (c *Cloud) metadataGet(id, path, token string) operation {
	return operation{
		service: "imds", action: strings.TrimSuffix(path, "/"), open: true, empty: "",
		run: func(Caller) (any, error) {
			m, now, err := c.metadataOf(id)
			if err != nil {
				return nil, err
			}
			s, known := c.sessions[token]
			if token == "" && m.options.TokensOptional {
				s, known = metadataSession{m.ID, now.Add(time.Second)}, true
			}
			if !known || s.instance != m.ID || !now.Before(s.expires) {
				return nil, metadataStatus(http.StatusUnauthorized)
			}
			return c.metadataTree(m, now).get(path)
		},
	}
}

// metadataOf returns the machine that an instance's metadata service is part
// of. A machine that is off has none.
func (c *Cloud) metadataOf(id string) (*machine, time.Time, error) {
	now := c.settle()
	m := c.machines[id]
	if m == nil || m.State == Stopped || m.State == Terminated {
		return nil, now, ErrNoAnswer
	}
	if m.options.Disabled {
		return nil, now, metadataStatus(http.StatusForbidden)
	}
	return m, now, nil
}

// metadataTree is everything that a metadata service has to say, by the path
// below /latest/.
type metadataTree map[string]func() string

func (t metadataTree) set(path, value string) {
	if value == "" {
		delete(t, path)
		return
	}
	t[path] = func() string { return value }
}

// get returns the value at a path, or the names below it: those with more
// below them end in a slash.
func (t metadataTree) get(path string) (string, error) {
	path = strings.TrimSuffix(path, "/")
	if value, ok := t[path]; ok {
		return value(), nil
	}
	if path != "" {
		path += "/"
	}
	var names []string
	for p := range t {
		if rest, ok := strings.CutPrefix(p, path); ok {
			name, _, deeper := strings.Cut(rest, "/")
			if deeper {
				name += "/"
			}
			names = append(names, name)
		}
	}
	if names == nil {
		return "", metadataStatus(http.StatusNotFound)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), "\n"), nil
}
