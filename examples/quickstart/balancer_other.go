//go:build !unix

package main

import "syscall"

// There are none.
const (
	freezeSignal = syscall.Signal(0)
	thawSignal   = syscall.Signal(0)
)
