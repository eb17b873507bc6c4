// Package caddyfile is where global options and directives of the Caddyfile are registered, apart from the modules they
// configure, so that each of those can be used without the others. What fits into an option of Caddy itself, such as
// `dynamic ec2` of reverse_proxy, needs no registration.
//
// Its golden files, in testdata/adapt, show for each option of all modules what a Caddyfile becomes, and for each
// mistake what is said about it.
package caddyfile
