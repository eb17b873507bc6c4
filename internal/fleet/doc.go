// Package fleet answers "which EC2 instances match this query?" and keeps the answer when AWS does not give one.
//
// A [Query] says what to look for, a [Poller] asks for it at an interval, and a [Handle] is one user's share in a
// poller: all users of equal queries share one poller, and so one stream of API calls.
//
// # Fail static
//
// What a poller hands out is the last good fleet. An error, a time-out, half a listing or an empty answer changes
// nothing at once; an instance leaves only when a second answer, asked for within two seconds, does not hold it either.
// The last good fleet is kept in a [Store] and read at the next start, so that a restart during an outage of the
// AWS API still serves.
//
// The package imports no Caddy: ec2upstreams finds backends with it, dnsfailover finds its peers.
package fleet
