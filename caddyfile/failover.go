package caddyfile

import (
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("dnsfailover", parseFailover)
	httpcaddyfile.RegisterHandlerDirective("failover_health", parseHealth)
	// A site that answers everything by itself still lets the health be asked for.
	httpcaddyfile.RegisterDirectiveOrder("failover_health", httpcaddyfile.Before, "respond")
}

// parseFailover reads the global option dnsfailover. Caddy would let a second block take the place of the first.
func parseFailover(d *caddyfile.Dispenser, existing any) (any, error) {
	if existing != nil {
		d.Next()
		return nil, d.Err("dnsfailover is given twice; put all of it into one block")
	}
	var c dnsfailover.Config
	if err := c.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "dnsfailover", Value: caddyconfig.JSON(c, nil)}, nil
}

// parseHealth reads the directive failover_health.
func parseHealth(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	m := new(dnsfailover.Health)
	if err := m.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return m, nil
}
