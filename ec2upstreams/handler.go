package ec2upstreams

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// fitHandler refuses and warns of settings of the surrounding reverse_proxy that do not go with these upstreams, and
// takes over the TLS settings of its transport for the checks.
func (u *Upstreams) fitHandler(ctx caddy.Context, tiers []tier) error {
	var h *reverseproxy.Handler
	for _, m := range ctx.Modules() {
		if proxy, ok := m.(*reverseproxy.Handler); ok {
			h = proxy
		}
	}
	if h == nil {
		return nil
	}
	if h.LoadBalancing != nil && h.LoadBalancing.SelectionPolicy != nil {
		if m, ok := h.LoadBalancing.SelectionPolicy.(caddy.Module); ok {
			if err := u.fitPolicy(m.CaddyModule().ID.Name()); err != nil {
				return err
			}
		}
	}
	if h.HealthChecks != nil && h.HealthChecks.Active != nil && h.HealthChecks.Active.IsEnabled() && u.Health == nil {
		u.logger.Warn("health_uri, health_port and the like of reverse_proxy do nothing for dynamic upstreams; " +
			"move them into the dynamic ec2 block (until then backends are checked by TCP connect)")
	}
	t, ok := h.Transport.(*reverseproxy.HTTPTransport)
	if !ok || t.TLS == nil || t.Transport == nil {
		return nil
	}
	raw, err := json.Marshal(t.TLS)
	if err != nil {
		return fmt.Errorf("reading the transport's TLS settings: %w", err)
	}
	for i := range tiers {
		if s := &tiers[i].settings; tiers[i].static == nil && !s.Check.TCP {
			s.Check.Scheme, s.TLSKey, s.tls = "https", string(raw), t.Transport.TLSClientConfig
		}
	}
	return nil
}

// affinityPolicies send equal requests to equal backends, which a list that differs for each request makes impossible.
var affinityPolicies = []string{"cookie", "ip_hash", "client_ip_hash", "uri_hash", "header", "query"}

func (u *Upstreams) fitPolicy(policy string) error {
	if policy == "weighted_round_robin" {
		return fmt.Errorf("lb_policy weighted_round_robin counts positions in a fixed list and crashes on a changing one; " +
			"use subset with weight tag NAME and lb_policy least_conn")
	}
	if u.Subset > 0 && u.SubsetBy == "" && slices.Contains(affinityPolicies, policy) {
		return fmt.Errorf("lb_policy %s loses its sessions with a random subset; leave subset out, or use subset %d by <placeholder> with lb_policy first",
			policy, u.Subset)
	}
	return nil
}

// expand replaces global placeholders in every string of the configuration but subset_by, which is for requests.
func expand(v reflect.Value, repl *caddy.Replacer) error {
	one := func(s string) (string, error) {
		out, err := repl.ReplaceOrErr(s, true, true)
		if err != nil {
			return "", fmt.Errorf("replacing placeholders in %q: %w (a brace that belongs to no placeholder is written \\{ or \\})", s, err)
		}
		return out, nil
	}
	switch v.Kind() {
	case reflect.String:
		out, err := one(v.String())
		if err != nil {
			return err
		}
		v.SetString(out)
	case reflect.Pointer:
		if !v.IsNil() {
			return expand(v.Elem(), repl)
		}
	case reflect.Slice:
		for i := range v.Len() {
			if err := expand(v.Index(i), repl); err != nil {
				return err
			}
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(k))
			if err := expand(value, repl); err != nil {
				return err
			}
			key, err := one(k.String())
			if err != nil {
				return err
			}
			v.SetMapIndex(k, reflect.Value{})
			v.SetMapIndex(reflect.ValueOf(key), value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() || f.Name == "SubsetBy" {
				continue
			}
			if err := expand(v.Field(i), repl); err != nil {
				return err
			}
		}
	}
	return nil
}
