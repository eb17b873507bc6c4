// Package caddyec2 is the import for xcaddy: it adds every module of caddy-ec2 to a Caddy build, and nothing else.
//
//	xcaddy build --with github.com/caddy-ec2/caddy-ec2
package caddyec2

import (
	_ "github.com/caddy-ec2/caddy-ec2/caddyfile"    // the global options and directives
	_ "github.com/caddy-ec2/caddy-ec2/combinedlog"  // caddy.logging.encoders.combined
	_ "github.com/caddy-ec2/caddy-ec2/dnsfailover"  // dnsfailover, admin.api.dnsfailover, http.handlers.failover_health
	_ "github.com/caddy-ec2/caddy-ec2/ec2upstreams" // http.reverse_proxy.upstreams.ec2, admin.api.ec2upstreams
	_ "github.com/caddy-ec2/caddy-ec2/logqueue"     // caddy.logging.writers.queue
)
