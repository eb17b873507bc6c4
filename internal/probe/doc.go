// Package probe tells whether the service behind a network address works: by a TCP connect ([TCP]) or by an HTTP request
// and its answer ([HTTP]). It serves for backends and for other load balancers alike.
//
// A probe is one question and one answer. When to ask, how often to ask again before believing it, and what
// follows from it are the caller's: nothing in this package runs between two checks. All checks are safe for concurrent use.
//
// The package imports no Caddy.
package probe
