// Package engine holds the rules of dnsfailover: who may hold a service, when
// another may take it, and what is written to do so. It is one pure function,
// [Step], over plain values: it has no clock, no network, no goroutine and no
// knowledge of Caddy or AWS. A loop turns the world into events and carries the
// actions out; the simulator in package sim does the same with a world of its
// own, so that what is proved there is what runs.
//
// Step is about one service on one node. Times are durations since an arbitrary
// moment of the process, from the monotonic clock; no wall clock is read.
//
// The rules R1 to R10 and the invariants I1 to I7 are explained in
// dnsfailover/DESIGN.md.
package engine
