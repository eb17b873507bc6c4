package ec2upstreams

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
	"github.com/caddy-ec2/caddy-ec2/internal/probe"
)

// Defaults of a pool.
const (
	defaultRefresh   = caddy.Duration(fleet.DefaultRefresh)
	minRefresh       = caddy.Duration(time.Second)
	defaultZoneShare = 0.7
	defaultInterval  = caddy.Duration(2 * time.Second)
	defaultTimeout   = caddy.Duration(2 * time.Second)
	minInterval      = caddy.Duration(100 * time.Millisecond)
	defaultPasses    = 2
	defaultFails     = 2
	defaultStatus    = "2xx"
	// longest is beyond what any of the durations can mean.
	longest = caddy.Duration(24 * time.Hour)
)

// Pool says which instances are backends, how they are reached, and how they are checked. All strings may hold global
// placeholders such as `{env.ROLE}`.
type Pool struct {
	// The AWS region to look in. Default: the AWS_REGION environment variable or the profile's region, else the
	// region of the instance that Caddy runs on.
	Region string `json:"region,omitempty"`
	// A profile of the shared AWS configuration files. Default: the SDK's own chain (environment variables, then
	// the instance's role).
	Profile string `json:"profile,omitempty"`
	// A role to assume for the query, such as one of another account. Default: none.
	RoleARN string `json:"role_arn,omitempty"`
	// The external id that the role demands. Needs role_arn.
	ExternalID string `json:"external_id,omitempty"`
	// The URL of the EC2 API, for a VPC endpoint or an emulator. Default: AWS_ENDPOINT_URL, else the region's own.
	Endpoint string `json:"endpoint,omitempty"`

	// Tags an instance must carry, all of them: key to accepted values. `*` and `?` in a value are wildcards;
	// keys and values are case-sensitive.
	Tags map[string][]string `json:"tags,omitempty"`
	// Auto Scaling groups, one of which an instance must belong to.
	ASG []string `json:"asg,omitempty"`
	// Further DescribeInstances filters: name to accepted values. At least one tag, group or filter is needed.
	Filters map[string][]string `json:"filters,omitempty"`

	// The port of every backend, or of those without port_tag. Needed unless port_tag is given.
	Port int `json:"port,omitempty"`
	// A tag that holds the port. An instance without it uses port; without that it is left out.
	PortTag string `json:"port_tag,omitempty"`
	// Which address to dial: `private` (IPv4, the default), `public` (IPv4), `ipv6`, or `tag` for address_tag.
	Address string `json:"address,omitempty"`
	// A tag that holds the IP address or host name to dial. Needs address to be `tag`.
	AddressTag string `json:"address_tag,omitempty"`

	// How often to ask EC2. Default: 10s; at least 1s. Shorter finds changes sooner; the calls count against limits that
	// all tools of the account share (one call per 1,000 instances, 20 a second at most).
	Refresh caddy.Duration `json:"refresh,omitempty"`

	// Prefer backends in the load balancer's own availability zone. Default: all zones alike.
	PreferZone *ZonePreference `json:"prefer_zone,omitempty"`
	// A tag that takes an instance out of service: it gets no new requests while it carries it. Default: none.
	DrainTag string `json:"drain_tag,omitempty"`
	// The value that the drain tag must have. Default: any.
	DrainValue string `json:"drain_value,omitempty"`
	// A tag that holds a backend's weight, 0 to 1000; 0 means no new requests. Needs a subset. Default: none.
	WeightTag string `json:"weight_tag,omitempty"`
	// The weight of instances without the tag. Default: 100; 0 is the default too.
	DefaultWeight int `json:"default_weight,omitempty"`
	// How long a backend that came up takes to grow from a tenth of its weight to all of it. Needs a subset. Default: 0, at once.
	SlowStart caddy.Duration `json:"slow_start,omitempty"`

	// How backends are checked. Default: a TCP connection to the backend's port.
	Health *HealthCheck `json:"health,omitempty"`
}

// ZonePreference keeps requests in the load balancer's own availability zone while enough of it works.
type ZonePreference struct {
	// The share of the zone's backends that must be healthy, above 0 and at most 1. Default: 0.7; 0 is the default too.
	Share float64 `json:"share,omitempty"`
	// The own zone, by name or id. Default: what the instance metadata service says.
	Zone string `json:"zone,omitempty"`
}

