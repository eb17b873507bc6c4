package dnsfailover

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/expand"
)

// What dns_pause may be: a write has three seconds in all.
const (
	minDNSPause = 10 * time.Millisecond
	maxDNSPause = 2 * time.Second
)

const providerRoute53 = "route53"

// checkDNS checks what the provider was told, and finds its hosted zone, if there is one. It does not need the provider itself, and
// its errors show nothing of what is in it but the zone.
func (c *Config) checkDNS(f *faults) (zone string, err error) {
	if c.advisory() {
		c.checkAdvisory(f)
		return "", nil
	}
	if c.DNSPause != 0 {
		f.add("dns_pause is for other providers than route53, which can compare and swap; remove it")
	}
	if zone, err = c.providerZone(); err != nil || zone == "" {
		return "", err
	}
	if zone, err = expand.Global(caddy.NewReplacer(), zone); err != nil {
		return "", err
	}
	if zone, err = checkZone(zone); err != nil {
		return "", fmt.Errorf("hosted_zone_id: %w", err)
	}
	return zone, nil
}

// checkAdvisory refuses what a provider can't do that can't compare and swap.
func (c *Config) checkAdvisory(f *faults) {
	f.of("dns_pause", span{minDNSPause, maxDNSPause}.check(time.Duration(c.DNSPause)))
	if len(c.Register) > 0 {
		f.add("register needs Route 53: another provider can't hold a node to its own name; remove it, or use dns route53")
	}
	for i := range c.Services {
		if s := &c.Services[i]; s.Mode == modeAll {
			f.add("service %s: mode all needs Route 53: with another provider nodes could take each other out; write mode one, or use dns route53", s.Name)
		}
	}
}

// provider is the name of the provider, or "" if that is not written.
func (c *Config) provider() string {
	var p struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(c.DNSRaw, &p) != nil {
		return ""
	}
	return p.Name
}

// advisory reports whether records are held by a provider that can't compare and swap.
func (c *Config) advisory() bool {
	name := c.provider()
	return name != "" && name != providerRoute53
}

// providerZone is the hosted zone of the provider, as it is written. It is an error if the provider can't be used, or if a secret is
// written into the configuration; what another one than Route 53 was told is not known.
func (c *Config) providerZone() (string, error) {
	if len(c.DNSRaw) == 0 {
		return "", errors.New("there is none: write dns route53 { hosted_zone_id Z0123456789ABCDEFGHIJ }")
	}
	if c.advisory() {
		return "", nil
	}
	var p struct {
		Name    string `json:"name"`
		Zone    string `json:"hosted_zone_id"`
		Key     string `json:"secret_access_key"`
		Session string `json:"session_token"`
	}
	if json.Unmarshal(c.DNSRaw, &p) != nil {
		return "", errors.New(`it is not an object with texts, such as {"name": "route53", "hosted_zone_id": "Z0123456789ABCDEFGHIJ"}`)
	}
	if p.Name == "" {
		return "", errors.New(`the name of the provider is missing: add "name": "route53"`)
	}
	for _, s := range []struct{ option, secret string }{{"secret_access_key", p.Key}, {"session_token", p.Session}} {
		if s.secret != "" && !secretPlaceholder.MatchString(s.secret) {
			return "", fmt.Errorf("%s: %w", s.option, errLiteralSecret)
		}
	}
	return p.Zone, nil
}

// checkZones gives each record and own name its hosted zone: its own, or the default, which may be empty. It is an error if one
// has none, if what it has is not the id of one, or if two are the same name in the same zone. With a provider other than
// Route 53 each has the name of its zone.
func (c *Config) checkZones(defaultZone string) error {
	var f faults
	users := make(map[string]string) // by zone and name
	unique := func(option, zone, name string) {
		canonical, err := record.Name(name)
		if err != nil {
			return // said elsewhere
		}
		key := zone + " " + canonical
		if other, taken := users[key]; taken {
			f.add("%s has the same name in the same hosted zone as %s, and each would take it from the other; remove one of them", option, other)
		}
		users[key] = option
	}
	hosted := func(option, name string, zone *string) {
		if *zone = cmp.Or(*zone, defaultZone); *zone == "" {
			f.add("%s has no hosted zone: write hosted_zone_id into dns route53 { }, or zone_id here; aws route53 list-hosted-zones shows it", option)
			return
		}
		id, err := checkZone(*zone)
		if err != nil {
			f.of(option+" zone_id", err)
			return
		}
		*zone = id
		unique(option, *zone, name)
	}
	for i := range c.Services {
		s := &c.Services[i]
		for j := range s.Records {
			r := &s.Records[j]
			option := "service " + s.Name + ": record " + r.Name
			switch {
			case c.advisory():
				if err := r.checkZone(option); err != nil {
					f = append(f, err)
				} else {
					unique(option, r.Zone, r.Name)
				}
			case r.Zone != "":
				f.add("%s: zone is for other providers than route53, whose zones have ids: write zone_id", option)
			default:
				hosted(option, r.Name, &r.ZoneID)
			}
		}
	}
	for i := range c.Register {
		r := &c.Register[i]
		if !c.advisory() {
			hosted("register "+r.Name, r.Name, &r.ZoneID)
		}
	}
	return f.err()
}

// checkZone checks the zone of a record that is not in Route 53, and gives it the form of [record.Name].
func (r *ServiceRecord) checkZone(option string) error {
	if r.ZoneID != "" {
		return fmt.Errorf("%s: zone_id is for Route 53: write the name of the zone, such as zone example.com", option)
	}
	if r.Zone == "" {
		return fmt.Errorf("%s has no zone: write its name, such as zone example.com", option)
	}
	zone, err := record.Name(r.Zone)
	if err != nil {
		return fmt.Errorf("%s zone: %w", option, err)
	}
	if name, err := record.Name(r.Name); err == nil && !record.Within(name, zone) {
		return fmt.Errorf("%s is not in the zone %s", option, zone)
	}
	r.Zone = zone
	return nil
}

// checkZone is the id of a hosted zone without what the AWS command line shows before it.
func checkZone(s string) (string, error) {
	id := strings.TrimPrefix(s, "/hostedzone/")
	if !zoneForm.MatchString(id) {
		return "", fmt.Errorf("%q is not the id of a hosted zone, such as Z0123456789ABCDEFGHIJ; aws route53 list-hosted-zones shows it", s)
	}
	return id, nil
}

func (c *Config) readDNS(p *blockParser) error {
	args, err := p.head("dns", 1, 1, "route53 { <its options, such as hosted_zone_id> } | <provider> { <its options> }")
	if err != nil {
		return err
	}
	id := "dns.providers." + args[0]
	if _, err := caddy.GetModule(id); err != nil {
		return p.Errf("dns: this binary has no provider %s: build one with its module, such as --with github.com/caddy-dns/%[1]s", args[0])
	}
	begin := *p.Dispenser
	provider, err := caddyfile.UnmarshalModule(p.Dispenser, id)
	if err != nil {
		return err
	}
	c.DNSRaw = caddyconfig.JSONModuleObject(provider, "name", args[0], nil)
	zone, err := c.providerZone()
	if err != nil {
		return begin.Errf("dns: %v", err)
	}
	*p.placeholders = *p.placeholders || strings.Contains(zone, "{")
	return nil
}
