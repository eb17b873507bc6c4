package probe

import (
	"context"
	"time"
)

// DefaultTimeout is the bound of one check if none is set.
const DefaultTimeout = 2 * time.Second

// Checker says whether the service behind a network address works.
type Checker interface {
	// Check asks addr, a host and port to dial. It returns nil if the service works, or a [*Failure] that says what
	// was seen. It takes no longer than the checker's timeout, or than ctx allows.
	Check(ctx context.Context, addr string) error
}
