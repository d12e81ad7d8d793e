// Package pace uses the calls that an account is allowed, evenly, and is never refused for one too many.
// It knows how long to wait after a refusal. It counts for one process: of all replicas one alone calls
// for an account.
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

// limit allows so many calls in any span of that length.
type limit struct {
	calls int
	span  time.Duration
}

// limits returns what the budget allows.
func (b Budget) limits() []limit {
	var all []limit
	add := func(calls int, span time.Duration) {
		if calls == 0 {
			return
		}
		part := calls * cmp.Or(b.Percent, 100)
		if part < 100 { // less than one: one in a longer time
			part, span = 100, span*100/time.Duration(part)
		}
		all = append(all, limit{part / 100, span + span/clockDrift})
	}
	add(b.PerSecond, time.Second)
	add(b.PerMinute, time.Minute)
	return all
}

// clockDrift is the part of a span by which clocks may go wrong, spare the part of an interval by which
// calls are further apart than they must be: so one that came late does not hold up another for ever.
const (
	clockDrift = 1000
	spare      = 500
)

// Calls that come late are made up for, at twice the pace and by no more than arrears, or one interval.
const arrears = 100 * time.Millisecond

// Limiter lets calls through evenly, and at no time more than the budget allows. The vendor counts a call
// when it arrives, which is some time between its beginning and its end. So a call begins only when, of
// those that are under way or have ended within a span, there are fewer than allowed: whenever it and the
// others arrive, no span has more. A Limiter is safe for concurrent use.
type Limiter struct {
	limits []limit
	gate   chan struct{} // the one who holds it is next
	alone  chan struct{} // the one who holds it is calling, and alone
	ended  chan struct{} // has an element when a call has ended since it was looked at

	mu      sync.Mutex
	slot    time.Time     // when the next call is due
	last    time.Time     // when the latest call began
	under   int           // calls that are under way
	ends    []time.Time   // when calls ended, the latest last; older ones than the longest span may be missing
	latency time.Duration // how long calls take, on average
	window  time.Time     // when our current minute began
	until   time.Time     // no call before
}

// New returns a Limiter that keeps b. It is rested.
func New(b Budget) *Limiter {
	l := &Limiter{limits: b.limits(), gate: make(chan struct{}, 1), alone: make(chan struct{}, 1), ended: make(chan struct{}, 1)}
	l.Rest()
	return l
}

// Begin blocks until the next call may begin, and returns the moment at which it did. Others may begin
// while it is under way. end says that it is over, and is to be called once. The error is the cause of
// ctx's end, and then there is no call.
func (l *Limiter) Begin(ctx context.Context) (at time.Time, end func(), err error) {
	if err := enter(ctx, l.gate); err != nil {
		return time.Time{}, nil, err
	}
	defer func() { <-l.gate }()
	for {
		wait, blocked := l.next()
		switch {
		case blocked:
			select {
			case <-l.ended:
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
		case wait > 0:
			err = Sleep(ctx, wait)
		default:
			began := l.Mark()
			return began, func() { l.end(began) }, nil
		}
		if err != nil {
			return time.Time{}, nil, err
		}
	}
}

// Do blocks until the next call may begin, and makes it: no other Do begins before it has returned.
// The error is that of call, or the cause of ctx's end, and then call was not made.
func (l *Limiter) Do(ctx context.Context, call func(ctx context.Context, at time.Time) error) error {
	if err := enter(ctx, l.alone); err != nil {
		return err
	}
	defer func() { <-l.alone }()
	at, end, err := l.Begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	return call(ctx, at)
}

func enter(ctx context.Context, gate chan struct{}) error {
	select {
	case gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// next returns how long to wait before looking again, or that a call must end first. When there is nothing
// to wait for, a call has begun.
func (l *Limiter) next() (wait time.Duration, blocked bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, interval := time.Now(), l.interval()
	due := l.until
	for _, t := range []time.Time{l.slot, l.last.Add(least(interval))} {
		if t.After(due) {
			due = t
		}
	}
	for _, at := range l.limits {
		free := at.calls - l.under
		if free <= 0 {
			return 0, true
		}
		if n := len(l.ends) - free; n >= 0 {
			if t := l.ends[n].Add(at.span); t.After(due) {
				due = t
			}
		}
	}
	if wait = due.Sub(now); wait > 0 {
		return wait, false
	}
	if oldest := now.Add(-most(interval)); l.slot.Before(oldest) {
		l.slot = oldest
	}
	l.slot = l.slot.Add(interval)
	l.under++
	return 0, false
}

// interval is the time between two calls at which no call has to wait for those a span before.
func (l *Limiter) interval() time.Duration {
	var interval time.Duration
	for _, at := range l.limits {
		interval = max(interval, (at.span+l.latency)/time.Duration(at.calls))
	}
	return interval + interval/spare
}

// most is by how much calls may be late and still be made up for.
func most(interval time.Duration) time.Duration {
	if interval == 0 {
		return 0
	}
	return max(interval, arrears)
}

// least is the time that passes between the beginnings of two calls when some are late. Where calls can
// have a second of their own they have: some vendors take a time stamp in seconds only once.
func least(interval time.Duration) time.Duration {
	if interval > time.Second {
		return max(interval/2, time.Second)
	}
	return interval / 2
}

// Rest makes the next call wait for long enough that another process may just have made calls for the
// account, some of them to make up for late ones.
func (l *Limiter) Rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	interval := l.interval()
	if rested := time.Now().Add(interval + most(interval)); interval > 0 && rested.After(l.slot) {
		l.slot = rested
	}
}

// Mark notes that the call which was let through begins only now, and returns when: it had to wait
// for something else.
func (l *Limiter) Mark() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = time.Now()
	if l.last.Sub(l.window) >= time.Minute {
		l.window = l.last
	}
	return l.last
}

// end notes that a call is over which began at that time.
func (l *Limiter) end(began time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.under--
	l.latency += (now.Sub(began) - l.latency) / 16
	l.ends = append(l.ends, now)
	l.forget(now)
	select {
	case l.ended <- struct{}{}:
	default:
	}
}

// forget drops the ends that are too old to count, when they are half of all.
func (l *Limiter) forget(now time.Time) {
	var longest time.Duration
	for _, at := range l.limits {
		longest = max(longest, at.span)
	}
	if half := len(l.ends) / 2; half > 8 && now.Sub(l.ends[half]) > longest {
		l.ends = append(l.ends[:0], l.ends[half:]...)
	}
}

// Hold keeps all calls back for d from now, and returns d. A longer hold stays.
func (l *Limiter) Hold(d time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := time.Now().Add(d); until.After(l.until) {
		l.until = until
	}
	if l.slot.Before(l.until) { // what is late by then is not made up for
		l.slot = l.until
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
	return d + rand.N(max(d/4, 1)) //nolint:gosec // jitter
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
