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
)

// zoneForm is that of zone names (eu-west-1a, us-west-2-lax-1a) and ids (euw1-az1). A share without its % is neither.
var zoneForm = regexp.MustCompile(`^[a-z]+[a-z0-9]*(-[a-z0-9]+)+$`)

// oneLine joins errors for a log, where line breaks are hard to read.
func oneLine(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	err := errs[0]
	for _, e := range errs[1:] {
		err = fmt.Errorf("%w; %w", err, e)
	}
	return err
}

// settings checks the configuration and fills in the defaults. Its errors name the Caddyfile's options, or the JSON
// field where a Caddyfile cannot go wrong.
func (p *Pool) settings(mode pickMode) (poolSettings, error) {
	src := awsconf.Source{Region: p.Region, Profile: p.Profile, RoleARN: p.RoleARN, ExternalID: p.ExternalID, Endpoint: p.Endpoint}
	q, err := fleet.NewQuery(src, p.Tags, p.ASG, p.Filters)
	var errs []error
	if err != nil {
		errs = append(errs, err)
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
	if z := p.PreferZone; z != nil && !z.Any {
		s.PreferZone, s.ZoneShare, s.OwnZone = true, z.Share, z.Zone
		if s.ZoneShare == 0 {
			s.ZoneShare = defaultZoneShare
		}
	}
	errs = append(errs, p.check(&s)...)
	if s.Check, err = p.Health.settings(); err != nil {
		errs = append(errs, err)
	}
	return s, oneLine(errs)
}

// check returns all that is wrong with the options that are not part of the query or the health check.
func (p *Pool) check(s *poolSettings) (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.Port == 0 && s.PortTag == "" {
		bad("port is missing: write port 8080, or port tag NAME [DEFAULT]")
	}
	if s.Port < 0 || s.Port > maxPort {
		bad("port %d is not between 1 and %d", s.Port, maxPort)
	}
	if slices.Contains(p.ASG, "") {
		bad("asg: the name of a group is empty")
	}
	switch s.Address {
	case addressPrivate, addressPublic, addressIPv6:
		if s.AddressTag != "" {
			bad("address_tag %s has no effect with address %s; write address tag %s", s.AddressTag, s.Address, s.AddressTag)
		}
	case addressTag:
		if s.AddressTag == "" {
			bad("address tag needs an address_tag, the name of the tag")
		}
	default:
		bad("address %s is none of private, public, ipv6, tag NAME", s.Address)
	}
	if p.Refresh != 0 && (p.Refresh < minRefresh || p.Refresh > longest) {
		bad("refresh %s is not between %s and %s", time.Duration(p.Refresh), time.Duration(minRefresh), time.Duration(longest))
	}
	if s.PreferZone && (s.ZoneShare <= 0 || s.ZoneShare > 1) {
		bad("prefer_zone: a share of %g is not above 0 and at most 1", s.ZoneShare)
	}
	if s.OwnZone != "" && !zoneForm.MatchString(s.OwnZone) {
		bad("zone prefer %s: not an availability zone, such as eu-west-1a or euw1-az1; a share is written 70%%", s.OwnZone)
	}
	if z := p.PreferZone; z != nil && z.Any && (z.Share != 0 || z.Zone != "") {
		bad("prefer_zone: any takes neither share nor zone")
	}
	if s.DrainTag == "" && s.DrainValue != "" {
		bad("drain_value %s needs a drain_tag", s.DrainValue)
	}
	if s.DefaultWeight < 0 || s.DefaultWeight > maxWeight {
		bad("default_weight %d is not between 1 and %d", s.DefaultWeight, maxWeight)
	}
	if s.WeightTag == "" && p.DefaultWeight != 0 {
		bad("default_weight needs a weight_tag")
	}
	if s.SlowStart < 0 || s.SlowStart > time.Duration(longest) {
		bad("slow_start %s is not between 0s and %s", s.SlowStart, time.Duration(longest))
	}
	if s.Mode == pickAll {
		if s.WeightTag != "" {
			bad("weight needs subset, such as subset 2: without it Caddy's lb_policy chooses, which knows no weights")
		}
		if s.SlowStart > 0 {
			bad("slow_start needs subset, such as subset 2: without it Caddy's lb_policy chooses, which knows no weights")
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
	within("health_timeout", &c.Timeout, defaultTimeout, minTimeout)
	count := func(name string, n *int, byDefault int) {
		if *n == 0 {
			*n = byDefault
		}
		if *n < 1 || *n > maxCount {
			bad("%s %d is not between 1 and %d", name, *n, maxCount)
		}
	}
	count("health_passes", &c.Passes, defaultPasses)
	count("health_fails", &c.Fails, defaultFails)
	if c.Port < 0 || c.Port > maxPort {
		bad("health_port %d is not between 1 and %d", c.Port, maxPort)
	}

	if c.TCP {
		for _, option := range h.needURI() {
			bad("%s needs health_uri: a TCP check sends nothing", option)
		}
		return c, oneLine(errs)
	}
	if h.TCP {
		bad("health_tcp and health_uri exclude each other: a backend is checked in one way; remove one of them")
	}
	c.Scheme, c.Status, c.Method = "http", h.Status, strings.ToUpper(h.Method)
	if c.Status == "" {
		c.Status = defaultStatus
	}
	if c.Method == "" {
		c.Method = http.MethodGet
	}
	if !strings.HasPrefix(c.URI, "/") {
		bad("health_uri %s does not begin with a slash; a host goes into health_headers", c.URI)
	}
	c.Headers = maps.Clone(h.Headers)
	if len(errs) == 0 {
		if _, err := newChecker(&poolSettings{Check: c}); err != nil {
			errs = append(errs, err)
		}
	}
	return c, oneLine(errs)
}

// staticAddress checks one address of a static fallback: exactly one TCP host and port.
func staticAddress(s string) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || strings.ContainsAny(host, "/{} ") {
		return "", fmt.Errorf("static %s is not a host and a port, such as 10.0.0.9:8080", s)
	}
	n, err := strconv.Atoi(port)
	if err != nil || n < 1 || n > maxPort {
		return "", fmt.Errorf("static %s: the port is not between 1 and %d", s, maxPort)
	}
	return net.JoinHostPort(host, strconv.Itoa(n)), nil
}

var placeholder = regexp.MustCompile(`\{[^{}]+\}`)

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
	case u.SubsetBy != "" && !placeholder.MatchString(u.SubsetBy):
		return nil, fmt.Errorf("subset by %s: not a placeholder, such as {http.request.cookie.session}; all requests would get the same backends", u.SubsetBy)
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
			return errors.New("this fallback is the same as a pool above it; change what it looks for, such as its tag, or remove it")
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
			return nil, fmt.Errorf("or %d: static addresses take no other setting", i+1)
		}
		if i != len(u.Or)-1 {
			return nil, fmt.Errorf("or %d: nothing below static addresses is ever used; they must come last", i+1)
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
