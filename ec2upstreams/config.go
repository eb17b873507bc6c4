package ec2upstreams

import (
	"cmp"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

// Defaults of a pool.
const (
	defaultRefresh   = caddy.Duration(fleet.DefaultRefresh)
	minRefresh       = caddy.Duration(time.Second)
	defaultZoneShare = 0.7
	defaultInterval  = caddy.Duration(2 * time.Second)
	defaultTimeout   = caddy.Duration(2 * time.Second)
	minInterval      = caddy.Duration(100 * time.Millisecond)
	minTimeout       = caddy.Duration(time.Millisecond)
	defaultPasses    = 2
	defaultFails     = 2
	maxCount         = 1000 // of passes and fails: more is a typing error
	defaultStatus    = "2xx"
	maxPort          = 65535
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
	// All zones alike after all: for a fallback whose pool above prefers its zone. Excludes share and zone. Default: false.
	Any bool `json:"any,omitempty"`
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
	// How many passes in a row bring an unhealthy backend back, up to 1000. Default: 2; 0 is the default too.
	Passes int `json:"passes,omitempty"`
	// How many failures in a row take a healthy backend out, up to 1000. Default: 2; 0 is the default too. 1 is quickest,
	// and takes a backend out for one lost packet.
	Fails int `json:"fails,omitempty"`
	// The expected status: a code such as `200` or a class such as `2xx`. Default: 2xx.
	Status string `json:"status,omitempty"`
	// A regular expression that the body must match. Default: any body. Here and in request_body, braces that
	// belong to no placeholder stay as they are.
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
	// Settings that are left out are those of the pool above. Tags, groups and filters count as one setting; of a
	// health check, so does what it asks and expects (tcp, uri, status, body, headers, method, request_body, follow_redirects).
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
	own(p.Address != "" || p.AddressTag != "", func() { p.Address, p.AddressTag = above.Address, above.AddressTag })
	own(p.Refresh != 0, func() { p.Refresh = above.Refresh })
	own(p.PreferZone != nil, func() { p.PreferZone = above.PreferZone })
	own(p.DrainTag != "" || p.DrainValue != "", func() { p.DrainTag, p.DrainValue = above.DrainTag, above.DrainValue })
	own(p.WeightTag != "" || p.DefaultWeight != 0, func() { p.WeightTag, p.DefaultWeight = above.WeightTag, above.DefaultWeight })
	own(p.SlowStart != 0, func() { p.SlowStart = above.SlowStart })
	if p.Health == nil || above.Health == nil {
		p.Health = cmp.Or(p.Health, above.Health)
	} else {
		p.Health = p.Health.over(above.Health)
	}
}

// over returns h with what it leaves out taken from the check above.
func (h *HealthCheck) over(above *HealthCheck) *HealthCheck {
	all := *h
	if !h.TCP && h.URI == "" && len(h.needURI()) == 0 {
		all = *above
	}
	all.Port = cmp.Or(h.Port, above.Port)
	all.Interval = cmp.Or(h.Interval, above.Interval)
	all.Timeout = cmp.Or(h.Timeout, above.Timeout)
	all.Passes = cmp.Or(h.Passes, above.Passes)
	all.Fails = cmp.Or(h.Fails, above.Fails)
	return &all
}

// needURI returns the options that are set and mean nothing without a uri.
func (h *HealthCheck) needURI() (options []string) {
	for _, o := range []struct {
		name string
		set  bool
	}{
		{"health_status", h.Status != ""}, {"health_body", h.Body != ""}, {"health_headers", len(h.Headers) > 0},
		{"health_method", h.Method != ""}, {"health_request_body", h.RequestBody != ""}, {"health_follow_redirects", h.FollowRedirects},
	} {
		if o.set {
			options = append(options, o.name)
		}
	}
	return options
}
