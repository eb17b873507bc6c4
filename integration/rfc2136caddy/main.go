// Command rfc2136caddy is our build with one more DNS provider, that of RFC 2136, for the tests: any provider of libdns will do, and
// this one needs no account. It has the name and the options that the plugin for users has.
package main

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/libdns/rfc2136"

	_ "github.com/caddy-dns/route53"
	_ "github.com/caddy-ec2/caddy-ec2"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

func init() {
	caddy.RegisterModule(new(provider))
}

func main() {
	caddycmd.Main()
}

// provider is libdns's as a module of Caddy.
type provider struct {
	rfc2136.Provider
}

// CaddyModule returns the Caddy module information.
func (*provider) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "dns.providers.rfc2136",
		New: func() caddy.Module { return new(provider) },
	}
}

// options are the fields by their names.
func (p *provider) options() map[string]*string {
	return map[string]*string{"key_name": &p.KeyName, "key_alg": &p.KeyAlg, "key": &p.Key, "server": &p.Server}
}

// Provision puts in what placeholders stand for.
func (p *provider) Provision(caddy.Context) error {
	global := caddy.NewReplacer()
	for _, value := range p.options() {
		*value = global.ReplaceAll(*value, "")
	}
	return nil
}

// UnmarshalCaddyfile reads
//
//	rfc2136 {
//		key_name <name>
//		key_alg  <algorithm>
//		key      <base64>
//		server   <host:port>
//	}
func (p *provider) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // rfc2136
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		value, ok := p.options()[d.Val()]
		if !ok {
			return d.Errf("rfc2136 has no option %s", d.Val())
		}
		if !d.AllArgs(value) {
			return d.ArgErr()
		}
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*provider)(nil)
	_ caddyfile.Unmarshaler = (*provider)(nil)
)
