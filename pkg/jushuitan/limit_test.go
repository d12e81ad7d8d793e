package jushuitan_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/jushuitan"
)

const interval = 600 * time.Millisecond // of 5/s and 100/min

// limited answers 199 and 200 as the vendor counts: sliding windows, refused calls count.
func limited(v *vendor, perSecond, perMinute int) func(arrival, int) (int, string) {
	return func(a arrival, _ int) (int, string) {
		second, minute := 0, 0
		for _, b := range v.seen("/open/") {
			if age := a.at.Sub(b.at); age < time.Second {
				second++
				minute++
			} else if age < time.Minute {
				minute++
			}
		}
		switch {
		case second > perSecond:
			return 200, refusal(199, "调用太频繁，请稍后再试!")
		case minute > perMinute:
			return 200, refusal(200, "调用频次超过限制!")
		default:
			return 200, emptyPage
		}
	}
}

// Four callers at once use the budget evenly and are never refused.
func TestSpacing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{}
		v.answer = limited(v, 5, 100)
		c := newClient(t, v, given(), func(cfg *jushuitan.Config) { cfg.Attempts = 1 })
		var callers sync.WaitGroup
		for range 4 {
			callers.Go(func() {
				for range 60 {
					if _, err := c.Call(t.Context(), shops, nil); err != nil {
						t.Error(err)
					}
				}
			})
		}
		callers.Wait()
		calls := v.seen("")
		for i := 1; i < len(calls); i++ {
			if gap := calls[i].at.Sub(calls[i-1].at); !between(gap, interval, interval*201/200) {
				t.Fatalf("call %d came %v after the one before, want %v", i+1, gap, interval)
			}
		}
	})
}

// between reports whether d is low at least and high at most.
func between(d, low, high time.Duration) bool { return d >= low && d <= high }

// When another replica may have used the account the first call waits.
func TestSpacingAfterRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{answer: always(200, emptyPage)}
		c := newClient(t, v, given(), nil)
		for i, want := range []time.Duration{2 * interval, 0, 2 * interval} {
			if i == 2 {
				c.Rest()
			}
			before := time.Now()
			if _, err := c.Call(t.Context(), shops, nil); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(before); !between(took, want, want*201/200) {
				t.Errorf("call %d: waited %v, want %v", i+1, took, want)
			}
			time.Sleep(time.Second)
		}
	})
}

// Code 199 waits 1, 2, 4, 8, 8 … seconds with up to a quarter on top, code 200 to the end
// of our minute inside its bounds. Each attempt has its own timestamp (the fake checks).
func TestRateWaits(t *testing.T) {
	second := time.Second
	tests := []struct {
		code  int
		waits [][2]time.Duration
		after time.Duration
	}{
		{199, [][2]time.Duration{{second, 2 * second}, {2 * second, 3 * second}, {4 * second, 6 * second}, {8 * second, 11 * second}, {8 * second, 11 * second}}, 8 * second},
		{200, [][2]time.Duration{{60 * second, 61 * second}, {60 * second, 61 * second}, {60 * second, 61 * second}, {60 * second, 61 * second}, {60 * second, 61 * second}}, 60 * second},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			v := &vendor{answer: always(200, refusal(tt.code, "调用频次超过限制!"))}
			c := newClient(t, v, given(), func(cfg *jushuitan.Config) { cfg.Attempts = 6 })
			_, err := c.Call(t.Context(), shops, nil)
			if after := fault.Delay(err, 0); after < tt.after {
				t.Errorf("code %d: come back after %v, want at least %v", tt.code, after, tt.after)
			}
			got := v.seen("")
			for i, w := range tt.waits {
				if gap := got[i+1].at.Sub(got[i].at); !between(gap, w[0], w[1]) {
					t.Errorf("code %d: wait %d = %v, want %v to %v", tt.code, i+1, gap, w[0], w[1])
				}
			}
		})
	}
}

// Late in our minute the wait is short, and its bounds are settings.
func TestMinuteWaitBounds(t *testing.T) {
	tests := []struct {
		shortest, longest time.Duration
		calls             int
		low, high         time.Duration
	}{
		{0, 0, 90, 15 * time.Second, 16 * time.Second},
		{0, 0, 50, 28 * time.Second, 31 * time.Second},
		{time.Millisecond, 2 * time.Second, 1, 2 * time.Second, 3 * time.Second},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			v := &vendor{answer: func(_ arrival, n int) (int, string) {
				if n == tt.calls {
					return 200, refusal(200, "调用频次超过限制!")
				}
				return 200, emptyPage
			}}
			c := newClient(t, v, given(), func(cfg *jushuitan.Config) { cfg.MinWait, cfg.MaxWait = tt.shortest, tt.longest })
			for range tt.calls {
				if _, err := c.Call(t.Context(), shops, nil); err != nil {
					t.Fatal(err)
				}
			}
			got := v.seen("")
			if gap := got[tt.calls].at.Sub(got[tt.calls-1].at); !between(gap, tt.low, tt.high) {
				t.Errorf("wait = %v, want %v to %v", gap, tt.low, tt.high)
			}
		})
	}
}

// A rate limit holds all callers of the account back, and they come back one by one.
func TestHoldIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{answer: func(_ arrival, n int) (int, string) {
			if n == 1 {
				time.Sleep(interval / 2) // the next caller is being spaced already
				return 200, refusal(200, "调用频次超过限制!")
			}
			return 200, emptyPage
		}}
		c := newClient(t, v, given(), nil)
		var callers sync.WaitGroup
		for range 3 {
			callers.Go(func() {
				if _, err := c.Call(t.Context(), shops, nil); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		got := v.seen("")
		if len(got) != 4 {
			t.Fatalf("%d calls, want 4", len(got))
		}
		if gap := got[1].at.Sub(got[0].at); gap < 59*time.Second {
			t.Errorf("another call came %v after the refusal", gap)
		}
		for i := 2; i < 4; i++ {
			if gap := got[i].at.Sub(got[i-1].at); gap < interval {
				t.Errorf("calls came back %v apart", gap)
			}
		}
	})
}

// Every wait ends with its context, which the error then is.
func TestWaitsEndWithContext(t *testing.T) {
	for name, body := range map[string]string{
		"spacing": emptyPage,
		"second":  refusal(199, "调用太频繁"),
		"minute":  refusal(200, "调用频次超过限制!"),
		"backoff": refusal(150, "内部处理异常！"),
	} {
		synctest.Test(t, func(t *testing.T) {
			v := &vendor{answer: always(200, body)}
			c := newClient(t, v, given(), nil)
			limit := 700 * time.Millisecond
			if name == "spacing" {
				limit = interval / 2
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			start := time.Now()
			_, err := c.Call(ctx, shops, nil)
			if !errors.Is(err, context.DeadlineExceeded) || fault.KindOf(err) != fault.Unknown {
				t.Errorf("%s: err = %v (%v)", name, err, fault.KindOf(err))
			}
			if took := time.Since(start); took != limit {
				t.Errorf("%s: returned after %v, want %v", name, took, limit)
			}
		})
	}
}
