// Command caddy is the custom build without xcaddy: Caddy's standard modules, the Route 53 DNS provider and caddy-ec2.
//
//	go run ./cmd/caddy run --config Caddyfile
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddy-dns/route53"
	_ "github.com/caddy-ec2/caddy-ec2"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() {
	caddycmd.Main()
}
