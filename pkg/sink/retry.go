package sink

import (
	"math/rand/v2"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
)

// The wait before a message comes again grows from retryFirst to retryMost.
const (
	retryFirst = time.Second
	retryMost  = 5 * time.Minute
)

// retryDelay returns how long a message waits after that many deliveries: what its error asked
// for, else doubling with each delivery; a quarter of it by chance, so that a crowd spreads out.
func retryDelay(attempt int, err error) time.Duration {
	wait := min(retryFirst<<min(max(attempt-1, 0), 16), retryMost)
	wait = fault.Delay(err, wait)
	return wait - wait/8 + rand.N(wait/4+1) //nolint:gosec // jitter
}
