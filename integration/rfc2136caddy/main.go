// Command rfc2136caddy is our build with one more DNS provider, that of RFC 2136, for the tests: any provider of libdns will do, and
// this one needs no account.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddy-dns/rfc2136"
	_ "github.com/caddy-dns/route53"
	_ "github.com/caddy-ec2/caddy-ec2"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func main() {
	caddycmd.Main()
}
