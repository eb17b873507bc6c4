// Package dnsfailover keeps a service's name, and its Elastic IP, on a load
// balancer that works.
//
// Nodes watch each other and themselves. What points clients at a node (a
// target) is never simply written: a node swaps exactly what it has read and
// judged for a value of its own, and the DNS provider or EC2 refuses the swap if
// anything has changed since. What the provider holds is the truth; no node
// believes its own memory against it, and there is no vote.
//
// # States of a node, for one service
//
//	             every peer heard or timed out, the target read
//	┌──────────┐ ────────────────────────────────────────────► ┌─────────┐
//	│ starting │                                               │ standby │ ◄─┐
//	└──────────┘ ──────────────┐                               └─────────┘   │
//	  ▲      ▲                 │ the lease names this node,         │        │
//	  │      │                 │ and no peer has a higher epoch     │        │
//	  │      │                 ▼                                    │        │
//	  │      │            ┌────────┐   cause (absent, dead, offered)│        │
//	  │      └─────────── │ active │ ◄──────────────────────────────┘        │
//	  │  the process had  └────────┘   turn, and a swap that holds           │
//	  │  not run for a while   │                                             │
//	  │                        │ the target names another node, or a peer    │
//	  └────────────────────────┤ holds the service under a higher epoch      │
//	       (from standby too)  └─────────────────────────────────────────────┘
//
// An active node whose checks fail, that stops, or that an operator releases
// stays active and offers the service to a peer; it is a standby as soon as the
// peer has it.
//
// # What is guaranteed
//
// For Route 53 records and Elastic IPs, whatever is lost, delayed, repeated,
// paused or partitioned:
//
//   - A write lands only on the value that was judged. Of two nodes that judge
//     the same value, one gets it; a write that arrives late changes nothing.
//   - A name, once created, is absent at no moment. An Elastic IP is taken from
//     the association that was judged, and from no other.
//   - A holder that answers as healthy keeps the service, unless an operator says
//     otherwise.
//   - Without a fault and without a change of configuration nothing is written.
//   - A partition moves a service at most once per hold_down.
//   - After the last fault, a healthy node has every target that can be read
//     within the time that DESIGN.md gives.
//
// # What is not
//
//   - Two nodes may serve at the same time: resolvers keep the old answer for
//     its TTL, and a partitioned holder does not know at once that it was
//     displaced. Both serve the same backends; nothing here guards shared data.
//   - Somebody with the right to write the zone or the address can always do so.
//     The holder sees it when it next looks.
//   - A provider that can't be reached can't be written. A target moves when its
//     provider is back; the other targets do not wait for it.
//   - Of a holder that is silent to all, but alive, nobody can know that it is.
//     Without a witness it is taken for dead.
//
// The rules and what each of them prevents are in DESIGN.md, the engine that
// holds them is package engine, and package sim is what they are tested with.
package dnsfailover