// HealthCheck says how a backend is checked and how many results in a row count. The first check of a new backend counts
// alone. An https transport of the reverse_proxy makes https checks, with its TLS settings.
type HealthCheck struct {
	// Only connect, by TCP. This is the default when uri is empty.
	TCP bool `json:"tcp,omitempty"`
	// The path and query of the HTTP request to check with. Default: none, which checks by TCP.
	URI string `json:"uri,omitempty"`
	// The port to check. Default: 0, the backend's own.
	Port int `json:"port,omitempty"`
	// Time between two checks of a backend. Default: 2s; at least 100ms. A result that contradicts the backend's
	// state is looked at again after a quarter of it.
	Interval caddy.Duration `json:"interval,omitempty"`
	// How long a whole check may take. Default: 2s.
	Timeout caddy.Duration `json:"timeout,omitempty"`
	// How many passes in a row bring an unhealthy backend back. Default: 2; 0 is the default too.
	Passes int `json:"passes,omitempty"`
	// How many failures in a row take a healthy backend out. Default: 2; 0 is the default too. 1 is quickest, and takes a
	// backend out for one lost packet.
	Fails int `json:"fails,omitempty"`
	// The expected status: a code such as `200` or a class such as `2xx`. Default: 2xx.
	Status string `json:"status,omitempty"`
	// A regular expression that the body must match. Default: any body.
	Body string `json:"body,omitempty"`
	// Request headers; Host sets the host, and the TLS server name.
	Headers http.Header `json:"headers,omitempty"`
	// The request method. Default: GET.
	Method string `json:"method,omitempty"`
	// The request body. Default: none.
	RequestBody string `json:"request_body,omitempty"`
	// Follow redirects, always to the same backend. Default: no, a redirect is judged by its own status.
	FollowRedirects bool `json:"follow_redirects,omitempty"`
}

// Fallback is what serves when nothing above it is healthy: a pool or fixed addresses.
type Fallback struct {
	// Settings that are left out are those of the pool above. Tags, groups and filters count as one setting.
	Pool
	// Addresses (host:port) that are used unchecked. Only the last fallback can be static, and it can have nothing else.
	Static []string `json:"static,omitempty"`
}

// inherit fills what p leaves out from the pool above it.
func (p *Pool) inherit(above *Pool) {
	own := func(set bool, take func()) {
		if !set {
			take()
		}
	}
	own(p.Region != "", func() { p.Region = above.Region })
	own(p.Profile != "", func() { p.Profile = above.Profile })
	own(p.RoleARN != "" || p.ExternalID != "", func() { p.RoleARN, p.ExternalID = above.RoleARN, above.ExternalID })
	own(p.Endpoint != "", func() { p.Endpoint = above.Endpoint })
	own(len(p.Tags)+len(p.ASG)+len(p.Filters) > 0, func() { p.Tags, p.ASG, p.Filters = above.Tags, above.ASG, above.Filters })
	own(p.Port != 0 || p.PortTag != "", func() { p.Port, p.PortTag = above.Port, above.PortTag })
	own(p.Address != "", func() { p.Address, p.AddressTag = above.Address, above.AddressTag })
	own(p.Refresh != 0, func() { p.Refresh = above.Refresh })
	own(p.PreferZone != nil, func() { p.PreferZone = above.PreferZone })
	own(p.DrainTag != "", func() { p.DrainTag, p.DrainValue = above.DrainTag, above.DrainValue })
	own(p.WeightTag != "" || p.DefaultWeight != 0, func() { p.WeightTag, p.DefaultWeight = above.WeightTag, above.DefaultWeight })
	own(p.SlowStart != 0, func() { p.SlowStart = above.SlowStart })
	own(p.Health != nil, func() { p.Health = above.Health })
}

