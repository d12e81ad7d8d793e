package jushuitan

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Budget is how often the vendor lets an account call. The numbers depend on the API
// package that was bought; the scope (app, merchant, path) is not known, so one Client
// counts all its calls together (assumed).
type Budget struct {
	// PerSecond and PerMinute are the limits. Defaults 5 and 100 (documented).
	PerSecond, PerMinute int
	// MinWait and MaxWait bound the wait after the vendor reported that the minute's calls
	// are used up. Defaults 15 s and 60 s (assumed).
	MinWait, MaxWait time.Duration
}

func (b Budget) withDefaults() Budget {
	return Budget{
		PerSecond: cmp.Or(b.PerSecond, 5),
		PerMinute: cmp.Or(b.PerMinute, 100),
		MinWait:   cmp.Or(b.MinWait, 15*time.Second),
		MaxWait:   cmp.Or(b.MaxWait, time.Minute),
	}
}

func (b Budget) check() error {
	if b.PerSecond < 0 || b.PerMinute < 0 || b.MinWait < 0 || b.MaxWait < b.MinWait {
		return errors.New("budget is negative, or its longest wait shorter than its shortest")
	}
	return nil
}

// Interval returns the time between two calls that keeps both limits, with 3 % to spare.
// A zero limit counts as its default.
func (b Budget) Interval() time.Duration {
	b = b.withDefaults()
	spacing := max(time.Second/time.Duration(b.PerSecond), time.Minute/time.Duration(b.PerMinute))
	return spacing + spacing*3/100
}

// forget is how long a client trusts that it was the last to call. After that another
// replica may have had the account in between.
const forget = 5 * time.Second

// pace lets calls through one by one, an interval apart, never in bursts.
type pace struct {
	budget Budget
	every  *rate.Limiter
	gate   chan struct{} // the one who holds it is next

	mu     sync.Mutex
	last   time.Time // of the latest call
	window time.Time // when our current minute began
	until  time.Time // no call before
}

func newPace(b Budget) *pace {
	return &pace{
		budget: b,
		every:  rate.NewLimiter(rate.Every(b.Interval()), 1),
		gate:   make(chan struct{}, 1),
	}
}

// wait blocks until the next call may be made, or ctx ends.
func (p *pace) wait(ctx context.Context) error {
	select {
	case p.gate <- struct{}{}:
		defer func() { <-p.gate }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for { // spacing comes last: after a long hold the limiter has a call to spare
		if err := sleep(ctx, p.held()); err != nil {
			return err
		}
		if err := p.space(ctx); err != nil {
			return err
		}
		if p.held() <= 0 {
			p.called()
			return nil
		}
	}
}

// space waits until the interval is over. A fresh client, or one that has not called for
// a while, waits a whole one: it doesn't know when the account was last used.
func (p *pace) space(ctx context.Context) error {
	p.mu.Lock()
	fresh := time.Since(p.last) > max(forget, p.budget.Interval())
	p.mu.Unlock()
	if fresh {
		p.every.Allow()
	}
	r := p.every.Reserve()
	if err := sleep(ctx, r.Delay()); err != nil {
		r.Cancel()
		return err
	}
	return nil
}

func (p *pace) called() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = time.Now()
	if p.last.Sub(p.window) >= time.Minute {
		p.window = p.last
	}
}

// held returns how long calls are still to be held back.
func (p *pace) held() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Until(p.until)
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

// minute returns the time to the end of our own minute, inside the budget's bounds.
func (p *pace) minute() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := time.Until(p.window.Add(time.Minute))
	return min(max(left, p.budget.MinWait), p.budget.MaxWait)
}

// backoff returns first, doubled with each attempt n ≥ 1 up to 8 s, and up to a quarter on
// top, so that replicas don't come back together.
func backoff(first time.Duration, n int) time.Duration {
	d := min(first<<min(n-1, 10), 8*time.Second)
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
