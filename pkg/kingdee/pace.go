package kingdee

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// Budget is how often one client may call an account set.
type Budget struct {
	// PerMinute and PerSecond are the account set's limits. A zero PerMinute is the system's default,
	// a zero PerSecond none.
	PerMinute, PerSecond int
	// Percent is the part of the account's calls that this client takes, where others call the same
	// account set. 0 stands for 100.
	Percent int
}

func (b Budget) check() error {
	if b.PerMinute < 0 || b.PerSecond < 0 || b.Percent < 0 || b.Percent > 100 {
		return errors.New("budget is negative, or more than 100 percent")
	}
	return nil
}

// interval returns the time between two calls that keeps the limits, with 3 % to spare. A PerMinute of
// zero counts as one: the clients put their system's default in its place.
func (b Budget) interval() time.Duration {
	spacing := time.Minute / time.Duration(max(b.PerMinute, 1))
	if b.PerSecond > 0 {
		spacing = max(spacing, time.Second/time.Duration(b.PerSecond))
	}
	spacing += spacing * 3 / 100
	return spacing * 100 / time.Duration(cmp.Or(b.Percent, 100))
}

// forget is how long a client trusts that it was the last to call. After that another replica may
// have had the account in between.
const forget = 5 * time.Second

// pace lets calls through one by one, an interval apart, never in bursts.
type pace struct {
	interval time.Duration
	single   bool          // one call at a time: the next begins when the one before has ended
	gate     chan struct{} // the one who holds it is next

	mu    sync.Mutex
	last  time.Time // of the latest call
	until time.Time // no call before
}

func newPace(b Budget, single bool) *pace {
	return &pace{interval: b.interval(), single: single, gate: make(chan struct{}, 1)}
}

// enter blocks until the next call may be made, or ctx ends, and returns the moment at which it was
// let through: with an interval of more than a second no two of them lie in the same second. The
// caller calls leave when the call is over.
func (p *pace) enter(ctx context.Context) (at time.Time, leave func(), err error) {
	select {
	case p.gate <- struct{}{}:
	case <-ctx.Done():
		return at, nil, context.Cause(ctx)
	}
	leave = func() { <-p.gate }
	asked := time.Now()
	for {
		wait := p.left(asked)
		if wait <= 0 {
			break
		}
		if err := sleep(ctx, wait); err != nil {
			leave()
			return at, nil, err
		}
	}
	at = p.called()
	if !p.single {
		leave()
		leave = func() {}
	}
	return at, leave, nil
}

// left returns how long a call that was asked for at that time has still to wait. A fresh client, or
// one that has not called for a while, waits a whole interval: it doesn't know when the account was
// last used.
func (p *pace) left(asked time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	from := p.last
	if asked.Sub(p.last) > max(forget, p.interval) {
		from = asked
	}
	return max(time.Until(from.Add(p.interval)), time.Until(p.until))
}

func (p *pace) called() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = time.Now()
	return p.last
}

// hold keeps all calls back for d, and returns d.
func (p *pace) hold(d time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := time.Now().Add(d); until.After(p.until) {
		p.until = until
	}
	return d
}

// backoff returns first, doubled with each attempt n ≥ 1 up to longest, and up to a quarter on top, so
// that replicas don't come back together.
func backoff(first, longest time.Duration, n int) time.Duration {
	d := min(first<<min(n-1, 10), longest)
	return d + rand.N(d/4)
}

// sleep waits for d, or until ctx ends; then it returns the cause.
func sleep(ctx context.Context, d time.Duration) error {
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