// settings checks the configuration and fills in the defaults. Its errors name the Caddyfile's options.
func (p *Pool) settings(mode pickMode) (poolSettings, error) {
	src := awsconf.Source{Region: p.Region, Profile: p.Profile, RoleARN: p.RoleARN, ExternalID: p.ExternalID, Endpoint: p.Endpoint}
	q, err := fleet.NewQuery(src, p.Tags, p.ASG, p.Filters)
	if err != nil {
		return poolSettings{}, err
	}
	s := poolSettings{
		Query: q, Port: p.Port, PortTag: p.PortTag, Address: addressKind(p.Address), AddressTag: p.AddressTag,
		DrainTag: p.DrainTag, DrainValue: p.DrainValue, WeightTag: p.WeightTag, DefaultWeight: p.DefaultWeight,
		SlowStart: time.Duration(p.SlowStart), Mode: mode,
	}
	if s.Address == "" {
		s.Address = addressPrivate
	}
	if s.DefaultWeight == 0 {
		s.DefaultWeight = defaultWeight
	}
	if z := p.PreferZone; z != nil {
		s.PreferZone, s.ZoneShare, s.OwnZone = true, z.Share, z.Zone
		if s.ZoneShare == 0 {
			s.ZoneShare = defaultZoneShare
		}
	}
	if err := errors.Join(p.check(&s)...); err != nil {
		return poolSettings{}, err
	}
	s.Check, err = p.Health.settings()
	return s, err
}

// check returns all that is wrong with the options that are not part of the query or the health check.
func (p *Pool) check(s *poolSettings) (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.Port == 0 && s.PortTag == "" {
		bad("port is missing: write port 8080, or port tag NAME [DEFAULT]")
	}
	if s.Port < 0 || s.Port > 65535 {
		bad("port %d is not between 1 and 65535", s.Port)
	}
	switch s.Address {
	case addressPrivate, addressPublic, addressIPv6:
		if s.AddressTag != "" {
			bad("address_tag %s has no effect with address %s; write address tag %s", s.AddressTag, s.Address, s.AddressTag)
		}
	case addressTag:
		if s.AddressTag == "" {
			bad("address tag needs the name of the tag")
		}
	default:
		bad("address %s is none of private, public, ipv6, tag NAME", s.Address)
	}
	if p.Refresh != 0 && (p.Refresh < minRefresh || p.Refresh > longest) {
		bad("refresh %s is not between %s and %s", time.Duration(p.Refresh), time.Duration(minRefresh), time.Duration(longest))
	}
	if s.PreferZone && (s.ZoneShare <= 0 || s.ZoneShare > 1) {
		bad("zone prefer %g%% is not above 0%% and at most 100%%", s.ZoneShare*100)
	}
	if s.DrainTag == "" && s.DrainValue != "" {
		bad("drain_value %s needs a drain_tag", s.DrainValue)
	}
	if s.DefaultWeight < 0 || s.DefaultWeight > maxWeight {
		bad("weight %d is not between 1 and %d", s.DefaultWeight, maxWeight)
	}
	if s.WeightTag == "" && p.DefaultWeight != 0 {
		bad("default_weight needs a weight_tag")
	}
	if s.SlowStart < 0 || s.SlowStart > time.Duration(longest) {
		bad("slow_start %s is not between 0s and %s", s.SlowStart, time.Duration(longest))
	}
	if s.Mode == pickAll {
		if s.WeightTag != "" {
			bad("weight needs subset: without it Caddy's lb_policy chooses, which knows no weights")
		}
		if s.SlowStart > 0 {
			bad("slow_start needs subset: without it Caddy's lb_policy chooses, which knows no weights")
		}
	}
	return errs
}

