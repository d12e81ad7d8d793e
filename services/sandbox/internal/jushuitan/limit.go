package jushuitan

import (
	"sync"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/traffic"
)

// limiter counts the calls of each caller in two windows of time that slide.
type limiter struct {
	settings Settings

	mu    sync.Mutex
	calls map[string][]time.Time // of the last minute
}

func newLimiter(s Settings) *limiter {
	return &limiter{settings: s, calls: map[string][]time.Time{}}
}

// admit counts a call of caller at now and refuses it if it is one too many.
func (l *limiter) admit(caller string, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := traffic.Since(l.calls[caller], now.Add(-time.Minute))
	perSecond := exceeds(len(traffic.Since(calls, now.Add(-time.Second))), l.settings.PerSecond)
	perMinute := exceeds(len(calls), l.settings.PerMinute)
	if l.settings.CountRejected || !perSecond && !perMinute {
		calls = append(calls, now)
	}
	l.calls[caller] = calls
	switch {
	case perSecond && (!perMinute || l.settings.BothExceeded == errPerSecond.code):
		return errPerSecond
	case perMinute:
		return errPerMinute
	default:
		return nil
	}
}

// exceeds tells whether one more call is too many; a limit of 0 is none.
func exceeds(calls, limit int) bool { return limit > 0 && calls >= limit }
