// Package ec2upstreams finds backends by EC2 tag, checks them, and offers those that work to Caddy's reverse_proxy:
//
//	reverse_proxy {
//		dynamic ec2 {
//			tag Role web
//			port 8080
//			health_uri /healthz
//		}
//	}
//
// # How it works
//
// A query is polled by internal/fleet, which keeps the last good answer. A pool makes backends of the instances
// (address, port, weight, drain mark), checks them at an interval, and publishes a view whenever something changes.
// A request reads the views of its pools, in the order of the fallback: atomic loads, no lock, no network, no AWS.
//
//	query ──► poller ──► fleet (sorted, immutable) ──► checks ──► view (atomic pointer) ──► GetUpstreams
//
// Pollers and pools live as long as any running configuration uses them: a reload that leaves a pool as it was neither
// polls nor checks anew.
//
// # What is promised
//
// A backend that was seen healthy is not dropped because AWS is down, slow, throttling, or answers in part. A backend
// that appears while a pool runs gets no request before it passed a check. If nothing passes its checks anywhere, in
// any pool of the fallback, the unhealthy backends of the first pool that has some get the requests, unless that is
// turned off.
//
// # What is not
//
// A backend that fails between two checks gets requests until the checks see it; Caddy's own retries (lb_retries,
// lb_try_duration) and passive checks (fail_duration) cover that gap.
//
// The files module.go, handler.go, config*.go, caddyfile*.go, admin.go, events.go and metrics.go are the adapter to
// Caddy; no other file imports it.
package ec2upstreams