// settings checks a health check and fills in the defaults. A nil one is the default check.
func (h *HealthCheck) settings() (checkSettings, error) {
	if h == nil {
		h = &HealthCheck{}
	}
	c := checkSettings{
		TCP: h.URI == "", URI: h.URI, Port: h.Port, RequestBody: h.RequestBody, Body: h.Body, FollowRedirects: h.FollowRedirects,
		Interval: time.Duration(h.Interval), Timeout: time.Duration(h.Timeout), Passes: h.Passes, Fails: h.Fails,
	}
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	within := func(name string, d *time.Duration, byDefault, least caddy.Duration) {
		if *d == 0 {
			*d = time.Duration(byDefault)
		}
		if *d < time.Duration(least) || *d > time.Duration(longest) {
			bad("%s %s is not between %s and %s", name, *d, time.Duration(least), time.Duration(longest))
		}
	}
	within("health_interval", &c.Interval, defaultInterval, minInterval)
	within("health_timeout", &c.Timeout, defaultTimeout, caddy.Duration(time.Millisecond))
	count := func(name string, n *int, byDefault int) {
		if *n == 0 {
			*n = byDefault
		}
		if *n < 1 {
			bad("%s %d is not 1 or more", name, *n)
		}
	}
	count("health_passes", &c.Passes, defaultPasses)
	count("health_fails", &c.Fails, defaultFails)
	if c.Port < 0 || c.Port > 65535 {
		bad("health_port %d is not between 1 and 65535", c.Port)
	}

	if c.TCP {
		for _, o := range []struct {
			name string
			set  bool
		}{{"health_status", h.Status != ""}, {"health_body", h.Body != ""}, {"health_headers", len(h.Headers) > 0},
			{"health_method", h.Method != ""}, {"health_request_body", h.RequestBody != ""}, {"health_follow_redirects", h.FollowRedirects}} {
			if o.set {
				bad("%s needs health_uri: a TCP check sends nothing", o.name)
			}
		}
		return c, errors.Join(errs...)
	}
	if h.TCP {
		bad("health_tcp and health_uri exclude each other: a backend is checked one way")
	}
	c.Scheme, c.Status, c.Method = "http", h.Status, strings.ToUpper(h.Method)
	if c.Status == "" {
		c.Status = defaultStatus
	}
	if _, err := probe.ParseStatus(c.Status); err != nil {
		bad("health_status: %w", err)
	}
	if c.Method == "" {
		c.Method = http.MethodGet
	}
	if !strings.HasPrefix(c.URI, "/") {
		bad("health_uri %s does not begin with a slash; the host goes into health_headers", c.URI)
	}
	if _, err := regexp.Compile(c.Body); err != nil {
		bad("health_body: %w", err)
	}
	c.Headers = maps.Clone(h.Headers)
	return c, errors.Join(errs...)
}

// staticAddress checks one address of a static fallback: exactly one TCP host and port.
func staticAddress(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return "", fmt.Errorf("static %s is not host:port", s)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "", fmt.Errorf("static %s: the port is not between 1 and 65535", s)
	}
	if strings.ContainsAny(host, "/{} ") {
		return "", fmt.Errorf("static %s: not a host name or IP address", s)
	}
	return net.JoinHostPort(host, port), nil
}

// tier is one step of the fallback: a pool, or static addresses.
type tier struct {
	settings poolSettings
	refresh  time.Duration
	static   []string
}

// tiers checks the whole configuration, fallback included, and fills in the defaults.
func (u *Upstreams) tiers() ([]tier, error) {
	mode := pickAll
	switch {
	case u.Subset < 0 || u.Subset > maxSubset:
		return nil, fmt.Errorf("subset %d is not between 1 and %d", u.Subset, maxSubset)
	case u.SubsetBy != "" && u.Subset == 0:
		return nil, errors.New("subset_by needs a subset")
	case u.SubsetBy != "":
		mode = pickHash
	case u.Subset > 0:
		mode = pickRandom
	}

	var tiers []tier
	add := func(p *Pool) error {
		s, err := p.settings(mode)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(tiers, func(t tier) bool { return t.settings.key() == s.key() }); i >= 0 {
			return errors.New("this fallback is the same as a pool above it")
		}
		refresh := p.Refresh
		if refresh == 0 {
			refresh = defaultRefresh
		}
		tiers = append(tiers, tier{settings: s, refresh: time.Duration(refresh)})
		return nil
	}
	if err := add(&u.Pool); err != nil {
		return nil, err
	}
	above := u.Pool
	for i, f := range u.Or {
		if len(f.Static) == 0 {
			pool := f.Pool
			pool.inherit(&above)
			if err := add(&pool); err != nil {
				return nil, fmt.Errorf("or %d: %w", i+1, err)
			}
			above = pool
			continue
		}
		if !reflect.ValueOf(f.Pool).IsZero() {
			return nil, fmt.Errorf("or %d: static addresses take no other option", i+1)
		}
		if i != len(u.Or)-1 {
			return nil, fmt.Errorf("or %d: or static must be the last fallback, nothing below it would ever be used", i+1)
		}
		var t tier
		for _, s := range f.Static {
			a, err := staticAddress(s)
			if err != nil {
				return nil, fmt.Errorf("or %d: %w", i+1, err)
			}
			t.static = append(t.static, a)
		}
		tiers = append(tiers, t)
	}
	return tiers, nil
}
