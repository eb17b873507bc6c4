package ec2upstreams

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-ec2/caddy-ec2/internal/expand"
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
	return fitTLS(h, tiers)
}

// fitTLS makes the checks speak TLS as the transport of the requests does.
func fitTLS(h *reverseproxy.Handler, tiers []tier) error {
	t, ok := h.Transport.(*reverseproxy.HTTPTransport)
	if !ok || t.TLS == nil || t.Transport == nil {
		return nil
	}
	key, err := tlsKey(t)
	if err != nil {
		return err
	}
	for i := range tiers {
		s := &tiers[i].settings
		if tiers[i].static != nil || s.Check.TCP {
			continue
		}
		if strings.Contains(t.TLS.ServerName, "{") && http.Header(s.Check.Headers).Get("Host") == "" {
			return fmt.Errorf("tls_server_name %s depends on the request, which a check has none of; name the host in health_headers { Host www.example.com }",
				t.TLS.ServerName)
		}
		s.Check.Scheme, s.TLSKey, s.tls, s.plainPorts = "https", key, t.Transport.TLSClientConfig, t.TLS.ExceptPorts
		if strings.Contains(t.TLS.ServerName, "{") {
			s.tls = s.tls.Clone()
			s.tls.ServerName = ""
		}
	}
	return nil
}

// tlsKey tells TLS settings apart: the options, and the certificates that loading has taken out of them.
func tlsKey(t *reverseproxy.HTTPTransport) (string, error) {
	options, err := json.Marshal(t.TLS)
	if err != nil {
		return "", fmt.Errorf("reading the transport's TLS settings: %w", err)
	}
	sum := sha256.New()
	sum.Write(options)
	cfg := t.Transport.TLSClientConfig
	for _, c := range cfg.Certificates {
		for _, der := range c.Certificate {
			sum.Write(der)
		}
	}
	if cfg.RootCAs != nil {
		//nolint:staticcheck // the pool is one of files or of the configuration, for which Subjects tells all there is
		for _, subject := range cfg.RootCAs.Subjects() {
			sum.Write(subject)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}

// affinityPolicies send equal requests to equal backends, which a list that differs for each request makes impossible.
var affinityPolicies = []string{"cookie", "ip_hash", "client_ip_hash", "uri_hash", "header", "query"}

func (u *Upstreams) fitPolicy(policy string) error {
	if policy == "weighted_round_robin" {
		return fmt.Errorf("lb_policy weighted_round_robin counts positions in a fixed list, which mean nothing in a changing one; " +
			"use subset with weight tag NAME and lb_policy least_conn")
	}
	if u.Subset > 0 && u.SubsetBy == "" && slices.Contains(affinityPolicies, policy) {
		return fmt.Errorf("lb_policy %s loses its sessions with a random subset; leave subset out, or use subset %d by <placeholder> with lb_policy first",
			policy, u.Subset)
	}
	return nil
}

// expand replaces global placeholders in every string of the configuration but subset_by, which is for requests.
func (u *Upstreams) expand(repl *caddy.Replacer) error {
	return expand.Strings(u, func(field, s string) (string, error) {
		switch field {
		case "Upstreams.SubsetBy":
			return s, nil
		case "HealthCheck.Body", "HealthCheck.RequestBody": // braces have a meaning of their own there
			return repl.ReplaceKnown(s, ""), nil
		default:
			return expand.Global(repl, s)
		}
	})
}
