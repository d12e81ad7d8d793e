// Package pace spaces the calls of one account evenly, never in bursts, and knows how long to
// wait after a refusal. It counts for one process: of all replicas one alone calls for an account.
package pace

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// Budget is how often calls may be made.
type Budget struct {
	// PerSecond and PerMinute are the account's limits. A limit of zero is none.
	PerSecond, PerMinute int
	// Percent is the part of the account's calls that is taken here, where others call for the same
	// account. 0 stands for 100.
	Percent int
}

// Check refuses negative limits, and more than the whole.
func (b Budget) Check() error {
	switch {
	case b.PerSecond < 0 || b.PerMinute < 0 || b.Percent < 0:
		return errors.New("budget is negative")
	case b.Percent > 100:
		return errors.New("budget is more than 100 percent")
	default:
		return nil
	}
}

// Interval returns the time between two calls that keeps both limits and the part, with 3 % to spare.
func (b Budget) Interval() time.Duration {
	var spacing time.Duration
	if b.PerSecond > 0 {
		spacing = time.Second / time.Duration(b.PerSecond)
	}
	if b.PerMinute > 0 {
		spacing = max(spacing, time.Minute/time.Duration(b.PerMinute))
	}
	spacing += spacing * 3 / 100
	return spacing * 100 / time.Duration(cmp.Or(b.Percent, 100))
}

// forget is how long a Limiter trusts that it was the last to call. After that another replica
// may have had the account in between.
const forget = 5 * time.Second

// Limiter lets calls through one by one, an interval apart. It is safe for concurrent use.
type Limiter struct {
	interval time.Duration
	gate     chan struct{} // the one who holds it is next, or is calling

	mu     sync.Mutex
	last   time.Time // when the latest call began
	window time.Time // when our current minute began
	until  time.Time // no call before
}

// New returns a Limiter that keeps b.
func New(b Budget) *Limiter {
	return &Limiter{interval: b.Interval(), gate: make(chan struct{}, 1)}
}

// Wait blocks until the next call may begin; others may begin while it is under way. The error is
// the cause of ctx's end.
func (l *Limiter) Wait(ctx context.Context) error {
	_, leave, err := l.Enter(ctx)
	if err == nil {
		leave()
	}
	return err
}

// Do blocks until the next call may begin, and makes it: no other begins before it has returned.
// The error is that of call, or the cause of ctx's end, and then call was not made.
func (l *Limiter) Do(ctx context.Context, call func(context.Context) error) error {
	_, leave, err := l.Enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return call(ctx)
}

// Enter blocks until the next call may begin, and returns the moment at which it was let through: two
// such moments are an interval apart at least. No other begins before leave is called, which is to
// happen once. The error is the cause of ctx's end, and then there is nothing to leave.
func (l *Limiter) Enter(ctx context.Context) (at time.Time, leave func(), err error) {
	select {
	case l.gate <- struct{}{}:
	case <-ctx.Done():
		return time.Time{}, nil, context.Cause(ctx)
	}
	leave = func() { <-l.gate }
	if at, err = l.next(ctx); err != nil {
		leave()
		return time.Time{}, nil, err
	}
	return at, leave, nil
}

// next waits for the end of a hold and then for the interval. It looks twice: the call before may
// be answered, with a refusal that holds back all others, while the next is being spaced.
func (l *Limiter) next(ctx context.Context) (time.Time, error) {
	for {
		if err := Sleep(ctx, l.held()); err != nil {
			return time.Time{}, err
		}
		if err := Sleep(ctx, l.spacing()); err != nil {
			return time.Time{}, err
		}
		if l.held() <= 0 {
			return l.called(), nil
		}
	}
}

// spacing returns what is left of the interval. A Limiter that is new, or has not called for a
// while, waits a whole one: it doesn't know when the account was last used.
func (l *Limiter) spacing() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	ago := time.Since(l.last)
	if ago > max(forget, l.interval) {
		return l.interval
	}
	return l.interval - ago
}

// Rest makes the next call wait a whole interval: somebody else may have called for the account just
// now.
func (l *Limiter) Rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = time.Time{}
}

// Mark notes that the call which was let through begins only now, and returns when: it had to wait
// for something else.
func (l *Limiter) Mark() time.Time { return l.called() }

// called notes that a call begins, and returns when.
func (l *Limiter) called() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = time.Now()
	if l.last.Sub(l.window) >= time.Minute {
		l.window = l.last
	}
	return l.last
}

// held returns how long calls are still to be held back.
func (l *Limiter) held() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.until)
}

// Hold keeps all calls back for d from now, and returns d. A longer hold stays.
func (l *Limiter) Hold(d time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := time.Now().Add(d); until.After(l.until) {
		l.until = until
	}
	return d
}

// MinuteLeft returns the time to the end of our own minute, which began with the first call after
// the one before it: at most a minute, and not more than zero where none runs.
func (l *Limiter) MinuteLeft() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.window.Add(time.Minute))
}

// Backoff returns first, doubled with each attempt n ≥ 1 up to most, and up to a quarter on top,
// so that replicas don't come back together.
func Backoff(first, most time.Duration, n int) time.Duration {
	return Jitter(min(first<<min(n-1, 10), most))
}

// Jitter returns d with up to a quarter on top.
func Jitter(d time.Duration) time.Duration {
	return d + rand.N(max(d/4, 1))
}

// Sleep waits for d, or until ctx ends; then it returns the cause.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
